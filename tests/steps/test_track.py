"""A report in MLflow: one run a measured candidate, found again by its tags, logged once."""

import json
import sys
from pathlib import Path

import pytest
from made_report import made_report, picked

import weighin
from weighin.core.errors import ConfigError, MissingError
from weighin.steps import report as document
from weighin.steps import track as step
from weighin.steps.track import flat, tags_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("report")
    document.write(picked(made_report()), place)
    return place


@pytest.fixture
def mlflow():
    return pytest.importorskip("mlflow", reason="MLflow is optional (pip install 'weighin[mlflow]') and not installed here")


@pytest.mark.filterwarnings("ignore")  # MLflow's own, of the libraries it stands on
def test_one_run_a_candidate_and_none_twice(folder, tmp_path, mlflow):
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    logged = weighin.track(folder, uri)
    report = made_report()
    measured = [c for c in report.candidates if c.status == "ok"]
    assert list(logged) == [c.label for c in measured]
    client = mlflow.MlflowClient(tracking_uri=uri)
    (experiment,) = [e for e in client.search_experiments() if e.name == "weighin glyphs"]
    runs = {run.info.run_id: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == set(logged.values())
    for candidate in measured:
        run = runs[logged[candidate.label]]
        assert run.info.status == "FINISHED"
        assert {m.name: m.value for m in candidate.measurements}.items() <= run.data.metrics.items()
        assert all(run.data.metrics[f"{m.name}.low"] == m.low for m in candidate.measurements if m.low is not None)
        assert run.data.params == {"variant": candidate.variant, "runtime": candidate.runtime, **dict(flat(candidate.settings))}
        assert tags_of(report, candidate).items() <= run.data.tags.items()
    first = runs[logged[measured[0].label]]
    (page,) = client.list_artifacts(first.info.run_id)
    saved = client.download_artifacts(first.info.run_id, page.path, str(tmp_path))
    assert Path(saved).read_bytes() == (folder / "report.html").read_bytes()
    assert first.info.artifact_uri.startswith((tmp_path / "mlartifacts").as_uri()), "beside the database, not in ./mlruns"
    assert weighin.track(folder, uri) == {}


@pytest.mark.filterwarnings("ignore")
def test_what_was_interrupted_is_logged_again(folder, tmp_path, mlflow, monkeypatch):
    uri, whole = f"sqlite:///{tmp_path / 'mlflow.db'}", step.flat

    def interrupted(settings, before=""):
        if settings.get("runtime") == "onnx":
            raise KeyboardInterrupt
        yield from whole(settings, before)

    monkeypatch.setattr(step, "flat", interrupted)
    with pytest.raises(KeyboardInterrupt):
        weighin.track(folder, uri)
    monkeypatch.setattr(step, "flat", whole)
    again = weighin.track(folder, uri)
    labels = [c.label for c in made_report().candidates if c.status == "ok"]
    assert list(again) == labels[1:], "the first was logged to the end before the second was interrupted"
    client = mlflow.MlflowClient(tracking_uri=uri)
    states = [run.info.status for run in client.search_runs([e.experiment_id for e in client.search_experiments()])]
    assert sorted(states) == ["FINISHED"] * len(labels) + ["KILLED"]


@pytest.mark.parametrize("uri", ["mlruns", "./mlruns", "file:///tmp/mlruns", "", "ftp://server"])
def test_no_file_store(folder, uri):
    with pytest.raises(ConfigError, match="--uri got"):
        weighin.track(folder, uri)


def test_without_mlflow_it_says_how_to_get_it(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingError, match=r"mlflow is not installed.*pip install 'weighin\[mlflow\]'"):
        weighin.track(folder, f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert list(tmp_path.iterdir()) == []


def test_settings_are_flat_and_keys_are_what_mlflow_takes():
    settings = {"model": {"width": 32}, "recipe": {"match": {"a:b": {"weight": 1.0}}, "init": None, "none": {}}}
    assert dict(flat(settings)) == {
        "model.width": "32", "recipe.match.a_b.weight": "1.0", "recipe.init": "None", "recipe.none": "{}",
    }  # fmt: skip


def test_tags_name_what_a_run_is_found_by():
    report = made_report()
    tags = tags_of(report, report.candidates[0])
    assert {"weighin.family": "glyphs", "weighin.variant": "full", "weighin.runtime": "torch"}.items() <= tags.items()
    assert "weighin.hash.weights" in tags and "weighin.version.torch" in tags and "weighin.hardware.cores" in tags
    assert json.dumps(tags) and all(isinstance(value, str) and value for value in tags.values())
