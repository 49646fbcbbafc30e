"""Something cheaper that is as good is named; losses against the best, and what profiles make of them."""

import pytest
from made_rows import ask, name_of, report, row

from weighin.core.result import Candidate, Pair, Report
from weighin.steps.digits import decimals, roughly, rounded, times
from weighin.steps.limits import LOSS
from weighin.steps.losses import with_losses
from weighin.steps.pick import pick, profile

TIME = "latency_p50_ms"


def pair(first: str, second: str, difference: float, half: float, different: bool) -> Pair:
    ends = {"difference": difference, "low": difference - half, "high": difference + half}
    seen = {"p": 0.001 if different else 0.4, "different": different, "test": "made up"}
    return Pair(first=f"{first} @ onnx", second=f"{second} @ onnx", score="top1", **ends, **seen)


def rows(**other: tuple[float, float]) -> tuple[Candidate, Candidate]:
    """The choice takes 4 ms, 4 MB and 40 MB."""
    costs = {TIME: (4.0, 0.1), "size_mb": 4.0, "peak_memory_mb": (40.0, 1.0)}
    return row("big", top1=(0.95, 0.02), **costs), row("small", top1=(0.94, 0.02), **{**costs, **other})


def cheaper_of(whole: Report) -> str | None:
    found = ask(whole).cheaper
    return found.variant if found else None


def test_what_is_cheaper_and_as_good_is_named_with_the_gain():
    whole = report(*rows(latency_p50_ms=(0.87, 0.01), size_mb=1.0), pairs=(pair("big", "small", 0.01, 0.02, False),))
    answer = ask(whole)
    assert name_of(answer) == "big" and answer.cheaper and answer.cheaper.variant == "small"
    assert answer.sentence.endswith(
        " small @ onnx is 4.6 times faster and 4.0 times smaller, and cannot be told from the choice on top1: "
        "it is 0.010 worse (p = 0.4)."
    )


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({TIME: (3.0, 0.1)}, True),
        ({TIME: (3.7, 0.1)}, False),  # less than a tenth
        ({TIME: (3.0, 0.95)}, False),  # the intervals overlap
        ({TIME: (1.0, 0.1), "size_mb": 5.0}, False),  # faster, but larger
        ({TIME: (1.0, 0.1), "size_mb": 4.2}, True),  # a little larger
        ({TIME: (1.0, None)}, False),  # without an interval
        ({"size_mb": 2.0}, True),
        ({"peak_memory_mb": (20.0, 1.0)}, True),
        ({}, False),
    ],
)
def test_cheaper_means_clearly_so_and_in_nothing_clearly_worse(other, named):
    whole = report(*rows(**other), pairs=(pair("big", "small", 0.01, 0.02, False),))
    assert cheaper_of(whole) == ("small" if named else None)


def test_a_real_difference_or_one_that_nobody_tested_is_not_as_good():
    both = rows(latency_p50_ms=(1.0, 0.1))
    assert cheaper_of(report(*both, pairs=(pair("small", "big", -0.01, 0.02, True),))) is None
    assert cheaper_of(report(*both)) == "small", "without a pair their intervals overlap"
    apart = report(row("big", top1=(0.95, 0.001), latency_p50_ms=(4.0, 0.1)), both[1].model_copy(update={"variant": "far"}))
    assert cheaper_of(apart) == "far"
    bare = [c.model_copy(update={"measurements": [m.model_copy(update={"low": None, "high": None}) if m.name == "top1" else m
                                                  for m in c.measurements]}) for c in both]  # fmt: skip
    assert cheaper_of(report(*bare)) is None


def test_the_largest_product_of_gains_wins():
    costs = [("a", 2.0, 2.0), ("b", 1.0, 3.0), ("c", 3.0, 1.0)]
    more = [row(name, top1=(0.94, 0.02), latency_p50_ms=(ms, 0.01), size_mb=mb) for name, ms, mb in costs]
    base = row("big", top1=(0.95, 0.02), latency_p50_ms=(4.0, 0.1), size_mb=4.0)
    assert cheaper_of(report(base, *more[:2])) == "b"
    assert cheaper_of(report(base, *more)) == "c" == cheaper_of(report(*more[::-1], base)), "of equals, the smaller"


def test_losses_are_of_the_best_and_paired():
    found = with_losses(
        [row("a", top1=(0.8, 0.1)), row("b", top1=(0.76, 0.1)), row("c", top1=(0.79, 0.1)), row("d", "failed")],
        [pair("a", "b", 0.04, 0.008, True), pair("c", "a", -0.01, 0.02, False)], "top1", "higher",
    )  # fmt: skip
    losses = {c.variant: c.get(LOSS) for c in found}
    ends = {name: m and (m.value, m.low, m.high) for name, m in losses.items()}
    assert ends["a"] == (0, 0, 0) and losses["a"].method == "the best itself" and ends["d"] is None
    assert ends["b"] == pytest.approx((5.0, 4.0, 6.0)) and ends["c"] == pytest.approx((1.25, -1.25, 3.75))
    assert losses["b"].unit == "%" and "paired difference in top1 to a @ onnx" in losses["b"].method


def test_losses_of_errors_and_without_evidence():
    errors = [pair("a", "b", -0.04, 0.008, True)]
    found = with_losses([row("a", top1=(0.8, 0.1)), row("b", top1=(0.84, 0.1))], errors, "top1", "lower")
    assert (found[1].get(LOSS).value, found[1].get(LOSS).low, found[1].get(LOSS).high) == pytest.approx((5.0, 4.0, 6.0))
    unpaired = with_losses([row("a", top1=(0.8, 0.1)), row("b", top1=(0.84, 0.1))], [], "top1", "lower")
    assert unpaired[0].get(LOSS).value == 0 and unpaired[1].get(LOSS) is None
    perfect = with_losses([row("a", top1=(0.0, 0.1)), row("b", top1=(0.84, 0.1))], errors, "top1", "lower")
    assert perfect[1].get(LOSS) is None, "no share of nothing"
    assert with_losses(found, [], "top1", "lower")[1].get(LOSS) is None, "an old one does not stay"


def test_profiles_give_different_answers_where_the_measurements_warrant_it():
    costs = {"throughput_per_s": (500.0, 9.0), "peak_memory_mb": (100.0, 1.0)}
    made = [
        row("exact", top1=(0.90, 0.02), latency_p90_ms=(9.0, 0.1), size_mb=8.0, **costs),
        row("small", top1=(0.87, 0.02), latency_p90_ms=(8.0, 0.1), size_mb=1.0, **costs),
        row("quick", top1=(0.89, 0.02), latency_p90_ms=(2.0, 0.1), size_mb=9.0, **costs),
        row("wide", top1=(0.89, 0.02), latency_p90_ms=(9.0, 0.1), size_mb=9.0, **{**costs, "throughput_per_s": (999.0, 9.0)}),
        row("poor", top1=(0.50, 0.02), latency_p90_ms=(1.0, 0.1), size_mb=0.1, **{**costs, "throughput_per_s": (9e9, 9.0)}),
    ]
    gaps = {"small": 0.03, "quick": 0.01, "wide": 0.01, "poor": 0.4}
    pairs = [pair("exact", name, gap, 0.01, gap > 0.01) for name, gap in gaps.items()]
    whole = report(*with_losses(made, pairs, "top1", "higher"), pairs=tuple(pairs))
    found = {}
    for name in ("edge", "server", "batch", "research"):
        best, limits = profile(name)
        found[name] = name_of(pick(whole, best or "top1", limits))
    assert found == {"edge": "small", "server": "quick", "batch": "wide", "research": "exact"}


def test_digits_are_those_that_the_interval_supports():
    assert [decimals(0.8277, *ends) for ends in ((0.78, 0.87), (0.82, 0.84), (0.8275, 0.8279))] == [2, 3, 5]
    assert [rounded(0.8277, 2), rounded(1284.4, 0), rounded(1284.4, -2), rounded(-0.0001, 2)] == [
        "0.83",
        "1,284",
        "1,300",
        "0.00",
    ]
    assert [roughly(n) for n in (1, 9, 4321, 82_074, 253_990)] == ["1", "9", "4,300", "82,000", "250,000"]
    assert [times(x) for x in (1.14, 4.589, 9.96, 12.4)] == ["1.1", "4.6", "10", "12"]
