"""Figures as text: digits that the interval supports, missing evidence that says so, ratios and words."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_report import made_report, measurement

from weighin.core.result import Limit, Pair, Pick
from weighin.steps.report import figures, views, words
from weighin.steps.report.drawings import curve, ticks, whisker
from weighin.steps.report.markdown import safe

finite = st.floats(-1e6, 1e6, allow_nan=False).filter(lambda x: x == 0 or abs(x) > 1e-6)


def read(text: str) -> float:
    return float(text.replace(",", "").replace("−", "-"))


@pytest.mark.parametrize(
    ("value", "low", "high", "shown"),
    [
        (0.93124, 0.920, 0.941, ("0.931", "0.920 to 0.941")),
        (0.93124, 0.88, 0.98, ("0.93", "0.88 to 0.98")),
        (1284.3, 1190.0, 1400.0, ("1,280", "1,190 to 1,400")),
        (1284.3, 1283.9, 1284.7, ("1,284.3", "1,283.9 to 1,284.7")),
        (-0.0123, -0.020, 0.001, ("−0.012", "−0.020 to 0.001")),
        (0.0004, -0.01, 0.01, ("0.000", "−0.010 to 0.010")),
        (44845.12, 44840.0, 44850.0, ("44,845", "44,840 to 44,850")),
        (1.0, 0.9913, 1.0, ("1.000", "0.991 to 1.000")),
        (71_200.0, 66_300.0, 150_000.0, ("71,000", "66,000 to 150,000")),
    ],
)
def test_digits_follow_the_interval(value, low, high, shown):
    assert figures.figure(value, low, high)[:2] == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(4_483_172.0, "4,483,172"), (17.12, "17.12"), (41.3, "41.3"), (0.0, "0"), (1.2e-6, "1.2e−06"), (-3.0, "−3")],
)
def test_a_fact_has_four_digits(value, shown):
    assert figures.number(value) == shown


@given(finite, st.floats(1e-5, 1e5), st.floats(1e-5, 1e5))
def test_rounding_stays_well_within_the_interval(value, below, above):
    shown = figures.figure(value, value - below, value + above)
    half = (below + above) / 2
    assert abs(read(shown.value) - value) <= 0.51 * half
    low, high = (read(end) for end in shown.interval.split(" to "))
    assert abs(low - (value - below)) <= 0.51 * half and abs(high - (value + above)) <= 0.51 * half


@given(finite)
def test_a_number_without_interval_keeps_four_digits(value):
    assert math.isclose(read(figures.number(value)), value, rel_tol=6e-3 if abs(value) < 1e-4 else 6e-4)


def test_missing_is_said():
    assert figures.figure_of(None) == ("not measured", "", None, True)
    assert figures.figure_in({}).missing and figures.figure_in(None).missing
    assert figures.figure_in({"value": 0.5, "n": 5})[:2] == ("0.5", "no interval")
    assert figures.figure_of(measurement("top1", 0.9, ("a", "b"), low=None, high=None)).interval == "no interval"
    assert figures.figure_of(measurement("size_mb", 0.9, ("a", "b"))).interval == ""


def test_ratio_takes_the_far_ends():
    one = measurement("latency_p50_ms", 2.0, ("a", "onnx"), low=1.8, high=2.2)
    two = measurement("latency_p50_ms", 4.0, ("a", "torch"), low=3.6, high=4.4)
    assert figures.against(one, two)[:2] == ("0.50", "0.41 to 0.61")
    assert figures.against(two, two)[:2] == ("1", "")
    assert figures.against(one, None).missing


def pair(difference: float, different: bool) -> Pair:
    ends = {"low": difference - 0.01, "high": difference + 0.01, "p": 0.0004 if different else 0.4}
    more = None if different else 1234
    names = {"first": "a @ torch", "second": "b @ torch", "score": "top1", "test": "exact McNemar"}
    return Pair(**names, **ends, difference=difference, different=different, more_needed=more)


@pytest.mark.parametrize(
    ("gap", "different", "said"),
    [
        (0.03, True, "a @ torch is better than b @ torch: top1 0.030 share higher (0.020 to 0.040; p < 0.001)."),
        (-0.03, True, "a @ torch is worse than b @ torch: top1 0.030 share lower (0.020 to 0.040; p < 0.001)."),
        (
            -0.004,
            False,
            "a @ torch and b @ torch cannot be told apart: top1 differs by −0.004 share (−0.014 to 0.006; p = 0.40). "
            "About 1,200 more examples would tell.",
        ),
    ],
)
def test_pairs_in_words(gap, different, said):
    assert words.pair_words(pair(gap, different), made_report()) == said


def test_lower_is_better_turns_the_verdict():
    report = made_report().model_copy(update={"scores": [{"name": "top1", "unit": "", "better": "lower"}]})
    assert words.verdict_of(pair(0.03, True), report) == "worse"
    assert words.verdict_of(pair(-0.03, True), report) == "better"
    assert words.verdict_of(pair(-0.03, False), report) == "same"


def test_pairs_are_seen_from_the_choice():
    report = made_report()
    chosen = {"best": "top1", "choice": {"variant": "tiny", "runtime": "torch"}}
    report = report.model_copy(update={"details": {**report.details, "pick": chosen}})
    near, far = views.pairs_of_choice(report)
    assert {p.first for p in near} == {"tiny @ torch"} and len(near) == 11 and len(near) + len(far) == len(report.pairs)
    turned = next(p for p in near if p.second == "full @ torch")
    original = next(p for p in report.pairs if (p.first, p.second) == ("full @ torch", "tiny @ torch"))
    assert (turned.difference, turned.low, turned.high) == (-original.difference, -original.high, -original.low)


def test_the_hardest_groups_come_first():
    report = made_report()
    (_, kinds, all_kinds), (_, groups, all_groups) = views.splits(report)
    assert kinds and all_kinds and groups and all_groups
    assert list(kinds.labels) == ["full @ torch", "light @ torch", "tiny @ torch"] and len(all_groups.labels) == 12
    values = [row.entries[0][1]["value"] for row in groups.rows]
    everyone = [row.entries[0][1]["value"] for row in all_groups.rows]
    assert values == sorted(everyone)[: views.HARDEST]
    assert [row.key for row in kinds.rows] == ["uppercase", "lowercase", "digit", "punctuation"]


def test_noise_is_named_as_such():
    report = made_report()
    assert "below 1.9 % is noise" in words.noise_words(report)
    assert words.noise_words(report.model_copy(update={"details": {}})) == "not measured"


def test_shares_never_round_to_certainty():
    assert [words.percent(x) for x in (0.0, 0.001, 0.5, 0.9999, 1.0)] == ["0 %", "< 1 %", "50 %", "> 99 %", "100 %"]


def test_command_gives_the_same_limits():
    limits = [Limit(name="size_mb", op="<=", bound=12.0), Limit(name="top1", op=">=", bound=0.9)]
    assert (
        words.pick_command(Pick(best="top1", limits=limits))
        == 'weighin pick --from report.json --best top1 --limit "size_mb<=12" --limit "top1>=0.9"'
    )


@given(st.floats(-1e5, 1e5), st.floats(1e-3, 1e5))
def test_ticks_span_their_range(low, width):
    found = ticks(low, low + width)
    assert 2 <= len(found) <= 8
    assert found[0] <= low + 1e-6 * width and found[-1] >= low + width * (1 - 1e-6)


def test_drawings():
    drawn = str(whisker({"value": 0.5, "low": 0.25, "high": 1.0}, (0.0, 1.0)))
    assert 'd="M24.0 4H87.0"' in drawn and 'cx="45.0"' in drawn
    assert whisker(None, (0, 1)) == "" and curve("a", [{"step": 1}]) is None
    long = curve("<b>", [{"step": i, "minutes": i / 10, "loss": 1 + 1 / (i + 1), "validation": None} for i in range(10_000)])
    assert long is not None and len(long) < 8000 and "&lt;b&gt;: loss from 2.00 to 1.00 over 1,000 minutes" in long


def test_a_split_falls_back_to_the_score_that_is_there():
    report = made_report()
    only = {label: {"top1_merged": scores["top1_merged"]} for label, scores in report.details["by_kind"].items()}
    (_, kinds, _), _ = views.splits(report.model_copy(update={"details": {"by_kind": only}}))
    assert kinds and kinds.score == "top1_merged"


@given(st.text())
def test_markdown_cells_hold_no_markup(text):
    said = safe(text)
    assert "\n" not in said and not re.search(r"(?<!\\)(\\\\)*[|`]", said)
