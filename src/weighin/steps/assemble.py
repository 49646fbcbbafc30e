"""From rows and evidence to a report: pairs, Pareto front, details, picks. Deterministic, so that ``verify`` can repeat it."""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from weighin.core import environment, registry
from weighin.core.family import Example, Family, Tally
from weighin.core.result import Better, Candidate, Pair, Report
from weighin.core.statistics import all_pairs, draws, front, percentile_interval, ratio_interval, spread
from weighin.steps import evidence, quality, speed
from weighin.steps.candidate import Weighed
from weighin.steps.pick import PROFILES, parse_limit, pick, profile

DRAWS = 1000
COST = "latency_p50_ms"  # what the Pareto front weighs against the primary score

Evidence = Mapping[str, tuple[evidence.Arrays, Mapping[str, Any]]]  # label -> arrays and note


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
    alive = {row.label for row in rows if row.status == "ok"}
    shown = [c for c in weighed if c.label in alive]
    seen = {c.label: evidence.load(c.run.path / "evidence" / f"{c.stem}-quality.npz") for c in shown}
    report = Report(
        schema=1,
        family=family.name,
        about=family.about,
        data=data,
        environment=_environment(weighed),
        primary=family.primary.name,
        scores=[{"name": s.name, "unit": s.unit, "better": s.better, "about": s.about} for s in family.scores],
        candidates=rows,
        pairs=pairs_of(family, seen),
        front=front_of(family, seen, rows),
        notes=_notes(family, data, seen),
        details=_details(family, data, shown, seen),
        command=environment.command(),
        at=environment.now(),
    )
    return report.model_copy(update={"details": {**report.details, **picks(report, best, limits)}})


def tallies_of(family: Family[Any, Any, Any], seen: Evidence) -> dict[str, Tally]:
    """Label -> tally of the primary score."""
    return {label: quality.tally_of(arrays, family.primary) for label, (arrays, _) in seen.items()}


def pairs_of(family: Family[Any, Any, Any], seen: Evidence) -> list[Pair]:
    """Every pair of candidates on the primary score, Holm-corrected over all of them."""
    if len(seen) < 2:
        return []
    groups = next(iter(seen.values()))[0]["groups"]
    return all_pairs(tallies_of(family, seen), family.primary, groups)


def front_of(family: Family[Any, Any, Any], seen: Evidence, rows: Sequence[Candidate]) -> dict[str, float]:
    """Label -> share of draws on the Pareto front of primary score against single-stream latency."""
    rng = np.random.default_rng(0)
    points: dict[str, dict[str, np.ndarray]] = {}
    better: dict[str, Better] = {family.primary.name: family.primary.better, COST: "lower"}
    for row in sorted(rows, key=lambda r: r.label):
        cost = row.get(COST)
        if row.label in seen and cost:
            arrays = seen[row.label][0]
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
        "versions": environment.versions(),
        "threads": sorted({c.threads for c in weighed}),
        "unavailable_runtimes": {name: reason for name, reason in reasons.items() if reason},
    }


def _notes(family: Family[Any, Any, Any], data: str, seen: Evidence) -> dict[str, Any]:
    """Facts of the test set."""
    if not seen:
        return {}
    arrays, note = next(iter(seen.values()))
    facts = {"test examples": note["n"], "test groups": len(np.unique(arrays["groups"]))}
    return facts | dict(note["notes"])


def _details(family: Family[Any, Any, Any], data: str, shown: Sequence[Weighed], seen: Evidence) -> dict[str, Any]:
    firsts = {c.variant.name: c for c in reversed(shown)}  # one runtime of each variant stands for its mistakes
    examples = _by_id(family, data, [seen[c.label][1] for c in firsts.values()])
    binary = [score for score in family.scores if score.binary] or [family.primary]
    times = {c.label: _times(c, "speed") for c in shown}
    return {
        "by_kind": {label: {s.name: quality.by(arrays, s, "kinds") for s in binary} for label, (arrays, _) in seen.items()},
        "by_group": {
            label: {family.primary.name: quality.by(arrays, family.primary, "groups")} for label, (arrays, _) in seen.items()
        },
        "worst": {c.label: [_pictured(family, examples, w) for w in seen[c.label][1]["worst"]] for c in firsts.values()},
        "confusions": {
            c.label: [_pictured(family, examples, w) for w in seen[c.label][1]["confusions"]] for c in firsts.values()
        },
        "checks": {label: note["checks"] for label, (_, note) in seen.items()},
        "curves": {c.variant.name: _curve(c) for c in firsts.values()},
        "training": {c.variant.name: dict(c.run.info.training) for c in firsts.values()},
        "parity": {c.label: c.parity() for c in shown},
        "batches": {label: _batches(arrays) for label, arrays in times.items() if arrays},
        "noise": _noise(shown),
    }


def _by_id(family: Family[Any, Any, Any], data: str, notes: Sequence[Mapping[str, Any]]) -> dict[str, Example[Any, Any]]:
    """The examples that are shown as pictures."""
    wanted = {w["id"] for note in notes for key in ("worst", "confusions") for w in note[key]}
    test = family.examples(data, "test") if wanted else []
    return {test[i].id: test[i] for i in range(len(test)) if test[i].id in wanted}


def _pictured(
    family: Family[Any, Any, Any], examples: Mapping[str, Example[Any, Any]], line: Mapping[str, Any]
) -> dict[str, Any]:
    raw = family.picture(examples[line["id"]].x) if line["id"] in examples else None
    picture = base64.b64encode(raw).decode() if raw else None
    return {**line, "picture": picture, "pictures": [picture] if picture else []}


def _curve(candidate: Weighed) -> list[dict[str, Any]]:
    """The training log, thinned to at most 200 lines."""
    path = candidate.run.path / "log.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    kept = lines[:: max(1, len(lines) // 200)]
    keys = ("step", "minutes", "cpu_minutes", "loss", "validation")
    return [{key: line[key] for key in keys if key in line} for line in map(json.loads, kept)]


def _times(candidate: Weighed, kind: str) -> dict[str, np.ndarray]:
    path = Path(candidate.run.path / "evidence" / f"{candidate.stem}-{kind}.npz")
    return evidence.load(path)[0] if path.exists() else {}


def _batches(arrays: evidence.Arrays) -> dict[str, dict[str, float | None]]:
    found = {}
    for batch in speed.offline(arrays):
        seen = percentile_interval(batch * 1e3 / arrays[f"batch{batch}_ms"], 0.5)
        if seen:
            found[str(batch)] = {"value": seen.value, "low": seen.low, "high": seen.high}
    return found


def _noise(shown: Sequence[Weighed]) -> dict[str, Any]:
    """The A/A row: the same candidate, timed as two."""
    for candidate in shown:
        twin, own = _times(candidate, "noise"), _times(candidate, "speed")
        if twin and own and len(twin["single_ms"]) == len(own["single_ms"]):
            seen = ratio_interval(np.median(twin["single_ms"], 1), np.median(own["single_ms"], 1))
            if seen:
                return {"label": candidate.label, "ratio": seen.value, "low": seen.low, "high": seen.high}
    return {}
