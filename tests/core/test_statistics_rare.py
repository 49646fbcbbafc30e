"""Rare errors: all but a few groups without any. Bounds must neither explode nor promise too much."""

import numpy as np
import pytest
from made_tallies import FORCE, RMSE, STUDY, TOP1, rng
from scipy import stats

from weighin.core.clusters import sums_by_group
from weighin.core.family import Score, Tally
from weighin.core.rare import FEW, rare, rare_bounds
from weighin.core.statistics import interval, paired

GROUPS = np.arange(600) // 5
OVERLAP = Score("overlap", "share", "higher")


def errors(*at: int, size: float = 1.0) -> np.ndarray:
    found = np.zeros(600)
    found[list(at)] = size
    return found


@pytest.mark.parametrize("population", STUDY.RARE_ERRORS, ids=lambda population: population.name)
def test_rare_errors_keep_the_promise(population):
    row = STUDY.coverage(population, 250, rng(5), others=False)
    assert row["no_interval"] == 0 and 0.925 <= row["weighin"]["coverage"] <= 0.995, row


@pytest.mark.parametrize("at", [(3,), (3, 200), (3, 200, 500), (3, 4, 200), tuple(range(0, 600, 70))])
def test_three_misses_are_no_million(at):
    value = errors(*at)
    value[at[0]] = 2.0
    seen = interval(Tally.of(value), FORCE, GROUPS)
    assert 0 < seen.low < seen.value < seen.high < 15 * seen.value
    assert seen.method.startswith(f"gamma, all but {len({i // 5 for i in at})} of 120 groups at 0")


def test_more_groups_with_errors_make_it_narrower():
    widths = []
    for count in (1, 2, 4, 8, 12, 40):
        seen = interval(Tally.of(errors(*range(0, 5 * count, 5))), FORCE, GROUPS)
        widths.append(seen.high / seen.value)
    assert widths == sorted(widths, reverse=True) and widths[-1] < 1.5


def test_bounds_are_those_of_a_poisson_count_divided_by_its_design_effect():
    found = rare(FORCE, sums_by_group(Tally.of(errors(0, 100, 200, 300)), GROUPS, "force_mae"))
    count = 4 / (1 + 2 * 0.6)
    wanted = [stats.chi2.ppf(0.025, 2 * count) / 2, stats.chi2.ppf(0.975, 2 * count + 2) / 2]
    assert rare_bounds(FORCE, found, 0.95) == pytest.approx([end / count * 4 / 600 for end in wanted])


def test_sizes_that_differ_count_for_fewer():
    alike, apart = (
        rare(FORCE, sums_by_group(Tally.of(value), GROUPS, "force_mae"))
        for value in (errors(*range(0, 45, 5)), errors(*range(0, 45, 5)) + errors(0, size=30))
    )
    assert alike.effect == pytest.approx(1.2) and apart.effect > 5
    assert rare_bounds(FORCE, apart, 0.95)[1] / apart.sizes.sum() > 2 * rare_bounds(FORCE, alike, 0.95)[1] / alike.sizes.sum()


def test_nearly_perfect_is_the_mirror_of_nearly_free_of_errors():
    lost = errors(3, 200, size=0.5)
    low, high = (getattr(interval(Tally.of(lost), FORCE, GROUPS), end) for end in ("low", "high"))
    seen = interval(Tally.of(1 - lost), OVERLAP, GROUPS)
    assert (seen.low, seen.high) == pytest.approx((1 - high, 1 - low)) and "at 1" in seen.method


def test_many_misses_in_few_groups_stay_within_0_and_1():
    hits = np.ones(600)
    hits[:15] = 0  # 15 misses, all in 3 of 120 groups
    seen = interval(Tally.of(hits), TOP1, GROUPS)
    assert 0 < seen.low < seen.value < seen.high < 1 and "all but 3 of 120" in seen.method
    few = interval(Tally.of(1 - hits), TOP1, GROUPS)
    assert (few.low, few.high) == pytest.approx((1 - seen.high, 1 - seen.low))


def test_a_root_is_taken_of_the_bounds():
    squares = Tally.of(errors(3, 200, 500, size=4))
    root, plain = interval(squares, RMSE, GROUPS), interval(squares, FORCE, GROUPS)
    assert (root.value, root.low, root.high) == pytest.approx(tuple(np.sqrt([plain.value, plain.low, plain.high])))


@pytest.mark.parametrize("count", [FEW, 60])
def test_enough_groups_are_resampled(count):
    assert rare(FORCE, sums_by_group(Tally.of(errors(*range(0, 5 * count, 5))), GROUPS, "force_mae")) is None


def test_half_of_few_groups_is_not_rare():
    sums = sums_by_group(Tally.of(np.r_[np.ones(30), np.zeros(20)]), np.arange(50) // 10, "force_mae")
    assert rare(FORCE, sums) is None, "3 of 5 groups are not few, and errors may be more than 1 an example"
    assert rare(OVERLAP, sums).end == 1, "a share cannot: 2 of 5 are not at 1"


@pytest.mark.parametrize("sizes", [np.full(120, 5), np.r_[np.full(60, 2), np.full(60, 8)]], ids=["equal", "unequal"])
def test_a_difference_in_three_groups_has_no_absurd_bounds(sizes):
    groups = np.repeat(np.arange(120), sizes)
    one, two = np.zeros(600), np.zeros(600)
    one[[3, 200, 500]] = 1.0
    seen = paired(Tally.of(one), Tally.of(two), FORCE, groups)
    assert seen.value == pytest.approx(3 / 600)
    assert -seen.value < seen.low < 0 < seen.high < 5 * seen.value
