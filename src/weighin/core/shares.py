"""Shares of right and wrong: binomial intervals that know about groups, and that hold at 0 % and 100 %."""

import numpy as np
from scipy.special import betaincinv, ndtri

from weighin.core.clusters import influence, quantile_t, standard_error, sums_by_group
from weighin.core.family import Score, Tally, ratio

ASSUMED_CORRELATION = 0.1  # within a group, while fewer than FEW misses are seen: they say nothing about it themselves
FEW = 10


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


def few(hits: np.ndarray) -> bool:
    """Fewer than 10 right, or wrong: too few for the bootstrap."""
    return bool(min(hits.sum(), len(hits) - hits.sum()) < FEW)


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
