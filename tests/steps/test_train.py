"""Training: what exists is not made again, and whatever goes wrong leaves a state that goes on."""

import errno
import json
import threading
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from weighin.core import files
from weighin.core import run as core_run
from weighin.core.errors import ConfigError, DataError, MissingError, RunError, StorageError
from weighin.core.files import hash_path
from weighin.core.run import Run, load_tensors, save_tensors
from weighin.steps import loop, resume
from weighin.steps.predictors import eager_predictor, members, variant_of
from weighin.steps.train import limited, sample, train

FEW = {"recipe.steps": 6, "recipe.save_every": 2}


@pytest.fixture
def nano(points):
    return points.variant("nano").but(**FEW)


@pytest.fixture
def lineup(points):
    return {name: variant.but(**FEW) for name, variant in points.variants().items()}


@pytest.fixture
def fitted(monkeypatch):
    """Names of the variants that were really trained."""
    names, original = [], loop.fit
    monkeypatch.setattr(loop, "fit", lambda job: (names.append(job.variant.name), original(job))[1])
    return names


def test_a_run_says_what_it_is_and_what_it_cost(points, nano, tmp_path):
    run = train(points, nano, root=tmp_path)
    again = Run.open(run.path)
    assert again.trained and again.info == run.info and again.info.family == "points" and again.info.variant == "nano"
    cost = again.info.training
    assert (cost["steps"], cost["examples_seen"], cost["examples"], cost["stopped_by"]) == (6, 192, 600, "steps")
    assert cost["minutes"] > 0 and cost["cpu_minutes"] > 0 and cost["threads"] == 1
    assert {"weighin", "torch", "lightning"} <= set(again.info.versions) and again.info.hardware["logical_cores"] > 0
    assert again.info.at and again.info.command
    lines = [json.loads(line) for line in (run.path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6] and all(line["loss"] > 0 for line in lines)
    assert sorted(p.name for p in run.path.iterdir()) == [".lock", "assets", "log.jsonl", "run.json", "weights.safetensors"]


def test_nothing_is_trained_twice(points, nano, tmp_path, fitted):
    run = train(points, nano, root=tmp_path)
    before = run.weights.stat().st_mtime_ns
    for same in (nano, nano.but("other"), nano.but(**{"predict.bias": 3.0}), nano.but(**{"recipe.save_every": 3})):
        assert train(points, same, root=tmp_path).path == run.path
    assert fitted == ["nano"] and run.weights.stat().st_mtime_ns == before
    train(points, nano.but(**{"recipe.seed": 1}), root=tmp_path)
    assert fitted == ["nano", "nano"]


def test_the_same_recipe_makes_the_same_weights(points, nano, tmp_path):
    one, two = (load_tensors(train(points, nano, root=tmp_path / name).weights) for name in "ab")
    other = load_tensors(train(points, nano.but(**{"recipe.seed": 1}), root=tmp_path).weights)
    assert all(torch.equal(one[k], two[k]) for k in one) and not torch.equal(one["body.0.weight"], other["body.0.weight"])


def test_what_a_variant_needs_is_trained_first(points, lineup, tmp_path, fitted):
    tuned = train(points, lineup["tuned"], root=tmp_path, lineup=lineup)
    both = train(points, lineup["both"], root=tmp_path, lineup=lineup)
    assert fitted == ["nano", "tuned", "wide"]
    assert tuned.info.links.keys() == {"init"} and both.info.links.keys() == {"nano", "wide"}
    assert not both.weights.exists() and both.trained
    nano, wide = members(both, lineup["both"]).values()
    parts = [run.info.training["cpu_minutes"] for run in (nano, wide)]
    assert both.info.training["cpu_minutes"] == pytest.approx(sum(parts))
    assert sorted(p.relative_to(both.assets).as_posix() for p in both.assets.rglob("*.json")) == [
        "nano/scale.json",
        "wide/scale.json",
    ]


def test_init_starts_from_those_weights(points, lineup, tmp_path):
    still = lineup["tuned"].but(**{"recipe.lr": 1e-12, "recipe.ema": None})
    tuned = load_tensors(train(points, still, root=tmp_path, lineup=lineup).weights)
    start = load_tensors(train(points, lineup["nano"], root=tmp_path).weights)
    assert torch.allclose(tuned["body.0.weight"], start["body.0.weight"], atol=1e-6)


def test_init_of_another_model_is_refused(points, lineup, tmp_path):
    with pytest.raises(RunError, match="holds the weights of another model"):
        train(points, lineup["tuned"].but(**{"recipe.init": "wide"}), root=tmp_path, lineup=lineup)


def test_a_run_serves_as_start_by_path_and_id(points, lineup, tmp_path, fitted):
    nano = train(points, lineup["nano"], root=tmp_path)
    for reference in (str(nano.path), nano.info.id):
        assert train(points, lineup["tuned"].but(**{"recipe.init": reference}), root=tmp_path, lineup=lineup).trained
    assert fitted == ["nano", "tuned", "tuned"]


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"recipe.init": "nono"}, ("No variant of points is called 'nono'", "Did you mean 'nano'?")),
        ({"recipe.data": "nowhere"}, ("No data 'nowhere'", "There is: synthetic")),
        ({"of": ("nano", "nobody")}, ("No variant of points is called 'nobody'",)),
    ],
)
def test_a_name_that_nobody_has(points, nano, lineup, tmp_path, changes, parts):
    with pytest.raises((ConfigError, DataError)) as caught:
        train(points, nano.but(**changes), root=tmp_path, lineup=lineup)
    assert all(part in str(caught.value) for part in parts), str(caught.value)


def test_nobody_learns_from_himself(points, lineup, tmp_path):
    circle = {"nano": lineup["nano"].but(**{"recipe.init": "wide"}), "wide": lineup["wide"].but(**{"recipe.init": "nano"})}
    with pytest.raises(ConfigError, match="nano cannot learn from itself: nano, which needs wide, which needs nano"):
        train(points, circle["nano"], root=tmp_path, lineup=circle)


def test_nothing_to_learn_from(points, nano, tmp_path, monkeypatch):
    monkeypatch.setattr(type(points), "examples", lambda self, data, split: [])
    with pytest.raises(DataError, match="'synthetic' has no training examples for points"):
        train(points, nano, root=tmp_path)


def test_a_limit_takes_whole_groups(points):
    examples = points.examples("synthetic", "train")
    few = limited(examples, 50, 0)
    assert len(few) == 50 and [e.id for e in few] == sorted((e.id for e in few), key=lambda i: int(i.split("-")[1]))
    assert all(sum(e.group == group for e in few) == 5 for group in {e.group for e in few})
    assert few == limited(examples, 50, 0) != limited(examples, 50, 1)
    assert limited(examples, None, 0) is examples and limited(examples, 600, 0) is examples


def test_a_sample_is_even_and_repeatable(points):
    examples = points.examples("synthetic", "test")
    few = sample(examples, 100, 0)
    assert len({e.id for e in few}) == 100 and few == sample(examples, 100, 0) != sample(examples, 100, 1)
    assert sample(examples, 1000, 0) == list(examples)


def test_the_log_of_an_unknown_logger(points, nano, tmp_path):
    with pytest.raises(ConfigError, match=r"No logger is called 'tensorbord'.*Did you mean 'tensorboard'"):
        train(points, nano, root=tmp_path, loggers=["tensorbord"])


def test_a_logger_that_is_not_installed(points, nano, tmp_path, monkeypatch):
    from lightning.pytorch import loggers

    def missing(*arguments, **named):
        raise ModuleNotFoundError("no tensorboard")

    monkeypatch.setattr(loggers, "TensorBoardLogger", missing)
    with pytest.raises(MissingError, match=r"pip install 'weighin\[tensorboard\]'"):
        train(points, nano, root=tmp_path, loggers=["tensorboard"])


def test_training_in_a_thread(points, nano, tmp_path):
    """Signals can only be caught in the main thread; engines may train in others."""
    found = []
    worker = threading.Thread(target=lambda: found.append(train(points, nano, root=tmp_path)))
    worker.start()
    worker.join()
    assert found[0].trained


def failing_once(patch, place, name, error, after=0):
    """Replaces ``place.name`` so that it raises ``error`` once, in call number ``after``."""
    original, calls = getattr(place, name), []

    def wrapped(*arguments, **named):
        calls.append(1)
        if len(calls) == after + 1:
            raise error
        return original(*arguments, **named)

    patch.setattr(place, name, wrapped)
    return calls


def half_a_file(patch, error, after):
    """The file system takes the first bytes of a safetensors file, then no more."""

    def write(tensors, path, metadata):
        calls.append(1)
        if len(calls) == after + 1:
            path.write_bytes(b"half")
            raise error
        save_file(tensors, path, metadata)

    calls = []
    patch.setattr(core_run, "save_file", write)


def no_room_for_the_log(patch):
    """Appending to log.jsonl fails once."""

    def opened(self, mode="r", *arguments, **named):
        if self.name == "log.jsonl" and mode == "a" and len(calls) < 4:
            calls.append(1)
            if len(calls) == 4:
                raise OSError(errno.ENOSPC, "No space left on device")
        return original(self, mode, *arguments, **named)

    original, calls = Path.open, []
    patch.setattr(Path, "open", opened)


FULL = OSError(errno.ENOSPC, "No space left on device")
WRAPPED = SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

STOPS = {
    "prepare, Ctrl-C": lambda patch, family: failing_once(patch, family, "prepare", KeyboardInterrupt()),
    "prepare, full": lambda patch, family: failing_once(patch, family, "prepare", FULL),
    "finish, Ctrl-C": lambda patch, family: failing_once(patch, family, "finish", KeyboardInterrupt()),
    "finish, full": lambda patch, family: failing_once(patch, family, "finish", FULL),
    "first resume point, full": lambda patch, family: half_a_file(patch, FULL, 0),
    "second resume point, full": lambda patch, family: half_a_file(patch, WRAPPED, 1),
    "weights, full": lambda patch, family: half_a_file(patch, WRAPPED, 3),
    "weights, Ctrl-C": lambda patch, family: half_a_file(patch, KeyboardInterrupt(), 3),
    "run.json, full": lambda patch, family: failing_once(patch, files, "_flush", FULL, 1),
    "log, full": lambda patch, family: no_room_for_the_log(patch),
    "a batch, Ctrl-C": lambda patch, family: failing_once(patch, family, "batch", KeyboardInterrupt(), 4),
}


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)
def test_whatever_stops_it_the_next_call_goes_on(points, nano, tmp_path, monkeypatch, stop):
    with monkeypatch.context() as patch:
        stop(patch, type(points))
        with pytest.raises((StorageError, KeyboardInterrupt, SystemExit)) as caught:
            train(points, nano, root=tmp_path / "a")
    if caught.type is StorageError:
        assert "No space left on device" in str(caught.value) and "Free some space" in str(caught.value)
    run = Run.open(next((tmp_path / "a" / "points").iterdir()))
    assert not run.trained and not list(run.path.rglob("*partial*"))
    resumed, expected = (load_tensors(train(points, nano, root=tmp_path / name).weights) for name in "ab")
    assert all(torch.equal(resumed[name], expected[name]) for name in expected)
    steps = [json.loads(line)["step"] for line in (run.path / "log.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 5, 6]
    assert not resume.path_in(run.path).exists()


def test_a_damaged_resume_point_says_what_to_do(points, nano, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        half_a_file(patch, FULL, 2)
        with pytest.raises(StorageError):
            train(points, nano, root=tmp_path)
    run = Run.open(next((tmp_path / "points").iterdir()))
    path = resume.path_in(run.path)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(RunError, match=r"is no resume point.*Delete it: the training starts again"):
        train(points, nano, root=tmp_path)
    path.unlink()
    assert train(points, nano, root=tmp_path).trained


def test_runs_below_a_file_are_told(points, nano, tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(StorageError, match=r"Cannot write .*Choose another folder"):
        train(points, nano, root=tmp_path / "runs")


def test_a_run_is_used_as_it_was_made(points, lineup, tmp_path):
    run = train(points, lineup["wide"], root=tmp_path)
    variant = variant_of(points, run)
    assert variant == lineup["wide"]
    assert set(eager_predictor(points, variant, run)([(0.1, 0.2), (0.5, 0.5)])) <= {0, 1, 2}


def test_a_composite_follows_a_member_that_was_trained_anew(points, tmp_path):
    few = {name: points.variant(name).but(**{"recipe.steps": 3}) for name in ("nano", "wide")}
    both = train(points, points.variant("both"), root=tmp_path, lineup=few)
    before = both.info.at, both.info.assets_hash
    assert train(points, points.variant("both"), root=tmp_path, lineup=few).info.at == before[0]

    nano = train(points, few["nano"], root=tmp_path)
    save_tensors(nano.weights, {name: tensor + 1 for name, tensor in load_tensors(nano.weights).items()})
    (nano.assets / "scale.json").write_text('{"scale": 3.0}')
    nano.update(weights_hash=hash_path(nano.weights), assets_hash=hash_path(nano.assets))
    with pytest.raises(RunError, match=r"was fitted to other weights of nano\. weighin train points/both fits it anew"):
        eager_predictor(points, points.variant("both"), both)

    again = train(points, points.variant("both"), root=tmp_path, lineup=few)
    assert again.info.id == both.info.id and again.info.assets_hash != before[1]
    assert (again.assets / "nano" / "scale.json").read_text() == '{"scale": 3.0}'
    assert len(eager_predictor(points, points.variant("both"), again)([(0.1, 0.2)])) == 1
