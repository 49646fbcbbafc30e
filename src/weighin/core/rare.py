"""Rare errors: intervals where all but a few groups stand at the very end of the scale, so that resampling says nothing.

Three groups with an error among 120 are drawn all away once in twenty times: the bootstrap then has no spread to divide
by, and any bound it gives is an accident of rounding.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincinv

from weighin.core.clusters import Sums
from weighin.core.family import Score, ratio

FEW = 10  # groups away from the end; from here on they are enough to resample
ASSUMED_SPREAD = 2.0  # squared coefficient of variation of an error's size, while one group shows it; fades out at FEW
ZERO = 1e-12


@dataclass(frozen=True)
class Rare:
    """What the few groups hold: ``sizes`` [few], the end (0 or 1) at which all others stand, and the weight of all."""

    sizes: np.ndarray
    end: int
    weight: float
    groups: int

    @property
    def effect(self) -> float:
        """Design effect: sizes that differ make a sum less certain than the count of its terms.

        The sizes of fewer than 10 say little about those not seen yet, so they are taken to differ at least as
        errors with heavy tails do (benchmarks/coverage.py), less and less as they become more.
        """
        count = len(self.sizes)
        seen = count * float((self.sizes**2).sum()) / float(self.sizes.sum()) ** 2
        return max(seen, 1 + ASSUMED_SPREAD * (1 - count / FEW))


def rare(score: Score, sums: Sums) -> Rare | None:
    """The few groups that are not at 0 (or not at 1, where nothing is above it); None when there are 10, or half of all."""
    if sums.value.shape[1] != 1:
        return None
    value, weight = sums.value[:, 0], sums.weight
    ends = [(value, 0)] if (value >= 0).all() else []
    share = score.transform is ratio and (score.better == "higher" or score.binary)  # errors have no end above
    if share and (value <= weight * (1 + ZERO)).all():
        ends.append((weight - value, 1))
    for held, end in ends:
        sizes = held[held > ZERO * weight]
        if 0 < len(sizes) < FEW and 2 * len(sizes) <= sums.groups:
            return Rare(sizes, end, float(weight.sum()), sums.groups)
    return None


def rare_bounds(score: Score, found: Rare, confidence: float) -> tuple[float, float]:
    """Low and high of the metric: gamma bounds of a sum of Poisson many terms (Fay and Feuer 1997).

    The count is divided by its design effect, as Korn and Graubard (1998) do for shares.
    """
    total, effective = float(found.sizes.sum()), len(found.sizes) / found.effect
    tails = 0.5 - confidence / 2, 0.5 + confidence / 2
    low = total / effective * float(gammaincinv(effective, tails[0]))
    high = total / effective * float(gammaincinv(effective + 1, tails[1]))
    if found.end or score.binary:
        high = min(high, found.weight)
    ends = [found.weight - end if found.end else end for end in (low, high)]
    first, last = sorted(score.transform(np.array([end]), found.weight) for end in ends)
    return first, last
