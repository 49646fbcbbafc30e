"""Percentiles of timed calls, and ratios of interleaved rounds: intervals by order statistics, without a model."""

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
