"""95 % intervals hold the truth 95 times of 100, on made-up populations with a known truth, and agree with references."""

import numpy as np
import pytest
from made_tallies import CER, FORCE, STUDY, TOP1, rng
from scipy import stats

from weighin.core.clusters import influence, standard_error, sums_by_group
from weighin.core.family import Tally
from weighin.core.statistics import draws, holm, interval, least_n, mcnemar, paired, percentile_interval

# Promises kept. 300 draws: a coverage of 95 % is seen between 92.3 and 97.3 in 19 of 20 times.


@pytest.mark.parametrize(
    "population",
    [
        STUDY.share(150, 1, 0.9, 0),
        STUDY.share(20, 30, 0.9, 0.1),
        STUDY.share(40, 30, 0.97, 0.05),
        STUDY.errors(20, 20),
        STUDY.absolute(50, 1),
        STUDY.squared(12, 30),
        STUDY.balanced(12, 40),
    ],
    ids=lambda population: population.name,
)
def test_95_percent_intervals_hold_the_truth_95_times_of_100(population):
    row = STUDY.coverage(population, 300, rng(7), others=False)
    assert row["no_interval"] == 0
    assert 0.92 <= row["weighin"]["coverage"] <= 0.985, row


def test_the_usual_bootstraps_would_break_the_promise_with_few_groups():
    row = STUDY.coverage(STUDY.share(10, 30, 0.9, 0.1), 200, rng(3))
    assert row["percentile"]["coverage"] < 0.91
    assert row["bca"]["coverage"] < 0.91
    assert row["weighin"]["coverage"] >= 0.92


@pytest.mark.parametrize("population", STUDY.RARE, ids=lambda population: population.name)
def test_rare_misses_and_few_groups_never_promise_too_much(population):
    assert STUDY.coverage(population, 150, rng(5), others=False)["weighin"]["coverage"] >= 0.94


@pytest.mark.parametrize("shape", [(400, 1), (10, 40), (40, 25)])
def test_a_candidate_is_not_told_from_itself(shape):
    row = STUDY.itself(*shape, 200, rng(11))
    assert row["called_different"] <= 0.05
    if shape[1] > 1:  # why groups are swapped, not examples
        assert row["called_different_by_mcnemar_on_examples"] > 0.05


def test_paired_intervals_hold_the_true_difference():
    assert 0.92 <= STUDY.difference(12, 30, 0.05, 250, rng(2))["coverage"] <= 0.99


@pytest.mark.parametrize("q", [0.5, 0.9, 0.99])
def test_percentile_intervals_hold_the_true_percentile_at_the_smallest_n(q):
    assert STUDY.percentile(q, least_n(q), 1000, rng(1))["coverage"] >= 0.935


def test_ratios_hold_through_drift():
    assert STUDY.rounds(15, 400, rng(1))["coverage"] >= 0.93


# References.


def test_bootstrap_draws_agree_with_scipy():
    value, weight = rng(1).poisson(3, 80).astype(float), rng(2).integers(10, 60, 80).astype(float)
    ours = draws(Tally.of(value, weight), CER, np.arange(80), draws=8000)
    theirs = stats.bootstrap(
        (value, weight), lambda v, w, axis: v.sum(axis) / w.sum(axis), paired=True, n_resamples=8000, method="percentile",
        rng=np.random.default_rng(3),
    )  # fmt: skip
    assert ours.std(ddof=1) == pytest.approx(theirs.standard_error, rel=0.04)
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert np.quantile(ours, [0.025, 0.975]) == pytest.approx(list(theirs.confidence_interval), abs=0.03 * width)


def test_error_of_a_mean_is_the_textbook_one():
    value = rng(1).normal(3, 1, 50)
    parts = influence(FORCE, sums_by_group(Tally.of(value), np.arange(50), "force_mae"))
    assert standard_error(parts) == pytest.approx(value.std(ddof=1) / np.sqrt(50))


@pytest.mark.parametrize(("hits", "n"), [(0, 30), (1, 30), (17, 30), (30, 30), (897, 1000)])
def test_shares_of_single_examples_are_clopper_pearson(hits, n):
    seen = interval(Tally.of(np.arange(n) < hits), TOP1, np.arange(n))
    assert (seen.low, seen.high) == pytest.approx(tuple(stats.binomtest(hits, n).proportion_ci(method="exact")))
    assert (seen.value, seen.n) == (hits / n, n)


@pytest.mark.parametrize(("one", "two", "both"), [(0, 0, 9), (1, 0, 4), (7, 2, 30), (5, 5, 0), (40, 12, 900)])
def test_mcnemar_is_the_exact_binomial(one, two, both):
    first = np.r_[np.ones(one), np.zeros(two), np.ones(both)]
    second = np.r_[np.zeros(one), np.ones(two), np.ones(both)]
    wanted = stats.binomtest(one, one + two).pvalue if one + two else 1.0
    assert mcnemar(first, second) == pytest.approx(wanted)
    assert paired(Tally.of(first), Tally.of(second), TOP1, np.arange(len(first))).p == pytest.approx(wanted)


def test_swapping_groups_agrees_with_scipys_exact_permutation_test():
    gap = rng(4).normal(0.4, 1, 10)
    theirs = stats.permutation_test(
        (gap,), lambda x: x.mean(), permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert paired(Tally.of(gap + 5), Tally.of(np.full(10, 5.0)), FORCE, np.arange(10)).p == pytest.approx(theirs.pvalue)


def test_random_swaps_come_close_to_all_swaps():
    gap = rng(4).normal(0.5, 1, 16)
    theirs = stats.permutation_test((gap,), lambda x: x.mean(), permutation_type="samples", n_resamples=np.inf)
    assert paired(Tally.of(gap + 5), Tally.of(np.full(16, 5.0)), FORCE, np.arange(16)).p == pytest.approx(
        theirs.pvalue, abs=0.01
    )


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize(("q", "n"), [(0.5, 20), (0.5, 301), (0.9, 200), (0.99, 2000)])
def test_percentile_bounds_agree_with_scipys_quantile_test(q, n):
    samples = rng(n).lognormal(0, 1, n)
    theirs = stats.quantile_test(samples, p=q).confidence_interval(0.95)
    seen = percentile_interval(samples, q)
    ranks = np.searchsorted(np.sort(samples), [seen.low, seen.high, theirs.low, theirs.high])
    assert abs(ranks[0] - ranks[2]) <= 1 and abs(ranks[1] - ranks[3]) <= 1
    assert stats.binom.cdf(ranks[1], n, q) - stats.binom.cdf(ranks[0], n, q) >= 0.95  # P(l <= B < u), ranks from 0


def test_least_n_by_hand():
    assert [least_n(q) for q in (0.5, 0.9, 0.95, 0.99)] == [6, 29, 59, 299]
    for q, n in ((0.5, 6), (0.9, 29), (0.95, 59), (0.99, 299)):
        assert percentile_interval(np.arange(n - 1.0), q) is None
        seen = percentile_interval(np.arange(float(n)), q)
        assert seen.low <= seen.value <= seen.high == n - 1
