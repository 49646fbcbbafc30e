"""What the sections show, taken from a report: rows of figures in the order and selection a reader needs."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from weighin.core.result import Candidate, Measurement, Pair, Report
from weighin.steps.report.figures import Figure, Name, against, figure_in, name_of, reference, shown, variants
from weighin.steps.report.words import default_pick

RATIOS = ("latency_p50_ms", "throughput_per_s", "cpu_ms_per_item", "size_mb", "peak_memory_mb")
HARDEST = 10  # groups in the short table
TRAINING = (  # key, title, unit; None: text
    ("minutes", "Wall clock", "min"),
    ("cpu_minutes", "CPU", "min"),
    ("steps", "Steps", ""),
    ("examples", "Examples", ""),
    ("examples_seen", "Examples seen", ""),
    ("data", "Data", None),
    ("teacher", "Teacher", None),
    ("stopped_by", "Stopped by", None),
)


class Row(NamedTuple):
    """A kind or group: name, number of examples, one figure and its plain entry a label."""

    key: str
    n: int | None
    entries: Sequence[tuple[Figure, Mapping[str, Any] | None]]


class Split(NamedTuple):
    """A score by kind or by group, for some candidates (``labels``); ``span`` is the reach of all its intervals."""

    what: str
    score: str
    labels: Sequence[str]
    rows: Sequence[Row]
    span: tuple[float, float]


def split(report: Report, table: str, labels: Sequence[str], first: int | None = None) -> Split | None:
    """The primary score (else the first there) of ``labels`` by the keys of ``details[table]``; ``first``: only the hardest."""
    scores = [(report.details.get(table) or {}).get(label) or {} for label in labels]
    name = _score_there(report, scores)
    entries = [{key: entry for key, entry in (one.get(name) or {}).items() if entry.get("value") is not None} for one in scores]
    keys = list(dict.fromkeys(key for one in entries for key in one))
    if not keys:
        return None
    if first is not None and len(keys) > first:
        keys = sorted(keys, key=lambda key: _hardness(report, name, entries[0].get(key)))[:first]
    rows = [Row(key, _count(entries, key), [(figure_in(one.get(key)), one.get(key)) for one in entries]) for key in keys]
    shown_entries = [entry for row in rows for _, entry in row.entries if entry]
    ends = [entry[end] for entry in shown_entries for end in ("low", "value", "high") if entry.get(end) is not None]
    return Split({"by_kind": "Kind", "by_group": "Group"}[table], name, labels, rows, (min(ends), max(ends)))


def _score_there(report: Report, scores: Sequence[Mapping[str, Any]]) -> str:
    names = dict.fromkeys([report.primary, *(name for one in scores for name in one)])
    return next((name for name in names if any(one.get(name) for one in scores)), "")


def _hardness(report: Report, score: str, entry: Mapping[str, Any] | None) -> float:
    value = (entry or {}).get("value")
    if value is None:
        return math.inf
    return -value if name_of(report, score).better == "lower" else value


def _count(entries: Sequence[Mapping[str, Any]], key: str) -> int | None:
    return next((one[key]["n"] for one in entries if key in one and one[key].get("n") is not None), None)


def splits(report: Report) -> list[tuple[str, Split | None, Split | None]]:
    """(title, one candidate of each variant and only the hardest rows, everything) by kind and by group."""
    rows = []
    for title, table, first in (("By kind", "by_kind", None), ("By group", "by_group", HARDEST)):
        whole = list(report.details.get(table) or {})
        rows.append((title, split(report, table, shown(report, table), first), split(report, table, whole)))
    return rows


def ratio_names(report: Report) -> list[Name]:
    """Measurements that runtimes are held against each other by, as far as any candidate has them."""
    there = {m.name for c in report.candidates for m in c.measurements}
    return [name_of(report, key) for key in RATIOS if key in there]


def batches(report: Report) -> list[str]:
    """Stated batches of the throughput, smallest first."""
    found = {batch for row in (report.details.get("batches") or {}).values() for batch in row}
    return sorted(found, key=float)


def runtime_rows(report: Report, names: Sequence[Name]) -> list[tuple[str, list[tuple[Candidate, list[Figure], list[Figure]]]]]:
    """(variant, [(candidate, figures divided by torch's, throughput by batch)]); ratios of paired rounds where they are."""
    at, paired = report.details.get("batches") or {}, report.details.get("ratios") or {}
    grouped = []
    for variant in variants(report):
        torch = reference(report, variant)
        rows = []
        for c in (c for c in report.candidates if c.variant == variant and c.status != "imported"):
            there = paired.get(c.label) or {}
            ratios = [
                figure_in(there[name.key])
                if name.key in there
                else against(c.get(name.key), torch.get(name.key) if torch else None)
                for name in names
            ]
            rows.append((c, ratios, [figure_in((at.get(c.label) or {}).get(batch)) for batch in batches(report)]))
        if rows:
            grouped.append((variant, rows))
    return grouped


def parity(report: Report) -> list[tuple[str, Mapping[str, Any]]]:
    """(label, parity) of exports; torch is the original and has none."""
    found = (report.details.get("parity") or {}).items()
    return [(label, row) for label, row in found if row.get("max_abs") is not None or not label.endswith(" @ torch")]


def checks(report: Report, passed: bool) -> list[tuple[str, Mapping[str, Any]]]:
    """(label, check) of those that held, or did not."""
    return [
        (label, row)
        for label, rows in (report.details.get("checks") or {}).items()
        for row in rows
        if bool(row["passed"]) == passed
    ]


def pairs_of_choice(report: Report) -> tuple[list[Pair], list[Pair]]:
    """Pairs seen from the choice, and the others; where there is no choice, all are others."""
    pick = default_pick(report)
    if pick is None or pick.choice is None:
        return [], list(report.pairs)
    label = f"{pick.choice.variant} @ {pick.choice.runtime}"
    near = [_seen_from(pair, label) for pair in report.pairs if label in (pair.first, pair.second)]
    return near, [pair for pair in report.pairs if label not in (pair.first, pair.second)]


def _seen_from(pair: Pair, label: str) -> Pair:
    """The pair with ``label`` as its first, signs turned with it."""
    if pair.first == label:
        return pair
    turned = {"first": label, "second": pair.first, "difference": -pair.difference, "low": -pair.high, "high": -pair.low}
    return pair.model_copy(update=turned)


def choice_first(report: Report, table: str) -> list[tuple[str, Any]]:
    """Entries of ``details[table]`` by label: the choice's first, then those of the same weights."""
    pick = default_pick(report)
    variant, label = (
        (pick.choice.variant, f"{pick.choice.variant} @ {pick.choice.runtime}") if pick and pick.choice else ("", "")
    )
    found = (report.details.get(table) or {}).items()
    return sorted(found, key=lambda entry: (entry[0] != label, entry[0].rpartition(" @ ")[0] != variant))


def common_count(report: Report, key: str) -> int | None:
    """The n of a column, where all candidates share it; 1 says nothing and is left out."""
    counts = {m.n for c in report.candidates if (m := c.get(key))}
    return counts.pop() if len(counts) == 1 and counts != {1} else None


def methods(report: Report) -> list[tuple[str, list[str]]]:
    """(measurement, its methods), one line each; imported figures have no method of ours."""
    found: dict[str, list[str]] = {}
    for c in report.candidates:
        for m in c.measurements if c.status != "imported" else ():
            lines = found.setdefault(m.name, [])
            if m.method not in lines:
                lines.append(m.method)
    return list(found.items())


def commands(report: Report) -> list[str]:
    """What to type to make the report again, and to check it."""
    measured = [m.command for c in report.candidates if c.status != "imported" for m in c.measurements]
    return [*dict.fromkeys(filter(None, [report.command, *measured])), "weighin verify report.json"]


def provenance(candidate: Candidate) -> list[tuple[str, str]]:
    """Run, data, hashes, versions, hardware and command of a candidate's measurements, each distinct value once."""
    found: dict[str, list[str]] = {}
    for m in candidate.measurements:
        for key, value in _facts(m):
            if value not in found.setdefault(key, []):
                found[key].append(value)
    return [(key, "; ".join(values)) for key, values in found.items()]


def _facts(m: Measurement) -> list[tuple[str, str]]:
    groups = (("hash of", m.hashes), ("version of", m.versions), ("hardware:", m.hardware))
    named = [(f"{what} {key}", str(value)) for what, mapping in groups for key, value in mapping.items()]
    return [
        (key, value)
        for key, value in (("run", m.run), ("data", m.data), *named, ("command", m.command), ("measured at", m.at))
        if value
    ]


def one_each(report: Report) -> list[Candidate]:
    """One candidate of each variant, for what all of them share: description, settings, parameters."""
    found: dict[str, Candidate] = {}
    for c in sorted(report.candidates, key=lambda c: not c.settings):  # a failed row may carry no settings
        found.setdefault(c.variant, c)
    return [found[variant] for variant in variants(report)]
