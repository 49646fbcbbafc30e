"""The verb ``verify``: every figure of a report again, from its evidence; the document again, from its figures."""

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from weighin.core import registry
from weighin.core.errors import WeighinError
from weighin.core.files import hash_path
from weighin.core.result import Candidate, Measurement, Report
from weighin.core.run import runs_root
from weighin.steps import assemble, candidate, evidence, quality, speed
from weighin.steps import report as document
from weighin.steps.overview import read

Figures = Callable[[evidence.Arrays, Mapping[str, Any]], list[dict[str, Any]]]


def verify(path: Path, *, again: Sequence[str] = (), root: Path | str | None = None) -> list[str]:
    """What does not follow from the evidence, a line each; empty when all holds.

    Evidence files lie in ``evidence/`` beside the report. ``again`` also measures anew (``quality``, ``speed``) on
    the runs under ``root`` and says what moved beyond its interval.
    """
    report = read(path)
    folder = path if path.is_dir() else path.parent
    found = [line for row in report.candidates for line in _row(report, row, folder / "evidence")]
    if not found:
        found += _derived(report, folder / "evidence")
    found += _documents(report, folder)
    return found + (_moved(report, again, root) if again else [])


def _row(report: Report, row: Candidate, folder: Path) -> list[str]:
    """Differences of one candidate's measurements; each must name evidence, except imported ones."""
    found: list[str] = []
    by_file: dict[str, list[Measurement]] = {}
    for measured in row.measurements if row.status != "imported" else ():
        by_file.setdefault(measured.evidence, []).append(measured)
    for name, measurements in by_file.items():
        if not name:
            found += [f"{row.label}: {m.name} names no evidence" for m in measurements]
            continue
        path = folder / Path(name).name
        try:
            arrays, note = evidence.load(path)
        except WeighinError as error:
            found.append(f"{row.label}: {error}")
            continue
        wrong = hash_path(path)[:16]
        found += [
            f"{row.label}: {m.name}: {name} is not the file it was computed from"
            for m in measurements
            if m.hashes.get("evidence") != wrong
        ]
        found += _compare(row.label, measurements, {f["name"]: f for f in _figures(report, name, arrays, note)})
    return found


def _figures(report: Report, name: str, arrays: evidence.Arrays, note: Mapping[str, Any]) -> list[dict[str, Any]]:
    if name.endswith("-quality.npz"):
        return quality.figures(registry.family(report.family), arrays)
    return candidate.figures(note) if name.endswith("-facts.npz") else speed.figures(arrays)


def _compare(label: str, measurements: Sequence[Measurement], figures: Mapping[str, Mapping[str, Any]]) -> list[str]:
    found = []
    for measured in measurements:
        again = figures.get(measured.name)
        if again is None:
            found.append(f"{label}: {measured.name} does not follow from {measured.evidence}")
            continue
        for key in ("value", "low", "high", "n"):
            shown, computed = getattr(measured, key), again[key]
            if not _same(shown, computed):
                found.append(f"{label}: {measured.name}.{key} is {shown}, its evidence gives {computed}")
    return found


def _same(one: float | None, two: float | None) -> bool:
    if one is None or two is None:
        return one is two
    return math.isclose(one, two, rel_tol=1e-9, abs_tol=1e-12)


def _derived(report: Report, folder: Path) -> list[str]:
    """Pairs, front and picks again."""
    family = registry.family(report.family)
    files = {
        row.label: m.evidence
        for row in report.candidates
        if (m := row.get(report.primary)) and m.evidence and row.status == "ok"
    }
    seen = {label: evidence.load(folder / Path(name).name) for label, name in files.items()}
    found = (
        []
        if _equal(assemble.pairs_of(family, seen), report.pairs)
        else ["The pairwise differences do not follow from the evidence"]
    )
    front = assemble.front_of(family, seen, report.candidates)
    if front.keys() != report.front.keys() or not all(_same(front[label], report.front[label]) for label in front):
        found.append("The Pareto front does not follow from the evidence")
    asked = report.details.get("pick", {})
    limits = [f"{limit['name']}{limit['op']}{limit['bound']!r}" for limit in asked.get("limits", ())]
    if assemble.picks(report, asked.get("best"), limits) != {key: report.details.get(key) for key in ("pick", "profiles")}:
        found.append("The picks do not follow from the measurements")
    return found


def _equal(ours: Sequence[Any], theirs: Sequence[Any]) -> bool:
    if len(ours) != len(theirs):
        return False
    numbers = ("difference", "low", "high", "p")
    return all(
        (a.first, a.second, a.different) == (b.first, b.second, b.different)
        and all(_same(getattr(a, k), getattr(b, k)) for k in numbers)
        for a, b in zip(ours, theirs, strict=True)
    )


def _documents(report: Report, folder: Path) -> list[str]:
    """The page, the document and the table must be what the report's figures give."""
    with tempfile.TemporaryDirectory() as name:
        fresh = document.write(report, Path(name))
        there = {kind: folder / path.name for kind, path in fresh.items() if kind != "json"}
        return [
            f"{path} is not what report.json gives"
            for kind, path in there.items()
            if path.exists() and path.read_bytes() != fresh[kind].read_bytes()
        ]


def _moved(report: Report, again: Sequence[str], root: Path | str | None) -> list[str]:
    """Measures anew on the runs and compares intervals: moved means that the two do not overlap."""
    from weighin.core.config import validate
    from weighin.core.run import Run
    from weighin.steps.candidate import Weighed
    from weighin.steps.weigh import weigh

    family = registry.family(report.family)
    kind = type(family.variant("nano"))
    candidates = []
    for row in (row for row in report.candidates if row.status == "ok"):
        base = family.variants().get(row.variant) or family.variant("nano")
        raw = base.model_dump(mode="json") | {"name": row.variant} | dict(row.settings)
        run = Run.open(runs_root(root) / report.family / row.run)
        threads = int(row.measurements[0].hardware.get("threads", 1))
        candidates.append(Weighed(family, validate(kind, raw, row.label), run, row.runtime, report.data, threads))
    n = report.notes.get("test examples")
    rows = {
        row.label: row
        for row in weigh(candidates, examples=int(n) if n else None, rounds=15 if "speed" in again else 0, again=again)
    }
    return [line for row in report.candidates if row.label in rows for line in _apart(row, rows[row.label])]


def _apart(old: Candidate, new: Candidate) -> list[str]:
    found = []
    for before in old.measurements:
        after = new.get(before.name)
        bounds = after and (before.low, before.high, after.low, after.high)
        if after and bounds and None not in bounds and (after.low > before.high or after.high < before.low):  # type: ignore[operator]
            found.append(
                f"{old.label}: {before.name} moved from {before.value:.4g} to {after.value:.4g}, beyond both intervals"
            )
    return found
