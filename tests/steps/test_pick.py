"""What the chooser says, on made-up measurements: known defects of others, margins, runners-up, users' mistakes."""

import pytest
from made_rows import NAMES, ask, figure, name_of, report, row

from weighin.core.errors import ConfigError
from weighin.core.result import Candidate, Limit, Pair
from weighin.steps.pick import PROFILES, parse_limit, pick, profile

# Known defects of others, each once.


def test_olives_defect_cannot_happen():
    """Olive ranks a candidate without a latency above one measured at 5 ms under a goal of 10 ms."""
    whole = report(row("unmeasured", top1=(0.99, 0.001)), row("measured", top1=(0.90, 0.001), latency_p90_ms=(5.0, 0.1)))
    answer = ask(whole, "latency_p90_ms<=10")
    assert name_of(answer) == "measured"
    assert answer.excluded[0].reasons == ["latency_p90_ms is not measured"]
    assert "unmeasured @ onnx is 0.0900 better, but latency_p90_ms is not measured" in answer.sentence
    assert name_of(ask(whole, best="latency_p90_ms")) == "measured"
    assert ask(report(whole.candidates[0]), "latency_p90_ms<=10").choice is None


def test_the_trade_is_forced_at_every_step():
    """AutoGluon once accounted inference time wrongly by up to 160 times: walk a staircase of quality against time."""
    steps = [row(f"s{i}", top1=(0.5 + 0.05 * i, 0.001), latency_p90_ms=(2.0**i, 0.01)) for i in range(8)]
    for i in range(8):
        assert name_of(ask(report(*steps), f"latency_p90_ms<={2.0**i + 0.02}")) == f"s{i}"
        assert name_of(ask(report(*steps), f"top1>={0.5 + 0.05 * i - 0.002}", best="latency_p90_ms")) == f"s{i}"
    assert ask(report(*steps), "latency_p90_ms<=1").choice is None, "its interval ends at 1.01"


def test_an_interval_over_the_bound_does_not_pass_and_optimism_says_so():
    whole = report(
        row("near", top1=(0.95, 0.01), latency_p90_ms=(4.9, 0.3)), row("sure", top1=(0.9, 0.01), latency_p90_ms=(3.0, 0.3))
    )
    careful, hopeful = ask(whole, "latency_p90_ms<=5"), ask(whole, "latency_p90_ms<=5", optimistic=True)
    assert (name_of(careful), name_of(hopeful)) == ("sure", "near")
    assert careful.excluded[0].reasons == ["latency_p90_ms 4.9 may be 5.2, over 5"]
    assert any("optimistic" in line for line in hopeful.reasons)


def test_a_score_without_an_interval_never_passes_but_a_size_does():
    bare = row("bare", top1=0.99, size_mb=3.0)
    assert name_of(ask(report(bare), "size_mb<=3")) == "bare"
    answer = ask(report(bare), "top1>=0.9")
    assert answer.choice is None and answer.nearest is None
    assert answer.excluded[0].reasons == ["top1 0.99 has no interval to hold against >=0.9"]
    assert name_of(ask(report(bare), "top1>=0.9", optimistic=True)) == "bare"


def test_failed_and_imported_rows_stay_visible_and_never_win():
    whole = report(
        row("broken", status="failed", reason="export differs by 0.03", top1=(0.99, 0.001)),
        row("theirs", status="imported", top1=(0.98, 0.001)),
        row("absent", status="not measured", reason="no compiler"),
        row("ours", top1=(0.7, 0.001)),
    )
    answer = ask(whole)
    assert name_of(answer) == "ours"
    reasons = {e.variant: e.reasons[0] for e in answer.excluded}
    assert reasons == {
        "broken": "failed: export differs by 0.03",
        "theirs": "imported, not measured here",
        "absent": "not measured: no compiler",
    }
    allowed = ask(whole, allow_imported=True)
    assert name_of(allowed) == "theirs" and "theirs @ onnx is imported, not measured here" in allowed.reasons


# What the answer says.


def test_margins_and_the_limit_that_binds():
    whole = report(
        row("big", top1=(0.95, 0.01), latency_p90_ms=(7.0, 0.1), size_mb=4.0),
        row("small", top1=(0.90, 0.01), latency_p90_ms=(3.9, 0.1), size_mb=3.0),
    )
    answer = ask(whole, "latency_p90_ms<=5", "size_mb<=12")
    latency, size = answer.binding
    assert (latency.value, latency.margin, latency.share) == pytest.approx((4.0, 1.0, 0.2))
    assert (size.value, size.margin, size.share) == pytest.approx((3.0, 9.0, 0.75))
    assert [("it binds" in line) for line in answer.reasons[1:3]] == [True, False]
    assert answer.sentence == (
        "Ship small @ onnx: top1 0.900 (0.890 to 0.910), the only one that fits latency_p90_ms<=5 and size_mb<=12; "
        "big @ onnx is 0.050 better, but latency_p90_ms 7 is over 5."
    )


def pair(first: str, second: str, difference: float, different: bool, more: int | None = None) -> Pair:
    low, high = difference - 0.02, difference + 0.01
    labels, p = {"first": f"{first} @ onnx", "second": f"{second} @ onnx"}, 0.0004 if different else 0.2
    seen = {"difference": difference, "low": low, "high": high, "p": p, "different": different, "more_needed": more}
    return Pair(**labels, score="top1", test="made up", **seen)


@pytest.mark.parametrize("turned", [False, True])
def test_the_difference_to_the_runner_up_is_choice_minus_runner_up(turned):
    rows = row("a", top1=(0.95, 0.01)), row("b", top1=(0.9, 0.01))
    stored = pair("b", "a", -0.05, True) if turned else pair("a", "b", 0.05, True)
    answer = ask(report(*rows, pairs=(stored,)))
    assert (answer.difference.first, answer.difference.second) == ("a @ onnx", "b @ onnx")
    ends = (0.05, 0.04, 0.07) if turned else (0.05, 0.03, 0.06)
    assert (answer.difference.difference, answer.difference.low, answer.difference.high) == pytest.approx(ends)
    assert "the runner-up b @ onnx is 0.050 worse, a real difference (p < 0.001)" in answer.sentence


def test_a_difference_that_may_be_chance_is_called_so():
    rows = row("a", top1=(0.95, 0.01)), row("b", top1=(0.94, 0.01))
    answer = ask(report(*rows, pairs=(pair("a", "b", 0.01, False, 4321),)))
    assert "cannot tell apart (p = 0.2; about 4,300 more examples would tell)" in answer.sentence
    assert "but their intervals overlap" in ask(report(*rows)).sentence


@pytest.mark.parametrize(("half", "says"), [(0.1, "lie apart"), (5.0, "overlap"), (None, "no interval to tell")])
def test_costs_are_told_apart_by_their_intervals(half, says):
    times = [figure("latency_p90_ms", value, half) for value in (3.0, 4.0)]
    rows = [Candidate(variant=f"v{i}", runtime="onnx", status="ok", measurements=[m]) for i, m in enumerate(times)]
    assert says in ask(report(*rows), best="latency_p90_ms").sentence


def test_equals_are_parted_by_size_then_cost_then_name():
    rows = [row("b", top1=(0.9, 0.1), size_mb=2.0), row("c", top1=(0.9, 0.1), size_mb=1.0), row("a", top1=(0.9, 0.1))]
    answer = ask(report(*rows))
    assert (answer.choice.variant, answer.runner_up.variant) == ("c", "b")
    assert "as good" in answer.sentence
    cheaper = [row("b", top1=(0.9, 0.1), cpu_ms_per_item=1.0), row("a", top1=(0.9, 0.1), cpu_ms_per_item=2.0)]
    assert name_of(ask(report(*cheaper))) == "b"
    assert name_of(ask(report(row("b", top1=(0.9, 0.1)), row("a", top1=(0.9, 0.1))))) == "a"


def test_nothing_fits_names_the_nearest_and_the_cheapest_change():
    whole = report(
        row("far", top1=(0.99, 0.001), latency_p90_ms=(30.0, 1.0), size_mb=50.0),
        row("near", top1=(0.9, 0.001), latency_p90_ms=(5.5, 0.3456), size_mb=3.0),
    )
    answer = ask(whole, "latency_p90_ms<=5", "size_mb<=12")
    assert answer.choice is None and answer.nearest.variant == "near"
    assert answer.sentence == (
        "Nothing fits latency_p90_ms<=5 and size_mb<=12: the nearest is near @ onnx, but latency_p90_ms 5.5 is over 5."
    )
    assert answer.relaxation == "With latency_p90_ms<=5.85 instead of <=5, near @ onnx fits: top1 0.9000 (0.8990 to 0.9010)."


def test_near_is_a_share_of_the_bound_not_a_number_of_units():
    slow = row("slow", top1=(0.9, 0.1), latency_p90_ms=(6.0, 0.0), size_mb=90.0)  # 1 ms over, 20 %
    large = row("large", top1=(0.8, 0.1), latency_p90_ms=(4.0, 0.0), size_mb=110.0)  # 10 MB over, 10 %
    answer = ask(report(slow, large), "latency_p90_ms<=5", "size_mb<=100")
    assert answer.nearest.variant == "large"
    assert answer.relaxation.startswith("With size_mb<=110 instead of <=100, large @ onnx fits")


def test_no_evidence_at_all_says_what_is_missing():
    answer = ask(report(row("a", top1=(0.9, 0.1))), "latency_p90_ms<=5")
    assert answer.sentence == "Nothing fits latency_p90_ms<=5: no candidate has evidence for all of top1, latency_p90_ms."
    assert answer.reasons == ["a @ onnx: not measured: latency_p90_ms"]
    assert ask(report()).sentence == "Nothing fits: no candidate has evidence for all of top1."


# Users' mistakes.


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("latncy_p90_ms<=5", "Did you mean 'latency_p90_ms'"),
        ("latency_p90_ms<5", "cannot be read"),
        ("latency_p90_ms=5", "cannot be read"),
        ("latency_p90_ms==5", "cannot be read"),
        ("latency_p90_ms", "cannot be read"),
        ("<=5", "cannot be read"),
        ("1<=latency_p90_ms<=5", "cannot be read"),
        ("", "cannot be read"),
        ("size_mb<=12MB", "'12MB' where a number stands"),
        ("size_mb<=", "'' where a number stands"),
        ("size_mb<=nan", "not finite"),
        ("size_mb>=-inf", "not finite"),
    ],
)
def test_wrong_limits_are_refused_in_one_sentence(text, says):
    with pytest.raises(ConfigError, match=says):
        parse_limit(text, NAMES)


def test_limits_are_read_as_people_write_them():
    assert parse_limit(" size_mb <= 1e1 ") == Limit(name="size_mb", op="<=", bound=10.0)
    assert parse_limit("top1>=0.9", ["top1"]) == Limit(name="top1", op=">=", bound=0.9)
    assert parse_limit("anything<=1").name == "anything", "names are checked when the report is there"


def test_names_that_nobody_measures_are_refused():
    whole = report(row("a", top1=(0.9, 0.1)))
    with pytest.raises(ConfigError, match="Did you mean 'top1'"):
        ask(whole, best="top_1")
    with pytest.raises(ConfigError, match="No measurement is called 'latency'"):
        ask(whole, "latency<=5")


def test_a_fact_without_a_direction_is_no_goal():
    classes = Candidate(variant="a", runtime="onnx", status="ok", measurements=[figure("classes", 7, n=1)])
    with pytest.raises(ConfigError, match="classes has no better direction"):
        ask(report(classes), best="classes")
    assert ask(report(classes), "classes<=8", best="top1").choice is None


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_are_only_limits_that_can_be_printed(name):
    best, limits = profile(name)
    assert tuple(f"{x.name}{x.op}{x.bound:.12g}" for x in limits) == PROFILES[name][1]
    answer = pick(report(row("a", top1=(0.9, 0.1))), best or "top1", limits)
    assert (answer.choice is None) == bool(limits)


def test_an_unknown_profile_is_refused():
    with pytest.raises(ConfigError, match="Did you mean 'server'"):
        profile("servers")
