"""The verb ``import``: other tools' figures as candidates that are marked as imported. They show, and never win unasked.

A file is a CSV table with the columns of ``report.csv``, or JSON: a report.json, or a list of candidates of that schema.
It is kept beside the evidence under its hash, so that ``verify`` can hold what the report shows against what came in.
"""

import json
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from weighin.core.config import validate
from weighin.core.errors import ConfigError, WeighinError, closest
from weighin.core.files import PARTIAL, hash_bytes, storing, write_bytes
from weighin.core.result import Candidate, Measurement, Report
from weighin.steps import assemble
from weighin.steps import report as document
from weighin.steps.import_table import rows_of
from weighin.steps.limits import LOSS, STANDARD
from weighin.steps.overview import read
from weighin.steps.report.figures import TITLES

PREFIX = "imported-"  # of the names that imported files have beside the evidence
DIGITS = 12  # of a file's SHA-256, in its name and in the reason


def import_measurements(file: Path, into: Path) -> tuple[Report, list[Candidate]]:
    """Adds the candidates of ``file`` to the report ``into`` (its folder, or its report.json) and writes it again.

    Returns the whole report, and what was added.
    The picks are made anew; no imported candidate takes part in them. Raises ConfigError for a file that cannot be read,
    a figure that is none, a name that the report does not know, a candidate that is there already; then nothing changes.
    """
    report, folder = read(into), into if into.is_dir() else into.parent
    if into.is_file() and into.name != "report.json":
        raise ConfigError(f"--into got {into}", "It takes the folder of a report, or the report.json in it")
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"Cannot read {file}: {error.strerror}") from None
    rows = candidates_of(raw, file.name, report)
    there = {c.label for c in report.candidates}
    for row in rows:
        if row.label in there:
            hint = f"Call it something else in {file.name}"
            raise ConfigError(f"{file.name} brings {row.label}", "The report has a candidate of that name", hint)
    whole = _picked(report.model_copy(update={"candidates": [*report.candidates, *rows]}))
    write_bytes(folder / "evidence" / kept_name(raw, file.name), raw)
    _rewrite(whole, folder)
    return whole, rows


def kept_name(raw: bytes, name: str) -> str:
    """What an imported file is called beside the evidence."""
    return f"{PREFIX}{hash_bytes(raw)[:DIGITS]}-{name}"


def candidates_of(raw: bytes, name: str, report: Report) -> list[Candidate]:
    """The candidates that a file brings to a report, every figure checked. Raises ConfigError with line and column."""
    parsers = {".csv": rows_of, ".json": _from_json}
    suffix = Path(name).suffix.lower()
    if suffix not in parsers:
        raise ConfigError(f"{name} is neither a CSV nor a JSON file", f"Names end in {' or '.join(parsers)}")
    placed = parsers[suffix](raw, name)
    if not placed:
        raise ConfigError(f"{name} holds no candidate", "It needs at least one figure", "The columns are those of report.csv")
    return [_imported(candidate, places, raw, name, report) for candidate, places in placed]


def _from_json(raw: bytes, name: str) -> list[tuple[Candidate, list[str]]]:
    """Candidates with the place of each of their figures, to be followed by the name of what is wrong there."""
    try:
        found = json.loads(raw.decode("utf-8-sig"), parse_constant=lambda word: _refuse(f"{name} holds {word}"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{name} is not JSON: {error}") from None
    listed = found.get("candidates") if isinstance(found, Mapping) else found
    if not isinstance(listed, Sequence) or isinstance(listed, str):
        raise ConfigError(f"{name} has no candidates", "It is a report.json, or a list of candidates as a report.json has it")
    placed: list[tuple[Candidate, list[str]]] = []
    for i, plain in enumerate(listed):
        candidate: Candidate = validate(Candidate, plain, f"{name}, candidate {i + 1}")
        if any(candidate.label == other.label for other, _ in placed):
            raise ConfigError(f"{name}, candidate {i + 1}: {candidate.label} stands there twice")
        if not (candidate.variant.strip() and candidate.runtime.strip()):
            raise ConfigError(f"{name}, candidate {i + 1} has no name", "It needs a variant and a runtime")
        placed.append(
            (candidate, [f"{name}, candidate {i + 1}, measurement {j + 1}," for j in range(len(candidate.measurements))])
        )
    return placed


def _refuse(came: str) -> None:
    raise ConfigError(came, "A figure is a finite number", "Leave it out: then it is not measured")


def _imported(candidate: Candidate, places: Sequence[str], raw: bytes, name: str, report: Report) -> Candidate:
    """The candidate as the report shows it: marked, with the file as evidence of every figure."""
    digest, kept = hash_bytes(raw), kept_name(raw, name)
    figures: dict[str, Measurement] = {}
    for measured, place in zip(candidate.measurements, places, strict=True):
        if measured.name in figures:
            raise ConfigError(f"{place} name: {measured.name} of {candidate.label} stands there twice")
        if measured.name == LOSS:  # against the best of a report that is not this one
            continue
        known = {"family": report.family, "variant": candidate.variant, "runtime": candidate.runtime, "evidence": kept}
        hashes = {**measured.hashes, "evidence": digest[:16]}
        figures[measured.name] = _known(measured, place, report).model_copy(update={**known, "hashes": hashes})
    reason = f"imported, not measured here (from {name}, sha256 {digest[:DIGITS]})"
    if not figures:
        reason += f"; it came as {candidate.status}{': ' + candidate.reason if candidate.reason else ''}"
    update = {"status": "imported", "reason": reason, "measurements": list(figures.values())}
    return candidate.model_copy(update=update)


def _known(measured: Measurement, place: str, report: Report) -> Measurement:
    """The figure in the report's unit and direction. Raises ConfigError for one that cannot stand beside the others."""
    scores = {str(score["name"]): score for score in report.scores}
    name, names = measured.name, sorted({*STANDARD, *scores})
    if name not in names:
        came = f"{place} name: no measurement of {report.family} is called {name!r}"
        raise ConfigError(came, f"There are: {', '.join(names)}", closest(name, names))
    unit = str(scores[name]["unit"]) if name in scores else TITLES[name][1]
    better = scores[name]["better"] if name in scores else STANDARD[name]
    for key, came, wanted in (("unit", measured.unit, unit), ("better", measured.better, better)):
        if came and came != wanted:
            raise ConfigError(
                f"{place} {key}: {name} came with {came!r}", f"Here it is {wanted!r}" if wanted else "Here it has none"
            )
    if measured.n < 1:
        raise ConfigError(
            f"{place} n: {name} came with {measured.n}", "It is the number of examples, calls or processes behind it"
        )
    low, high = (measured.value if end is None else end for end in (measured.low, measured.high))
    if not low <= measured.value <= high:
        raise ConfigError(
            f"{place} value: {name} {measured.value:g} is not within {low:g} to {high:g}", "Its interval must hold it"
        )
    if name in STANDARD and low < 0:
        raise ConfigError(f"{place} value: {name} came with {low:g}", "Times, sizes and counts are 0 or more")
    return measured.model_copy(update={"unit": unit, "better": better})


def _picked(report: Report) -> Report:
    """The report with its picks made anew, for the goal and the limits that it was made with."""
    asked = report.details.get("pick") or {}
    limits = [f"{limit['name']}{limit['op']}{limit['bound']!r}" for limit in asked.get("limits", ())]
    return report.model_copy(update={"details": {**report.details, **assemble.picks(report, asked.get("best"), limits)}})


def _rewrite(report: Report, folder: Path) -> None:
    """All four files are made before the first is replaced; report.json, which the others follow from, comes last."""
    making = folder / f".report{PARTIAL}{os.getpid()}-{secrets.token_hex(4)}"
    try:
        made = document.write(report, making)
        for path in sorted(made.values(), key=lambda path: path.suffix == ".json"):
            with storing(folder / path.name):
                os.replace(path, folder / path.name)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def differences(report: Report, folder: Path) -> list[str]:
    """What of the imported rows does not follow from the files that they came from; those lie in ``folder``."""
    rows = [row for row in report.candidates if row.status == "imported"]
    brought: list[Candidate] = []
    damaged: list[str] = []
    for path in sorted(folder.glob(f"{PREFIX}*")) if rows else ():
        name = path.name.removeprefix(PREFIX)[DIGITS + 1 :]
        try:
            brought += candidates_of(path.read_bytes(), name, report)
        except (WeighinError, OSError) as error:
            damaged.append(f"{path.name}: {error}")
    found = [line for row in rows for line in _difference(row, brought)]
    return found + damaged if found else []


def _difference(row: Candidate, brought: Sequence[Candidate]) -> list[str]:
    plain: list[Mapping[str, Any]] = [c.model_dump(mode="json") for c in brought if c.label == row.label]
    if not plain:
        return [f"{row.label}: the file that it was imported from is missing"]
    return [] if row.model_dump(mode="json") in plain else [f"{row.label} is not what the file that it was imported from says"]
