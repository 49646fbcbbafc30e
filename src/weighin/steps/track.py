"""The verb ``track``: a report in MLflow, one run a candidate, with everything that is needed to find the figure again."""

import importlib
import os
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from weighin.core.errors import ConfigError, MissingError, StorageError
from weighin.core.files import hash_path
from weighin.core.result import Candidate, Measurement, Report
from weighin.steps.overview import read

ALLOWED = "sqlite:///FILE, postgresql://..., mysql://..., mssql://..., or the http(s) address of a server"
SCHEMES = ("sqlite", "postgresql", "mysql", "mssql", "http", "https", "databricks")
LONGEST = 6000  # characters of a parameter that MLflow keeps
PARAMETERS = 100  # that it takes at once
REPORT = "weighin.report"  # the tag by which a report's runs are found again


def track(path: Path, uri: str = "sqlite:///mlflow.db") -> dict[str, str]:
    """Logs every measured candidate of the report at ``path``; label -> id of its run. What is there is left alone.

    Raises ConfigError for an address that is none or is a folder (MLflow's file store is going), MissingError without
    mlflow, StorageError where MLflow refuses.
    """
    if urlsplit(uri).scheme.partition("+")[0] not in SCHEMES:
        raise ConfigError(f"--uri got {uri!r}", f"It takes {ALLOWED}", "A folder is no tracking store")
    report, folder = read(path), path if path.is_dir() else path.parent
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        mlflow: Any = importlib.import_module("mlflow")
    except ImportError as error:
        raise MissingError("mlflow is not installed", hint="pip install 'weighin[mlflow]'") from error
    whole = hash_path(folder / "report.json" if path.is_dir() else path)[:16]
    try:
        client = mlflow.MlflowClient(tracking_uri=uri)
        experiment = _experiment(client, f"weighin {report.family}", uri)
        there = _there(client, experiment, whole)
        rows = [row for row in report.candidates if row.status == "ok" and row.label not in there]
        return {row.label: _log(client, experiment, report, row, whole, folder / "report.html") for row in rows}
    except mlflow.MlflowException as error:
        raise StorageError(f"MLflow at {uri} refused: {str(error).splitlines()[0]}") from error


def _experiment(client: Any, name: str, uri: str) -> str:
    """Id of the experiment, made if it is not there; files of a database lie in ``mlartifacts`` beside it."""
    found = client.get_experiment_by_name(name)
    if found:
        return found.experiment_id
    beside = uri.removeprefix("sqlite:///")
    place = (Path(beside).resolve().parent / "mlartifacts").as_uri() if beside != uri else None
    return client.create_experiment(name, artifact_location=place)


def _there(client: Any, experiment: str, whole: str) -> set[str]:
    """Labels of this very report that are logged to the end."""
    where = f"tags.`{REPORT}` = '{whole}' and attributes.status = 'FINISHED'"
    found, page = set(), None
    while page is None or page.token:
        page = client.search_runs([experiment], where, page_token=page.token if page else None)
        found |= {run.info.run_name for run in page}
    return found


def _log(client: Any, experiment: str, report: Report, row: Candidate, whole: str, page: Path) -> str:
    """One run: figures, then settings, then the page. Interrupted, it is marked as killed and logged again next time."""
    kinds: Any = importlib.import_module("mlflow.entities")
    made = client.create_run(experiment, tags=tags_of(report, row) | {REPORT: whole}, run_name=row.label)
    number, ending = made.info.run_id, "KILLED"
    try:
        metrics = [kinds.Metric(name, value, _milliseconds(m), 0) for m in row.measurements for name, value in _figures(m)]
        client.log_batch(number, metrics=metrics)
        settings = [kinds.Param(key, value[:LONGEST]) for key, value in flat({"variant": row.variant, "runtime": row.runtime})]
        settings += [kinds.Param(key, value[:LONGEST]) for key, value in flat(row.settings)]
        for start in range(0, len(settings), PARAMETERS):
            client.log_batch(number, params=settings[start : start + PARAMETERS])
        if page.exists():
            client.log_artifact(number, str(page))
        ending = "FINISHED"
    finally:
        client.set_terminated(number, ending)
    return number


def _figures(measured: Measurement) -> Iterator[tuple[str, float]]:
    """The value, the ends of its interval, and n, under names of their own."""
    yield measured.name, measured.value
    for end, value in (("low", measured.low), ("high", measured.high), ("n", measured.n)):
        if value is not None:
            yield f"{measured.name}.{end}", float(value)


def _milliseconds(measured: Measurement) -> int:
    """When it was measured, since 1970; 0 where that was not kept."""
    return int(datetime.fromisoformat(measured.at).timestamp() * 1000) if measured.at else 0


def tags_of(report: Report, row: Candidate) -> dict[str, str]:
    """What a run is found by: family, data, runtime, hashes, versions, hardware, command."""
    first = row.measurements[0] if row.measurements else None
    found = {"family": report.family, "data": report.data, "variant": row.variant, "runtime": row.runtime, "run": row.run}
    found |= {"about": row.about, "command": report.command}
    found |= {f"hash.{key}": value for m in row.measurements for key, value in m.hashes.items() if key != "evidence"}
    found |= {f"version.{key}": value for key, value in (first.versions if first else {}).items()}
    found |= {f"hardware.{key}": str(value) for key, value in (first.hardware if first else {}).items()}
    return {f"weighin.{key}": value for key, value in found.items() if value}


def flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """``{"recipe": {"lr": 0.1}}`` as ``("recipe.lr", "0.1")``; keys keep only what MLflow takes."""
    for key, value in settings.items():
        name = f"{before}{re.sub(r'[^A-Za-z0-9_. /-]', '_', str(key))}"
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{name}.")
        else:
            yield name, str(value)
