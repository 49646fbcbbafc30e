"""Is one candidate really better than another? Both on the same examples, drawn and swapped by group."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from scipy.special import bdtr, ndtri

from weighin.core.clusters import (
    FEWEST_GROUPS,
    Sums,
    bounds,
    evaluate,
    influence,
    resample,
    standard_error,
    sums_by_group,
    total,
)
from weighin.core.errors import DataError
from weighin.core.family import Score, Tally, ratio
from weighin.core.result import Pair
from weighin.core.shares import as_hits, share_bounds

EXACT_GROUPS = 12  # up to here all 2^groups swaps are tried
FLIPS = 9999
CHUNK = 1000
MOST_NEEDED = 10**9  # more examples than this is no advice


@dataclass(frozen=True)
class Difference:
    """First minus second on the same examples. ``low`` and ``high`` are None with fewer than 3 groups."""

    value: float
    low: float | None
    high: float | None
    p: float
    test: str
    error: float  # standard error, by leaving out groups
    n: int


def paired(
    first: Tally, second: Tally, score: Score, groups: np.ndarray, draws: int = 1000, seed: int = 0, confidence: float = 0.95
) -> Difference:
    """The difference of two candidates with its interval (studentised cluster bootstrap of the difference) and p.

    p is McNemar's exact test where the score is right or wrong and every group is one example. With larger
    groups McNemar takes examples for independent and finds differences that are none, so that p comes from
    swapping the two candidates by whole groups (sign-flip permutation; all swaps up to 12 groups).
    """
    one, two = (sums_by_group(tally, groups, score.name, seed) for tally in (first, second))
    value = total(score, one) - total(score, two)
    if not np.isfinite(value):
        raise DataError(f"{score.name} is undefined for one of two candidates", "A difference needs both")
    p, test = _test(first, second, score, one, two, seed)
    if one.groups < FEWEST_GROUPS:
        return Difference(value, None, None, p, f"{test}; too few groups for an interval", float("nan"), one.n)
    low, high, error = _difference_bounds(value, score, one, two, draws, seed, confidence)
    if error == 0:
        low, high = _identical(value, first, second, score, groups, confidence)
    return Difference(value, low, high, p, test, error, one.n)


def _difference_bounds(
    value: float, score: Score, one: Sums, two: Sums, draws: int, seed: int, confidence: float
) -> tuple[float | None, float | None, float]:
    influences = influence(score, one) - influence(score, two)
    if not np.isfinite(influences).all():
        return None, None, float("nan")
    counts = resample(one.groups, draws, seed)
    drawn = evaluate(score, counts @ one.value, counts @ one.weight) - evaluate(score, counts @ two.value, counts @ two.weight)
    weight = (one.weight + two.weight) / 2
    return *bounds(value, drawn, influences, weight, counts, "plain", confidence), standard_error(influences)


def _identical(
    value: float, first: Tally, second: Tally, score: Score, groups: np.ndarray, confidence: float
) -> tuple[float, float]:
    """No group differs: as for a share of none, "no more than this many can", where one example can move it by 1 at most."""
    values = [(np.asarray(t.value, np.float64).reshape(len(t.weight), -1)[:, 0], np.asarray(t.weight)) for t in (first, second)]
    if score.transform is not ratio or not all(((v >= 0) & (v <= w)).all() for v, w in values):
        return value, value
    most = share_bounds(np.zeros(len(groups)), np.asarray(groups), confidence)[1]
    return value - most, value + most


def _test(first: Tally, second: Tally, score: Score, one: Sums, two: Sums, seed: int) -> tuple[float, str]:
    hits = as_hits(first, score), as_hits(second, score)
    same = np.array_equal(first.weight, second.weight)
    if one.largest == 1 and score.binary and same and hits[0] is not None and hits[1] is not None:
        return mcnemar(hits[0], hits[1]), "McNemar, exact"
    how = "all swaps" if one.groups <= EXACT_GROUPS else f"{FLIPS} random swaps"
    return sign_flip(score, one, two, seed), f"sign-flip permutation of {one.named} groups, {how}"


def mcnemar(first: np.ndarray, second: np.ndarray) -> float:
    """McNemar's exact test: two-sided binomial on the examples [n] that only one candidate gets right (McNemar 1947)."""
    first, second = np.asarray(first) > 0, np.asarray(second) > 0
    one, two = int((first & ~second).sum()), int((second & ~first).sum())
    return min(1.0, 2 * float(bdtr(min(one, two), one + two, 0.5))) if one + two else 1.0


def sign_flip(score: Score, one: Sums, two: Sums, seed: int = 0) -> float:
    """Share of swaps of whole groups between two candidates that leave a difference as large as the one seen.

    Exact up to 12 groups, else over random swaps and the one seen (Phipson and Smyth 2010). Where the
    difference is a sum over groups, Hoeffding's bound 2 exp(-d^2 / 2 sum d_g^2) reaches below 1 / (swaps + 1).
    """
    middle, half = (one.value + two.value) / 2, (one.value - two.value) / 2  # [groups, k]
    middle_weight, half_weight = (one.weight + two.weight) / 2, (one.weight - two.weight) / 2  # [groups]
    centre, weight = middle.sum(axis=0), float(middle_weight.sum())

    def apart(signs: np.ndarray) -> np.ndarray:  # [swaps, groups] -> [swaps]
        move, heavier = signs @ half, signs @ half_weight
        return np.abs(evaluate(score, centre + move, weight + heavier) - evaluate(score, centre - move, weight - heavier))

    seen = float(apart(np.ones((1, one.groups)))[0]) * (1 - 1e-9)  # rounding must not hide the one seen
    signs = _swaps(one.groups, seed)
    hits = sum(int((apart(signs[i : i + CHUNK].astype(np.float64)) >= seen).sum()) for i in range(0, len(signs), CHUNK))
    if one.groups <= EXACT_GROUPS:
        return hits / len(signs)
    p = (hits + 1) / (len(signs) + 1)
    if score.transform is ratio and not half_weight.any():
        total_squares = float(((2 * half[:, 0] / weight) ** 2).sum())
        p = min(p, 2 * float(np.exp(-(seen**2) / (2 * total_squares)))) if total_squares else 1.0
    return p


@lru_cache(maxsize=2)
def _swaps(groups: int, seed: int) -> np.ndarray:
    """Signs [swaps, groups], one byte each: all of them where they are few."""
    if groups <= EXACT_GROUPS:
        bits = np.arange(2**groups)[:, None] >> np.arange(groups)
        return (1 - 2 * (bits & 1)).astype(np.int8)
    return (1 - 2 * np.random.default_rng(seed).integers(0, 2, (FLIPS, groups), dtype=np.int8)).astype(np.int8)


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's correction of many p values, in the order given (Holm 1979)."""
    order = np.argsort(ps, kind="stable")
    corrected = np.maximum.accumulate([min(1.0, (len(ps) - i) * ps[place]) for i, place in enumerate(order)])
    return [float(corrected[rank]) for rank in np.argsort(order, kind="stable")]


def detectable(error: float, power: float = 0.8, alpha: float = 0.05) -> float:
    """The smallest difference that a test set with this standard ``error`` of the difference tells from none."""
    return float(ndtri(1 - alpha / 2) + ndtri(power)) * error


def more_needed(difference: float, error: float, n: int, power: float = 0.8, alpha: float = 0.05) -> int | None:
    """How many more examples, in groups as before, would tell the two apart if the difference seen is the true one.

    The error falls with the root of n. None where there is no difference to find, or 10^9 would not do.
    """
    if not difference or not np.isfinite(error) or error <= 0:
        return None
    wanted = n * (detectable(error, power, alpha) / abs(difference)) ** 2
    return max(1, int(np.ceil(wanted - n))) if wanted < MOST_NEEDED else None


def all_pairs(
    tallies: Mapping[str, Tally],
    score: Score,
    groups: np.ndarray,
    draws: int = 1000,
    seed: int = 0,
    alpha: float = 0.05,
    only: Iterable[tuple[str, str]] | None = None,
) -> list[Pair]:
    """Every pair of candidates (label -> tally on the same examples), p corrected by Holm over all of them.

    Two are different when the corrected p is at most ``alpha`` and the interval of the difference leaves out 0.
    Pairs that support no interval are left out; ``only`` names the pairs to compare.
    """
    named = list(combinations(tallies, 2)) if only is None else list(only)
    groups = np.unique(groups, return_inverse=True)[1]  # names are slow to sort, pair by pair
    found = [paired(tallies[a], tallies[b], score, groups, draws, seed) for a, b in named]
    corrected = holm([d.p for d in found])
    strict = alpha / max(1, len(found))
    pairs = []
    for (a, b), seen, p in zip(named, found, corrected, strict=True):
        if seen.low is None or seen.high is None:
            continue
        different = p <= alpha and not seen.low <= 0 <= seen.high
        more = None if different else more_needed(seen.value, seen.error, seen.n, alpha=strict)
        test = f"{seen.test}; Holm over {len(found)} pairs" if len(found) > 1 else seen.test
        pairs.append(
            Pair(
                first=a, second=b, score=score.name, difference=seen.value, low=seen.low, high=seen.high,
                p=p, test=test, different=different, more_needed=more,
            )
        )  # fmt: skip
    return pairs
