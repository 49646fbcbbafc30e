"""CSV tables of measurements, as ``report.csv`` has them: read strictly, so that every mistake has a line and a column."""

import csv
import io
import math
from collections.abc import Mapping
from typing import Any

from weighin.core.errors import ConfigError, closest
from weighin.core.result import Candidate, Measurement
from weighin.steps.report import COLUMNS

NEEDED = ("variant", "runtime", "name", "value", "n")
NUMBERS = ("value", "low", "high")
TEXTS = ("unit", "method", "run", "data", "command", "at")
STATUSES = {"ok", "failed", "not measured", "imported"}


def rows_of(raw: bytes, name: str) -> list[tuple[Candidate, list[str]]]:
    """Candidates in the order of their first lines, with the place of each of their figures. Raises ConfigError."""
    try:
        reader = csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline=""), strict=True)
        lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(cells)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{name} is not a CSV table in UTF-8: {error}") from None
    if not lines:
        return []
    (_, head), *body = lines
    _check_head(head, name)
    found: dict[tuple[str, str], tuple[Candidate, list[str]]] = {}
    for number, cells in body:
        place = f"{name}, line {number}"
        if len(cells) != len(head):
            raise ConfigError(f"{place} has {len(cells)} cells", f"The first line names {len(head)} columns")
        row = dict(zip(head, cells))
        candidate, places = found.setdefault((row["variant"], row["runtime"]), (_candidate(row, place), []))
        if row["name"]:
            places.append(f"{place}, column")
            update = {"measurements": [*candidate.measurements, _measurement(row, place)]}
            found[row["variant"], row["runtime"]] = (candidate.model_copy(update=update), places)
    return list(found.values())


def _check_head(head: list[str], name: str) -> None:
    for column in head:
        if column not in COLUMNS:
            came = f"{name}, line 1: unknown column {column!r}"
            raise ConfigError(came, f"There are: {', '.join(COLUMNS)}", closest(column, COLUMNS))
        if head.count(column) > 1:
            raise ConfigError(f"{name}, line 1: column {column!r} stands there twice")
    missing = [column for column in NEEDED if column not in head]
    if missing:
        raise ConfigError(f"{name}, line 1: no column {missing[0]!r}", f"It needs {', '.join(NEEDED)}")


def _candidate(row: Mapping[str, str], place: str) -> Candidate:
    for column in ("variant", "runtime"):
        if not row[column]:
            raise ConfigError(f"{place}, column {column}: empty", "Every line names its candidate")
    status: Any = row.get("status") or "imported"
    if status not in STATUSES:
        raise ConfigError(f"{place}, column status: {status!r}", f"It is one of {', '.join(sorted(STATUSES))}, or empty")
    run, reason = row.get("run", ""), row.get("reason", "")
    return Candidate(variant=row["variant"], runtime=row["runtime"], run=run, status=status, reason=reason)


def _measurement(row: Mapping[str, str], place: str) -> Measurement:
    numbers = {column: _number(row.get(column, ""), column, place) for column in NUMBERS}
    if numbers["value"] is None:
        raise ConfigError(f"{place}, column value: empty", "A figure needs one", "Leave the line out: then it is not measured")
    better: Any = row.get("better") or None
    if better not in (None, "higher", "lower"):
        raise ConfigError(f"{place}, column better: {better!r}", "It is higher, lower, or empty")
    texts = {column: row.get(column, "") for column in TEXTS}
    plain = {"name": row["name"], **numbers, "n": _count(row["n"], place), "better": better, **texts}
    return Measurement.model_validate(plain | {"method": texts["method"] or "not said"})


def _number(text: str, column: str, place: str) -> float | None:
    """None for an empty cell."""
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        raise ConfigError(f"{place}, column {column}: {text!r} is no number", "It takes 0.5 or 5e-1, without a unit") from None
    if not math.isfinite(number):
        raise ConfigError(f"{place}, column {column}: {text!r} is not finite", "Leave it empty: then it is not measured")
    return number


def _count(text: str, place: str) -> int:
    number = _number(text, "n", place)
    if number is None or number < 1 or number != int(number):
        raise ConfigError(f"{place}, column n: {text!r}", "It is the number of examples, calls or processes behind the figure")
    return int(number)
