"""The verb ``pick``: which candidate to ship, under limits. Also in the report's page, which follows the same rules:

1. A figure is evidence when its n is at least 1; otherwise it is not measured.
2. A candidate takes part when its status is "ok" (or "imported", if allowed) and there is evidence for the goal.
3. A limit is held against the safe end of the interval: ``high`` for <=, ``low`` for >=. Without that end, a figure
   of n = 1 that is no score of the family stands by its value (a size, a count, one process); any other figure fails.
   ``optimistic``: the value, always. A candidate fits when every safe end is within its bound, the bound included.
4. Those that fit are sorted by the goal's value, better first; equals by smaller ``size_mb``, then smaller
   ``cpu_ms_per_item`` (none: last), then label, then run, as text by code point. First: the choice. Second: the runner-up.
5. Margin: bound minus safe end for <=, safe end minus bound for >=; its share is of |bound| (of 1 below 1e-9).
   A limit binds when, without it alone, the first would have a better value of the goal.
6. Nothing fits: among those that take part and have a safe end for every limit, the nearest miss has the smallest
   sum of shortfalls, each as a share of |bound| (of 1 below 1e-9); equals as in 4. Its failed bounds, moved to its
   safe ends and outward to three digits, are the cheapest relaxation.
7. Cheaper: among the others that fit and that the evidence cannot tell from the first on the goal (their pair is not
   different; without a pair, their intervals overlap), those that are clearly faster, smaller or lighter and in none of the
   three clearly worse. Clearly: intervals apart (a counted fact is its own) and a factor of 1.1 at least. Of several, the
   one with the largest product of factors; equals as in 4.
Missing evidence therefore never passes, never ranks and is never near.
"""

import math
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context

from weighin.core.result import Bind, Candidate, Exclusion, Limit, Named, Pick, Report
from weighin.steps import verdict
from weighin.steps.cheaper import cheaper, pair_of
from weighin.steps.limits import (
    PROFILES,
    Goal,
    counting,
    eligible,
    goal_of,
    judged,
    parse_limit,
    passes,
    profile,
    rank,
    safe_end,
    scale,
    shortfall,
    worth,
)

__all__ = ["PROFILES", "parse_limit", "pick", "profile"]


def pick(report: Report, best: str, limits: Sequence[Limit], *, optimistic: bool = False, allow_imported: bool = False) -> Pick:
    """The choice for ``best`` under ``limits``, or the nearest miss. Raises ConfigError for a name that nobody measures."""
    goal = goal_of(report, best, limits, optimistic, allow_imported)
    fitting = sorted((c for c in report.candidates if eligible(c, goal)), key=lambda c: rank(c, goal))
    excluded = [
        Exclusion(variant=c.variant, runtime=c.runtime, reasons=verdict.against(c, goal))
        for c in sorted(report.candidates, key=lambda c: rank(c, goal))
        if not eligible(c, goal)
    ]
    base = Pick(best=best, limits=goal.limits, optimistic=optimistic, excluded=excluded)
    return _chosen(report, goal, fitting, base) if fitting else _nothing(report, goal, base)


def _chosen(report: Report, goal: Goal, fitting: Sequence[Candidate], base: Pick) -> Pick:
    choice, runner = fitting[0], fitting[1] if len(fitting) > 1 else None
    pair = pair_of(report, goal, choice, runner) if runner else None
    saving = cheaper(report, goal, fitting)
    instead = {i: _without(report, goal, i) for i in range(len(goal.limits))}
    binds = {i: c for i, c in instead.items() if worth(c, goal) < worth(choice, goal)}
    binding = [_bind(choice, limit, goal) for limit in goal.limits]
    found = counting(choice, goal.best)
    update = {
        "choice": _named(choice),
        "value": found.value if found else None,
        "binding": binding,
        "runner_up": _named(runner) if runner else None,
        "difference": pair,
        "cheaper": _named(saving) if saving else None,
        "sentence": verdict.chosen(report, goal, fitting, saving),
        "reasons": verdict.reasons(report, goal, fitting, binding, binds),
    }
    return base.model_copy(update=update)


def _nothing(report: Report, goal: Goal, base: Pick) -> Pick:
    near = [c for c in report.candidates if judged(c, goal) and math.isfinite(_miss(c, goal))]
    if not near:
        return base.model_copy(update={"sentence": verdict.nothing(goal, None), "reasons": verdict.gaps(report, goal)})
    nearest = min(near, key=lambda c: (_miss(c, goal), rank(c, goal)))
    moved = relaxed(nearest, goal)
    update = {
        "nearest": _named(nearest),
        "relaxation": verdict.relaxation(nearest, goal, moved),
        "sentence": verdict.nothing(goal, nearest),
        "reasons": [*verdict.against(nearest, goal, whose=True), *verdict.gaps(report, goal)],
    }
    return base.model_copy(update=update)


def _miss(candidate: Candidate, goal: Goal) -> float:
    return sum(shortfall(candidate, limit, goal) for limit in goal.limits)


def relaxed(candidate: Candidate, goal: Goal) -> tuple[Limit, ...]:
    """The goal's limits, those that the candidate misses moved just far enough to let it through."""
    moved = []
    for asked in goal.limits:
        limit, end = asked, safe_end(candidate, asked, goal)
        if end is not None and not passes(candidate, limit, goal):
            limit = limit.model_copy(update={"bound": outward(end, limit.op)})
        moved.append(limit)
    return tuple(moved)


def outward(value: float, op: str) -> float:
    """The value to three digits, rounded to the side that lets it pass."""
    way = ROUND_CEILING if op == "<=" else ROUND_FLOOR
    return float(Context(prec=3, rounding=way).create_decimal(repr(value)))


def _without(report: Report, goal: Goal, number: int) -> Candidate:
    """The first candidate if one limit were not there."""
    rest = [limit for i, limit in enumerate(goal.limits) if i != number]
    return min((c for c in report.candidates if eligible(c, goal, rest)), key=lambda c: rank(c, goal))


def _bind(choice: Candidate, limit: Limit, goal: Goal) -> Bind:
    end = safe_end(choice, limit, goal)
    assert end is not None  # it fits
    margin = limit.bound - end if limit.op == "<=" else end - limit.bound
    return Bind(limit=limit, value=end, margin=margin, share=margin / scale(limit))


def _named(candidate: Candidate) -> Named:
    return Named(variant=candidate.variant, runtime=candidate.runtime)
