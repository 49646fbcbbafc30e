"""From rows and evidence to a report: pairs, Pareto front, details, picks. Deterministic, so that ``verify`` can repeat it."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from weighin.core import environment, registry
from weighin.core.family import Family, Tally
from weighin.core.files import hash_path
from weighin.core.result import Better, Candidate, Pair, Report
from weighin.core.statistics import all_pairs, draws, front, median_interval, spread
from weighin.steps import evidence, quality, speed
from weighin.steps.candidate import Weighed
from weighin.steps.losses import with_losses
from weighin.steps.pick import PROFILES, parse_limit, pick, profile
from weighin.steps.ratios import ratios

DRAWS = 1000
COST = SPEED = "latency_p50_ms"  # what the Pareto front weighs against the primary score; what the A/A row is judged by
REFERENCE = "torch"  # the runtime that others of the same variant are held against

Loaded = tuple[evidence.Arrays, Mapping[str, Any]]
Evidence = Mapping[str, Mapping[str, Loaded]]  # label -> kind (quality, facts, speed, noise) -> arrays and note


def assemble(
    family: Family[Any, Any, Any],
    data: str,
    weighed: Sequence[Weighed],
    rows: Sequence[Candidate],
    *,
    best: str | None = None,
    limits: Sequence[str] = (),
) -> Report:
    """The report of these rows; figures come from the runs' evidence files only."""
    folders = {c.label: c.run.path / "evidence" for c in weighed}
    seen = {row.label: gathered(folders[row.label], row) for row in scored(family, rows)}
    pairs = pairs_of(family, seen)
    report = Report(
        schema=1,
        family=family.name,
        about=family.about,
        data=data,
        environment=_environment(weighed),
        primary=family.primary.name,
        scores=scores_of(family),
        candidates=with_losses(rows, pairs, family.primary.name, family.primary.better),
        pairs=pairs,
        front=front_of(family, seen, rows),
        notes=notes_of(seen),
        details=_with_pictures(family, data, details_of(family, rows, seen)),
        command=environment.command(),
        at=environment.now(),
    )
    return report.model_copy(update={"details": {**report.details, **picks(report, best, limits)}})


def scores_of(family: Family[Any, Any, Any]) -> list[dict[str, Any]]:
    """What a report says of the family's scores."""
    return [{"name": s.name, "unit": s.unit, "better": s.better, "about": s.about} for s in family.scores]


def scored(family: Family[Any, Any, Any], rows: Sequence[Candidate]) -> list[Candidate]:
    """The rows that have the primary score: all tables beside the main one are made of them."""
    return [row for row in rows if row.status == "ok" and row.get(family.primary.name)]


def tallies_of(family: Family[Any, Any, Any], seen: Evidence) -> dict[str, Tally]:
    """Label -> tally of the primary score."""
    return {label: quality.tally_of(files["quality"][0], family.primary) for label, files in seen.items()}


def pairs_of(family: Family[Any, Any, Any], seen: Evidence) -> list[Pair]:
    """Every pair of candidates on the primary score, Holm-corrected over all of them."""
    if len(seen) < 2:
        return []
    groups = next(iter(seen.values()))["quality"][0]["groups"]
    return all_pairs(tallies_of(family, seen), family.primary, groups)


def front_of(family: Family[Any, Any, Any], seen: Evidence, rows: Sequence[Candidate]) -> dict[str, float]:
    """Label -> share of draws on the Pareto front of primary score against single-stream latency."""
    rng = np.random.default_rng(0)
    points: dict[str, dict[str, np.ndarray]] = {}
    better: dict[str, Better] = {family.primary.name: family.primary.better, COST: "lower"}
    for row in sorted(rows, key=lambda r: r.label):
        cost = row.get(COST)
        if row.label in seen and cost:
            arrays = seen[row.label]["quality"][0]
            drawn = draws(quality.tally_of(arrays, family.primary), family.primary, arrays["groups"], DRAWS)
            points[row.label] = {family.primary.name: drawn, COST: spread(cost.value, cost.low, cost.high, DRAWS, rng)}
    return front(points, better)


def picks(report: Report, best: str | None, limits: Sequence[str]) -> dict[str, Any]:
    """The verdict under the limits that were asked for, and under every named profile."""
    asked = pick(report, best or report.primary, [parse_limit(text) for text in limits])
    found: dict[str, Any] = {}
    for name in PROFILES:
        goal, bounds = profile(name)
        found[name] = pick(report, goal or report.primary, bounds).model_dump(mode="json")
    return {"pick": asked.model_dump(mode="json"), "profiles": found}


def _environment(weighed: Sequence[Weighed]) -> dict[str, Any]:
    reasons = {name: registry.runtime(name).why_not() for name in registry.runtimes()}
    return {
        "hardware": environment.hardware(),
        "versions": {name: version for c in weighed for name, version in c.versions.items()},
        "threads": sorted({c.threads for c in weighed}),
        "unavailable_runtimes": {name: reason for name, reason in reasons.items() if reason},
    }


def notes_of(seen: Evidence) -> dict[str, Any]:
    """Facts of the test set."""
    if not seen:
        return {}
    arrays, note = next(iter(seen.values()))["quality"]
    facts = {"test examples": note["n"], "test groups": len(np.unique(arrays["groups"]))}
    return facts | dict(note["notes"])


def gathered(folder: Path, row: Candidate) -> dict[str, Loaded]:
    """The evidence that the measurements of a row name, by kind, and the noise of the same session. Raises RunError."""
    names = {Path(m.evidence).name for m in row.measurements if m.evidence}
    paths = {name.removesuffix(".npz").rpartition("-")[2]: folder / name for name in names}
    if "speed" in paths:
        twin = paths["speed"].with_name(paths["speed"].name.replace("-speed.npz", "-noise.npz"))
        paths |= {"noise": twin} if twin.exists() else {}
    found = {}
    for kind, path in paths.items():
        arrays, note = evidence.load(path)
        found[kind] = (arrays, {**note, "file": path.name, "hash": hash_path(path)[:16]})
    return found


def details_of(family: Family[Any, Any, Any], rows: Sequence[Candidate], seen: Evidence) -> dict[str, Any]:
    """Everything beside the main table, from evidence alone: by kind and group, mistakes, checks, curves, batches, noise."""
    firsts = {row.label: row.variant for row in _firsts([row for row in rows if row.label in seen])}
    binary = [score for score in family.scores if score.binary] or [family.primary]
    arrays = {label: files["quality"][0] for label, files in seen.items()}
    notes = {label: files["quality"][1] for label, files in seen.items()}
    facts = {label: files["facts"][1] for label, files in seen.items()}
    return {
        "by_kind": {label: {s.name: quality.by(a, s, "kinds") for s in binary} for label, a in arrays.items()},
        "by_group": {label: {family.primary.name: quality.by(a, family.primary, "groups")} for label, a in arrays.items()},
        "worst": {label: notes[label]["worst"] for label in firsts},
        "confusions": {label: notes[label]["confusions"] for label in firsts},
        "checks": {label: note["checks"] for label, note in notes.items()},
        "curves": {variant: facts[label]["curve"] for label, variant in firsts.items()},
        "training": {variant: facts[label]["training"] for label, variant in firsts.items()},
        "parity": {label: note["parity"] for label, note in facts.items()},
        "batches": {label: _batches(files["speed"][0]) for label, files in seen.items() if "speed" in files},
        "noise": _noise(seen),
        "ratios": _ratios(rows, seen),
    }


def _firsts(rows: Sequence[Candidate]) -> list[Candidate]:
    """One runtime of each variant stands for its mistakes."""
    return list({row.variant: row for row in reversed(rows)}.values())[::-1]


def _with_pictures(family: Family[Any, Any, Any], data: str, details: Mapping[str, Any]) -> dict[str, Any]:
    """The mistakes with pictures of the examples."""
    tables = {key: details[key] for key in ("worst", "confusions")}
    wanted = {line["id"] for table in tables.values() for lines in table.values() for line in lines}
    test = family.examples(data, "test") if wanted else []
    raw = {test[i].id: family.picture(test[i].x) for i in range(len(test)) if test[i].id in wanted}
    shown = {name: base64.b64encode(picture).decode() for name, picture in raw.items() if picture}

    def pictured(line: Mapping[str, Any]) -> dict[str, Any]:
        picture = shown.get(line["id"])
        return {**line, "picture": picture, "pictures": [picture] if picture else []}

    return {
        **details,
        **{key: {label: [pictured(line) for line in lines] for label, lines in table.items()} for key, table in tables.items()},
    }


def _batches(arrays: evidence.Arrays) -> dict[str, dict[str, float | None]]:
    found = {}
    for batch in speed.offline(arrays):
        seen = median_interval(batch * 1e3 / arrays[f"batch{batch}_ms"])
        if seen:
            found[str(batch)] = {"value": seen.value, "low": seen.low, "high": seen.high}
    return found


def _noise(seen: Evidence) -> dict[str, Any]:
    """The A/A row: the same candidate, timed as two in one session."""
    for label, files in seen.items():
        ratio = ratios(files["noise"], files["speed"]).get(SPEED) if "noise" in files and "speed" in files else None
        if ratio:
            figures = {"label": label, "ratio": ratio.value, "low": ratio.low, "high": ratio.high, "n": ratio.n}
            return figures | {"evidence": files["noise"][1]["file"], "hash": files["noise"][1]["hash"]}
    return {}


def _ratios(rows: Sequence[Candidate], seen: Evidence) -> dict[str, dict[str, Any]]:
    """Label -> measurement -> ratio to the same variant in torch, where the two were timed in the same rounds."""
    timed = {row.label: row.variant for row in rows if row.label in seen and "speed" in seen[row.label]}
    torch = {variant: label for label, variant in timed.items() if label == f"{variant} @ {REFERENCE}"}
    found = {}
    for label, variant in timed.items():
        if variant in torch and torch[variant] != label:
            made = ratios(seen[label]["speed"], seen[torch[variant]]["speed"])
            found[label] = {name: {"value": r.value, "low": r.low, "high": r.high, "n": r.n} for name, r in made.items()}
    return found
