"""Tallies summed by group, resampled by group: what every interval on quality stands on.

Examples of one group (a font family, a molecule, a photo) resemble each other, so the group is the
unit that is drawn, left out or swapped, never the example (Davison and Hinkley 1997, section 3.8).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy.special import expit, logit, stdtrit

from weighin.core.errors import DataError
from weighin.core.family import Score, Tally, ratio

FEWEST_GROUPS = 3  # fewer support no interval at all
FEWEST_FOR_BOOTSTRAP = 8  # fewer make the studentised bootstrap explode; the jackknife stands alone
MOST_GROUPS = 2000  # more are pooled at random: as good an interval, at a bounded cost
NO_SPREAD = 0.02  # a draw with an error below this share of the sample's is one of groups alike: only rounding divides it
Scale = Literal["plain", "log", "logit"]


@dataclass(frozen=True)
class Interval:
    """A value and its interval; ``low`` and ``high`` are None where ``method`` says why there is none."""

    value: float
    low: float | None
    high: float | None
    n: int  # examples, timed calls or rounds
    method: str


@dataclass(frozen=True)
class Sums:
    """Sums of a tally by group: value [groups, k], weight [groups]."""

    value: np.ndarray
    weight: np.ndarray
    n: int  # examples
    named: int  # groups before pooling
    largest: int  # examples in the largest of them

    @property
    def groups(self) -> int:
        return len(self.weight)

    @property
    def effective(self) -> float:
        """Kish's effective number of groups: fewer than there are where sizes differ (Kish 1965)."""
        squares = float((self.weight**2).sum())
        return float(self.weight.sum()) ** 2 / squares if squares else float(self.groups)


def sums_by_group(tally: Tally, groups: np.ndarray, name: str, seed: int = 0) -> Sums:
    """Sums of ``tally`` (n examples) by ``groups`` [n]. Raises DataError for no examples, wrong lengths, not a number."""
    if not len(tally.value):
        raise DataError(f"{name} was scored on no examples", "It needs at least one")
    value = np.asarray(tally.value, np.float64).reshape(len(tally.value), -1)  # [n, k]
    weight = np.asarray(tally.weight, np.float64)  # [n]
    _check(value, weight, groups, name)
    _, codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(sizes) > MOST_GROUPS:
        codes = np.random.default_rng(seed).permutation(len(sizes))[codes] % MOST_GROUPS
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    both = np.add.reduceat(np.column_stack([value, weight])[order], starts, axis=0)  # [groups, k + 1]
    return Sums(both[:, :-1], both[:, -1], len(value), len(sizes), int(sizes.max()))


def _check(value: np.ndarray, weight: np.ndarray, groups: np.ndarray, name: str) -> None:
    if weight.shape != (len(value),) or len(groups) != len(value):
        lengths = f"{len(value)} values, {weight.shape} weights and {len(groups)} groups"
        raise DataError(f"{name} has {lengths}", "There must be one of each an example")
    wrong = int((~(np.isfinite(value).all(axis=1) & np.isfinite(weight))).sum())
    if wrong:
        hint = "See what the predictor answers on them"
        raise DataError(f"{name} is not a finite number for {wrong} of {len(value)} examples", "Every example needs one", hint)
    if (weight < 0).any():
        raise DataError(f"{name} has the weight {weight.min():g}", "Weights are zero or more")


def evaluate(score: Score, value: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The metric of many sums at once: value [d, k], weight [d] -> [d]; NaN where a draw has no weight."""
    if score.transform is ratio:
        return np.divide(value[:, 0], weight, out=np.full(len(weight), np.nan), where=weight > 0)
    return np.array([score.transform(v, float(w)) if w > 0 else np.nan for v, w in zip(value, weight)])


def total(score: Score, sums: Sums) -> float:
    """The metric of all examples; NaN where nothing has weight."""
    return float(evaluate(score, sums.value.sum(axis=0)[None], sums.weight.sum()[None])[0])


@lru_cache(maxsize=4)
def resample(groups: int, draws: int, seed: int) -> np.ndarray:
    """How often each group is drawn: [draws, groups]. The same seed gives the same draws for every candidate."""
    counts = np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups), size=draws).astype(np.float64)
    counts.setflags(write=False)
    return counts


def influence(score: Score, sums: Sums) -> np.ndarray:
    """What each group adds to the metric: mean of the leave-one-group-out values minus each of them, [groups]."""
    left = evaluate(score, sums.value.sum(axis=0) - sums.value, sums.weight.sum() - sums.weight)
    return left.mean() - left


def standard_error(influences: np.ndarray) -> float:
    """Leave-one-group-out jackknife (Efron 1982; conservative with few groups: Cameron and Miller 2015, CV3)."""
    groups = len(influences)
    return float(np.sqrt((groups - 1) / groups * (influences**2).sum()))


def quantile_t(effective: float, confidence: float) -> float:
    """Student's t for an effective number of groups, two-sided."""
    return float(stdtrit(max(effective - 1, 1.0), 0.5 + confidence / 2))


_FORWARD = {"plain": lambda x: x, "log": np.log, "logit": logit}
_BACK = {"plain": lambda x: x, "log": np.exp, "logit": expit}
_SLOPE = {"plain": lambda x: 1.0, "log": lambda x: 1 / x, "logit": lambda x: 1 / (x * (1 - x))}
_RANGE = {"plain": (-np.inf, np.inf), "log": (0.0, np.inf), "logit": (0.0, 1.0)}


def bounds(
    value: float,
    drawn: np.ndarray,
    influences: np.ndarray,
    weight: np.ndarray,
    counts: np.ndarray,
    scale: Scale,
    confidence: float,
) -> tuple[float, float]:
    """The outer ends of two intervals, which together keep their promise from 3 groups on (benchmarks/coverage.py).

    1. Student's t with the jackknife error and Kish's effective number of groups, on the log or logit scale
       where the metric has ends, so that no bound leaves them.
    2. From 8 groups on, the studentised cluster bootstrap (Efron and Tibshirani 1993, section 12.5), which
       knows skewness: ``drawn`` [draws], ``influences`` and ``weight`` [groups], ``counts`` [draws, groups].
    """
    effective = weight.sum() ** 2 / (weight**2).sum()
    half = quantile_t(effective, confidence) * standard_error(influences) * _SLOPE[scale](value)
    middle = _FORWARD[scale](value)
    with np.errstate(over="ignore"):
        low, high = float(_BACK[scale](middle - half)), float(_BACK[scale](middle + half))
    if len(weight) >= FEWEST_FOR_BOOTSTRAP:
        under, over = _studentised(value, drawn, influences, weight, counts, confidence)
        low, high = min(low, under), max(high, over)
    return max(low, _RANGE[scale][0]), min(high, _RANGE[scale][1])


def _studentised(
    value: float, drawn: np.ndarray, influences: np.ndarray, weight: np.ndarray, counts: np.ndarray, confidence: float
) -> tuple[float, float]:
    """Quantiles of (draw - value) / (error of the draw), turned round; the error linearised as that of a ratio."""
    parts = influences * weight.sum()  # [groups]
    drawn_weight = np.maximum(counts @ weight, 1e-300)  # [draws]
    mean = (counts @ parts) / drawn_weight
    square = counts @ parts**2 - 2 * mean * (counts @ (parts * weight)) + mean**2 * (counts @ weight**2)
    error = np.sqrt(np.maximum(square, 0)) / drawn_weight  # [draws]
    plain = float(np.sqrt((influences**2).sum()))
    usable = np.isfinite(drawn) & (error > NO_SPREAD * plain)  # a draw of equal groups says nothing
    if usable.sum() < len(drawn) / 2:
        return value, value
    lower, upper = np.quantile((drawn[usable] - value) / error[usable], [0.5 - confidence / 2, 0.5 + confidence / 2])
    return value - float(upper) * plain, value - float(lower) * plain
