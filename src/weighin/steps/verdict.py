"""The words of a pick: one sentence, the reasons, what stands against a candidate. Nothing is decided here."""

import math
from collections.abc import Mapping, Sequence

from weighin.core.result import Bind, Candidate, Limit, Measurement, Pair, Report
from weighin.steps.cheaper import COSTS, gains, pair_of
from weighin.steps.digits import decimals, roughly, rounded, times
from weighin.steps.limits import Goal, counting, eligible, judged, passes, rank, safe_end, worth


def number(value: float) -> str:
    """Four digits, or all of them from a thousand on: ``0.9123``, ``4,483,172``."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def limit_text(limit: Limit) -> str:
    """``size_mb<=12``, as the command line takes it."""
    return f"{limit.name}{limit.op}{limit.bound:.12g}"


def limits_text(limits: Sequence[Limit]) -> str:
    """``a<=1, b<=2 and c>=3``."""
    texts = [limit_text(limit) for limit in limits]
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def measured(found: Measurement | None) -> str:
    """``top1 0.912 (0.905 to 0.918)``."""
    if found is None:
        return "not measured"
    if found.low is None or found.high is None or found.high <= found.low:
        return f"{found.name} {number(found.value)}"
    value, low, high = (rounded(x, decimals(found.value, found.low, found.high)) for x in (found.value, found.low, found.high))
    return f"{found.name} {value} ({low} to {high})"


def against(candidate: Candidate, goal: Goal, whose: bool = False) -> list[str]:
    """Every reason why a candidate does not fit; none when it does. ``whose``: begin each with its name."""
    prefix = f"{candidate.label}: " if whose else ""
    if candidate.status == "imported" and not goal.allow_imported:
        return [f"{prefix}imported, not measured here"]
    if candidate.status in ("failed", "not measured"):
        return [f"{prefix}{candidate.status}: {candidate.reason or 'no reason was recorded'}"]
    found = [] if counting(candidate, goal.best) else [f"{goal.best} is not measured"]
    found += [_missed(candidate, limit, goal) for limit in goal.limits if not passes(candidate, limit, goal)]
    return [prefix + text for text in dict.fromkeys(found)]


def _missed(candidate: Candidate, limit: Limit, goal: Goal) -> str:
    """How a limit is missed: ``latency_p90_ms 7.1 is over 5``."""
    found, end = counting(candidate, limit.name), safe_end(candidate, limit, goal)
    if found is None:
        return f"{limit.name} is not measured"
    if end is None:
        return f"{limit.name} {number(found.value)} has no interval to hold against {limit.op}{number(limit.bound)}"
    side = "over" if limit.op == "<=" else "under"
    value_passes = found.value <= limit.bound if limit.op == "<=" else found.value >= limit.bound
    if value_passes:
        return f"{limit.name} {number(found.value)} may be {number(end)}, {side} {number(limit.bound)}"
    return f"{limit.name} {number(found.value)} is {side} {number(limit.bound)}"


def chosen(report: Report, goal: Goal, fitting: Sequence[Candidate], saving: Candidate | None) -> str:
    """The verdict in one sentence, and one more where something cheaper (``saving``) cannot be told from the choice."""
    choice = fitting[0]
    clauses = [f"Ship {choice.label}: {measured(counting(choice, goal.best))}, {_place(goal, len(fitting))}"]
    if len(fitting) > 1:
        clauses.append(f"the runner-up {_beside(report, fitting[1], choice, goal)}, {_sure(report, fitting[1], choice, goal)}")
    better = _better_but_out(report, goal, choice)
    if better:
        clauses.append(f"{_beside(report, better, choice, goal)}, but {' and '.join(against(better, goal))}")
    said = [f"{'; '.join(clauses)}."]
    return " ".join([*said, _saves(report, saving, choice, goal)] if saving else said)


def _saves(report: Report, saving: Candidate, choice: Candidate, goal: Goal) -> str:
    """``light @ onnx:int8 is 4.6 times faster and cannot be told from the choice on top1: it is 0.003 worse (p = 1).``"""
    pair, found = pair_of(report, goal, choice, saving), gains(choice, saving, goal)
    won = [f"{times(found[name])} times {word}" for name, word in COSTS.items() if name in found]
    listed = " and ".join([", ".join(won[:-1]), won[-1]] if len(won) > 1 else won)
    gap = _gap(report, saving, choice, goal)
    why = f"p {_p(pair.p)}" if pair else "their intervals overlap"
    return f"{saving.label} is {listed}, and cannot be told from the choice on {goal.best}: it is {gap} ({why})."


def _place(goal: Goal, count: int) -> str:
    under = f" {limits_text(goal.limits)}" if goal.limits else ""
    if count == 1:
        return f"the only one that fits{under}" if under else "the only one that is measured"
    return f"the best of {count} that fit{under}" if under else f"the best of {count}"


def _beside(report: Report, other: Candidate, choice: Candidate, goal: Goal) -> str:
    """``light @ onnx is 0.004 better``."""
    return f"{other.label} is {_gap(report, other, choice, goal)}"


def _gap(report: Report, other: Candidate, choice: Candidate, goal: Goal) -> str:
    """``0.004 better``, in the digits that the interval of the difference, else those of both figures, support."""
    gap = worth(other, goal) - worth(choice, goal)
    if not gap:
        return "as good"
    pair = pair_of(report, goal, choice, other)
    figures = [pair] if pair else [m for c in (choice, other) if (m := counting(c, goal.best))]
    values = [(f.difference if isinstance(f, Pair) else f.value, f.low, f.high) for f in figures]
    places = [decimals(v, low, high) for v, low, high in values if low is not None and high is not None and high > low]
    least = -math.floor(math.log10(abs(gap)))  # one digit, whatever they support
    shown = rounded(abs(gap), max(min(places), least)) if places else f"{abs(gap):.3g}"
    return f"{shown} {'worse' if gap > 0 else 'better'}"


def _sure(report: Report, runner: Candidate, choice: Candidate, goal: Goal) -> str:
    """Whether the difference to the runner-up is real, and by what."""
    pair = pair_of(report, goal, choice, runner)
    if pair and pair.different:
        return f"a real difference (p {_p(pair.p)})"
    if pair:
        more = f"; about {roughly(pair.more_needed)} more examples would tell" if pair.more_needed else ""
        return f"which the data cannot tell apart (p {_p(pair.p)}{more})"
    one, two = counting(choice, goal.best), counting(runner, goal.best)
    if one and two and one.n == two.n == 1 and goal.best not in goal.scores and one.low is None and two.low is None:
        return "which is counted, not sampled"
    if not one or not two or one.low is None or one.high is None or two.low is None or two.high is None:
        return "with no interval to tell whether that is real"
    return (
        "a real difference: their intervals lie apart"
        if _apart(one.low, one.high, two.low, two.high)
        else "but their intervals overlap"
    )


def _apart(low: float, high: float, other_low: float, other_high: float) -> bool:
    return high < other_low or other_high < low


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.2g}"


def _better_but_out(report: Report, goal: Goal, choice: Candidate) -> Candidate | None:
    """The best of those that are better on the goal and fail a limit."""
    out = [c for c in report.candidates if judged(c, goal) and not eligible(c, goal) and worth(c, goal) < worth(choice, goal)]
    return min(out, key=lambda c: rank(c, goal), default=None)


def reasons(
    report: Report,
    goal: Goal,
    fitting: Sequence[Candidate],
    binding: Sequence[Bind],
    binds: Mapping[int, Candidate],
) -> list[str]:
    """Why this one: the goal, every limit with its margin and whether it binds, the runner-up, the gaps."""
    choice = fitting[0]
    lines = [f"{measured(counting(choice, goal.best))}: {_place(goal, len(fitting))}"]
    if choice.status == "imported":
        lines.append(f"{choice.label} is imported, not measured here")
    for i, bind in enumerate(binding):
        text = (
            f"{limit_text(bind.limit)} holds: {number(bind.value)}, {number(bind.margin)} ({100 * bind.share:.0f} %) to spare"
        )
        lines.append(text + (f"; it binds: without it {_beside(report, binds[i], choice, goal)}" if i in binds else ""))
    if len(fitting) > 1:
        lines.append(f"runner-up: {_beside(report, fitting[1], choice, goal)}, {_sure(report, fitting[1], choice, goal)}")
    if goal.optimistic:
        lines.append("limits are held against values, not against the safe ends of their intervals (optimistic)")
    return lines + gaps(report, goal)


def gaps(report: Report, goal: Goal) -> list[str]:
    """What is not measured, a line a candidate."""
    lines = []
    for candidate in sorted(report.candidates, key=lambda c: (c.label, c.run)):
        missing = [
            name for name in dict.fromkeys([goal.best, *(limit.name for limit in goal.limits)]) if not counting(candidate, name)
        ]
        if candidate.status in ("failed", "not measured"):
            lines.append(against(candidate, goal, whose=True)[0])
        elif missing and (candidate.status == "ok" or goal.allow_imported):
            lines.append(f"{candidate.label}: not measured: {', '.join(missing)}")
    return lines


def nothing(goal: Goal, nearest: Candidate | None) -> str:
    """The verdict when nothing fits."""
    asked = limits_text(goal.limits)
    if nearest is None:
        figures = ", ".join(dict.fromkeys([goal.best, *(limit.name for limit in goal.limits)]))
        return f"Nothing fits{f' {asked}' if asked else ''}: no candidate has evidence for all of {figures}."
    return f"Nothing fits {asked}: the nearest is {nearest.label}, but {' and '.join(against(nearest, goal))}."


def relaxation(nearest: Candidate, goal: Goal, moved: Sequence[Limit]) -> str:
    """The cheapest change of limits that lets something through."""
    changes = [
        f"{limit_text(new)} instead of {old.op}{old.bound:.12g}"
        for old, new in zip(goal.limits, moved, strict=True)
        if old != new
    ]
    return f"With {' and '.join(changes)}, {nearest.label} fits: {measured(counting(nearest, goal.best))}."
