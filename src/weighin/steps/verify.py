"""The verb ``verify``: every figure of a report again, from its evidence; the document again, from its figures."""

import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from weighin.core.errors import WeighinError, unknown
from weighin.core.files import hash_path
from weighin.core.result import Candidate, Measurement, Report
from weighin.steps import imports
from weighin.steps import report as document
from weighin.steps.again import measured_again
from weighin.steps.limits import LOSS
from weighin.steps.overview import read
from weighin.steps.refresh import PICTURES, by_file, derived, figures_of
from weighin.steps.weigh import AGAIN

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
    return found + (measured_again(report, folder / "evidence", again, root) if again else [])


def _row(report: Report, row: Candidate, folder: Path) -> list[str]:
    """Differences of one candidate's measurements; each must name evidence. Imported ones have none of ours."""
    found: list[str] = []
    for name, measurements in by_file(row.measurements).items() if row.status != "imported" else ():
        if name:
            found += [f"{row.label}: {line}" for line in _file(report, folder / name, measurements)]
        else:
            found += [f"{row.label}: {m.name} names no evidence" for m in measurements]
    whose = {"family": report.family, "data": report.data, "variant": row.variant, "runtime": row.runtime, "run": row.run}
    measured = row.measurements if row.status != "imported" else ()
    odd = [f"{m.name} is of {key} {getattr(m, key)!r}" for m in measured for key in whose if getattr(m, key) != whose[key]]
    return found + [f"{row.label}: {line}" for line in odd]


def _file(report: Report, path: Path, measurements: Sequence[Measurement]) -> list[str]:
    """What differs between measurements and the one file that they were computed from."""
    try:
        made, note = figures_of(report, path)
        figures = {f["name"]: f for f in made}
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
        found += _where(report, m, path.name, note.get("where", {}))
    hidden = figures.keys() - {m.name for m in measurements}
    return (
        found
        + _compare(measurements, figures)
        + [f"{name} follows from {path.name} and is not shown" for name in sorted(hidden)]
    )


def _where(report: Report, m: Measurement, name: str, where: Mapping[str, Any]) -> list[str]:
    """Whether a figure names the hardware and the libraries that its evidence and the report name."""
    found = [f"{m.name}: its {key} are not those in {name}" for key in where if not alike(getattr(m, key), where[key])]
    versions = report.environment.get("versions", {})
    odd = [library for library, version in m.versions.items() if versions.get(library) != version]
    found += [f"{m.name}: its version of {library} is not the one of the report" for library in odd]
    threads = report.environment.get("threads", ())
    if name.endswith("-speed.npz") and m.hardware.get("threads") not in threads:
        found.append(f"{m.name} was timed on {m.hardware.get('threads')} threads, the report says {threads}")
    return found


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
    """Losses, pairs, front, picks, notes and every table of details again."""
    try:
        fresh = derived(report, folder)
    except WeighinError as error:
        return [str(error)]
    wanted, shown = (document.to_json(document.clean(r)) for r in (fresh, report))
    shown["details"] = _without_pictures(shown["details"])
    found = [key for key in ("primary", "scores", "pairs", "front", "notes") if not alike(wanted[key], shown[key])]
    found += [f"details.{k}" for k, table in wanted["details"].items() if not alike(table, shown["details"].get(k))]
    found += [
        f"{row['variant']} @ {row['runtime']}: {LOSS}"
        for row, new in zip(shown["candidates"], wanted["candidates"])
        if not alike(row, new)
    ]
    return [f"{key} does not follow from the evidence" for key in found] + _noiseless(fresh)


def _noiseless(fresh: Report) -> list[str]:
    """Every session times its first candidate twice: without the second there is no noise floor to judge ratios by."""
    timed = [row for row in fresh.candidates if any(m.evidence.endswith("-speed.npz") for m in row.measurements)]
    broken = any(row.status == "failed" and row.measurements for row in fresh.candidates)  # perhaps the first
    return [] if fresh.details["noise"] or broken or not timed else ["The evidence of the A/A row is missing"]


def _without_pictures(value: Any) -> Any:
    """Pictures are of the data, which is not part of the evidence."""
    if isinstance(value, Mapping):
        return {key: _without_pictures(inner) for key, inner in value.items() if key not in PICTURES}
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
