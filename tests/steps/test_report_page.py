"""The live page in a headless Chromium gives the same answers as ``pick``."""

import random
import re
from typing import Any

import pytest
from made_report import FIGURES, made_report, picked

from weighin.core.result import Candidate, Limit, Report
from weighin.steps import report as document
from weighin.steps.pick import pick

pytest_plugins = ("report_browser",)
pytestmark = pytest.mark.timeout(400)

ASK = """(goals) => goals.map((goal) => {
  const found = pick(data.candidates, {...goal, better: names.get(goal.best).better, scores: data.scores, pairs: data.pairs});
  return {choice: found.choice?.label ?? null, runner: found.runnerUp?.label ?? null, nearest: found.nearest?.label ?? null,
          cheaper: found.cheaper?.label ?? null,
          excluded: found.excluded.map((e) => e.candidate.label), relaxed: found.relaxed.map((l) => l.bound), binding:
          found.binding.map((b) => [b.limit.name, b.limit.op, b.limit.bound, b.value, b.margin, b.share, !!b.instead])};
})"""


def goals(report: Report, count: int, seed: int) -> list[dict[str, Any]]:
    """Random goals: bounds near the figures of the report and exactly on them, in both directions."""
    rng = random.Random(seed)
    values = {name: [m for c in report.candidates for m in c.measurements if m.name == name] for name in FIGURES}
    found = []
    for _ in range(count):
        limits = []
        for name in rng.sample(list(FIGURES), rng.randint(0, 4)):
            m = rng.choice(values[name])
            end = rng.choice([m.value, m.low, m.high, m.value * rng.uniform(0.3, 3)])
            usual = ">=" if m.better == "higher" else "<="
            op = usual if rng.random() < 0.9 else {"<=": ">=", ">=": "<="}[usual]
            limits.append({"name": name, "op": op, "bound": m.value if end is None else end})
        best = rng.choice(["top1", "top1", "top1_merged", "latency_p90_ms", "throughput_per_s", "size_mb", "train_minutes"])
        found.append({"best": best, "limits": limits, "optimistic": rng.random() < 0.3, "imported": rng.random() < 0.3})
    return found


def answer(report: Report, goal: dict[str, Any]) -> dict[str, Any]:
    """The same question to Python."""
    limits = [Limit(**limit) for limit in goal["limits"]]
    found = pick(report, goal["best"], limits, optimistic=goal["optimistic"], allow_imported=goal["imported"])
    label = lambda named: f"{named.variant} @ {named.runtime}" if named else None  # noqa: E731
    binds = [line for line in found.reasons if "it binds: without it" in line]
    return {
        "choice": label(found.choice),
        "runner": label(found.runner_up),
        "nearest": label(found.nearest),
        "cheaper": label(found.cheaper),
        "excluded": sorted(label(e) or "" for e in found.excluded),
        "relaxed": [float(n) for n in re.findall(r"[<>]=(\S+) instead of", found.relaxation)],
        "binding": [(b.limit.name, b.limit.op, b.limit.bound, b.value, b.margin, b.share) for b in found.binding],
        "binds": len(binds),
    }


def agree(page: Any, report: Report, asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Asserts that page and Python answer alike; the answers."""
    answers = [answer(report, goal) for goal in asked]
    for goal, wanted, seen in zip(asked, answers, page.evaluate(ASK, asked), strict=True):
        seen["excluded"].sort()
        for key in ("choice", "runner", "nearest", "cheaper", "excluded"):
            assert seen[key] == wanted[key], (key, goal)
        moved = [bound for bound, limit in zip(seen["relaxed"], goal["limits"]) if bound != limit["bound"]]
        assert moved == [float(f"{bound:.12g}") for bound in wanted["relaxed"]], goal
        assert sorted(tuple(b[:6]) for b in seen["binding"]) == sorted(wanted["binding"]), goal
        assert sum(b[6] for b in seen["binding"]) == wanted["binds"], goal
    return answers


def test_the_page_picks_as_python_does(page, report):
    answers = agree(page, report, goals(report, 400, seed=1))
    chosen = {found["choice"] for found in answers}
    assert len(chosen) >= 8 and None in chosen  # the goals force different answers, and none at all
    assert sum(found["nearest"] is not None for found in answers) > 20
    assert len({found["cheaper"] for found in answers}) >= 4


def test_ties_and_gaps_are_broken_alike(visit, tmp_path):
    """Equal goals, equal sizes, names beyond the basic plane, no evidence (n = 0), one process without an interval."""
    base = made_report()
    row = base.candidates[4]
    rows: list[Candidate] = []
    for i, name in enumerate(["b", "a", "\U0001f600", "\uffee", "ab", "aé", "z"]):
        changed = {"top1": {"value": 0.9, "low": None if i == 4 else 0.89}, "size_mb": {"value": 2.0 if i < 5 else 1.0}}
        changed["peak_memory_mb"] = {"n": i % 3, "low": None, "high": None} if i % 2 else {}
        changed["cpu_ms_per_item"] = {"n": 0} if i in (0, 3) else {"value": 1.0}
        changed["latency_p50_ms"] = {"value": 1.0 + i // 2, "low": 1.0 + i // 2, "high": None if i == 5 else 1.05 + i // 2}
        figures = [m.model_copy(update=changed.get(m.name, {})) for m in row.measurements]
        rows.append(row.model_copy(update={"variant": name, "measurements": figures}))
    report = picked(base.model_copy(update={"candidates": rows, "pairs": [], "front": {}, "details": {}}))
    page = visit(document.write(report, tmp_path)["html"].as_uri())
    answers = agree(page, report, goals(report, 200, seed=2))
    assert len({found["choice"] for found in answers}) >= 4


def test_real_inputs_move_the_pick(page, report):
    for goal in [g for g in goals(report, 60, seed=3) if not g["imported"]][:6]:
        page.click("#profiles >> text=no limits")
        page.select_option("#best", goal["best"])
        page.set_checked("#optimistic", goal["optimistic"])
        page.evaluate("document.querySelectorAll('#dials details').forEach((d) => { d.open = true; })")
        better = {name: kind.better for name, kind in FIGURES.items()}
        goal["limits"] = [limit for limit in goal["limits"] if (limit["op"] == ">=") == (better[limit["name"]] == "higher")]
        for limit in goal["limits"]:
            page.fill(f"#at-{limit['name']}", repr(limit["bound"]))
        wanted = answer(report, goal)
        said = page.inner_text("#answer")
        assert said.startswith(f"Ship {wanted['choice']}: ") if wanted["choice"] else said == "Nothing fits these limits."
        stands = page.locator("tr.choice th").all_inner_texts()
        assert [" ".join(text.split()) for text in stands] == ([wanted["choice"]] if wanted["choice"] else [])
        command = page.inner_text("#command")
        assert f"--best {goal['best']}" in command and command.count("--limit") == len(goal["limits"])


def test_sliders_move_the_pick(page, report):
    page.click("#profiles >> text=no limits")
    best = page.inner_text("#answer")
    slider = page.locator("#slide-size_mb")
    assert slider.get_attribute("aria-valuetext") == "no limit"
    slider.focus()
    for _ in range(25):
        page.keyboard.press("ArrowLeft")
    bound = float(page.input_value("#at-size_mb"))
    assert page.inner_text("#answer") != best and slider.get_attribute("aria-valuetext") == f"{bound:.12g}"
    wanted = pick(report, "top1", [Limit(name="size_mb", op="<=", bound=bound)])
    assert wanted.choice and page.inner_text("#answer").startswith(f"Ship {wanted.choice.variant} @ {wanted.choice.runtime}:")
    page.keyboard.press("End")
    assert page.input_value("#at-size_mb") == "" and page.inner_text("#answer") == best


def test_profiles_are_those_of_python(page, report):
    for name, raw in report.details["profiles"].items():
        page.click(f"#profiles >> text={name}")
        choice = raw["choice"]
        said = page.inner_text("#answer")
        assert (
            said.startswith(f"Ship {choice['variant']} @ {choice['runtime']}:") if choice else said.startswith("Nothing fits")
        )
