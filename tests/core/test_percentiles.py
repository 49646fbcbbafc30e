"""Rounds are the unit of latency: their intervals keep their promise where calls taken for independent break it."""

import numpy as np
import pytest
from made_tallies import ROUNDS, rng
from scipy import stats

from weighin.core.errors import DataError
from weighin.core.statistics import calls_a_round, median_interval, percentile_by_round


@pytest.mark.parametrize(("q", "rounds", "calls"), [(0.5, 8, 30), (0.5, 15, 30), (0.9, 15, 30), (0.99, 15, 100)])
@pytest.mark.parametrize("session", [ROUNDS.drifting, ROUNDS.cut], ids=lambda session: session.__name__)
def test_where_rounds_differ_only_rounds_keep_the_promise(session, q, rounds, calls):
    row = ROUNDS.percentile(session, q, rounds, calls, 400, rng(7))
    assert 0.925 <= row["coverage"] <= 0.975 and row["measured"] == 400, row
    assert row["coverage_if_calls_were_independent"] < 0.7, row


@pytest.mark.parametrize("session", ROUNDS.SESSIONS, ids=lambda session: session.__name__)
def test_the_promise_is_nearly_kept_by_every_session(session):
    row = ROUNDS.percentile(session, 0.9, 15, 30, 400, rng(8))
    assert row["coverage"] >= 0.89, row


@pytest.mark.parametrize("rounds", [6, 7, 8, 15, 40])
def test_medians_of_rounds_hold_the_true_one_whatever_the_distribution(rounds):
    for draw, true in ((rng(1).normal, 0.0), (rng(2).exponential, np.log(2)), (rng(3).standard_cauchy, 0.0)):
        seen = [median_interval(draw(size=rounds)) for _ in range(1500)]
        assert 0.93 <= np.mean([s.low <= true <= s.high for s in seen]) <= 0.97


def test_median_interval_by_hand():
    seen = median_interval(np.array([8, 1, 2, 3, 7, 4, 6, 5]))
    covers = [1 - 2 * stats.binom.cdf(k, 8, 0.5) for k in (0, 1)]  # of the pairs 1, 8 and 2, 7: 99.2 and 93.0 %
    inward = (covers[0] - 0.95) / (covers[0] - covers[1])
    share = 7 * inward / (1 + 6 * inward)
    assert (seen.value, seen.low, seen.high, seen.n) == (4.5, pytest.approx(1 + share), pytest.approx(8 - share), 8)
    assert covers[1] < 0.95 < covers[0] and 0.9 < share < 1


def test_too_few_rounds_or_calls_are_refused():
    assert [calls_a_round(q) for q in (0.5, 0.9, 0.95, 0.99)] == [2, 10, 20, 100]
    assert median_interval(np.arange(5.0)) is None and median_interval(np.arange(6.0)) is not None
    for q, calls in ((0.5, 2), (0.9, 10), (0.95, 20), (0.99, 100)):
        times = rng(calls).random((6, calls))
        assert percentile_by_round(times, q).n == 6 * calls
        assert percentile_by_round(times[:, 1:], q) is None and percentile_by_round(times[1:], q) is None
    assert percentile_by_round(rng().random((5, 100_000)), 0.5) is None, "calls do not make up for rounds"


def test_the_percentile_of_a_round_of_ten_calls_is_not_biased():
    """The usual interpolation gives the p84 of ten calls."""
    times = rng(1).random((20_000, 10))
    assert percentile_by_round(times, 0.9).value == pytest.approx(0.9, abs=0.01)
    assert np.median(np.quantile(times, 0.9, axis=1)) < 0.86


def test_times_that_are_no_numbers_are_refused():
    with pytest.raises(DataError, match="1 of 60 samples are not finite"):
        percentile_by_round(np.r_[np.ones(59), np.nan].reshape(6, 10), 0.9)
