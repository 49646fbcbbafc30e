"""Every runtime and precision on three kinds of network: saved, loaded, and right at batches it never saw."""

import shutil

import pytest
import torch
from made_parts import Says, made, one_input, recorded

from weighin.core import registry
from weighin.core.errors import ConfigError, ExportError, InputError, RunError
from weighin.core.family import Part
from weighin.core.runtime import Runtime
from weighin.steps.parity import parity

NAMES = ("convolutions", "tokens", "two_inputs")
FULL = ("torch", "torchscript", "onnx", "openvino")
ROOM = {"bf16": 0.03, "int8": 0.08}  # of the largest output: three times what was measured


def usable(name: str) -> Runtime:
    runtime = registry.runtime(name)
    reason = runtime.why_not()
    if reason:
        pytest.skip(f"{name}: {reason}")
    return runtime


@pytest.fixture(scope="module", params=NAMES)
def case(request):
    part, draw = made(request.param)
    return part, recorded(part, draw), recorded(part, draw, (1, 2, 7))


@pytest.mark.parametrize("name", registry.runtimes())
def test_answers_as_the_original_at_any_batch(name, case, tmp_path):
    part, tape, fresh = case
    runtime = usable(name)
    path = tmp_path / f"part{runtime.suffix}"
    runtime.save(part, tape.inputs("part"), path)
    assert path.stat().st_size > 0
    seen = parity(part, registry.runtime(name).load(path, 1), fresh.calls("part"), runtime.precision in runtime.exact)
    assert seen.passed, seen.reason
    if runtime.precision in ROOM and "label" not in part.outputs:  # labels may flip
        assert 0 < seen.max_rel < ROOM[runtime.precision]


@pytest.mark.parametrize("name", ["torch:bf16", "onnx:int8"])
def test_reduced_precision_is_smaller_on_disk(name, tmp_path):
    part, draw = made("tokens")
    tape = recorded(part, draw).inputs("part")
    sizes = []
    for full_name in (name.partition(":")[0], name):
        path = tmp_path / f"{full_name.replace(':', '-')}{usable(full_name).suffix}"
        usable(full_name).save(part, tape, path)
        sizes.append(path.stat().st_size)
    assert sizes[1] < 0.9 * sizes[0]


@pytest.mark.parametrize("name", FULL)
def test_inputs_of_other_forms(name, tmp_path):
    """An unused first input, a mask of bools, an int32 index of another length, an input that is returned."""

    def function(linear, _unused, x, mask, index):
        return x, linear(x).masked_fill(~mask[:, None], float("-inf")), linear(x)[index.long()], mask.any()

    free = {0: "batch"}
    axes = {"unused": free, "x": free, "mask": free, "index": {0: "edges"}}
    part = Part(Says(function), tuple(axes), ("x_again", "masked", "picked", "any"), axes)
    tape = recorded(
        part,
        lambda b: (torch.rand(b, 3), torch.randn(b, 4), torch.rand(b) > 0.5, torch.randint(0, b, (3 * b,), dtype=torch.int32)),
        (1, 2, 5),
    )
    path = tmp_path / f"part{usable(name).suffix}"
    usable(name).save(part, tape.inputs("part"), path)
    seen = parity(part, usable(name).load(path, 1), tape.calls("part"))
    assert seen.passed, seen.reason


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A function: full precision runtime -> folder with a sound export, made once."""
    folders = {}

    def saved(name):
        if name not in folders:
            part, draw = made("two_inputs")
            folders[name] = tmp_path_factory.mktemp(name)
            usable(name).save(part, recorded(part, draw).inputs("part"), folders[name] / f"part{usable(name).suffix}")
        return folders[name]

    return saved


@pytest.mark.parametrize("harm", ["missing", "empty", "garbage", "half"])
@pytest.mark.parametrize("name", FULL)
def test_a_damaged_file_is_one_clear_error(name, harm, whole, tmp_path):
    shutil.copytree(whole(name), tmp_path, dirs_exist_ok=True)
    path = tmp_path / f"part{usable(name).suffix}"
    raw = path.read_bytes()
    path.write_bytes({"empty": b"", "garbage": b"no model at all " * 99}.get(harm, raw[: len(raw) // 2]))
    if harm == "missing":
        path.unlink()
    with pytest.raises(RunError) as caught:
        usable(name).load(path, 1)
    assert path.name in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_openvino_needs_its_weights_whole(whole, tmp_path):
    shutil.copytree(whole("openvino"), tmp_path, dirs_exist_ok=True)
    weights = tmp_path / "part.bin"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(RunError, match=r"part\.xml cannot be loaded"):
        usable("openvino").load(tmp_path / "part.xml", 1)


@pytest.mark.parametrize("file", FULL)
def test_an_unknown_precision_is_refused_with_those_there_are(file):
    with pytest.raises(ConfigError, match=f"No precision of runtime {file} is called 'int9'"):
        type(registry.runtime(file))("int9")


@pytest.mark.parametrize("name", [n for n in registry.runtimes() if n != "torch:compile"])
def test_control_flow_on_data_is_refused_in_one_sentence(name, tmp_path, capfd):
    part = one_input(lambda linear, x: (linear(x),) if x.sum() > 0 else (x,))
    with pytest.raises(ExportError, match="control flow depends on the data") as caught:
        usable(name).save(part, [(torch.ones(3, 4),)], tmp_path / "part.pt2")
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


def test_openvino_never_sees_an_empty_tensor(whole):
    """OpenVINO 2026.4 answers a transformer's empty batch with the last answer, and the process dies soon after."""
    _, draw = made("two_inputs")
    bound = usable("openvino").load(whole("openvino") / "part.xml", 1)
    with pytest.raises(InputError, match="empty tensor"):
        bound(*draw(0))
