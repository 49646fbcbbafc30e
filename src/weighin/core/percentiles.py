"""Percentiles of timed calls, and ratios of interleaved rounds: intervals by order statistics, without a model.

Calls of one round share the moment of the machine that they were made in, so that the round is the unit, never the call:
intervals that take calls for independent cover 8 to 60 % where rounds differ by a tenth (benchmarks/rounds.py).
"""

import math

import numpy as np
from scipy.special import bdtr

from weighin.core.clusters import Interval
from weighin.core.errors import DataError


def least_n(q: float, confidence: float = 0.95) -> int:
    """How many samples a percentile needs before any two of them enclose it: 1 - q^n - (1 - q)^n >= confidence.

    At 95 %: p50 6, p90 29, p95 59, p99 299. (An upper bound alone, 1 - q^n, would do with 5 for the median.)
    """
    n = 1
    while 1 - q**n - (1 - q) ** n < confidence:
        n += 1
    return n


def percentile_interval(samples: np.ndarray, q: float, confidence: float = 0.95) -> Interval | None:
    """The ``q`` quantile (0 < q < 1) of independent samples [n], between two order statistics; None where n is too small.

    The ends are the samples of ranks l < u with P(l <= B < u) >= confidence, B binomial (n, q), the tails as equal
    as n allows (David and Nagaraja 2003, section 7.1). Raises DataError for samples that are not finite.
    """
    ordered = np.sort(np.ravel(np.asarray(samples, np.float64)))
    n, wrong = len(ordered), int((~np.isfinite(ordered)).sum())
    if wrong:
        raise DataError(f"{wrong} of {n} samples are not finite", "Times are finite numbers")
    if n < least_n(q, confidence):
        return None
    lower, upper = _ranks(n, q, confidence)
    value = float(np.quantile(ordered, q))
    low, high = float(ordered[lower - 1]), float(ordered[upper - 1])
    return Interval(value, min(low, value), max(high, value), n, f"order statistics {lower} and {upper} of {n}")


def _ranks(n: int, q: float, confidence: float) -> tuple[int, int]:
    """Ranks l < u, from 1. A tail that cannot shrink to its half takes what it needs from the other."""
    alpha = 1 - confidence
    least = (1 - q) ** n, q**n  # the tails below the first and above the last sample
    below = min(max(alpha / 2, least[0]), alpha - least[1])
    above = min(max(alpha / 2, least[1]), alpha - below)
    cumulated = bdtr(np.arange(n), n, q)  # P(B <= k), k = 0 .. n-1
    lower = int((cumulated <= below + 1e-12).sum())  # largest l with P(B <= l - 1) <= below
    upper = int((1 - cumulated > above + 1e-12).sum()) + 1  # smallest u with P(B >= u) <= above
    return max(lower, 1), min(upper, n)


def calls_a_round(q: float) -> int:
    """How many calls each round needs for a percentile: 1 / (1 - q), so that one is longer. p50 2, p90 10, p95 20, p99 100."""
    return math.ceil(1 / (1 - q) - 1e-9)


def percentile_by_round(times: np.ndarray, q: float, confidence: float = 0.95) -> Interval | None:
    """The ``q`` quantile of a call in a typical round: the median over rounds of ``times`` [rounds, calls] of each one's.

    Within a round it is the median-unbiased quantile (Hyndman and Fan 1996, type 8). None where there are fewer than 6
    rounds, or of fewer calls than :func:`calls_a_round`; rounds are not put together for it, because the percentile of two
    that differ is not the one of either. ``n`` is the number of calls. Raises DataError for times that are not finite.
    """
    times = np.asarray(times, np.float64)
    wrong = int((~np.isfinite(times)).sum())
    if wrong:
        raise DataError(f"{wrong} of {times.size} samples are not finite", "Times are finite numbers")
    if times.shape[1] < calls_a_round(q):
        return None
    seen = median_interval(np.quantile(times, q, axis=1, method="median_unbiased"), confidence)
    return seen and Interval(seen.value, seen.low, seen.high, times.size, seen.method)


def median_interval(rounds: np.ndarray, confidence: float = 0.95) -> Interval | None:
    """The median of independent ``rounds`` [n] between two interpolated order statistics; None for too few (6 for 95 %).

    Order statistics alone cover what n allows (99 % or 93 % with 8 rounds); between the pair that covers more than
    ``confidence`` and the next that covers less, Hettmansperger and Sheather (1986) interpolate, whatever the distribution.
    """
    ordered = np.sort(np.asarray(rounds, np.float64))
    n = len(ordered)
    covers = 1 - 2 * bdtr(np.arange(n // 2), n, 0.5)  # by the pair of ranks k + 1 and n - k, k = 0, 1, ...
    if n < 2 or covers[0] < confidence:
        return None
    k = int((covers >= confidence).sum())  # rank of the narrowest pair that covers enough
    inward = (covers[k - 1] - confidence) / (covers[k - 1] - covers[k])
    share = (n - k) * inward / (k + (n - 2 * k) * inward)
    low = (1 - share) * ordered[k - 1] + share * ordered[k]
    high = (1 - share) * ordered[n - k] + share * ordered[n - k - 1]
    return Interval(float(np.median(ordered)), float(low), float(high), n, f"interpolated order statistics of {n} rounds")


def ratio_interval(first: np.ndarray, second: np.ndarray, confidence: float = 0.95) -> Interval | None:
    """Median over rounds of first / second, both [rounds] of the same interleaved rounds; None with fewer than 6.

    Drift and neighbours fall on both of a round alike, so that the ratio holds where the times do not.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.shape != second.shape or first.ndim != 1:
        raise DataError(f"Rounds of shapes {first.shape} and {second.shape} came", "Both must be times of the same rounds")
    if not ((first > 0).all() and (second > 0).all()):
        raise DataError("A round took no time", "Times are above 0")
    seen = percentile_interval(first / second, 0.5, confidence)
    if seen is None:
        return None
    return Interval(seen.value, seen.low, seen.high, seen.n, f"median of {seen.n} paired rounds, {seen.method}")
