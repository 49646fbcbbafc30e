"""The verb ``report``: a report that was made before, its figures, statistics and pages anew from its evidence.

Nothing is measured: a newer weighin may compute better intervals from the same raw numbers, or write a better page.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from weighin.core import registry
from weighin.core.errors import RunError
from weighin.core.files import hash_path
from weighin.core.result import Candidate, Measurement, Report
from weighin.steps import assemble, candidate, evidence, quality, speed
from weighin.steps import report as document
from weighin.steps.candidate import updated
from weighin.steps.limits import LOSS
from weighin.steps.losses import with_losses
from weighin.steps.overview import read

PICTURES = ("picture", "pictures")


def refresh(path: Path) -> tuple[Report, Mapping[str, Path]]:
    """Writes the report at ``path`` (its folder, or its report.json) again; the report and its files.

    Raises RunError where evidence is missing, damaged, or not the file that the figures were computed from.
    """
    old, folder = read(path), path if path.is_dir() else path.parent
    rows = [row if row.status == "imported" else _row(old, row, folder / "evidence") for row in old.candidates]
    fresh = derived(old.model_copy(update={"candidates": rows}), folder / "evidence")
    pictured = {key: _pictured(fresh.details[key], old.details.get(key)) for key in ("worst", "confusions")}
    whole = fresh.model_copy(update={"details": {**old.details, **fresh.details, **pictured}})
    return whole, document.write(whole, folder)


def derived(report: Report, folder: Path) -> Report:
    """The report with losses, pairs, front, notes, details and picks computed from the evidence; without pictures."""
    family = registry.family(report.family)
    seen = {row.label: assemble.gathered(folder, row) for row in assemble.scored(family, report.candidates)}
    pairs = assemble.pairs_of(family, seen)
    update = {
        "candidates": with_losses(report.candidates, pairs, family.primary.name, family.primary.better),
        "primary": family.primary.name,
        "scores": assemble.scores_of(family),
        "pairs": pairs,
        "front": assemble.front_of(family, seen, report.candidates),
        "notes": assemble.notes_of(seen),
        "details": assemble.details_of(family, report.candidates, seen),
    }
    fresh = report.model_copy(update=update)
    asked = report.details.get("pick") or {}
    limits = [f"{limit['name']}{limit['op']}{limit['bound']!r}" for limit in asked.get("limits", ())]
    picks = assemble.picks(fresh, asked.get("best"), limits)
    return fresh.model_copy(update={"details": {**fresh.details, **picks}})


def figures_of(report: Report, path: Path) -> tuple[list[dict[str, Any]], Mapping[str, Any]]:
    """The figures that follow from an evidence file, and its note. Raises RunError."""
    arrays, note = evidence.load(path)
    if path.name.endswith("-quality.npz"):
        return quality.figures(registry.family(report.family), arrays), note
    return (candidate.figures(note) if path.name.endswith("-facts.npz") else speed.figures(arrays)), note


def by_file(measurements: Sequence[Measurement]) -> dict[str, list[Measurement]]:
    """Measurements by the name of their evidence; a loss follows from many files, and from no single one."""
    found: dict[str, list[Measurement]] = {}
    for measured in measurements:
        if measured.name != LOSS:
            found.setdefault(Path(measured.evidence).name, []).append(measured)
    return found


def _row(report: Report, row: Candidate, folder: Path) -> Candidate:
    made: list[Measurement] = []
    for name, measurements in by_file(row.measurements).items():
        figures, _ = figures_of(report, folder / name)
        if measurements[0].hashes.get("evidence") != hash_path(folder / name)[:16]:
            raise RunError(f"{folder / name} is not the file that {row.label} was computed from", hint="See weighin verify")
        made += updated(measurements, figures)
    return row.model_copy(update={"measurements": made})


def _pictured(table: Any, old: Any) -> Any:
    """The table with the pictures of the old one: they are of the data, which is not part of the evidence."""
    made = {}
    for label, lines in table.items():
        shown = {
            line["id"]: {key: line[key] for key in PICTURES if key in line}
            for line in (old or {}).get(label, ())
            if "id" in line
        }
        made[label] = [{**line, **shown.get(line["id"], {})} for line in lines]
    return made
