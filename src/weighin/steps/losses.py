"""What every candidate loses in quality against the best of its report: the paired difference, in per cent.

With it a limit on quality needs no knowledge of the family: ``quality_loss_pct<=5`` is met by those whose primary score is,
at the safe end of the interval, no more than 5 % worse than that of the best that was measured here. The intervals of two
scores overlap long before the difference on the same examples is uncertain, so that bounds on scores cannot say this.
"""

from collections.abc import Mapping, Sequence

from weighin.core.result import Better, Candidate, Measurement, Pair
from weighin.steps.limits import LOSS, Goal, counting, judged, rank


def with_losses(rows: Sequence[Candidate], pairs: Sequence[Pair], primary: str, better: Better) -> list[Candidate]:
    """The rows, each with its loss last; without one where no paired difference to the best supports an interval."""
    plain = [row.model_copy(update={"measurements": [m for m in row.measurements if m.name != LOSS]}) for row in rows]
    goal = Goal(primary, better, (), optimistic=False, allow_imported=False, scores=frozenset({primary}))
    best = min((row for row in plain if judged(row, goal)), key=lambda row: rank(row, goal), default=None)
    if best is None:
        return plain
    differences = {pair.second: pair for pair in pairs if pair.score == primary and pair.first == best.label}
    differences |= {p.first: turned(p) for p in pairs if p.score == primary and p.second == best.label}
    return [_with_loss(row, best, goal, differences) if judged(row, goal) else row for row in plain]


def turned(pair: Pair) -> Pair:
    """The same difference as second minus first."""
    swapped = {"first": pair.second, "second": pair.first}
    return pair.model_copy(update={**swapped, "difference": -pair.difference, "low": -pair.high, "high": -pair.low})


def _with_loss(row: Candidate, best: Candidate, goal: Goal, differences: Mapping[str, Pair]) -> Candidate:
    score, reference = counting(row, goal.best), counting(best, goal.best)
    assert score and reference  # both are judged
    if row is best:
        made = _loss(score, (0.0, 0.0, 0.0), "the best itself")
    elif row.label in differences and reference.value:
        pair, share = differences[row.label], 100 / abs(reference.value)
        ends = [share * x * (1 if goal.better == "higher" else -1) for x in (pair.difference, pair.low, pair.high)]
        how = f"paired difference in {goal.best} to {best.label}, the best here, as a share of its {goal.best}"
        made = _loss(score, (ends[0], min(ends), max(ends)), how)
    else:
        return row
    return row.model_copy(update={"measurements": [*row.measurements, made]})


def _loss(score: Measurement, ends: tuple[float, float, float], method: str) -> Measurement:
    value, low, high = ends
    made = {"name": LOSS, "unit": "%", "better": "lower", "value": value, "low": low, "high": high, "method": method}
    return Measurement(**{**dict(score), **made})
