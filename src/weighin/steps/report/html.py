"""The report as one self-contained HTML page: no network, no build step, readable without a script."""

import base64
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from weighin.core.result import Candidate, Pick, Report
from weighin.steps.limits import LOSS
from weighin.steps.report import figures, views, words
from weighin.steps.report.drawings import curve, whisker
from weighin.steps.report.markdown import as_yaml
from weighin.steps.report.page_data import page_data

TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = ("pick.js", "plot.js", "page.js")
SECTIONS = (("choose", "Set your limits"), ("table", "All candidates"), ("quality", "Quality"), ("runtimes", "Runtimes"),
            ("training", "Training"), ("guide", "When to choose which"), ("evidence", "Evidence"))  # fmt: skip
KEY_FIGURES = (
    ("latency_p90_ms", "latency_p50_ms", "cpu_ms_per_item"),
    ("peak_memory_mb",),
    ("size_mb",),
    ("throughput_per_s",),
)


def render(report: Report) -> str:
    """The page as text."""
    return _templates().get_template("page.html.j2").render(_context(report))


def script() -> str:
    """All JavaScript of the page."""
    return "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in SCRIPTS)


@cache
def _templates() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(TEMPLATES)
    made = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    for module, names in (
        (figures, ("figure", "figure_of", "figure_in", "flat", "name_of", "number", "plain", "shortened", "variants")),
        (words, ("limit_text", "p_words", "pair_words", "percent", "tests_words", "verdict_of")),
        (views, ("choice_first", "provenance")),
    ):
        made.globals.update({name: getattr(module, name) for name in names})
    made.globals.update(whisker=whisker, short=_short, exact=_exact, yaml=as_yaml)
    return made


def _context(report: Report) -> dict[str, Any]:
    parts = (_frame, _head, _main_table, _qualities, _rest)
    return {key: value for part in parts for key, value in part(report).items()}


def _frame(report: Report) -> dict[str, Any]:
    """Style, script and data; the page's policy lets no other script run and nothing be fetched."""
    code, data = script(), json.dumps(page_data(report), ensure_ascii=False, allow_nan=False)
    digest = hashlib.sha256(code.encode()).digest()
    return {
        "report": report,
        "css": Markup((TEMPLATES / "page.css").read_text(encoding="utf-8")),
        "script": Markup(code),
        "script_hash": base64.b64encode(digest).decode(),
        "data": Markup(data.replace("<", "\\u003c")),
        "sections": SECTIONS,
    }


def _head(report: Report) -> dict[str, Any]:
    pick = words.default_pick(report)
    chosen = _chosen(report, pick)
    return {
        "headline": words.headline(report),
        "sentence": pick.sentence if pick else "No goal was given.",
        "chosen": chosen,
        "keyfigures": _keyfigures(report, chosen) if chosen else [],
        "count_words": words.count_words(report),
        "threads": words.threads_words(report),
    }


def _main_table(report: Report) -> dict[str, Any]:
    pick, shown = words.default_pick(report), columns(report)
    scores = [figures.name_of(report, key) for key in figures.score_keys(report)]
    return {
        "columns": shown,
        "scores": scores,
        "counts": {name.key: views.common_count(report, name.key) for name in (*shown, *scores)},
        "stands": lambda candidate: words.stands(candidate, pick),
        "noise": words.noise_words(report),
        "imported": words.imported_words(report),
    }


def _qualities(report: Report) -> dict[str, Any]:
    near, far = views.pairs_of_choice(report)
    ratios = views.ratio_names(report)
    return {
        "splits": views.splits(report),
        "near_pairs": near,
        "far_pairs": far,
        "ratios": ratios,
        "ratios_words": words.ratios_words(report),
        "batches": views.batches(report),
        "by_variant": views.runtime_rows(report, ratios),
        "parity": views.parity(report),
        "checks_words": words.checks_words(report),
        "failed_checks": views.checks(report, False),
        "held_checks": views.checks(report, True),
    }


def _rest(report: Report) -> dict[str, Any]:
    return {
        "training_columns": views.TRAINING,
        "curves": _curves(report),
        "validated": any(row.get("validation") is not None for rows in _lines(report).values() for row in rows),
        "one_each": views.one_each(report),
        "profiles": words.profiles(report),
        "commands": views.commands(report),
        "methods": views.methods(report),
    }


def columns(report: Report) -> list[figures.Name]:
    """The columns of the main table: the primary score, speed, memory, size, and what else was measured."""
    there = {m.name for c in report.candidates for m in c.measurements}
    keys = [report.primary, LOSS, *figures.SPEED, *figures.other_keys(report)]
    return [figures.name_of(report, key) for key in keys if key in there or key == report.primary]


def _chosen(report: Report, pick: Pick | None) -> Candidate | None:
    if pick is None or pick.choice is None:
        return None
    named = (pick.choice.variant, pick.choice.runtime)
    return next((c for c in report.candidates if (c.variant, c.runtime) == named), None)


def _keyfigures(report: Report, chosen: Candidate) -> list[tuple[figures.Name, figures.Figure]]:
    keys = [report.primary, *(next((key for key in group if chosen.get(key)), group[0]) for group in KEY_FIGURES)]
    return [(figures.name_of(report, key), figures.figure_of(chosen.get(key))) for key in keys]


def _lines(report: Report) -> dict[str, list[dict[str, Any]]]:
    return report.details.get("curves") or {}


def _curves(report: Report) -> list[tuple[str, Markup, str]]:
    found = [(variant, rows, curve(variant, rows)) for variant, rows in _lines(report).items()]
    return [(variant, drawing, _last(rows)) for variant, rows, drawing in found if drawing is not None]


def _last(rows: list[dict[str, Any]]) -> str:
    ends = [next((row[key] for row in reversed(rows) if row.get(key) is not None), None) for key in ("loss", "validation")]
    return "; ".join(
        f"{word} {figures.number(value, 3)}" for word, value in zip(("training", "validation"), ends) if value is not None
    )


def _short(value: float | None) -> str:
    return figures.ABSENT if value is None else f"{value:.1e}".replace("-", "−") if value else "0"


def _exact(value: float | None) -> str:
    return "none" if value is None else f"{value:.10g}".replace("-", "−")
