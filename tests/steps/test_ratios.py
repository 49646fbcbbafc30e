"""Ratios between candidates come from paired rounds and from calls that nothing cut, and hold where medians do not."""

import numpy as np
import pytest
from made_report import made_report

from weighin.core.statistics import percentile_by_round
from weighin.steps import speed
from weighin.steps.ratios import ratios, undisturbed
from weighin.steps.report import markdown, views

NOTE = {"session": "a", "wave": 0}


def busy(ms: float, rng: np.random.Generator, cuts: np.ndarray, visits: int = 30) -> np.ndarray:
    """[15 rounds, visits, calls] on a shared core: cuts [rounds] a millisecond, each of 4 to 40 ms; cold caches after one."""
    calls = max(1, round(3 / ms))
    times = ms * rng.lognormal(0, 0.02, (15, visits, calls))
    cut = rng.random(times.shape) < 1 - np.exp(-cuts[:, None, None] * ms)
    after = np.zeros_like(cut)
    after[..., 1:] = cut[..., :-1]
    return times * np.where(after, 2.0, 1.0) + cut * rng.uniform(4, 40, times.shape)


def timed(single: np.ndarray, **batches: float) -> dict[str, np.ndarray]:
    """Arrays of an evidence file; a batch is given as milliseconds a call."""
    arrays = {"single_ms": single, "single_cpu_ms": single / 2}
    for name, ms in batches.items():
        arrays |= {f"{name}_ms": np.full(15, ms), f"{name}_cpu_ms": np.full(15, ms / 4)}
    return arrays


def test_ratios_hold_on_a_busy_machine_where_medians_do_not():
    seen, medians = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        cuts = rng.uniform(0.5, 1, 15) * rng.uniform(0.2, 2.5)  # of each round, on a day of its own
        slow, fast = busy(0.5, rng, cuts), busy(0.2, rng, cuts)
        seen.append(ratios((timed(slow), NOTE), (timed(fast), NOTE))["latency_p50_ms"].value)
        medians.append(np.median(slow) / np.median(fast))
    assert max(seen) / min(seen) < 1.03 and np.median(seen) == pytest.approx(2.5, rel=0.02)
    assert max(medians) / min(medians) > 1.2


def test_on_a_quiet_machine_they_are_those_of_the_medians():
    rng, none = np.random.default_rng(0), np.zeros(15)
    slow, fast = busy(3.0, rng, none), busy(1.5, rng, none)
    seen = ratios((timed(slow), NOTE), (timed(fast), NOTE))["latency_p50_ms"]
    assert seen.value == pytest.approx(np.median(slow) / np.median(fast), rel=0.01)
    assert seen.low <= seen.value <= seen.high and seen.n == 15


def test_the_same_batch_is_compared_and_throughput_is_the_other_way_round():
    calls = np.ones((15, 2, 3))
    found = ratios((timed(calls, batch8=4.0, batch2=9.0), NOTE), (timed(2 * calls, batch8=2.0), NOTE))
    assert {name: seen.value for name, seen in found.items()} == {
        "latency_p50_ms": 0.5, "latency_cpu_p50_ms": 0.5, "throughput_per_s": 0.5, "cpu_ms_per_item": 2.0,
    }  # fmt: skip
    others = ratios((timed(calls, batch8=4.0), NOTE), (timed(calls, batch2=4.0), NOTE))
    assert set(others) == {"latency_p50_ms", "latency_cpu_p50_ms"}


def test_only_of_the_same_rounds_and_enough_of_them():
    calls = np.ones((15, 2, 3))
    for note in ({"session": "b", "wave": 0}, {"session": "a", "wave": 1}):
        assert ratios((timed(calls), NOTE), (timed(calls), note)) == {}
    assert ratios((timed(calls[:5]), NOTE), (timed(calls[:5]), NOTE)) == {}
    clock = timed(calls) | {"single_cpu_ms": np.zeros((15, 2, 3))}  # coarser than a call
    assert set(ratios((clock, NOTE), (timed(calls), NOTE))) == {"latency_p50_ms"}


def test_a_visit_may_be_one_call():
    assert undisturbed(np.arange(1.0, 31.0).reshape(3, 10, 1)) == pytest.approx([1.9, 11.9, 21.9])


@pytest.mark.parametrize(("call_ms", "visits"), [(0.1, 30), (4, 30), (9, 13), (50, 10), (500, 10), (800, 2)])
def test_slow_candidates_are_visited_less_but_enough_for_a_p90(call_ms, visits):
    assert speed.visits_of([0.01, call_ms]) == visits
    times = np.random.default_rng(0).random((15, visits))
    assert (percentile_by_round(times, 0.9) is not None) == (call_ms <= 500) and percentile_by_round(times, 0.5)


def test_the_report_shows_them():
    report = made_report()
    paired = {"tiny @ onnx": {"latency_p50_ms": {"value": 0.6213, "low": 0.6201, "high": 0.6224, "n": 15}}}
    with_them = report.model_copy(update={"details": {**report.details, "ratios": paired}})
    names = views.ratio_names(report)
    shown = {
        c.label: dict(zip((n.key for n in names), row))
        for _, rows in views.runtime_rows(with_them, names)
        for c, row, _ in rows
    }
    assert shown["tiny @ onnx"]["latency_p50_ms"].value == "0.6213"
    assert shown["tiny @ onnx"]["size_mb"].value == "1.02", "a size has no rounds"
    before = {c.label: row for _, rows in views.runtime_rows(report, names) for c, row, _ in rows}
    assert list(shown["tiny @ openvino"].values()) == before["tiny @ openvino"]
    assert "median over paired rounds" in markdown.render(with_them) and "paired rounds" not in markdown.render(report)
