"""The report as a Markdown document, in the order such comparisons are usually written in; every figure with interval and n."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from weighin.core.result import Candidate, Pair, Report
from weighin.steps.digits import roughly
from weighin.steps.limits import LOSS
from weighin.steps.report import figures, views, words
from weighin.steps.report.figures import ABSENT, Figure, Name

TIMING = ("latency_p50_ms", "latency_p90_ms", "latency_p95_ms", "latency_p99_ms", "throughput_per_s", "cpu_ms_per_item")
FOOTPRINT = ("size_mb", "peak_memory_mb", "cold_start_s")
QUICK = (LOSS, "latency_p90_ms", "cpu_ms_per_item", "peak_memory_mb", "size_mb")


def render(report: Report) -> str:
    """The document as text."""
    parts = (
        _verdict,
        _quick_reference,
        _specification,
        _training,
        _quality,
        _benchmarks,
        _footprint,
        _guide,
        _sure,
        _reproduce,
        _evidence,
    )
    return "\n".join(line for part in parts for line in (*part(report), ""))


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: int = 1) -> list[str]:
    """A Markdown table; columns from ``right`` on are aligned right. Cells are given as they shall stand."""
    rule = ["---" if i < right else "---:" for i in range(len(head))]
    return [f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)]


def safe(text: object) -> str:
    """Text that can do no more than be read: no markup, no line breaks."""
    return re.sub(r"([\\`*\[\]|]|(?<!\w)_|_(?!\w)|<(?=[a-zA-Z/!?]))", r"\\\1", " ".join(str(text).split()))


def cell(figure: Figure) -> str:
    """``0.931 (0.920 to 0.941; n 2,048)``."""
    counted = f"n {figures.number(figure.n)}" if figure.n is not None and figure.n > 1 else ""
    behind = "; ".join(filter(None, (figure.interval, counted)))
    return f"{figure.value} ({behind})" if behind else figure.value


def _heads(names: Sequence[Name]) -> list[str]:
    arrows = {"higher": " ↑", "lower": " ↓", "": ""}
    return [f"{safe(name.head)}{arrows[name.better]}" for name in names]


def _names(report: Report, keys: Sequence[str]) -> list[Name]:
    there = {m.name for c in report.candidates for m in c.measurements}
    return [figures.name_of(report, key) for key in keys if key in there]


def _rows(report: Report, names: Sequence[Name]) -> list[list[str]]:
    """One row a candidate; a failed or unmeasured one keeps its row, and its reason stands in the first cell."""
    rows = []
    for c in report.candidates:
        if c.measurements:
            rows.append([safe(c.label), *(cell(figures.figure_of(c.get(name.key))) for name in names)])
        elif names:
            rows.append([safe(c.label), f"{c.status}: {safe(c.reason or 'no reason was given')}", *[""] * (len(names) - 1)])
    return rows


def _verdict(report: Report) -> list[str]:
    pick = words.default_pick(report)
    notes = [f"{safe(key)}: {safe(value)}" for key, value in figures.flat(report.notes)]
    about = [safe(report.about), ""] if report.about else []
    facts = "; ".join([f"Data `{report.data}`", *notes])
    verdict = f"**{safe(pick.sentence)}**" if pick else "No goal was given."
    head = [f"# {safe(report.family)}: {safe(words.headline(report))}", "", *about, verdict, ""]
    return [*head, f"{facts}. {words.count_words(report)}", "", "Figures are written `value (95 % interval; n)`."]


def _quick_reference(report: Report) -> list[str]:
    pick = words.default_pick(report)
    names = [figures.name_of(report, report.primary), *_names(report, QUICK)]
    shares = {c.label: words.percent(report.front[c.label]) if c.label in report.front else ABSENT for c in report.candidates}
    rows = [
        [*row, shares[c.label] if c.measurements else "", safe(words.stands(c, pick)) if c.measurements else ""]
        for c, row in zip(report.candidates, _rows(report, names))
    ]
    lines = ["## Quick reference", "", *table(["Candidate", *_heads(names), "On the front", "Stands"], rows)]
    return lines + [line for said in words.imported_words(report) for line in ("", safe(said))]


def _specification(report: Report) -> list[str]:
    lines = ["## Detailed specification", ""]
    for c in views.one_each(report):
        parameters = c.get("parameters")
        size = f"{figures.number(parameters.value)} parameters" if parameters else f"parameters {ABSENT}"
        lines += [f"### {safe(c.variant)}", "", "; ".join(filter(None, (safe(c.about), size))) + ".", ""]
        if c.settings:
            lines += ["```yaml", as_yaml(c.settings), "```", ""]
    return lines[:-1]


def as_yaml(settings: Any) -> str:
    """Settings as YAML, in their own order."""
    return yaml.safe_dump(json.loads(json.dumps(settings, default=dict)), sort_keys=False, allow_unicode=True).strip()


def _training(report: Report) -> list[str]:
    rows = report.details.get("training") or {}
    if not rows:
        return ["## Training cost", "", f"{ABSENT.capitalize()}."]
    head = [f"{title} ({unit})" if unit else title for _, title, unit in views.TRAINING]
    filled = []
    for variant in figures.variants(report):
        row = rows.get(variant)
        cells = (
            [
                safe(figures.plain(row.get(key))) if unit is None else figures.figure(row.get(key)).value
                for key, _, unit in views.TRAINING
            ]
            if row
            else [ABSENT] * len(head)
        )
        filled.append([safe(variant), *cells])
    return ["## Training cost", "", *table(["Variant", *head], filled)]


def _quality(report: Report) -> list[str]:
    names = [figures.name_of(report, key) for key in figures.score_keys(report)]
    about = [f"- `{s['name']}`: {safe(s['about'])}, {s.get('better', '')} is better" for s in report.scores if s.get("about")]
    lines = ["## Quality", "", *about, "", *table(["Candidate", *_heads(names)], _rows(report, names)), ""]
    for title, short, _ in views.splits(report):
        lines += [f"### {title}", ""]
        if short is None:
            lines += [f"{ABSENT.capitalize()}.", ""]
            continue
        rows = [[safe(row.key), *(cell(figure) for figure, _ in row.entries)] for row in short.rows]
        lines += [
            f"{safe(figures.name_of(report, short.score).head)}{'; the hardest' if title == 'By group' else ''}.",
            "",
            *table([short.what, *map(safe, short.labels)], rows),
            "",
        ]
    return [*lines, *_confusions(report)]


def _confusions(report: Report) -> list[str]:
    lines = ["### Commonest wrong answers", "", "Truth → answer (count).", ""]
    for label, rows in views.choice_first(report, "confusions"):
        said = (
            "none were found"
            if not rows
            else ", ".join(f"{safe(row['truth'])} → {safe(row['answer'])} ({figures.number(row['count'])})" for row in rows[:8])
        )
        lines.append(f"- {safe(label)}: {said}")
    return lines if len(lines) > 4 else [*lines[:2], f"{ABSENT.capitalize()}."]


def _benchmarks(report: Report) -> list[str]:
    names, ratios, batches = _names(report, TIMING), views.ratio_names(report), views.batches(report)
    lines = [
        "## Benchmarks by runtime",
        "",
        *table(["Candidate", *_heads(names)], _rows(report, names)),
        "",
        f"A/A: {safe(words.noise_words(report))}",
        "",
    ]
    if batches:
        lines += ["### Throughput at stated batches (1/s)", ""]
        lines += [*table(["Candidate", *(f"batch {batch}" for batch in batches)], _by_batch(report, batches)), ""]
    lines += [
        "### Against torch",
        "",
        f"Each figure divided by that of torch for the same weights. {words.ratios_words(report)}",
        "",
    ]
    rows = [
        [safe(c.label), *(cell(figure) for figure in row)]
        for _, rows in views.runtime_rows(report, ratios)
        for c, row, _ in rows
        if c.measurements
    ]
    return [*lines, *table(["Candidate", *_heads([name._replace(unit="") for name in ratios])], rows)]


def _by_batch(report: Report, batches: Sequence[str]) -> list[list[str]]:
    at = report.details.get("batches") or {}
    return [
        [safe(c.label), *(cell(figures.figure_in((at.get(c.label) or {}).get(b))) for b in batches)]
        for c in report.candidates
        if c.status == "ok"
    ]


def _footprint(report: Report) -> list[str]:
    names = _names(report, FOOTPRINT)
    return [
        "## Size, memory, cold start",
        "",
        *(table(["Candidate", *_heads(names)], _rows(report, names)) if names else [f"{ABSENT.capitalize()}."]),
    ]


def _guide(report: Report) -> list[str]:
    lines = ["## Selection guide", ""]
    for name, pick in words.profiles(report):
        choice = f"ship **{safe(pick.choice.variant)} @ {safe(pick.choice.runtime)}**" if pick.choice else "**nothing fits**"
        goal = f"best `{pick.best}` under {words.limits_words(pick)}"
        lines.append(f"- **{safe(name)}** - {goal}: {choice}. {safe(pick.sentence)}".rstrip())
    return lines if len(lines) > 2 else [*lines, f"{ABSENT.capitalize()}."]


def _sure(report: Report) -> list[str]:
    near, far = views.pairs_of_choice(report)
    lines = [
        "## How sure",
        "",
        *([safe(words.tests_words(report)), ""] if report.pairs else [f"Differences between candidates: {ABSENT}."]),
    ]
    lines += [f"- {safe(words.pair_words(pair, report))}" for pair in near]
    if far:
        lines += [
            "",
            *table(
                ["First", "Second", "Score", "First minus second", "p", "Different"], [_pair(pair) for pair in far], right=3
            ),
        ]
    parity, checks = views.parity(report), report.details.get("checks")
    agree = sum(bool(row.get("passed")) for _, row in parity)
    lines += [
        "",
        f"Exports: {agree} of {len(parity)} agree with the original within tolerance."
        if parity
        else f"Parity of exports: {ABSENT}.",
    ]
    lines += ["", words.checks_words(report) if checks else f"Checks: {ABSENT}."]
    missed = [f"- {safe(label)}: {safe(_check(row))}" for label, row in views.checks(report, False)]
    return [*lines, "", *missed] if missed else lines


def _check(row: Mapping[str, Any]) -> str:
    return f"{row['name']} did not hold; seen {row.get('seen', '')}, allowed {row.get('allowed', '')}"


def _pair(pair: Pair) -> list[str]:
    apart = figures.figure(pair.difference, pair.low, pair.high)
    told = (
        "yes"
        if pair.different
        else "cannot be told" + (f"; about {roughly(pair.more_needed)} more examples would" if pair.more_needed else "")
    )
    return [safe(pair.first), safe(pair.second), f"`{pair.score}`", cell(apart), words.p_words(pair.p).removeprefix("= "), told]


def _reproduce(report: Report) -> list[str]:
    pick = words.default_pick(report)
    picked = [words.pick_command(pick)] if pick else []
    return ["## Reproduce", "", "```", *views.commands(report), *picked, "```"]


def _evidence(report: Report) -> list[str]:
    environment = [f"- {safe(key)}: {safe(value)}" for key, value in figures.flat(report.environment)]
    how = [f"- `{name}`: {safe('; '.join(lines))}" for name, lines in views.methods(report)]
    rows = [_origin(c) for c in report.candidates if c.measurements]
    return [
        "## Evidence",
        "",
        *environment,
        "",
        "### Methods",
        "",
        *how,
        "",
        "### Runs and hashes",
        "",
        *table(["Candidate", "Status", "Run", "Hashes (first 12 digits; all in report.json)"], rows, right=9),
    ]


def _origin(candidate: Candidate) -> list[str]:
    hashes = dict(pair for m in candidate.measurements for pair in m.hashes.items())
    said = ", ".join(f"{safe(key)} `{value[:12]}`" for key, value in hashes.items())
    return [
        safe(candidate.label),
        "measured" if candidate.status == "ok" else candidate.status,
        f"`{candidate.run}`" if candidate.run else "none",
        said or "none",
    ]
