"""Parts as exported programs: the one trace that the runtimes share, and a file for it that is data, not code.

``torch.export.save`` (torch 2.13) writes a zip: the graph as JSON, weights as raw bytes, example inputs as a pickle.
``torch.export.load`` unpickles whatever an archive declares a pickle, evaluates the text of symbolic sizes, and
calls any ``torch.*`` name that the graph mentions. Hence :func:`write` leaves the example inputs out, and
:func:`read` first refuses an archive with a pickle, an operator that is not torch's own, or an odd expression.
"""

import io
import json
import logging
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx import GraphModule, Node

from weighin.core.errors import ExportError, RunError
from weighin.core.family import Part
from weighin.core.runtime import Inputs

_OPERATOR = re.compile(r"torch\.ops\.(aten|prims|higher_order)\.\w+(\.\w+)?|_operator\.\w+|math\.\w+|torch\.sym_\w+")
_EXPRESSION = re.compile(r"(Symbol\('\w+'(, \w+=(True|False))*\)|[A-Z][A-Za-z]*|[suf]+\d+|int_oo|oo|[\d\s.,()+*/%<>=&|~-])*")
_RAW_FOLDERS = ("data/weights", "data/constants")
_RAW = re.compile(r"(weight|tensor)_\d+")
_SPECIALISED = re.compile(r"L\['inputs'\]\[(\d+)\]\.size\(\)\[(\d+)\].*specialized it to be a constant \((\d+)\)")

_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_WHERE = ("Exception from ", "Check '", "FrontEnd API failed", "[ERROR]")  # OpenVINO says first where in its source it failed


class _Positional(nn.Module):
    """The part behind one signature, whatever its own is, so that shapes are always given the same way."""

    def __init__(self, part: Part) -> None:
        super().__init__()
        self.part = part.module
        self.names = part.outputs

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        outputs = tuple(self.part(*inputs))
        if len(outputs) != len(self.names):
            raise ValueError(f"the module returns {len(outputs)} tensors, the part names {', '.join(self.names)}")
        return outputs


def example(part: Part, tape: Sequence[Inputs]) -> Inputs:
    """Tracing inputs from the tape, every free axis at least 2 long. Raises ExportError for an empty tape.

    torch.export takes an axis of length 1 (or 0) for a constant, and a predictor often calls with a batch of one.
    """
    if not tape:
        raise ExportError("The part was never called while recording", hint="Record the predictor on at least one example")
    inputs = max(tape, key=lambda call: min((x.numel() for x in call), default=0))
    if len(inputs) != len(part.inputs):
        raise ExportError(f"The part was called with {len(inputs)} inputs", f"It names {', '.join(part.inputs)}")
    return tuple(_lengthened(x, part.axes.get(name, {})) for name, x in zip(part.inputs, inputs))


def _lengthened(x: Tensor, axes: Mapping[int, str]) -> Tensor:
    for axis in axes:
        if x.shape[axis] == 0:
            x = x.new_zeros([2 if i == axis else n for i, n in enumerate(x.shape)])
        elif x.shape[axis] == 1:
            x = x.repeat_interleave(2, axis)
    return x.contiguous()


def trace(part: Part, tape: Sequence[Inputs]) -> ExportedProgram:
    """The part as an exported program with its free axes symbolic. Raises ExportError, one sentence.

    ``Dim.DYNAMIC``, not named Dims: it lets a graph bound an axis (512 positions) but never fix it to one length.
    """
    inputs = example(part, tape)
    shapes = tuple(dict.fromkeys(part.axes.get(name, {}), Dim.DYNAMIC) for name in part.inputs)
    module = _Positional(part).eval()
    try:
        with torch.no_grad(), hushed("torch"), redirect_stderr(io.StringIO()):  # it prints the graph that it gave up on
            program = torch.export.export(module, inputs, dynamic_shapes=(shapes,))
    except Exception as error:  # a module's own code may raise anything
        raise ExportError(f"torch.export cannot trace the part: {_explained(error, part)}") from error
    if any(_mutates(node) for node in program.graph.nodes):
        raise ExportError("The part changes its buffers or inputs in place", "A part is a pure function of its inputs")
    return program


def _mutates(node: Node) -> bool:
    """Whether the node is an in-place operator on a weight, buffer or input itself."""
    first = node.args[0] if node.args else None
    mutable = isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable
    return mutable and isinstance(first, Node) and first.op == "placeholder"


def _explained(error: Exception, part: Part) -> str:
    fixed = _SPECIALISED.search(str(error))
    if fixed:
        name = part.inputs[int(fixed[1])]
        return f"the free axis {part.axes[name][int(fixed[2])]!r} of {name!r} is fixed at {fixed[3]} by the module's code"
    text = cause(error)
    return f"its control flow depends on the data, not only on shapes ({text})" if "data-dependent" in text else text


def cause(error: BaseException) -> str:
    """The first telling line of an error's message, at most 200 characters, or its type when it says nothing."""
    lines = [_COLOUR.sub("", line).strip() for line in str(error).splitlines()]
    telling = [line for line in lines if line and not line.startswith(_WHERE)]
    return (telling[0] if telling else type(error).__name__).rstrip(".:")[:200]


@contextmanager
def hushed(*loggers: str) -> Iterator[None]:
    """Third-party loggers that repeat on stderr what the raised error says, below ERROR quiet for the time of a call."""
    before = {name: logging.getLogger(name).level for name in loggers}
    for name in loggers:
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # torch 2.13 deep-copies its own tree specs when it decomposes a program; nn.GRU lists its weights while traced
        warnings.filterwarnings("ignore", r"The tensor attributes? self\.[\w.]*_flat_weights", UserWarning)
        warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
        try:
            yield
        finally:
            for name, old in before.items():
                logging.getLogger(name).setLevel(old)


def write(program: ExportedProgram, path: Path) -> None:
    """Saves graph and weights, ``path`` ending in ``.pt2``: no example inputs (a pickle), no source lines of the author."""
    program.example_inputs = None
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
        node.meta.pop("nn_module_stack", None)
    buffer = io.BytesIO()  # torch 2.13 ends the whole process when a disk is full
    with warnings.catch_warnings():
        # said of every weight in channels-last order, which torch 2.13 takes for a slice; right on a CPU, and parity is tested
        warnings.filterwarnings("ignore", "No complete tensor found in the group", UserWarning)
        torch.export.save(program, buffer)
    path.write_bytes(buffer.getbuffer())


def read(path: Path) -> ExportedProgram:
    """Loads what :func:`write` saved. Raises RunError for a file that is damaged or holds more than data."""
    try:
        _inspect(path)
        return torch.export.load(path)
    except RunError:
        raise
    except Exception as error:  # zip, JSON and schema errors have no common class
        raise RunError(f"{path} is damaged: {cause(error)}", hint="Export the run again") from error


def _inspect(path: Path) -> None:
    """Refuses an archive in which loading would unpickle, evaluate or call anything that is not plain torch."""
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            folder, _, name = info.filename.partition("/")[2].rpartition("/")
            if name.endswith(".json"):
                _inspect_json(path, json.loads(archive.read(info)))
            elif folder == "data/sample_inputs" and info.file_size:
                raise _unsafe(path, "example inputs, which are a pickle")
            elif folder.startswith("data/aotinductor") or (folder in _RAW_FOLDERS and not _RAW.fullmatch(name)):
                raise _unsafe(path, f"the entry {name!r}")


def _inspect_json(path: Path, value: Any) -> None:
    if isinstance(value, dict):
        if value.get("use_pickle"):
            raise _unsafe(path, "a pickled tensor")
        if isinstance(value.get("target"), str) and "inputs" in value and not _OPERATOR.fullmatch(value["target"]):
            raise _unsafe(path, f"the operator {value['target']!r}")
        if "expr_str" in value and not _EXPRESSION.fullmatch(str(value["expr_str"])):
            raise _unsafe(path, f"the expression {value['expr_str']!r}")
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _inspect_json(path, item)


def _unsafe(path: Path, what: str) -> RunError:
    return RunError(f"{path} holds {what[:80]}", "An artefact is a graph of torch operators and raw tensors", "Export again")


def module(program: ExportedProgram) -> GraphModule:
    """The program as one flat module with its weights as buffers: called with the inputs, answers a tuple.

    ``program.module()`` checks guards in Python, which doubles the time of a small network; this does not. It has a
    ``forward`` of its own, as torch.compile counts recompilations by code. The program is used up.
    """
    flat = program.graph_module
    kinds = (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR)
    stored = {**program.constants, **program.state_dict}
    lifted = {spec.arg.name: stored[str(spec.target)] for spec in program.graph_signature.input_specs if spec.kind in kinds}
    for node in flat.graph.find_nodes(op="placeholder"):
        if node.name in lifted:
            flat.register_buffer(f"lifted_{node.name}", lifted[node.name].detach())
            with flat.graph.inserting_before(node):
                node.replace_all_uses_with(flat.graph.get_attr(f"lifted_{node.name}"))
            flat.graph.erase_node(node)
    flat.recompile()
    return flat
