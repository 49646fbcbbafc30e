"""Where evidence ends: all right, too few groups, no numbers; differences that are none; percentiles, ratios, the front."""

import numpy as np
import pytest
from made_tallies import CER, FORCE, RMSE, STUDY, TOP1, rng
from scipy import stats

from weighin.core.errors import DataError
from weighin.core.family import Score, Tally
from weighin.core.statistics import (
    all_pairs,
    detectable,
    draws,
    front,
    interval,
    more_needed,
    paired,
    percentile_interval,
    ratio_interval,
    spread,
)

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
