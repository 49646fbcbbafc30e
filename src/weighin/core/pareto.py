"""The Pareto front with its uncertainty: in how many draws is a candidate beaten by no other?"""

from collections.abc import Mapping

import numpy as np

from weighin.core.errors import DataError
from weighin.core.result import Better


def front(candidates: Mapping[str, Mapping[str, np.ndarray]], better: Mapping[str, Better]) -> dict[str, float]:
    """Label -> share of draws in which no other candidate is as good in all objectives and better in one.

    ``candidates`` gives draws [d] for every objective of ``better``. Quality must come from
    :func:`weighin.core.statistics.draws` with one seed, so that all candidates meet the same resampled examples;
    costs from :func:`spread`. A candidate that lacks an objective is left out: it neither ranks nor dominates.
    """
    known = {label: drawn for label, drawn in candidates.items() if all(name in drawn for name in better)}
    if not known:
        return {}
    lengths = {len(np.ravel(drawn[name])) for drawn in known.values() for name in better}
    if len(lengths) != 1:
        raise DataError(f"Draws of lengths {sorted(lengths)} came", "All candidates need as many draws for all objectives")
    sign = {name: 1.0 if way == "higher" else -1.0 for name, way in better.items()}
    points = np.array([[sign[name] * np.ravel(drawn[name]) for name in better] for drawn in known.values()])  # [c, o, d]
    return {label: float(share) for label, share in zip(known, _free(points))}


def _free(points: np.ndarray) -> np.ndarray:
    """Share of draws in which each candidate is not dominated, [c, o, d] -> [c]; an undefined draw (NaN) never is."""
    defined = np.all(np.isfinite(points), axis=1)  # [c, d]
    shares = []
    for number, point in enumerate(points):
        as_good = (points >= point).all(axis=1)  # [c, d]; NaN compares as False
        beaten = (as_good & (points > point).any(axis=1)).any(axis=0)
        shares.append((defined[number] & ~beaten).mean())
    return np.array(shares)


def spread(value: float, low: float | None, high: float | None, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Draws [d] of a cost from its 95 % interval: a normal distribution whose halves fit low and high; constant without."""
    if low is None or high is None:
        return np.full(draws, value)
    unit = rng.standard_normal(draws)
    return value + unit * np.where(unit < 0, value - low, high - value) / 1.959964
