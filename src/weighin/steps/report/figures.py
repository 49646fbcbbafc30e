"""Figures as text: no more digits than the interval supports, `not measured` where there is none."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from weighin.core.result import Candidate, Measurement, Report
from weighin.steps.digits import decimals
from weighin.steps.limits import LOSS, STANDARD

ABSENT = "not measured"
UNSURE = "no interval"
TITLES = {
    LOSS: ("Quality loss", "%"),
    "latency_p50_ms": ("Latency p50", "ms"),
    "latency_p90_ms": ("Latency p90", "ms"),
    "latency_p95_ms": ("Latency p95", "ms"),
    "latency_p99_ms": ("Latency p99", "ms"),
    "latency_cpu_p50_ms": ("CPU time p50", "ms"),
    "throughput_per_s": ("Throughput", "1/s"),
    "cpu_ms_per_item": ("CPU time an item", "ms"),
    "peak_memory_mb": ("Peak memory", "MB"),
    "size_mb": ("Size", "MB"),
    "cold_start_s": ("Cold start", "s"),
    "train_minutes": ("Training, wall clock", "min"),
    "train_cpu_minutes": ("Training, CPU", "min"),
    "parameters": ("Parameters", ""),
}
EXACT = ("size_mb", "parameters", "train_minutes", "train_cpu_minutes")  # facts of one file, one model, one run: no interval
SPEED = ("latency_p50_ms", "latency_p90_ms", "throughput_per_s", "cpu_ms_per_item", "peak_memory_mb", "size_mb", "cold_start_s")


class Name(NamedTuple):
    """A measurement's name for people."""

    key: str
    title: str
    unit: str
    better: str

    @property
    def head(self) -> str:
        """``Latency p50 (ms)``."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


class Figure(NamedTuple):
    """One figure as text; ``interval`` is empty for a fact without one."""

    value: str
    interval: str = ""
    n: int | None = None
    missing: bool = False


def number(value: float, places: int | None = None) -> str:
    """``1,284`` or ``0.931``; four significant digits, less closing zeros, when no number of decimal places is given."""
    if places is not None:
        text = f"{round(value, places):,.{max(0, places)}f}"
        return text.replace("-", "−") if any(digit in text for digit in "123456789") else text.lstrip("-")
    if value == int(value):
        return number(value, 0)
    if abs(value) < 1e-4:
        return f"{value:.3g}".replace("-", "−")
    text = number(value, max(0, 3 - math.floor(math.log10(abs(value)))))
    return text.rstrip("0").rstrip(".") if "." in text else text


def figure(value: float | None, low: float | None = None, high: float | None = None, n: int | None = None) -> Figure:
    """A figure from plain numbers; None is not measured."""
    if value is None:
        return Figure(ABSENT, missing=True)
    if low is None or high is None:
        return Figure(number(value), n=n)
    places = decimals(value, low, high) if high > low else None
    return Figure(number(value, places), f"{number(low, places)} to {number(high, places)}", n)


def figure_of(measured: Measurement | None) -> Figure:
    """A figure from a measurement, or `not measured`; says so where an interval is missing that ought to be there."""
    if measured is None:
        return figure(None)
    made = figure(measured.value, measured.low, measured.high, measured.n)
    return made if made.interval or measured.name in EXACT else made._replace(interval=UNSURE)


def figure_in(plain: Mapping[str, Any] | None) -> Figure:
    """A figure from an entry of ``Report.details``: ``{"value", "low", "high", "n"}``, or `not measured`."""
    made = figure(*((plain or {}).get(key) for key in ("value", "low", "high", "n")))
    return made if made.interval or made.missing else made._replace(interval=UNSURE)


def name_of(report: Report, key: str) -> Name:
    """Title, unit and direction of a score or measurement."""
    found = [m for c in report.candidates for m in c.measurements if m.name == key]
    score = next((s for s in report.scores if s.get("name") == key), {})
    title, unit = TITLES.get(key, (key.replace("_", " "), ""))
    unit = score.get("unit") or (found[0].unit if found else "") or unit
    better = score.get("better") or STANDARD.get(key) or max((m.better for m in found if m.better), default="")
    return Name(key, title, unit, better)


def score_keys(report: Report) -> list[str]:
    """Names of all scores of the report, the primary first."""
    named = [report.primary, *(str(s["name"]) for s in report.scores)]
    return list(dict.fromkeys(named))


def other_keys(report: Report) -> list[str]:
    """Names of measurements that are neither scores nor of the usual set of speed, memory and cost, in order of appearance."""
    known = {*score_keys(report), *TITLES}
    return list(dict.fromkeys(m.name for c in report.candidates for m in c.measurements if m.name not in known))


def variants(report: Report) -> list[str]:
    """Names of variants in the report's order."""
    return list(dict.fromkeys(c.variant for c in report.candidates))


def reference(report: Report, variant: str) -> Candidate | None:
    """The candidate that other runtimes of a variant are held against: ``torch``, if it was measured."""
    return next((c for c in report.candidates if c.variant == variant and c.runtime == "torch" and c.status == "ok"), None)


def against(mine: Measurement | None, other: Measurement | None) -> Figure:
    """``mine / other``; the interval takes the far ends of both, so it is never too narrow for independent figures."""
    if mine is None or other is None or other.value == 0:
        return figure(None)
    if mine is other:
        return Figure("1")
    ends = (mine.low, mine.high, other.low, other.high)
    if None in ends or min(e for e in ends if e is not None) <= 0:
        return figure(mine.value / other.value)
    low, high, least, most = (e for e in ends if e is not None)
    return figure(mine.value / other.value, low / most, high / least)


def shown(report: Report, table: str) -> list[str]:
    """Labels of the candidates that a section of ``details`` shows first: one of each variant, in the report's order."""
    inside = report.details.get(table) or {}
    firsts: dict[str, str] = {}
    for candidate in report.candidates:
        if candidate.label in inside:
            firsts.setdefault(candidate.variant, candidate.label)
    return list(firsts.values())


def flat(value: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """A nested mapping as ``("versions.torch", "2.13.0")`` lines."""
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from flat(inner, f"{before}{key}.")
        else:
            yield f"{before}{key}".replace("_", " "), plain(inner)


def plain(value: Any) -> str:
    """A value of ``notes``, ``environment`` or ``training`` as text."""
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(plain(v) for v in value)
    return str(value)


def shortened(text: Any, most: int = 140) -> str:
    """At most so many characters of a truth or an answer."""
    said = plain(text)
    return said if len(said) <= most else f"{said[: most - 1].rstrip()}…"
