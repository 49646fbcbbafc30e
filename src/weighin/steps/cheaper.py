"""Rule 7 of the chooser: who is cheaper than the choice and cannot be told apart from it on the goal."""

from collections.abc import Mapping, Sequence

from weighin.core.result import Candidate, Measurement, Pair, Report
from weighin.steps.limits import Goal, counting, rank
from weighin.steps.losses import turned

COSTS: Mapping[str, str] = {"latency_p50_ms": "faster", "size_mb": "smaller", "peak_memory_mb": "lighter in memory"}
CLEAR = 1.1  # gains and losses below a tenth are not worth a sentence
LEAST = 1e-9  # what a cost of nothing is divided by


def cheaper(report: Report, goal: Goal, fitting: Sequence[Candidate]) -> Candidate | None:
    """The one with the largest product of gains among those that fit and cannot be told from the first; None without any."""
    choice = fitting[0]
    found = [
        c
        for c in fitting[1:]
        if alike(report, goal, choice, c) and gains(choice, c, goal) and not gains(c, choice, goal)
    ]  # fmt: skip
    return min(found, key=lambda c: (-_product(choice, c), rank(c, goal)), default=None)


def alike(report: Report, goal: Goal, one: Candidate, two: Candidate) -> bool:
    """Whether the evidence cannot tell two candidates apart on the goal: by their pair, else by overlapping intervals."""
    pair = pair_of(report, goal, one, two)
    if pair:
        return not pair.different
    first, second = (_ends(counting(c, goal.best), goal) for c in (one, two))
    return bool(first and second and first[0] <= second[1] and second[0] <= first[1])


def gains(choice: Candidate, other: Candidate, goal: Goal) -> dict[str, float]:
    """Cost -> how many times less the other one takes, where the intervals lie apart and a tenth at least is saved."""
    found = {}
    for name in COSTS:
        mine, theirs = counting(choice, name), counting(other, name)
        ends, others = _ends(mine, goal), _ends(theirs, goal)
        if mine and theirs and ends and others and others[1] < ends[0] and mine.value >= CLEAR * theirs.value:
            found[name] = mine.value / max(theirs.value, LEAST)
    return found


def pair_of(report: Report, goal: Goal, one: Candidate, two: Candidate) -> Pair | None:
    """The stored difference on the goal, as one minus two."""
    for pair in report.pairs:
        if pair.score == goal.best and (pair.first, pair.second) == (one.label, two.label):
            return pair
        if pair.score == goal.best and (pair.second, pair.first) == (one.label, two.label):
            return turned(pair)
    return None


def _product(choice: Candidate, other: Candidate) -> float:
    product = 1.0
    for name in COSTS:
        mine, theirs = counting(choice, name), counting(other, name)
        if mine and theirs:
            product *= mine.value / max(theirs.value, LEAST)
    return product


def _ends(found: Measurement | None, goal: Goal) -> tuple[float, float] | None:
    """The interval; of a counted fact, the fact."""
    if found is None:
        return None
    if found.low is not None and found.high is not None:
        return found.low, found.high
    return (found.value, found.value) if found.n == 1 and found.name not in goal.scores else None
