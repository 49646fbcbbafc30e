"""Rows of made-up measurements for tests of the chooser. No figure here was measured."""

from typing import Any

from weighin.core.result import Candidate, Measurement, Pair, Pick, Report
from weighin.steps.pick import parse_limit, pick

NAMES = {"top1": "higher", "latency_p90_ms": "lower", "throughput_per_s": "higher", "size_mb": "lower"}


def figure(name: str, value: float, half: float | None = None, n: int = 100, **over: Any) -> Measurement:
    low, high = (None, None) if half is None else (value - half, value + half)
    return Measurement(
        **{
            "name": name,
            "value": value,
            "unit": "",
            "better": NAMES.get(name),
            "low": low,
            "high": high,
            "n": n,
            "method": "made up",
            **over,
        }
    )


def row(variant: str, status: str = "ok", reason: str = "", runtime: str = "onnx", **values: Any) -> Candidate:
    """``latency_p90_ms=(5, 0.2)``: value and half an interval; a plain number is counted (n = 1)."""
    made = [figure(k, v[0], v[1]) if isinstance(v, tuple) else figure(k, v, n=1) for k, v in values.items()]
    return Candidate(variant=variant, runtime=runtime, status=status, reason=reason, measurements=made)


def report(*rows: Candidate, pairs: tuple[Pair, ...] = ()) -> Report:
    scores = [{"name": "top1", "unit": "share", "better": "higher", "about": ""}]
    return Report(
        schema=1, family="made up", data="none", environment={}, primary="top1", scores=scores, candidates=rows, pairs=pairs
    )


def ask(whole: Report, *limits: str, best: str = "top1", **how: bool) -> Pick:
    return pick(whole, best, [parse_limit(text) for text in limits], **how)


def name_of(answer: Pick) -> str | None:
    return answer.choice.variant if answer.choice else None
