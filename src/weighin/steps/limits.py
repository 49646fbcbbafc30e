"""Goals and limits: how they are written, and whether a candidate meets them."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from weighin.core.errors import ConfigError, unknown
from weighin.core.result import Better, Candidate, Limit, Measurement, Report

LOSS = "quality_loss_pct"  # against the best of a report on the primary score, by weighin.steps.losses
STANDARD: Mapping[str, Better] = {  # what is measured of every family beside its scores
    LOSS: "lower",
    "latency_p50_ms": "lower",
    "latency_p90_ms": "lower",
    "latency_p95_ms": "lower",
    "latency_p99_ms": "lower",
    "latency_cpu_p50_ms": "lower",
    "throughput_per_s": "higher",
    "cpu_ms_per_item": "lower",
    "peak_memory_mb": "lower",
    "size_mb": "lower",
    "cold_start_s": "lower",
    "train_minutes": "lower",
    "train_cpu_minutes": "lower",
    "parameters": "lower",
}
PROFILES: Mapping[str, tuple[str | None, tuple[str, ...]]] = {  # goal (None: the family's primary score), limits
    "edge": ("size_mb", (f"{LOSS}<=5", "latency_p90_ms<=100", "peak_memory_mb<=500")),
    "server": ("latency_p90_ms", (f"{LOSS}<=3", "throughput_per_s>=10", "peak_memory_mb<=2000")),
    "batch": ("throughput_per_s", (f"{LOSS}<=3", "peak_memory_mb<=4000")),
    "research": (None, ()),
}
TIES = ("size_mb", "cpu_ms_per_item")  # among equals, the smaller, then the cheaper


@dataclass(frozen=True)
class Goal:
    """What is asked of candidates; ``scores`` are the family's, which never count without an interval."""

    best: str
    better: Better
    limits: tuple[Limit, ...]
    optimistic: bool
    allow_imported: bool
    scores: frozenset[str]


def parse_limit(text: str, names: Iterable[str] = ()) -> Limit:
    """``"latency_p90_ms<=5"`` as a limit; with ``names``, only those are allowed. Raises ConfigError."""
    found = re.fullmatch(r"\s*([^<>=!\s]+)\s*(<=|>=)\s*([^<>=!]*?)\s*", text)
    if not found:
        raise ConfigError(
            f"The limit {text!r} cannot be read", "It is NAME<=NUMBER or NAME>=NUMBER", "Write it as latency_p90_ms<=5"
        )
    name, op, written = found.groups()
    try:
        bound = float(written)
    except ValueError:
        raise ConfigError(
            f"The limit {text!r} has {written!r} where a number stands", "Units are in the name", f"Write {name}{op}5"
        ) from None
    if not math.isfinite(bound):
        raise ConfigError(f"The limit {text!r} is not finite", "It takes a finite number", "Leave it out to have none")
    known = list(names)
    if known and name not in known:
        raise unknown("measurement", name, known)
    return Limit(name=name, op="<=" if op == "<=" else ">=", bound=bound)


def profile(name: str) -> tuple[str | None, list[Limit]]:
    """Goal (None: the family's primary score) and limits of a named profile. Raises ConfigError."""
    if name not in PROFILES:
        raise unknown("profile", name, PROFILES)
    best, limits = PROFILES[name]
    return best, [parse_limit(text) for text in limits]


def goal_of(report: Report, best: str, limits: Sequence[Limit], optimistic: bool, allow_imported: bool) -> Goal:
    """The goal, checked: every name is known, the best has a direction. Raises ConfigError."""
    scores: dict[str, Better] = {score["name"]: score["better"] for score in report.scores}
    measured = dict(sorted({(m.name, m.better) for c in report.candidates for m in c.measurements if m.better}))
    names = {*STANDARD, *scores, *(m.name for c in report.candidates for m in c.measurements)}
    for name in (best, *(limit.name for limit in limits)):
        if name not in names:
            raise unknown("measurement", name, names)
    better = scores.get(best) or STANDARD.get(best) or measured.get(best)
    if better is None:
        raise ConfigError(f"{best} has no better direction", "A goal is a score or a cost", "Put a limit on it instead")
    return Goal(best, better, tuple(limits), optimistic, allow_imported, frozenset({*scores, report.primary}))


def counting(candidate: Candidate, name: str) -> Measurement | None:
    """The measurement of that name if it is evidence: a value with something behind it."""
    found = candidate.get(name)
    return found if found and found.n >= 1 else None


def safe_end(candidate: Candidate, limit: Limit, goal: Goal) -> float | None:
    """What is held against a limit: the worse end of the interval. None: there is no evidence, or too little."""
    found = counting(candidate, limit.name)
    if found is None:
        return None
    end = found.high if limit.op == "<=" else found.low
    counted = found.n == 1 and limit.name not in goal.scores  # a size, a count, one process: it is what it is
    if goal.optimistic or (counted and end is None):
        return found.value
    return end


def passes(candidate: Candidate, limit: Limit, goal: Goal) -> bool:
    """Whether the safe end is there and within the bound."""
    end = safe_end(candidate, limit, goal)
    return end is not None and (end <= limit.bound if limit.op == "<=" else end >= limit.bound)


def shortfall(candidate: Candidate, limit: Limit, goal: Goal) -> float:
    """By how much a limit is missed, as a share of its :func:`scale`: 0 where it holds, infinite without a safe end."""
    end = safe_end(candidate, limit, goal)
    if end is None:
        return math.inf
    over = end - limit.bound if limit.op == "<=" else limit.bound - end
    return max(0.0, over) / scale(limit)


def scale(limit: Limit) -> float:
    """What shares of a limit are shares of: its bound, or 1 where that is as good as 0."""
    return abs(limit.bound) if abs(limit.bound) >= 1e-9 else 1.0


def judged(candidate: Candidate, goal: Goal) -> bool:
    """Whether a candidate takes part: measured here (or imported, if that is allowed), on the goal at least."""
    allowed = candidate.status == "ok" or (candidate.status == "imported" and goal.allow_imported)
    return allowed and counting(candidate, goal.best) is not None


def eligible(candidate: Candidate, goal: Goal, limits: Sequence[Limit] | None = None) -> bool:
    """Whether a candidate takes part and passes every limit (of ``limits``, else of the goal)."""
    asked = goal.limits if limits is None else limits
    return judged(candidate, goal) and all(passes(candidate, limit, goal) for limit in asked)


def worth(candidate: Candidate, goal: Goal) -> float:
    """The goal's value, turned so that less is better."""
    found = counting(candidate, goal.best)
    value = math.inf if found is None else found.value
    return -value if goal.better == "higher" and found else value


def rank(candidate: Candidate, goal: Goal) -> tuple[float, float, float, str, str]:
    """What candidates are sorted by: the goal, then size, then processor time, then the name; never the order of rows."""
    ties = [found.value if (found := counting(candidate, name)) else math.inf for name in TIES]
    return worth(candidate, goal), ties[0], ties[1], candidate.label, candidate.run
