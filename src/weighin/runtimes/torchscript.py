"""TorchScript, which torch has deprecated: here for those who still deploy it."""

import io
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from weighin.core.errors import ExportError, RunError
from weighin.core.family import Bound, Part
from weighin.core.program import cause, example, trace
from weighin.core.runtime import Inputs, Runtime


class TorchScript(Runtime):
    """``torchscript``: a traced, frozen graph that C++ runs without Python.

    A trace silently keeps the branch that the example took and the numbers that it computed from shapes. So a part
    must first pass torch.export (no control flow on data), and the trace must agree at other lengths of the free axes.
    """

    name = "torchscript"
    suffix = ".ts"
    order = 40
    deprecated = "TorchScript is deprecated: torch 2.13 warns at every entry point; prefer torch:compile, onnx or openvino"

    def why_not(self) -> str | None:
        """Torch will remove it one day."""
        if all(hasattr(getattr(torch, "jit", None), name) for name in ("trace", "freeze", "load")):
            return None
        return f"torch {torch.__version__} has no TorchScript any more; use torch:compile, onnx or openvino"

    def save(self, part: Part, tape: Sequence[Inputs], path: Path) -> None:
        """Writes a TorchScript archive, which C++ reads without Python's pickle. Raises ExportError."""
        trace(part, tape)
        inputs = example(part, tape)
        with torch.no_grad(), _legacy():
            try:
                scripted = torch.jit.freeze(torch.jit.trace(part.module.eval(), inputs, check_trace=False))
                _generalises(part, scripted, inputs)
                buffer = io.BytesIO()  # torch 2.13 ends the whole process when a disk is full
                torch.jit.save(scripted, buffer)
                path.write_bytes(buffer.getbuffer())
            except (ExportError, OSError):
                raise
            except Exception as error:  # a module's own code may raise anything
                raise ExportError(f"torch.jit cannot trace the part: {cause(error)}") from error

    def load(self, path: Path, threads: int) -> Bound:
        """Raises RunError when the file is damaged."""
        with _legacy():
            try:
                scripted = torch.jit.load(path, map_location="cpu")
            except (RuntimeError, ValueError, OSError) as error:
                raise RunError(f"{path} is damaged: {cause(error)}", hint="Export the run again") from error

        def call(*inputs: Tensor) -> tuple[Tensor, ...]:
            if torch.get_num_threads() != threads:  # the setting belongs to the process, not to the model
                torch.set_num_threads(threads)
            with torch.inference_mode():
                return tuple(scripted(*inputs))

        return call


@contextmanager
def _legacy() -> Iterator[None]:
    """Lets the deprecated entry points pass, and the tracer's warnings: what they fear, save() checks."""
    from torch.jit._trace import TracerWarning  # what torch.jit exports, by its true name

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is deprecated", DeprecationWarning)
        warnings.filterwarnings("ignore", category=TracerWarning)
        yield


def _generalises(part: Part, scripted: Bound, inputs: Inputs) -> None:
    """Refuses a trace that answers otherwise when every free axis is one longer than it was traced with."""
    longer = tuple(_longer(x, part.axes.get(name, {})) for name, x in zip(part.inputs, inputs))
    try:
        truths = part.module(*longer)
    except (RuntimeError, IndexError, ValueError):  # a bounded axis (512 positions) was full: nothing to compare with
        return
    try:
        agree = all(_close(answer, truth, part.tolerance) for answer, truth in zip(scripted(*longer), truths))
    except RuntimeError:
        agree = False
    if not agree:
        raise ExportError("torch.jit traced numbers that the module computes from shapes", hint="Use another runtime")


def _longer(x: Tensor, axes: Iterable[int]) -> Tensor:
    for axis in axes:
        x = torch.cat([x, x.narrow(axis, x.shape[axis] - 1, 1)], axis)
    return x


def _close(answer: Tensor, truth: Tensor, tolerance: float) -> bool:
    if answer.shape != truth.shape or not truth.dtype.is_floating_point:
        return torch.equal(answer, truth)
    room = tolerance * float(truth.nan_to_num(0.0, 0.0, 0.0).abs().amax()) if truth.numel() else 0.0
    return torch.allclose(answer, truth, rtol=0.0, atol=room, equal_nan=True)
