"""What the page's script knows: values and intervals, their text, limits of the picks, the front, the pairs."""

from typing import Any

from weighin.core.result import Candidate, Measurement, Pick, Report
from weighin.steps.report import figures, words

PAIR = {"first", "second", "score", "different"}
LATENCY = "latency_p50_ms"  # what the front weighs quality against, unless the report says otherwise


def page_data(report: Report) -> dict[str, Any]:
    """Plain data for the page's script; figures carry the text that the tables show."""
    pick = words.default_pick(report)
    keys = [*figures.score_keys(report), *figures.TITLES, *figures.other_keys(report)]
    there = {m.name for c in report.candidates for m in c.measurements}
    return {
        "family": report.family,
        "primary": report.primary,
        "scores": figures.score_keys(report),
        **(_goal(pick) if pick else {"best": report.primary, "limits": [], "optimistic": False}),
        "profiles": {name: _goal(picked) for name, picked in words.profiles(report)},
        "names": [figures.name_of(report, key)._asdict() for key in keys if key in there],
        "candidates": [_row(c) for c in report.candidates],
        "front": dict(report.front),
        "front_axes": front_axes(report),
        "pairs": [pair.model_dump(include=PAIR) for pair in report.pairs],
    }


def front_axes(report: Report) -> list[str]:
    """The two measurements that ``Report.front`` weighs against each other."""
    return list(report.details.get("front_axes") or (report.primary, LATENCY))


def _goal(pick: Pick) -> dict[str, Any]:
    return {"best": pick.best, "limits": [limit.model_dump() for limit in pick.limits], "optimistic": pick.optimistic}


def _row(candidate: Candidate) -> dict[str, Any]:
    kept = candidate.model_dump(include={"variant", "runtime", "run", "status"})
    return {"label": candidate.label, **kept, "measured": {m.name: _measured(m) for m in candidate.measurements}}


def _measured(m: Measurement) -> dict[str, Any]:
    shown = figures.figure_of(m)
    text = f"{shown.value} ({shown.interval})" if shown.interval else shown.value
    return {"value": m.value, "low": m.low, "high": m.high, "n": m.n, "text": text}
