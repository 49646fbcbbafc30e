"""The verb ``verify``: every figure of a report again, from its evidence; the document again, from its figures."""

import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from weighin.core import registry
from weighin.core.errors import WeighinError, unknown
from weighin.core.files import hash_path
from weighin.core.result import Candidate, Measurement, Report
from weighin.core.run import runs_root
from weighin.steps import assemble, candidate, evidence, imports, quality, speed
from weighin.steps import report as document
from weighin.steps.overview import read
from weighin.steps.weigh import AGAIN, weigh

HASHES = ("weights", "artefact", "assets", "predict", "data")  # of a candidate; evidence files repeat them


def verify(path: Path, *, again: Sequence[str] = (), root: Path | str | None = None) -> list[str]:
    """What does not follow from the evidence, a line each; empty when all holds.

    Evidence files lie in ``evidence/`` beside the report. ``again`` also measures anew (``quality``, ``speed``) on
    the runs under ``root`` and says what moved beyond its interval. Imported rows are held against the files they came from.
    """
    for kind in again:
        if kind not in AGAIN:
            raise unknown("kind of measurement to do again", kind, AGAIN)
    report = read(path)
    folder = path if path.is_dir() else path.parent
    found = [line for row in report.candidates for line in _row(report, row, folder / "evidence")]
    found += imports.differences(report, folder / "evidence")
    if not found:
        found += _derived(report, folder / "evidence")
    found += _documents(report, folder)
    return found + (_moved(report, again, root) if again else [])


def _row(report: Report, row: Candidate, folder: Path) -> list[str]:
    """Differences of one candidate's measurements; each must name evidence. Imported ones have none of ours."""
    found: list[str] = []
    by_file: dict[str, list[Measurement]] = {}
    for measured in row.measurements if row.status != "imported" else ():
        by_file.setdefault(measured.evidence, []).append(measured)
    for name, measurements in by_file.items():
        if name:
            found += [f"{row.label}: {line}" for line in _file(report, folder / Path(name).name, measurements)]
        else:
            found += [f"{row.label}: {m.name} names no evidence" for m in measurements]
    return found


def _file(report: Report, path: Path, measurements: Sequence[Measurement]) -> list[str]:
    """What differs between measurements and the one file that they were computed from."""
    try:
        arrays, note = evidence.load(path)
        figures = {f["name"]: f for f in _figures(report, path.name, arrays, note)}
    except WeighinError as error:
        return [str(error)]
    except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
        return [f"{path.name} holds no such evidence: {error!r}"]
    whole, noted = hash_path(path)[:16], note.get("hashes", {})
    found = [
        f"{m.name}: {path.name} is not the file it was computed from" for m in measurements if m.hashes.get("evidence") != whole
    ]
    for m in measurements:
        odd = [key for key in (*noted, *m.hashes) if key in HASHES and m.hashes.get(key) != noted.get(key)]
        found += [f"{m.name}: its hash of {key} is not the one in {path.name}" for key in dict.fromkeys(odd)]
    return found + _compare(measurements, figures)


def _figures(report: Report, name: str, arrays: evidence.Arrays, note: Mapping[str, Any]) -> list[dict[str, Any]]:
    if name.endswith("-quality.npz"):
        return quality.figures(registry.family(report.family), arrays)
    return candidate.figures(note) if name.endswith("-facts.npz") else speed.figures(arrays)


def _compare(measurements: Sequence[Measurement], figures: Mapping[str, Mapping[str, Any]]) -> list[str]:
    found = []
    for measured in measurements:
        again = figures.get(measured.name)
        if again is None:
            found.append(f"{measured.name} does not follow from {measured.evidence}")
            continue
        for key, computed in again.items():
            shown = getattr(measured, key)
            if not alike(shown, computed):
                found.append(f"{measured.name}.{key} is {shown}, its evidence gives {computed}")
    return found


def alike(one: Any, two: Any) -> bool:
    """Equal plain data; numbers to nine digits, because another machine may round otherwise."""
    if isinstance(one, Mapping) and isinstance(two, Mapping):
        return one.keys() == two.keys() and all(alike(one[key], two[key]) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(two, (list, tuple)):
        return len(one) == len(two) and all(alike(a, b) for a, b in zip(one, two))
    if isinstance(one, (int, float)) and isinstance(two, (int, float)):
        return math.isclose(one, two, rel_tol=1e-9, abs_tol=1e-12)
    return one == two


def _derived(report: Report, folder: Path) -> list[str]:
    """Pairs, front, picks, notes and every table of details again."""
    family = registry.family(report.family)
    try:
        seen = {row.label: assemble.gathered(folder, row) for row in assemble.scored(family, report.candidates)}
    except WeighinError as error:
        return [str(error)]
    asked = report.details.get("pick") or {}
    limits = [f"{limit['name']}{limit['op']}{limit['bound']!r}" for limit in asked.get("limits", ())]
    fresh = report.model_copy(
        update={
            "primary": family.primary.name,
            "scores": assemble.scores_of(family),
            "pairs": assemble.pairs_of(family, seen),
            "front": assemble.front_of(family, seen, report.candidates),
            "notes": assemble.notes_of(seen),
            "details": assemble.details_of(family, report.candidates, seen),
        }
    )
    picks = assemble.picks(fresh, asked.get("best"), limits)
    fresh = fresh.model_copy(update={"details": {**fresh.details, **picks}})
    wanted, shown = (document.to_json(document.clean(r)) for r in (fresh, report))
    shown["details"] = _without_pictures(shown["details"])
    keys = [key for key in ("primary", "scores", "pairs", "front", "notes") if not alike(wanted[key], shown[key])]
    keys += [f"details.{k}" for k, table in wanted["details"].items() if not alike(table, shown["details"].get(k))]
    return [f"{key} does not follow from the evidence" for key in keys]


def _without_pictures(value: Any) -> Any:
    """Pictures are of the data, which is not part of the evidence."""
    if isinstance(value, Mapping):
        return {key: _without_pictures(inner) for key, inner in value.items() if key not in ("picture", "pictures")}
    return [_without_pictures(inner) for inner in value] if isinstance(value, list) else value


def _documents(report: Report, folder: Path) -> list[str]:
    """The page, the document and the table must be there, and be what the report's figures give."""
    with tempfile.TemporaryDirectory() as name:
        fresh = document.write(report, Path(name))
        there = {kind: folder / path.name for kind, path in fresh.items() if kind != "json"}
        missing = [f"{path} is missing" for path in there.values() if not path.exists()]
        return missing + [
            f"{path} is not what report.json gives"
            for kind, path in there.items()
            if path.exists() and path.read_bytes() != fresh[kind].read_bytes()
        ]


def _moved(report: Report, again: Sequence[str], root: Path | str | None) -> list[str]:
    """Measures anew on the runs and compares intervals: moved means that the two do not overlap."""
    from weighin.core.config import validate
    from weighin.core.run import Run
    from weighin.steps.candidate import Weighed

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
