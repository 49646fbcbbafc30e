"""Intervals on quality, differences, percentiles: the one place where weighin does statistics.

Families give tallies (one value and weight an example); nobody else computes an interval. Which method
was used is in ``method``; how well each keeps its promise is measured by ``benchmarks/coverage.py`` and
kept in ``docs/evidence/statistics/coverage.json``. Plain percentile and BCa intervals are not used: with
10 to 40 groups they cover 82 to 92 % where they promise 95 %.
"""

import numpy as np

from weighin.core.clusters import (
    FEWEST_GROUPS,
    Interval,
    Scale,
    Sums,
    bounds,
    evaluate,
    influence,
    resample,
    sums_by_group,
    total,
)
from weighin.core.family import Score, Tally
from weighin.core.paired import Difference, all_pairs, detectable, holm, mcnemar, more_needed, paired, sign_flip
from weighin.core.pareto import front, spread
from weighin.core.percentiles import (
    calls_a_round,
    least_n,
    median_interval,
    percentile_by_round,
    percentile_interval,
    ratio_interval,
)
from weighin.core.rare import rare, rare_bounds
from weighin.core.shares import as_hits, few, share_bounds

__all__ = [
    "Difference",
    "Interval",
    "all_pairs",
    "calls_a_round",
    "detectable",
    "draws",
    "front",
    "holm",
    "interval",
    "least_n",
    "mcnemar",
    "median_interval",
    "more_needed",
    "paired",
    "percentile_by_round",
    "percentile_interval",
    "ratio_interval",
    "sign_flip",
    "spread",
]


def interval(
    tally: Tally, score: Score, groups: np.ndarray, draws: int = 1000, seed: int = 0, confidence: float = 0.95
) -> Interval:
    """The metric on all examples and its interval, by group. ``groups`` [n] may hold numbers or names.

    Shares of right and wrong get Clopper and Pearson's interval where every group is one example or fewer than
    10 are right, or wrong: it is neither empty nor of zero width at 0 % and 100 % (:mod:`weighin.core.shares`).
    Where all but a few groups are without error, the gamma interval of rare errors (:mod:`weighin.core.rare`).
    Everything else gets the studentised cluster bootstrap (:func:`weighin.core.clusters.bounds`).
    Raises DataError for values or weights that are no number; the value is NaN where no example has weight.
    """
    sums = sums_by_group(tally, groups, score.name, seed)
    value = total(score, sums)
    if not np.isfinite(value):
        return Interval(value, None, None, sums.n, f"not measured: {score.name} is undefined on these {sums.n} examples")
    if sums.groups < FEWEST_GROUPS:
        why = f"no interval: {sums.groups} group{'s' * (sums.groups > 1)}, {FEWEST_GROUPS} needed"
        return Interval(value, None, None, sums.n, why)
    hits = as_hits(tally, score)
    if hits is not None and (sums.largest == 1 or few(hits)):
        low, high, effect = share_bounds(hits, np.asarray(groups)[np.asarray(tally.weight) > 0], confidence, seed)
        how = f"Clopper-Pearson, {sums.named} groups, design effect {effect:.2g}"
        return Interval(value, low, high, sums.n, how)
    found = rare(score, sums)
    if found:
        low, high = rare_bounds(score, found, confidence)
        how = f"gamma, all but {len(found.sizes)} of {found.groups} groups at {found.end}, design effect {found.effect:.2g}"
        return Interval(value, low, high, sums.n, how)
    return _general(value, score, sums, draws, seed, confidence)


def _general(value: float, score: Score, sums: Sums, draws: int, seed: int, confidence: float) -> Interval:
    influences = influence(score, sums)
    if not np.isfinite(influences).all():
        return Interval(value, None, None, sums.n, f"no interval: {score.name} is undefined without one of {sums.named} groups")
    if not influences.any():
        return Interval(value, None, None, sums.n, f"no interval: {sums.named} groups do not differ")
    counts = resample(sums.groups, draws, seed)
    drawn = evaluate(score, counts @ sums.value, counts @ sums.weight)
    scale = _scale(value, drawn, score)
    low, high = bounds(value, drawn, influences, sums.weight, counts, scale, confidence)
    if not (np.isfinite(low) and np.isfinite(high)):
        return Interval(value, None, None, sums.n, f"no interval: {sums.named} groups differ too much")
    how = f"cluster bootstrap-t ({scale}), {sums.named} groups, {draws} draws, seed {seed}"
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
