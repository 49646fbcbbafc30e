"""Intervals on quality, differences, percentiles: the one place where weighin does statistics.

Families give tallies (one value and weight an example); nobody else computes an interval. Which method
was used is in ``method``; how well each keeps its promise is measured by ``benchmarks/coverage.py`` and
kept in ``docs/evidence/statistics/coverage.json``. Plain percentile and BCa intervals are not used: with
10 to 40 groups they cover 82 to 92 % where they promise 95 %.
"""

import numpy as np
from scipy.special import betaincinv, ndtri

from weighin.core.clusters import (
    FEWEST_GROUPS,
    Interval,
    Scale,
    Sums,
    bounds,
    evaluate,
    influence,
    quantile_t,
    resample,
    standard_error,
    sums_by_group,
    total,
)
from weighin.core.family import Score, Tally, ratio

ASSUMED_CORRELATION = 0.1  # within a group, while fewer than FEW misses are seen: they say nothing about it themselves
FEW = 10


def interval(
    tally: Tally, score: Score, groups: np.ndarray, draws: int = 1000, seed: int = 0, confidence: float = 0.95
) -> Interval:
    """The metric on all examples and its interval, by group. ``groups`` [n] may hold numbers or names.

    Shares of right and wrong get Clopper and Pearson's interval with the effective number of examples
    (Korn and Graubard 1998), which is neither empty nor of zero width at 0 % and 100 %. Everything else
    gets the studentised cluster bootstrap. Raises DataError where the metric is not a number.
    """
    sums = sums_by_group(tally, groups, score.name, seed)
    value = total(score, sums)
    if sums.groups < FEWEST_GROUPS:
        why = f"no interval: {sums.groups} group{'s' * (sums.groups > 1)}, {FEWEST_GROUPS} needed"
        return Interval(value, None, None, sums.n, why)
    hits = as_hits(tally, score)
    if hits is not None:
        low, high, effect = share_bounds(hits, np.asarray(groups)[np.asarray(tally.weight) > 0], confidence, seed)
        how = f"Clopper-Pearson, {sums.groups} groups, design effect {effect:.2g}"
        return Interval(value, low, high, sums.n, how)
    return _general(value, score, sums, draws, seed, confidence)


def _general(value: float, score: Score, sums: Sums, draws: int, seed: int, confidence: float) -> Interval:
    influences = influence(score, sums)
    if not np.isfinite(influences).all():
        return Interval(
            value, None, None, sums.n, f"no interval: {score.name} is undefined without one of {sums.groups} groups"
        )
    if not influences.any():
        return Interval(value, None, None, sums.n, f"no interval: {sums.groups} groups do not differ")
    counts = resample(sums.groups, draws, seed)
    drawn = evaluate(score, counts @ sums.value, counts @ sums.weight)
    scale = _scale(value, drawn, score)
    low, high = bounds(value, drawn, influences, sums.weight, counts, scale, confidence)
    if not (np.isfinite(low) and np.isfinite(high)):
        return Interval(value, None, None, sums.n, f"no interval: {sums.groups} groups differ too much")
    how = f"cluster bootstrap-t ({scale}), {sums.groups} groups, {draws} draws, seed {seed}"
    return Interval(value, low, high, sums.n, how)


def _scale(value: float, drawn: np.ndarray, score: Score) -> Scale:
    """Errors cannot fall below 0, nor shares leave 0 to 1; whether a metric is one or the other shows in its draws."""
    least, most = np.nanmin(drawn), np.nanmax(drawn)
    if score.better == "lower" and least >= 0 and value > 0:
        return "log"
    if score.better == "higher" and least >= 0 and most <= 1 and 0 < value < 1:
        return "logit"
    return "plain"


def draws(tally: Tally, score: Score, groups: np.ndarray, draws: int = 1000, seed: int = 0) -> np.ndarray:
    """The metric on ``draws`` bootstrap samples of the groups, [draws]; NaN where a draw leaves it undefined.

    The same seed and groups give the same samples, so draws of two candidates may be compared one by one.
    """
    sums = sums_by_group(tally, groups, score.name, seed)
    counts = resample(sums.groups, draws, seed)
    return evaluate(score, counts @ sums.value, counts @ sums.weight)


def as_hits(tally: Tally, score: Score) -> np.ndarray | None:
    """0 or 1 for every example that counts (weight > 0), [m], or None when the score is no plain share of them.

    A score of other weights (errors a character) is one only at its very ends, where nothing else bounds it.
    """
    value = np.asarray(tally.value, np.float64).reshape(len(tally.value), -1)
    weight = np.asarray(tally.weight, np.float64)
    value, weight = value[weight > 0], weight[weight > 0]
    if score.transform is not ratio or value.shape[1] != 1 or not np.isin(value[:, 0] / weight, (0.0, 1.0)).all():
        return None
    hits = value[:, 0] / weight
    return hits if np.ptp(weight) == 0 or np.ptp(hits) == 0 else None


def share_bounds(hits: np.ndarray, groups: np.ndarray, confidence: float, seed: int = 0) -> tuple[float, float, float]:
    """Low, high and design effect of the share of ``hits`` [n] in ``groups`` [n] (Korn and Graubard 1998).

    The effective number of examples is n over the design effect, corrected for the few groups that it is
    estimated from. With fewer than 10 hits or misses the design effect is at least that of a correlation of
    0.1 within groups, fading out: three misses in one font prove nothing about fonts.
    """
    sums = sums_by_group(Tally.of(hits), groups, "share", seed)
    n, k = sums.weight.sum(), float(hits.sum())
    share = k / n
    if sums.largest == 1:
        return *_clopper_pearson(k, n, confidence), 1.0
    error = standard_error(influence(Score("share", "", "higher"), sums))
    seen = error**2 * n / (share * (1 - share)) if 0 < share < 1 else 1.0
    typical = float((sums.weight**2).sum()) / n  # size of the group of a typical example
    assumed = 1 + (typical - 1) * ASSUMED_CORRELATION * max(0.0, 1 - min(k, n - k) / FEW)
    effect = max(1.0, seen, assumed)
    shrink = (float(ndtri(0.5 + confidence / 2)) / quantile_t(sums.effective, confidence)) ** 2
    effective = n / effect * shrink
    return *_clopper_pearson(share * effective, effective, confidence), effect


def _clopper_pearson(k: float, n: float, confidence: float) -> tuple[float, float]:
    """Exact binomial interval; k and n may be fractions (Clopper and Pearson 1934)."""
    tail = 0.5 - confidence / 2
    low = float(betaincinv(k, n - k + 1, tail)) if k > 0 else 0.0
    high = float(betaincinv(k + 1, n - k, 1 - tail)) if n - k > 1e-9 else 1.0
    return low, high
