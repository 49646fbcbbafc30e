"""Intervals, differences, percentiles and the front against references, and against made-up populations with a known truth."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from weighin.core import statistics
from weighin.core.clusters import influence, standard_error, sums_by_group
from weighin.core.errors import DataError
from weighin.core.family import Score, Tally
from weighin.core.statistics import (
    all_pairs,
    detectable,
    draws,
    front,
    holm,
    interval,
    least_n,
    mcnemar,
    more_needed,
    paired,
    percentile_interval,
    ratio_interval,
    spread,
)

TOP1 = Score("top1", "share", "higher", binary=True)
CER = Score("cer", "share", "lower")
FORCE = Score("force_mae", "eV/A", "lower")
RMSE = Score("force_rmse", "eV/A", "lower", transform=lambda value, weight: float(np.sqrt(value[0] / weight)))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def study():
    """benchmarks/coverage.py as a module: the full study is the same code with more simulations."""
    path = Path(__file__).parents[2] / "benchmarks" / "coverage.py"
    spec = importlib.util.spec_from_file_location("coverage_study", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


STUDY = study()


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


# Ends and gaps.


def test_all_right_is_no_certainty():
    singles = interval(Tally.of(np.ones(300)), TOP1, np.arange(300))
    grouped = interval(Tally.of(np.ones(300)), TOP1, np.arange(300) // 30)
    nearly = interval(Tally.of(np.r_[np.ones(299), 0]), TOP1, np.arange(300) // 30)
    assert singles.value == singles.high == grouped.high == 1.0
    assert 1 - 4 / 300 < singles.low < 1.0
    assert grouped.low < singles.low, "ten groups prove less than 300 examples"
    assert nearly.low < grouped.low, "one more miss never makes a better bound"


def test_no_error_at_all_has_an_upper_bound():
    seen = interval(Tally.of(np.zeros(200), rng().integers(10, 60, 200)), CER, np.arange(200) // 5)
    assert seen.value == seen.low == 0.0
    assert 0 < seen.high < 0.05


@pytest.mark.parametrize("groups", [1, 2])
def test_too_few_groups_support_no_interval_and_say_so(groups):
    seen = interval(Tally.of(rng().random(40)), FORCE, np.arange(40) % groups)
    assert (seen.low, seen.high) == (None, None)
    assert "3 needed" in seen.method


def test_groups_that_do_not_differ_support_no_interval():
    seen = interval(Tally.of(np.full(40, 0.7)), RMSE, np.arange(40) // 4)
    assert (seen.low, seen.high) == (None, None) and "do not differ" in seen.method


def test_a_score_that_needs_every_group_has_no_interval():
    needs_all = Score("macro", "share", "higher", transform=lambda v, w: float(v[0] / w) if w > 11.5 else float("nan"))
    seen = interval(Tally.of(rng().random(12)), needs_all, np.arange(12))
    assert seen.low is None and "undefined without one" in seen.method


def test_nothing_of_weight_is_not_measured():
    seen = interval(Tally.of(np.zeros(9), np.zeros(9)), TOP1, np.arange(9))
    assert np.isnan(seen.value) and seen.low is None and "not measured" in seen.method


@pytest.mark.parametrize(
    ("value", "weight", "groups", "says"),
    [
        ([1, np.nan, 1], [1, 1, 1], 3, "not a finite number for 1 of 3"),
        ([1, 1, 1], [1, np.inf, np.nan], 3, "not a finite number for 2 of 3"),
        ([1, 1, 1], [1, -1, 1], 3, "weight -1"),
        ([1, 1, 1], [1, 1], 3, "3 values"),
        ([1, 1, 1], [1, 1, 1], 2, "2 groups"),
        ([], [], 0, "no examples"),
    ],
)
def test_wrong_tallies_are_refused(value, weight, groups, says):
    with pytest.raises(DataError, match=says):
        interval(Tally.of(value, weight), TOP1, np.arange(groups))


def test_order_and_names_of_examples_change_nothing():
    value, groups, order = rng().random(200), rng(1).integers(0, 17, 200), rng(2).permutation(200)
    seen = interval(Tally.of(value), FORCE, groups)
    named = np.array([f"font {g:02d}" for g in groups])
    again = interval(Tally.of(value[order]), FORCE, named[order])
    assert (again.low, again.high) == pytest.approx((seen.low, seen.high))


def test_examples_that_resemble_each_other_count_for_less():
    value = np.repeat(rng().normal(3, 1, 20), 30) + rng(1).normal(0, 0.1, 600)
    grouped = interval(Tally.of(value), FORCE, np.arange(600) // 30)
    single = interval(Tally.of(value), FORCE, np.arange(600))
    assert grouped.high - grouped.low > 4 * (single.high - single.low)


def test_errors_stay_above_zero_and_shares_below_one():
    few = interval(Tally.of([0, 0, 0, 0.2, 0], [30] * 5), CER, np.arange(5))
    assert few.low > 0
    score = Score("cosine", "", "higher")
    near = interval(Tally.of([0.99, 0.999, 0.9, 0.99, 0.97, 0.2]), score, np.arange(6))
    assert near.high < 1


def test_many_groups_are_pooled_without_harm():
    value = rng().normal(2, 1, 9000)
    seen = interval(Tally.of(value), Score("plain", "", "higher"), np.arange(9000))
    assert seen.high - seen.low == pytest.approx(2 * 1.96 / np.sqrt(9000), rel=0.1)
    assert "9000 groups" in seen.method


# Differences.


def test_paired_examples_tell_what_separate_intervals_cannot():
    hard = rng().random(1000)
    first, second = Tally.of(hard < 0.8), Tally.of(hard < 0.78)
    one, two = (interval(t, TOP1, np.arange(1000)) for t in (first, second))
    assert one.low < two.high, "the intervals overlap"
    seen = paired(first, second, TOP1, np.arange(1000))
    assert seen.low > 0 and seen.p < 1e-4 and seen.test == "McNemar, exact"


def test_a_difference_turned_round_is_the_same_difference():
    one, two, groups = STUDY.rivals(rng(), 25, 20, 0.03)
    there, back = paired(one, two, TOP1, groups), paired(two, one, TOP1, groups)
    assert (back.value, back.low, back.high) == pytest.approx((-there.value, -there.high, -there.low))
    assert back.p == there.p and "25 groups" in there.test


def test_the_same_answers_are_no_proof_of_equality():
    hits = Tally.of(rng().random(300) < 0.8)
    seen = paired(hits, hits, TOP1, np.arange(300))
    assert (seen.value, seen.p) == (0.0, 1.0)
    assert -0.02 < seen.low < 0 < seen.high < 0.02
    errors = Tally.of(rng().random(300))
    assert paired(errors, errors, RMSE, np.arange(300)).low == 0.0


def test_a_clear_difference_survives_correction_for_many_pairs():
    hard = rng().normal(0, 1, 60)
    tallies = {str(i): Tally.of(5 + hard + 0.3 * (i == 0) + rng(i).normal(0, 0.01, 60)) for i in range(40)}
    pairs = all_pairs(tallies, FORCE, np.arange(60))
    assert len(pairs) == 780
    assert all(pair.different for pair in pairs if pair.first == "0")
    assert sum(pair.different for pair in pairs if pair.first != "0") == 0
    assert "Holm over 780 pairs" in pairs[0].test


def test_pairs_may_be_chosen_and_few_groups_leave_none():
    tallies = {name: Tally.of(rng(i).random(30)) for i, name in enumerate("abc")}
    chosen = all_pairs(tallies, FORCE, np.arange(30), only=[("c", "a")])
    assert [(pair.first, pair.second) for pair in chosen] == [("c", "a")]
    assert all_pairs(tallies, FORCE, np.arange(30) // 15) == []


def test_an_undefined_candidate_is_not_compared():
    with pytest.raises(DataError, match="undefined for one"):
        paired(Tally.of(np.ones(5)), Tally.of(np.ones(5), np.zeros(5)), CER, np.arange(5))


def test_more_needed_is_what_80_percent_power_takes():
    gap, spread_ = 0.1, 1.0
    wanted = 80 + more_needed(gap, spread_ / np.sqrt(80), 80)
    assert detectable(spread_ / np.sqrt(wanted)) == pytest.approx(gap, rel=0.01)
    found = np.mean([stats.ttest_1samp(rng(i).normal(gap, spread_, wanted), 0).pvalue < 0.05 for i in range(600)])
    assert found == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize(("gap", "error"), [(0.0, 0.1), (1e-9, 0.1), (0.1, 0.0), (0.1, float("nan"))])
def test_no_number_of_examples_helps(gap, error):
    assert more_needed(gap, error, 100) is None


def test_pairs_that_cannot_be_told_apart_say_what_it_takes():
    one, two, groups = STUDY.rivals(rng(1), 12, 20, 0.01)
    (pair,) = all_pairs({"a": one, "b": two}, TOP1, groups)
    assert not pair.different and pair.more_needed > len(groups)


# Percentiles, ratios, front.


def test_ratios_need_rounds_of_both():
    assert ratio_interval(np.ones(5), np.ones(5)) is None
    drift = np.linspace(1, 3, 12)
    seen = ratio_interval(2 * drift, drift)
    assert seen.value == seen.low == seen.high == pytest.approx(2.0)
    with pytest.raises(DataError, match="shapes"):
        ratio_interval(np.ones(7), np.ones(8))
    with pytest.raises(DataError, match="no time"):
        ratio_interval(np.ones(7), np.zeros(7))


def test_times_that_are_no_numbers_are_refused():
    with pytest.raises(DataError, match="1 of 30"):
        percentile_interval(np.r_[np.ones(29), np.nan], 0.5)


def test_the_front_is_a_share_of_draws():
    better = {"top1": "higher", "latency_p50_ms": "lower"}
    drawn = {
        "best": {"top1": np.full(4, 0.9), "latency_p50_ms": np.full(4, 9.0)},
        "fast": {"top1": np.full(4, 0.8), "latency_p50_ms": np.full(4, 1.0)},
        "worse": {"top1": np.full(4, 0.79), "latency_p50_ms": np.full(4, 2.0)},
        "half": {"top1": np.array([0.95, 0.95, 0.7, np.nan]), "latency_p50_ms": np.full(4, 20.0)},
        "unknown": {"top1": np.full(4, 0.99)},
    }
    assert front(drawn, better) == {"best": 1.0, "fast": 1.0, "worse": 0.0, "half": 0.5}
    assert front({"unknown": drawn["unknown"]}, better) == {}
    with pytest.raises(DataError, match="lengths"):
        front({"a": {"top1": np.ones(3)}, "b": {"top1": np.ones(4)}}, {"top1": "higher"})


def test_equals_stand_on_the_front_together():
    same = {"top1": np.full(3, 0.9)}
    assert front({"a": same, "b": same}, {"top1": "higher"}) == {"a": 1.0, "b": 1.0}


def test_one_seed_gives_all_candidates_the_same_examples():
    hard, groups = rng().random(400), np.arange(400) // 8
    first, second = (draws(Tally.of(hard < p), TOP1, groups, seed=4) for p in (0.8, 0.78))
    assert (first >= second).all(), "what is right under 0.78 is right under 0.8 in every draw"
    assert not np.array_equal(first, draws(Tally.of(hard < 0.8), TOP1, groups, seed=5))


def test_costs_are_drawn_from_their_intervals():
    drawn = spread(5.0, 4.0, 8.0, 20_000, rng())
    assert np.quantile(drawn, [0.025, 0.5, 0.975]) == pytest.approx([4, 5, 8], abs=0.1)
    assert (spread(5.0, None, None, 3, rng()) == 5.0).all()


def test_every_public_name_is_there():
    assert all(hasattr(statistics, name) for name in statistics.__all__)
