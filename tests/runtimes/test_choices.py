"""What single runtimes decide, and what they say when they cannot."""

import importlib.util
import shutil
import sysconfig
from pathlib import Path

import pytest
import torch
from made_parts import made, one_input, recorded

from weighin.core import registry
from weighin.core.errors import ExportError


def quiet_openvino():
    """OpenVINO as the runtime imports it: a plain ``import openvino`` here would send telemetry."""
    reason = registry.runtime("openvino").why_not()
    if reason:
        pytest.skip(reason)
    from weighin.runtimes.openvino import _openvino

    return _openvino()


def test_compile_says_what_is_missing(monkeypatch):
    compiling = registry.runtime("torch:compile")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "install g++" in compiling.why_not()
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(sysconfig, "get_path", lambda name: "/nowhere")
    assert "install python3-dev" in compiling.why_not()
    assert registry.runtime("torch").why_not() is None


@pytest.mark.parametrize(
    ("name", "package"), [("onnx:int8", "onnxscript"), ("openvino", "openvino"), ("openvino:int8", "nncf")]
)
def test_a_missing_package_is_named(monkeypatch, name, package):
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda wanted, *a: None if wanted == package else there(wanted, *a))
    assert registry.runtime(name).why_not() == f"{package} is not installed; pip install {package}"


def test_openvino_bf16_needs_the_cpu(monkeypatch):
    openvino = quiet_openvino()
    monkeypatch.setattr(openvino.Core, "get_property", lambda self, device, key: ["FP32", "INT8"])
    assert "no bf16" in registry.runtime("openvino:bf16").why_not()


def test_torchscript_after_its_removal(monkeypatch):
    monkeypatch.delattr(torch.jit, "freeze")
    assert "no TorchScript any more" in registry.runtime("torchscript").why_not()
    assert "deprecated" in registry.runtime("torchscript").deprecated


def test_torchscript_refuses_a_number_that_the_trace_kept(tmp_path):
    part = one_input(lambda linear, x: (linear(x) + torch.tensor([x.shape[0]]),))
    with pytest.raises(ExportError, match="numbers that the module computes from shapes"):
        registry.runtime("torchscript").save(part, [(torch.ones(3, 4),)], tmp_path / "part.ts")


def test_torchscript_cannot_look_beyond_a_full_axis(tmp_path):
    """32 positions are all there are: the trace is kept, and parity on the tape is the judge."""
    part, draw = made("tokens")
    runtime = registry.runtime("torchscript")
    runtime.save(part, [(torch.ones(2, 32, dtype=torch.int64),)], tmp_path / "part.ts")
    assert runtime.load(tmp_path / "part.ts", 1)(*draw(3))[0].shape == (3, 9, 20)


def test_onnx_files_name_the_free_axes_and_nothing_of_the_author(tmp_path):
    onnx = pytest.importorskip("onnx")
    part, draw = made("tokens")
    registry.runtime("onnx").save(part, recorded(part, draw).inputs("part"), tmp_path / "part.onnx")
    model = onnx.load(tmp_path / "part.onnx")
    (port,) = model.graph.input
    assert port.name == "ids" and [dim.dim_param for dim in port.type.tensor_type.shape.dim] == ["batch", "tokens"]
    assert [output.name for output in model.graph.output] == ["logits"]
    assert b"made_parts" not in (tmp_path / "part.onnx").read_bytes()


CHOSEN = [
    ("convolutions", {"QuantizeLinear", "MatMulInteger"}, set()),
    ("tokens", {"DynamicQuantizeLinear", "MatMulInteger"}, {"QuantizeLinear"}),
]


@pytest.mark.parametrize(("name", "wanted", "unwanted"), CHOSEN)
def test_onnx_int8_is_chosen_by_the_graph(name, wanted, unwanted, tmp_path):
    onnx = pytest.importorskip("onnx")
    part, draw = made(name)
    registry.runtime("onnx:int8").save(part, recorded(part, draw).inputs("part"), tmp_path / "part.onnx")
    kinds = {node.op_type for node in onnx.load(tmp_path / "part.onnx").graph.node}
    assert wanted <= kinds and not unwanted & kinds


def test_onnx_int8_of_nothing_is_refused(tmp_path):
    part = one_input(lambda linear, x: (x.exp(),))
    with pytest.raises(ExportError, match="no weights that ONNX Runtime quantises"):
        registry.runtime("onnx:int8").save(part, [(torch.ones(3, 4),)], tmp_path / "part.onnx")


def test_onnx_ends_at_two_gigabytes(tmp_path, monkeypatch):
    from weighin.runtimes import onnx

    monkeypatch.setattr(onnx, "_LARGEST", 79)  # the linear layer has 20 numbers, 80 bytes
    part = one_input(lambda linear, x: (linear(x),))
    with pytest.raises(ExportError, match="exceed 2 GB"):
        registry.runtime("onnx").save(part, [(torch.ones(3, 4),)], tmp_path / "part.onnx")


def test_openvino_keeps_fixed_axes_fixed(tmp_path):
    openvino = quiet_openvino()
    part, draw = made("convolutions")
    registry.runtime("openvino").save(part, recorded(part, draw).inputs("part"), tmp_path / "part.xml")
    (port,) = openvino.Core().read_model(tmp_path / "part.xml").inputs
    assert str(port.partial_shape) == "[?,1,16,16]" and port.any_name == "pixels"


def test_openvino_int8_has_int8_weights(tmp_path):
    part, draw = made("convolutions")
    runtime = registry.runtime("openvino:int8")
    if runtime.why_not():
        pytest.skip(runtime.why_not())
    runtime.save(part, recorded(part, draw).inputs("part"), tmp_path / "part.xml")
    text = (tmp_path / "part.xml").read_text(encoding="utf-8")
    assert 'element_type="i8"' in text and "FakeQuantize" in text


@pytest.mark.parametrize("name", ["torch", "torchscript"])
def test_threads_are_set_at_every_call(name, tmp_path):
    runtime, (part, draw) = registry.runtime(name), made("two_inputs")
    path = Path(tmp_path / f"part{runtime.suffix}")
    runtime.save(part, recorded(part, draw).inputs("part"), path)
    one, two = runtime.load(path, 1), runtime.load(path, 2)
    two(*draw(1))
    assert torch.get_num_threads() == 2
    one(*draw(1))
    assert torch.get_num_threads() == 1
