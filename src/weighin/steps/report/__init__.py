"""The verb ``report``: one comparison as a page, a document, JSON and CSV, each written whole or not at all."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from weighin.core.files import write_json, write_text
from weighin.core.result import Report
from weighin.steps.report import html, markdown
from weighin.steps.report.plot import plot_png

__all__ = ["clean", "plot_png", "schema", "to_csv", "to_json", "write", "write_schema"]

COLUMNS: tuple[str, ...] = (
    "variant",
    "runtime",
    "status",
    "reason",
    "name",
    "value",
    "low",
    "high",
    "n",
    "unit",
    "better",
    "method",
    "run",
    "data",
    "command",
    "at",
)
SCHEMA_ID = "https://weighin.dev/report.schema.json"


def write(report: Report, folder: Path) -> dict[str, Path]:
    """Writes ``report.html``, ``.md``, ``.json`` and ``.csv`` into ``folder``; their paths by ending. Raises StorageError."""
    sound = clean(report)
    paths = {kind: Path(folder) / f"report.{kind}" for kind in ("html", "md", "json", "csv")}
    write_text(paths["html"], html.render(sound))
    write_text(paths["md"], markdown.render(sound))
    write_json(paths["json"], to_json(sound))
    write_text(paths["csv"], to_csv(sound))
    return paths


def to_json(report: Report) -> dict[str, Any]:
    """``report.json`` as plain data."""
    return report.model_dump(mode="json", by_alias=True)


def to_csv(report: Report) -> str:
    """One line a measurement, and one line a candidate that has none; columns are :data:`COLUMNS`, absent figures are empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(COLUMNS), extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for candidate in report.candidates:
        whose = candidate.model_dump(include={"variant", "runtime", "status", "reason", "run"})
        for measured in candidate.measurements:
            writer.writerow({**measured.model_dump(), **whose})
        if not candidate.measurements:
            writer.writerow(whose)
    return out.getvalue()


def clean(report: Report) -> Report:
    """The report with plain data only in its loose parts, and None for what is not a finite number: it was not measured."""
    return report.model_copy(update={key: _plain(getattr(report, key)) for key in ("environment", "notes", "details")})


def _plain(value: Any) -> Any:
    """Plain data: numpy numbers as Python's, and None for what is not a finite number."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (str, bytes)):
        return value
    if isinstance(value, Sequence):
        return [_plain(inner) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value


def schema() -> dict[str, Any]:
    """The JSON Schema of ``report.json``, from the model that writes it."""
    made = Report.model_json_schema(by_alias=True, mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **made, "title": "weighin report"}


def write_schema(path: Path) -> None:
    """Writes the schema, as ``docs/report.schema.json`` has it."""
    write_json(path, schema())
