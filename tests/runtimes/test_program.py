"""The trace that runtimes share, and its file: data that is never unpickled, evaluated or called."""

import io
import json
import pickle
import re
import zipfile

import pytest
import torch
from made_parts import made, one_input, recorded

from weighin.core.errors import ExportError, RunError
from weighin.core.family import Part
from weighin.core.program import cause, example, module, read, trace, write


@pytest.fixture
def saved(tmp_path):
    part, draw = made("two_inputs")
    write(trace(part, recorded(part, draw).inputs("part")), tmp_path / "part.pt2")
    return tmp_path / "part.pt2"


def rewritten(path, change):
    """The archive with every entry (name below the root, bytes) passed through ``change``; None drops it."""
    with zipfile.ZipFile(path) as archive:
        entries = [(info.filename, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w") as archive:
        for name, raw in entries:
            archive.writestr(name, change(name.partition("/")[2], raw))
    return path


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


def test_nothing_in_the_file_is_pickled_or_of_the_author(saved):
    with zipfile.ZipFile(saved) as archive:
        names = {info.filename.partition("/")[2]: info.file_size for info in archive.infolist()}
        everything = b"".join(archive.read(info) for info in archive.infolist())
    assert names["data/sample_inputs/model.pt"] == 0
    assert b'"use_pickle": true' not in everything and b"made_parts" not in everything and b"stack_trace" not in everything


def test_a_pickle_as_example_inputs_is_refused(saved):
    rewritten(saved, lambda name, raw: pickle.dumps(Bomb()) if name.startswith("data/sample_inputs") else raw)
    with pytest.raises(RunError, match="example inputs, which are a pickle"):
        read(saved)


def test_a_pickled_weight_is_refused(saved):
    def change(name, raw):
        if name.endswith("weights_config.json"):
            return raw.replace(b'"use_pickle": false', b'"use_pickle": true')
        if name.startswith("data/weights/weight_"):
            torch.save(Bomb(), buffer := io.BytesIO())
            return buffer.getvalue()
        return raw

    with pytest.raises(RunError, match="a pickled tensor"):
        read(rewritten(saved, change))


@pytest.mark.parametrize("operator", ["torch.os.system", "torch.ops.load_library", "torch.hub.load", "print", "#x:y"])
def test_a_strange_operator_is_refused(saved, operator):
    def change(name, raw):
        if not name.startswith("models/"):
            return raw
        graph = json.loads(raw)
        graph["graph_module"]["graph"]["nodes"][0]["target"] = operator
        return json.dumps(graph).encode()

    with pytest.raises(RunError, match="holds the operator"):
        read(rewritten(saved, change))


@pytest.mark.parametrize("expression", ["__import__('os')", "exec(chr(112))", "open", "Symbol('s1').func"])
def test_a_strange_expression_is_refused(saved, expression):
    strange = f'"expr_str": {json.dumps(expression)}'.encode()

    def change(name, raw):
        return re.sub(rb'"expr_str": "[^"]*"', strange, raw) if name.startswith("models/") else raw

    with pytest.raises(RunError, match="holds the expression"):
        read(rewritten(saved, change))


def test_code_and_legacy_entries_are_refused(saved):
    with zipfile.ZipFile(saved, "a") as archive:
        archive.writestr("part/data/weights/model.pt", pickle.dumps(Bomb()))
    with pytest.raises(RunError, match=r"holds the entry 'model\.pt'"):
        read(saved)


def test_each_program_has_code_of_its_own(saved):
    """torch.compile counts recompilations by code: a shared ``forward`` ended in eager execution after eight parts."""
    first, second = module(read(saved)), module(read(saved))
    assert type(first).forward.__code__ is not type(second).forward.__code__


def test_example_makes_free_axes_at_least_two_long():
    part, _ = made("tokens")
    (ids,) = example(part, [(torch.ones(1, 0, dtype=torch.int64),), (torch.full((1, 5), 7),)])
    assert ids.shape == (2, 5) and bool((ids == 7).all())
    (ids,) = example(part, [(torch.ones(0, 1, dtype=torch.int64),)])
    assert ids.shape == (2, 2)


def test_a_part_that_was_never_called_or_otherwise():
    part, draw = made("two_inputs")
    with pytest.raises(ExportError, match="never called while recording"):
        trace(part, [])
    with pytest.raises(ExportError, match=r"called with 1 inputs\. It names x, y"):
        trace(part, [draw(2)[:1]])


def test_a_free_axis_that_the_code_fixes_is_named():
    part = one_input(lambda linear, x: (linear(x).view(3, 4),))
    with pytest.raises(ExportError, match="the free axis 'batch' of 'x' is fixed at 3 by the module's code"):
        trace(part, [(torch.ones(3, 4),)])


def test_a_number_of_outputs_that_is_not_what_the_part_names():
    with pytest.raises(ExportError, match="the module returns 1 tensors, the part names a, b"):
        trace(one_input(lambda linear, x: (linear(x),), "a", "b"), [(torch.ones(3, 4),)])


def test_a_part_is_a_pure_function():
    with pytest.raises(ExportError, match="changes its buffers or inputs"):
        trace(one_input(lambda linear, x: (linear(x.add_(1)),)), [(torch.ones(3, 4),)])


def test_a_recurrent_net_keeps_its_time_axis():
    class Recurrent(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = torch.nn.GRU(4, 6, batch_first=True)

        def forward(self, x):
            return (self.cell(x)[0],)

    part = Part(Recurrent(), ("x",), ("y",), {"x": {0: "batch"}})
    x = torch.randn(5, 3, 4)
    with torch.inference_mode():
        assert torch.allclose(module(trace(part, [(torch.ones(1, 3, 4),)]))(x)[0], part.module(x)[0], atol=1e-6)


def test_cause_is_the_first_telling_line():
    assert (
        cause(RuntimeError("Exception from src/core.cpp:93:\nCheck 'x' failed\n\x1b[96mno such op\x1b[0m.\nmore"))
        == "no such op"
    )
    assert cause(ValueError()) == "ValueError"
    assert len(cause(ValueError("x" * 999))) == 200
