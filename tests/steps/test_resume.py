"""A run killed at any step and resumed ends with the very weights of one that was not."""

import json
import signal
import subprocess
import sys

import pytest
import torch

from killing import killed
from weighin.core.errors import RunError
from weighin.core.run import load_tensors
from weighin.steps import loop, resume
from weighin.steps.train import train


def weights(points, tmp_path, changes):
    run = train(points, points.variant("nano").but(**changes), root=tmp_path)
    return run, load_tensors(run.weights)


@pytest.mark.parametrize(
    ("step", "changes"),
    [
        (20, {"recipe.steps": 60}),
        (51, {"recipe.steps": 60}),
        (33, {"recipe.steps": 60, "recipe.accumulate": 3, "recipe.save_every": 7, "recipe.precision": "bf16"}),
        (
            45,
            {
                "recipe.steps": 60,
                "recipe.evaluate_every": 10,
                "recipe.patience": 50,
                "recipe.ema": None,
                "recipe.save_every": 20,
            },
        ),
    ],
)
def test_killed_and_resumed_equals_uninterrupted(points, tmp_path, step, changes):
    assert killed(tmp_path / "a", step, changes).returncode == -signal.SIGKILL
    folder = next((tmp_path / "a" / "points").iterdir())
    assert (folder / "resume.safetensors").exists() == (step >= changes.get("recipe.save_every", 50))
    run, resumed = weights(points, tmp_path / "a", changes)
    _, whole = weights(points, tmp_path / "b", changes)
    assert resumed.keys() == whole.keys()
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    steps = [json.loads(line)["step"] for line in (run.path / "log.jsonl").read_text().splitlines()]
    assert steps == sorted(set(steps)) and steps[-1] == 60
    assert not list(run.path.rglob(".*tmp*"))


@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM"])
def test_told_to_stop_it_saves_and_says_so(points, tmp_path, how):
    result = killed(tmp_path / "a", 13, {"recipe.steps": 60}, how)
    assert result.returncode != 0 and "KeyboardInterrupt" in result.stderr
    folder = next((tmp_path / "a" / "points").iterdir())
    assert resume.counters(resume.path_in(folder))["step"] in (13, 14)
    _, resumed = weights(points, tmp_path / "a", {"recipe.steps": 60})
    _, whole = weights(points, tmp_path / "b", {"recipe.steps": 60})
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_a_second_process_on_the_same_run_is_refused(points, tmp_path):
    run = train(points, points.variant("nano").but(**{"recipe.steps": 2}), root=tmp_path)
    run.update(state="new")
    script = f"""
from pathlib import Path
from weighin.core.run import Run
import sys
with Run.open(Path({str(run.path)!r})).locked():
    print("held", flush=True)
    sys.stdin.read()
"""
    other = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "held\n"
    with pytest.raises(RunError, match="in use by another process"):
        train(points, points.variant("nano").but(**{"recipe.steps": 2}), root=tmp_path)
    other.kill()
    other.wait()
    other.stdout.close()
    other.stdin.close()
    train(points, points.variant("nano").but(**{"recipe.steps": 2}), root=tmp_path)


def test_budgets_end_the_run_and_count(points, tmp_path):
    run = train(points, points.variant("nano").but(**{"recipe.steps": None, "recipe.cpu_minutes": 0.01}), root=tmp_path)
    assert run.info.training["stopped_by"] == "cpu_minutes"
    assert 0.01 <= run.info.training["cpu_minutes"] < 0.02
    assert run.info.training["examples_seen"] == run.info.training["steps"] * 32


def test_patience_stops(points, tmp_path):
    changes = {"recipe.steps": 5000, "recipe.evaluate_every": 5, "recipe.patience": 2, "recipe.lr": 1e-9, "recipe.ema": None}
    run = train(points, points.variant("nano").but(**changes), root=tmp_path)
    assert run.info.training["stopped_by"] == "patience"


def test_a_loss_that_is_not_finite_is_said(points, tmp_path):
    with pytest.raises(RunError, match="not finite at step"):
        train(points, points.variant("nano").but(**{"recipe.lr": 1e30, "recipe.clip": None}), root=tmp_path)


def test_schedule_is_a_share_of_the_run(points):
    recipe = points.variant("nano").recipe.model_copy(update={"warmup": 0.1})
    assert loop.schedule(recipe, 0.05) == pytest.approx(0.5)
    assert loop.schedule(recipe, 0.1) == pytest.approx(1.0)
    assert loop.schedule(recipe, 1.0) == pytest.approx(0.0)
