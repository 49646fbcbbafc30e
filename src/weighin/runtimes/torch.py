"""torch itself: the exported graph run operator by operator, in bf16 under autocast, or compiled by Inductor."""

import os
import shutil
import sysconfig
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx import GraphModule

from weighin.core.errors import ExportError
from weighin.core.family import Bound, Part
from weighin.core.program import cause, module, read, trace, write
from weighin.core.runtime import Inputs, Runtime

# What autocast computes in bf16 anyway (https://docs.pytorch.org/docs/stable/amp.html#cpu-op-specific-behavior)
_NARROW = ("linear", "conv1d", "conv2d", "conv3d", "conv_transpose", "matmul", "mm", "bmm", "addmm", "baddbmm")


class Torch(Runtime):
    """``torch``: the aten graph, eager, as fast as the module within a tenth. Full precision, any free axis.

    ``torch:bf16`` runs it under autocast; weights that only feed matrix products and convolutions are stored in
    bf16 (half the size), inputs and outputs stay float32. Where a CPU has no bf16 unit it is slow, not wrong.
    ``torch:compile`` is Inductor on the same artefact. It compiles at the first call, once for a batch of one
    and once for many: seconds to a minute, less when Inductor's cache on disk knows the graph.
    """

    name = "torch"
    precisions = ("", "bf16", "compile")
    exact = ("", "compile")
    suffix = ".pt2"
    order = 10

    def why_not(self) -> str | None:
        """Only compiling needs more than torch: a C++ compiler and Python's headers."""
        if self.precision != "compile":
            return None
        if not any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "g++", "clang++")):
            return "torch.compile needs a C++ compiler; install g++"
        if not Path(sysconfig.get_path("include"), "Python.h").exists():
            return "torch.compile needs Python's headers; install python3-dev"
        return None

    def save(self, part: Part, tape: Sequence[Inputs], path: Path) -> None:
        """Writes a ``.pt2`` archive: graph as JSON, raw weights, nothing pickled."""
        program = trace(part, tape)
        if self.precision == "bf16":
            _narrow(program)
        write(program, path)

    def load(self, path: Path, threads: int) -> Bound:
        """Raises RunError when the file is damaged; compilation errors come at the first call, as ExportError."""
        flat = module(read(path))
        run = _compiled(flat) if self.precision == "compile" else _autocast(flat) if self.precision == "bf16" else flat

        def call(*inputs: Tensor) -> tuple[Tensor, ...]:
            if torch.get_num_threads() != threads:  # the setting belongs to the process, not to the model
                torch.set_num_threads(threads)
            with torch.inference_mode():
                return tuple(run(*inputs))

        return call


def _narrow(program: ExportedProgram) -> None:
    """Stores in bf16 every float32 parameter that only feeds operators which autocast runs in bf16."""
    users = {node.name: node.users for node in program.graph.find_nodes(op="placeholder")}
    for spec in program.graph_signature.input_specs:
        if spec.kind != InputKind.PARAMETER or not users[spec.arg.name]:
            continue
        weight = program.state_dict[str(spec.target)]
        names = [str(user.target).split(".")[1] for user in users[spec.arg.name] if user.op == "call_function"]
        if weight.dtype == torch.float32 and all(name.startswith(_NARROW) for name in names):
            program.state_dict[str(spec.target)] = torch.nn.Parameter(weight.detach().bfloat16(), requires_grad=False)


def _autocast(flat: GraphModule) -> Callable[..., Sequence[Tensor]]:
    def run(*inputs: Tensor) -> Sequence[Tensor]:
        with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):  # weights are narrow already: nothing to cache
            return [out.float() if out.dtype == torch.bfloat16 else out for out in flat(*inputs)]

    return run


def _compiled(flat: GraphModule) -> Callable[..., Sequence[Tensor]]:
    """Inductor with the free axes dynamic from the start, so that batch sizes do not each compile anew.

    ``fullgraph``: else torch would run eagerly after too many recompilations, and be measured as compiled. The limit of
    eight is raised because every free axis of length one is a case of its own.
    """
    with warnings.catch_warnings():
        # torch 2.13's own Inductor defines a ScriptModule while it is imported
        warnings.filterwarnings("ignore", r"`torch\.jit\.script_method` is deprecated", DeprecationWarning)
        import torch._inductor.compile_fx
        from torch._dynamo.exc import TorchDynamoException
    free = [_free_axes(node.meta["val"]) for node in flat.graph.find_nodes(op="placeholder")]
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, 64)
    compiled = torch.compile(flat, fullgraph=True)

    def run(*inputs: Tensor) -> Sequence[Tensor]:
        for x, axes in zip(inputs, free):
            for axis in axes:
                torch._dynamo.maybe_mark_dynamic(x, axis)
        try:
            return compiled(*inputs)
        except TorchDynamoException as error:
            raise ExportError(f"torch.compile failed: {cause(error)}") from error

    return run


def _free_axes(value: Tensor) -> list[int]:
    return [axis for axis, size in enumerate(value.shape) if not isinstance(size, int)]
