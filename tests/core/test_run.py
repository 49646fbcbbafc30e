"""A run is a folder that belongs to one family, model, recipe and data; what is damaged in it is told."""

import json
import threading

import pytest
import torch
from safetensors.torch import load_file, save_file

from weighin.core.errors import ConfigError, RunError
from weighin.core.files import hash_path
from weighin.core.result import Measurement
from weighin.core.run import Run, find, identity, load_state, load_tensors, runs_root, save_tensors
from weighin.steps.predictors import eager_predictor, variant_of
from weighin.steps.train import train

FEW = {"recipe.steps": 3}


@pytest.fixture
def run(points, tmp_path):
    return train(points, points.variant("nano").but(**FEW), root=tmp_path / "runs")


def refused(run, points, kind=RunError):
    with pytest.raises(kind) as caught:
        eager_predictor(points, points.variant("nano"), Run.open(run.path))
    return str(caught.value)


def test_identity_is_of_what_makes_the_weights(points):
    nano = points.variant("nano")
    base = identity(points, nano, {})
    same = (nano.but("other", "else"), nano.but(**{"predict.bias": 9}), nano.but(**{"recipe.save_every": 7}))
    assert {identity(points, v, {}) for v in same} == {base}
    other = (nano.but(**{"model.width": 8}), nano.but(**{"recipe.lr": 0.1}), nano.but(**{"recipe.seed": 1}))
    assert len({base, *(identity(points, v, {}) for v in other), identity(points, nano, {"teacher": "x"})}) == 5


def test_composites_differ_by_use_and_order(points):
    both = points.variant("both")
    links = {"nano": "a", "wide": "b"}
    variants = (both, both.but(of=("wide", "nano")), both.but(**{"predict.bias": 1}))
    assert len({identity(points, v, links) for v in variants}) == 3


def test_identity_sees_the_data(points, tmp_path, monkeypatch):
    nano = points.variant("nano")
    before = identity(points, nano, {})
    monkeypatch.setattr(type(points), "fingerprint", lambda self, data: "other")
    assert identity(points, nano, {}) != before


def test_roots(tmp_path, monkeypatch):
    monkeypatch.setenv("WEIGHIN_RUNS", "/somewhere")
    assert str(runs_root()) == "/somewhere" and runs_root(tmp_path) == tmp_path
    monkeypatch.delenv("WEIGHIN_RUNS")
    assert str(runs_root()) == "runs"


def test_found_by_path_id_and_name(run, tmp_path):
    root = tmp_path / "runs"
    for reference in (str(run.path), run.info.id, run.path.name):
        assert find(root, "points", reference).path == run.path
    assert find(root, "points", "nano") is None and find(root, "points", "*") is None and find(root, "points", "") is None


def test_a_run_of_another_family_is_refused(run, tmp_path):
    with pytest.raises(RunError, match=r"is a run of points\. It must be one of glyphs"):
        find(tmp_path, "glyphs", str(run.path))


@pytest.mark.parametrize(
    ("damage", "parts"),
    [
        (lambda p: (p / "run.json").unlink(), ("is not a run", "run.json", "weighin train")),
        (lambda p: (p / "run.json").write_text("{"), ("run.json cannot be read", "Delete the folder")),
        (lambda p: (p / "run.json").write_text("[]"), ("run.json", "dictionary")),
        (lambda p: (p / "run.json").write_text('{"idd": 1}'), ("run.json", "id: Field required")),
        (lambda p: (p / "run.json").write_bytes(b"\xff\xfe"), ("run.json cannot be read",)),
    ],
)
def test_a_damaged_run_is_told(run, damage, parts):
    damage(run.path)
    with pytest.raises((RunError, ConfigError)) as caught:
        Run.open(run.path)
    assert all(part in str(caught.value) for part in parts), str(caught.value)


def rewritten(run, change):
    """The weights changed, and their hash in run.json with them: as somebody would who means it."""
    tensors = change(load_file(run.weights))
    save_file(tensors, run.weights)
    run.update(weights_hash=hash_path(run.weights))


def test_weights_that_are_missing_truncated_or_tampered_with(run, points):
    raw = run.weights.read_bytes()
    for damaged in (raw[: len(raw) // 2], raw[:-1] + bytes([raw[-1] ^ 1]), b""):
        run.weights.write_bytes(damaged)
        message = refused(run, points)
        assert "is not the file that training wrote" in message and "train again" in message
    run.weights.unlink()
    assert "weights.safetensors is missing. Delete the run folder and train again" in refused(run, points)


def test_weights_that_are_no_safetensors(run, points):
    run.weights.write_bytes(run.weights.read_bytes()[:100])
    run.update(weights_hash=hash_path(run.weights))
    assert "cannot be read as safetensors" in refused(run, points)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_with_nan(run, points, value):
    rewritten(run, lambda tensors: tensors | {"body.0.weight": torch.full_like(tensors["body.0.weight"], value)})
    assert "holds NaN or infinity in body.0.weight. Train again with a lower rate" in refused(run, points)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t | {"body.0.weight": torch.zeros(3, 2)},
        lambda t: t | {"extra": torch.zeros(1)},
        lambda t: {k: v for k, v in t.items() if k != "body.0.weight"},
    ],
    ids=["shape", "more", "less"],
)
def test_weights_of_another_model(run, points, change):
    rewritten(run, change)
    assert "holds the weights of another model" in refused(run, points)


def test_a_run_whose_model_is_another_variants(run, points, tmp_path):
    wide = train(points, points.variant("wide").but(**FEW), root=tmp_path / "runs")
    run.weights.write_bytes(wide.weights.read_bytes())
    assert "is not the file that training wrote" in refused(run, points)
    with pytest.raises(RunError, match="holds the weights of another model"):
        wide.load_into(points.build(points.variant("nano")))


def test_tampered_assets(run, points):
    (run.assets / "scale.json").write_text('{"scale": 3.0}')
    message = refused(run, points)
    assert "assets is not what training wrote" in message and "train again" in message
    (run.assets / "scale.json").write_text('{"scale": 2.0}')
    eager_predictor(points, points.variant("nano"), Run.open(run.path))


def test_an_untrained_run_says_how_to_train_it(points, tmp_path):
    run = Run.place(tmp_path, points, points.variant("nano"), {})
    with pytest.raises(RunError, match=r"is not trained yet\. weighin train points/nano"):
        run.load_into(points.build(points.variant("nano")))


def test_variant_of_a_run_is_what_it_was_made_as(points, tmp_path):
    run = train(points, points.variant("nano").but("mine", **{"model.width": 4, "predict.bias": 0.25, **FEW}), root=tmp_path)
    variant = variant_of(points, Run.open(run.path))
    assert (variant.name, variant.model.width, variant.predict.bias, variant.recipe.steps) == ("mine", 4, 0.25, 3)


def test_tied_weights_are_saved(tmp_path):
    shared = torch.nn.Parameter(torch.randn(3, 3))
    model = torch.nn.ModuleDict({"a": torch.nn.Linear(3, 3, bias=False), "b": torch.nn.Linear(3, 3, bias=False)})
    model["a"].weight = model["b"].weight = shared
    save_tensors(tmp_path / "w.safetensors", model.state_dict())
    load_state(model, load_tensors(tmp_path / "w.safetensors"), tmp_path)
    assert torch.equal(model["a"].weight, shared)


def test_one_process_at_a_time(run):
    with run.locked(), pytest.raises(RunError, match=r"is in use by another process\. Wait for it"), run.locked():
        pytest.fail("two hold the lock")
    with run.locked():
        assert run.path.exists()


def test_who_takes_over_sweeps_what_a_killed_process_left(run):
    half = run.path / f".weights.partial-{2**22 + 1}-ab.safetensors"
    half.write_bytes(b"half")
    with run.locked():
        assert not half.exists()


def figure(name="top1", value=1.0, **more):
    return Measurement(name=name, value=value, unit="", n=1, method="m", variant="nano", runtime="torch", data="d", **more)


def test_measurements_replace_their_elders(run):
    run.record([figure(value=1.0), figure("size_mb", 2.0)])
    run.record([figure(value=3.0), figure(value=4.0, at="x\u2028y\x85z")])
    assert [(m.name, m.value) for m in run.measurements()] == [("size_mb", 2.0), ("top1", 3.0), ("top1", 4.0)]
    assert run.measurements()[-1].at == "x\u2028y\x85z"


def test_a_measurement_that_is_cut_is_left_out(run):
    run.record([figure(value=1.0), figure("grüße", 2.0)])
    path = run.path / "measurements.jsonl"
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for end in range(first, len(whole) - 1):
        path.write_bytes(whole[:end])
        assert [m.name for m in run.measurements()] == ["top1"]
    path.write_bytes(whole[: first // 2])
    assert run.measurements() == []
    run.record([figure("size_mb", 3.0)])
    assert [m.name for m in run.measurements()] == ["size_mb"]


def test_a_measurement_damaged_in_the_middle_is_told(run):
    run.record([figure(), figure("size_mb")])
    path = run.path / "measurements.jsonl"
    path.write_bytes(b"{cut\n" + path.read_bytes())
    with pytest.raises(RunError, match=r"measurements\.jsonl:1 is not JSON\. Delete the line"):
        run.measurements()
    path.write_text(json.dumps({"nam": 1}) + "\n")
    with pytest.raises(ConfigError, match=r"measurements\.jsonl:1"):
        run.measurements()


def test_no_figure_is_nan():
    with pytest.raises(ValueError, match="finite"):
        figure(value=float("nan"))


def test_many_threads_lose_no_measurement(run):
    def record(number):
        Run.open(run.path).record([figure(f"m{number}", float(number))])

    threads = [threading.Thread(target=record, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(m.name for m in run.measurements()) == [f"m{n}" for n in range(8)]


def test_a_composite_is_used_as_it_was_made(points, tmp_path):
    whole = points.variant("both").but(**{"predict.bias": 0.25, "of": ("wide", "nano")})
    lineup = {name: points.variant(name).but(**FEW) for name in ("nano", "wide")}
    run = train(points, whole, root=tmp_path, lineup=lineup)
    variant = variant_of(points, Run.open(run.path))
    assert (variant.name, variant.predict.bias, variant.of) == ("both", 0.25, ("wide", "nano"))
