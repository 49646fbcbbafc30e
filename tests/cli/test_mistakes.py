"""A user's mistake is one clear sentence and exit code 2; a bug of ours is a traceback; Ctrl-C says what to do."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from weighin.core import files, registry
from weighin.core.files import hash_path
from weighin.core.run import Run, save_tensors
from weighin.steps import loop
from weighin.steps.train import train

FEW = {"recipe.steps": 3}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    points = registry.family("points")
    return train(points, points.variant("nano").but(**FEW), root=tmp_path_factory.mktemp("made"))


@pytest.fixture
def run(made, tmp_path):
    return Run.open(shutil.copytree(made.path, tmp_path / "runs" / "points" / made.path.name))


def refused(called, *parts):
    """Exit code 2 and one sentence or three on standard error, without a traceback."""
    code, _, err = called
    lines = [line for line in err.strip().splitlines() if not line.startswith(("train ", "calibrate ", "export ", "quality "))]
    assert code == 2, (code, err)
    assert lines[-1].startswith("weighin: ") and "Traceback" not in err, err
    assert all(part in lines[-1] for part in parts), lines[-1]


NAMES = [
    (("variants", "pints"), ("No family is called 'pints'", "There are: ", "Did you mean 'points'?")),
    (("show", "points"), ("'points' names no variant", "There are: nano", "Write points/VARIANT")),
    (("show", "points/nanno"), ("No variant of points is called 'nanno'", "Did you mean 'nano'?")),
    (
        ("show", "points/nano", "--set", "recipe.lrr=1"),
        ("Unknown key 'recipe.lrr'", "Allowed here: data", "Did you mean 'lr'?"),
    ),
    (("show", "points/nano", "--set", "recip.lr=1"), ("names no section 'recip'", "Did you mean 'recipe'?")),
    (("show", "points/nano", "--set", "recipe.lr=fast"), ("recipe.lr", "valid number", "'fast'")),
    (("show", "points/nano", "--set", "recipe.lr=inf"), ("recipe.lr", "finite")),
    (("show", "points/nano", "--set", "recipe.lr"), ("--set got 'recipe.lr'", "KEY=VALUE")),
    (("show", "points/nano", "--set", "a=[1"), ("--set a got '[1'",)),
    (("train", "points/nano", "none.yaml"), ("Cannot read none.yaml: No such file",)),
    (("train", "points/nano", "--data", "nowhere"), ("No data 'nowhere'", "There is: synthetic")),
    (("train", "points/nano", "--logger", "tensorbord"), ("No logger is called 'tensorbord'", "Did you mean 'tensorboard'?")),
    (("distill", "points/nano", "--teacher", "wid"), ("No variant of points is called 'wid'", "Did you mean 'wide'?")),
    (("export", "points/nano", "--runtime", "onyx"), ("No runtime is called 'onyx'", "Did you mean 'onnx'?")),
    (("export", "points/nano", "--runtime", "onnx:int7"), ("No runtime is called 'onnx:int7'", "Did you mean 'onnx:int8'?")),
    (("compare", "points", "--engine", "rayy"), ("No engine is called 'rayy'", "There are: local")),
    (("compare", "points", "--variant", "huge"), ("No variant of points is called 'huge'", "There are: ")),
    (("compare", "points", "--limit", "size_mb<1"), ("size_mb<1",)),
    (("compare", "points", "--set", "recipe.teacher=wide", "--variant", "wide"), ("wide cannot learn from itself",)),
    (("bench", "points"), ("points knows no peers",)),
    (("weigh", "runs/points/nano-000"), ("runs/points/nano-000 is not a run", "run.json", "weighin train")),
    (("predict", "./nowhere", "x.json"), ("nowhere is not a run",)),
    (("predict", "points/nano", "x.json", "--runtime", "onyx"), ("No runtime is called 'onyx'",)),
    (("weigh", "points/nano", "--runtime", "onyx"), ("No runtime is called 'onyx'",)),
    (("compare", "points", "--set", "recipe.init=nobody", "--variant", "nano"), ("No variant of points is called 'nobody'",)),
    (("verify", "none.json"), ("There is no none.json", "weighin compare")),
    (("pick", "--from", "none.json"), ("There is no none.json", "weighin compare")),
]


@pytest.mark.parametrize(("arguments", "parts"), NAMES, ids=[" ".join(a) for a, _ in NAMES])
def test_a_wrong_name_key_or_value(weighin, monkeypatch, arguments, parts):
    monkeypatch.setattr(loop, "fit", lambda job: pytest.fail("trained for nothing"))
    refused(weighin(*arguments), *parts)
    assert not list(Path().rglob("*partial*"))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("recipe: {lrr: 1}\n", ("my.yaml", "recipe.lrr", "Did you mean 'lr'?")),
        ("model: {width: wide}\n", ("my.yaml", "model.width", "integer", "'wide'")),
        ("a: [1\n", ("my.yaml is not YAML",)),
        ("- 1\n", ("my.yaml holds list", "mapping")),
    ],
)
def test_a_wrong_yaml(weighin, tmp_path, text, parts):
    (tmp_path / "my.yaml").write_text(text)
    refused(weighin("train", "points/nano", "my.yaml"), *parts)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("arguments", ["trane", "train", "train points/nano --stpes 3", "weigh x --rounds y"])
def test_a_wrong_option_is_explained(weighin, arguments):
    code, _, err = weighin(*arguments.split())
    assert code == 2 and "Error" in err and "Traceback" not in err


def test_damaged_weights(weighin, run, tmp_path):
    (tmp_path / "a.json").write_text("[0.1, 0.2]")
    whole = run.weights.read_bytes()
    for raw in (whole[:-10], whole[:-1] + b"x", b""):
        run.weights.write_bytes(raw)
        refused(weighin("predict", run.path, "a.json"), "is not the file that training wrote", "train again")
    run.weights.unlink()
    refused(weighin("predict", run.path, "a.json"), "weights.safetensors is missing")


def test_weights_with_nan(weighin, run, points, tmp_path):
    model = points.build(points.variant("nano"))
    model.body[0].weight.data.fill_(float("nan"))
    save_tensors(run.weights, model.state_dict())
    run.update(weights_hash=hash_path(run.weights))
    (tmp_path / "a.json").write_text("[0.1, 0.2]")
    refused(weighin("predict", run.path, "a.json"), "holds NaN or infinity in body.0.weight", "recipe.lr")


def test_weights_of_another_variant(weighin, run, points, tmp_path):
    save_tensors(run.weights, points.build(points.variant("wide")).state_dict())
    run.update(weights_hash=hash_path(run.weights))
    (tmp_path / "a.json").write_text("[0.1, 0.2]")
    refused(weighin("predict", run.path, "a.json"), "holds the weights of another model", "size mismatch")


def test_a_run_of_another_family(weighin, run):
    raw = json.loads((run.path / "run.json").read_text())
    (run.path / "run.json").write_text(json.dumps(raw | {"family": "pints"}))
    refused(weighin("weigh", run.path), "No family is called 'pints'")
    refused(weighin("distill", "points/nano", "--teacher", run.path), "is a run of pints", "It must be one of points")


@pytest.mark.parametrize(("raw", "part"), [("{", "run.json cannot be read"), ("{}", "run.json: id: Field required")])
def test_a_damaged_run_json(weighin, run, raw, part):
    (run.path / "run.json").write_text(raw)
    refused(weighin("weigh", run.path), part)


def test_a_run_in_use(weighin, run):
    with run.locked():
        refused(weighin("export", run.path, "--runtime", "torch"), "is in use by another process", "Wait for it")
    assert not (run.path / "exports").exists()


def test_an_interrupted_training_in_use(weighin, run):
    run.update(state="new")
    with run.locked():
        refused(weighin("train", "points/nano", "--set", "recipe.steps=3"), "is in use by another process")


def test_a_tampered_export(weighin, run, tmp_path):
    (tmp_path / "a.json").write_text("[0.1, 0.2]")
    assert weighin("export", run.path, "--runtime", "torch")[0] == 0
    (run.path / "exports" / "torch" / "net.pt2").write_bytes(b"other")
    for verb in (
        ("predict", run.path, "a.json", "--runtime", "torch"),
        ("export", run.path, "--runtime", "torch"),
        ("weigh", run.path),
    ):
        refused(weighin(*verb), "net.pt2 is missing or is not the file that the export wrote", "Delete ")


def test_no_test_examples(weighin, run, points, monkeypatch):
    examples = type(points).examples
    monkeypatch.setattr(
        type(points), "examples", lambda self, data, split: [] if split == "test" else examples(self, data, split)
    )
    code, out, _ = weighin("weigh", run.path, "--rounds", 0, "--json")
    assert code == 0 and "'synthetic' has no test examples for points" in json.loads(out)[0]["reason"]


def full(path, raw):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk(weighin, monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        patch.setattr(files, "_flush", full)
        refused(weighin("train", "points/nano", "--set", "recipe.steps=3"), "No space left on device", "Free some space")
    assert not [p for p in (tmp_path / "runs").rglob("*") if p.is_file()]


def test_a_full_disk_where_nobody_expects_it(weighin, monkeypatch):
    def train_step(*arguments, **named):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("weighin.train", train_step)
    refused(weighin("train", "points/nano"), "The disk is full", "Free some space")


def test_runs_where_nothing_can_be_written(weighin, tmp_path):
    (tmp_path / "file").write_text("")
    refused(weighin("train", "points/nano", "--runs", "file"), "Cannot write file", "Choose another folder")


def test_predict_into_somebodys_file(weighin, run, tmp_path):
    (tmp_path / "a.json").write_text("[0.1, 0.2]")
    (tmp_path / "diary.txt").write_text("Dear diary\n")
    refused(weighin("predict", run.path, "a.json", "--out", "diary.txt"), "diary.txt is something else", "Choose another file")
    assert (tmp_path / "diary.txt").read_text() == "Dear diary\n"


def test_predict_takes_no_dial_of_training(weighin, run, tmp_path):
    refused(weighin("predict", run.path, "a.json", "--set", "recipe.lr=1"), "only predict.* can change", "weighin train")


@pytest.mark.parametrize("verb", [("train", "points/nano"), ("compare", "points", "--variant", "nano", "--runtime", "torch")])
def test_ctrl_c_says_what_to_do(weighin, monkeypatch, verb):
    def interrupted(job):
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "fit", interrupted)
    code, _, err = weighin(*verb)
    assert code == 130 and "weighin: interrupted; the same command goes on where it was" in err and "Traceback" not in err


def test_a_bug_of_ours_is_a_traceback(weighin, monkeypatch):
    monkeypatch.setattr(loop, "fit", lambda job: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        weighin("train", "points/nano")
