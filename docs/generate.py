"""Writes the generated parts of README.md and docs/*.md from the registry and from docs/evidence; --check only compares.

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`; NAME is a function below.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
EVIDENCE = ROOT / "docs" / "evidence"
PART = re.compile(r"(<!-- generated: (\S+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def table(headings: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; every column but the first is right-aligned."""
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def families() -> str:
    """Every family: what it is for, its scores, its data."""
    from weighin.core import registry

    found = [registry.family(name) for name in registry.names("families")]
    blocks = []
    for f in found:
        scores = "; ".join(f"`{s.name}` ({s.better} is better{', ' + s.about if s.about else ''})" for s in f.scores)
        data = "; ".join(f"`{spec}`: {about}" for spec, about in f.datas.items())
        blocks.append(f"### {f.name}\n\n{f.about}\n\nScores: {scores}.\n\nData: {data}.\n")
    return "\n".join(blocks)


def variants() -> str:
    """Every variant of every family."""
    import weighin

    blocks = []
    for name in weighin.family_names():
        rows = [[f"`{v['variant']}`", f"{v['parameters']:,}", v["settings"]["about"]] for v in weighin.variants(name)]
        blocks.append(f"### {name}\n\n" + table(["variant", "parameters", "what it is"], rows))
    return "\n".join(blocks)


def runtimes() -> str:
    """Every runtime."""
    from weighin.core import registry

    found = [registry.runtime(name) for name in registry.runtimes()]
    rows = [
        [f"`{r.full_name}`", "refused beyond a part's tolerance" if r.precision in r.exact else "recorded", r.deprecated or "-"]
        for r in found
    ]
    return table(["runtime", "parity with the original", "deprecated"], rows)


def recipe() -> str:
    """The dials of a recipe."""
    from weighin.core.config import Recipe

    rows = [
        [f"`recipe.{n}`", f"`{f.get_default(call_default_factory=True)}`", f.description or ""]
        for n, f in Recipe.model_fields.items()
    ]
    return table(["dial", "default", ""], rows)


def commands() -> str:
    """The help of every command."""
    import typer
    from weighin.cli import app

    group = typer.main.get_command(app)
    lines = []
    for name, command in sorted(group.commands.items()):  # type: ignore[attr-defined]
        usage = " ".join(command.collect_usage_pieces(command.make_context(name, [], resilient_parsing=True)))
        lines.append(f"- `weighin {name} {usage.replace('[OPTIONS] ', '')}`: {command.help.splitlines()[0]}")
    return "\n".join(lines) + "\n"


def _report(family: str) -> dict[str, Any] | None:
    path = EVIDENCE / family / "report" / "report.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _cell(candidate: dict[str, Any], name: str) -> str:
    found = next((m for m in candidate["measurements"] if m["name"] == name), None)
    if found is None:
        return "not measured"
    value = found["value"]
    shown = (
        f"{value:,.0f}"
        if abs(value) >= 100
        else f"{value:.3g}"
        if name.startswith(("latency", "size", "peak", "train", "cpu", "cold"))
        else f"{value:.3f}"
    )
    return shown if found["low"] is None or not shown.startswith("0.") else f"{shown} ({found['low']:.3f}-{found['high']:.3f})"


def measured() -> str:
    """Families x variants with measured figures, one runtime a variant: the one with the least latency that is exact."""
    blocks = []
    for folder in sorted(p.name for p in EVIDENCE.iterdir() if (p / "report" / "report.json").exists()):
        report = _report(folder)
        assert report
        primary = report["primary"]
        more = ["top1_merged"] if folder == "glyphs" else []
        names = [primary, *more, "latency_p50_ms", "throughput_per_s", "size_mb", "peak_memory_mb", "train_cpu_minutes"]
        rows = [
            [f"{folder}/{c['variant']} @ {c['runtime']}", *(_cell(c, n) for n in names)]
            for c in report["candidates"]
            if c["status"] == "ok" and c["runtime"] in ("torch", "openvino", "openvino:int8")
        ]
        blocks.append(table(["variant @ runtime", *(f"`{n}`" for n in names)], rows))
        blocks.append(
            f"\nMade by `{report['command']}` on {report['environment']['hardware']['cpu']}; evidence in `docs/evidence/{folder}/`.\n"
        )
    return "\n".join(blocks) or "No comparison is committed yet.\n"


def glyphs_quality() -> str:
    """Glyph variants: accuracy on held-out font families, in full precision and in int8."""
    report = _report("glyphs")
    if report is None:
        return "Not measured yet.\n"
    names = ["top1", "top1_merged", "top5_merged", "macro", "ece", "coverage_at_99", "train_cpu_minutes"]
    rows = [
        [f"{c['variant']} @ {c['runtime']}", *(_cell(c, n) for n in names)]
        for c in report["candidates"]
        if c["runtime"] in ("torch", "onnx:int8", "openvino:int8")
    ]
    facts = "; ".join(f"{k}: {v:.4g}" if isinstance(v, float) else f"{k}: {v}" for k, v in report["notes"].items())
    return table(["variant @ runtime", *(f"`{n}`" for n in names)], rows) + f"\nTest set: {facts}.\n"


def glyphs_context() -> str:
    """Whole held-out font files, from benchmarks/glyphs_context.py."""
    path = EVIDENCE / "glyphs" / "context.json"
    if not path.exists():
        return "Not measured yet.\n"
    made = json.loads(path.read_text(encoding="utf-8"))
    cells = {name: f"{seen['value']:.3f} ({seen['low']:.3f}-{seen['high']:.3f})" for name, seen in made["lines"].items()}
    rows = [[kind, cells[kind], cells[f"{kind} merged"]] for kind in ("alone", "context")]
    about = f"\n{made['glyphs']:,} glyphs of {made['files']} held-out font files, one a family (`{made['command']}`).\n"
    return table(["read", "strict", "merged"], rows) + about


def glyphs_speed() -> str:
    """Glyphs a CPU-second, from benchmarks/glyphs_speed.py."""
    path = EVIDENCE / "glyphs" / "speed.json"
    if not path.exists():
        return "Not measured yet.\n"
    made = json.loads(path.read_text(encoding="utf-8"))
    cells: dict[tuple[str, str], dict[str, str]] = {}
    original = next(line["glyphs_per_cpu_s"] for line in made["lines"] if line["name"] == "tiny original eager 1")
    for line in made["lines"]:
        variant, what, runtime, batch = line["name"].split()
        ratio = f" ({line['ratio']:.1f}x)" if "ratio" in line and what != "original" else ""
        if what == "chain" and not ratio:  # no original of this variant: against the original's smallest
            ratio = f" ({line['glyphs_per_cpu_s'] / original:.1f}x)"
        cells.setdefault((variant, runtime), {})[f"{what} {batch}"] = f"{line['glyphs_per_cpu_s']:,.0f}{ratio}"
    heads = ["net 1", "net 256", "chain 256", "original 1"]
    rows = [[f"{v} @ {r}", *(found.get(h, "") for h in heads)] for (v, r), found in cells.items()]
    about = f"Glyphs a CPU-second (`{made['command']}`, {made['hardware']['cpu']}). In brackets: nets against the same net in "
    about += (
        "torch eager, chains (raster to label) against the original's chain rebuilt (its tiny's, for variants it has not).\n\n"
    )
    return about + table(["variant @ runtime", *heads], rows)


FORCE_SCORES = ("force_mae", "force_rmse", "force_cosine", "energy_mae_per_atom", "stress_mae", "train_cpu_minutes")


def _force_sets(*names: str) -> str:
    """Reports under docs/evidence/forcefields, one table a set; a set that was not weighed is left out."""
    blocks = []
    for name in names:
        path = EVIDENCE / "forcefields" / name / "report.json"
        if not path.exists():
            continue
        report = json.loads(path.read_text(encoding="utf-8"))
        shown = [c for c in report["candidates"] if c["status"] == "ok" and c["runtime"] == "torch"]
        scores = [n for n in FORCE_SCORES if any(m["name"] == n for c in shown for m in c["measurements"])]
        rows = [[c["variant"], *(_cell(c, n) for n in scores)] for c in shown]
        trivial = report["notes"].get("trivial_force_mae")
        about = f"\n`{name}`: {report['notes']['structures']} structures; no force at all scores {trivial:.3g} eV/A.\n"
        blocks.append(table(["candidate", *(f"`{n}`" for n in scores)], rows) + about)
    return "\n".join(blocks) or "Not measured yet.\n"


def forcefields_equal() -> str:
    """Every variant for the same CPU minutes."""
    return _force_sets("equal-10", "equal-60")


def forcefields_distilled() -> str:
    """What a teacher's answers are worth."""
    return _force_sets("distilled")


def forcefields_published() -> str:
    """rMD17, acetylacetone, Si and Mo."""
    return _force_sets("rmd17-aspirin", "rmd17-ethanol", "rmd17-uracil", "acac-600K", "solid-Si", "solid-Mo")


def forcefields_speed() -> str:
    """Ours beside the peers, from benchmarks/forcefields_speed.py."""
    path = EVIDENCE / "forcefields" / "speed.json"
    if not path.exists():
        return "Not measured yet.\n"
    made = json.loads(path.read_text(encoding="utf-8"))
    against = next(iter(made["against"].values()))
    sizes = [str(n) for n in made["sizes"]]
    rows = []
    for name, system in against.items():
        label = Path(name).name.replace("@", " @ ")
        found = system["sizes"]
        rows.append([label, *(f"{found[n]['cpu_ms']:.3g}" if n in found else "-" for n in sizes)])
    fastest = [made["against"][made["fastest_peer"][n]] for n in sizes] if made["fastest_peer"] else []
    for name in against:
        if "@" in name and fastest:
            ratios = [peer[name]["sizes"].get(n, {}).get("ratio") for n, peer in zip(sizes, fastest, strict=True)]
            shown = [f"{r:.1f}x" if r else "-" for r in ratios]
            rows.append([f"fastest peer / {Path(name).name.replace('@', ' @ ')}", *shown])
    return table(["system", *(f"{n} atoms" for n in sizes)], rows)


def example() -> str:
    """docs/example.py and what it printed when `make docs` last ran it with --run."""
    code = (ROOT / "docs" / "example.py").read_text(encoding="utf-8")
    printed = EVIDENCE / "example.txt"
    said = printed.read_text(encoding="utf-8") if printed.exists() else "(not run yet)\n"
    return f"```python\n{code}```\n\n```text\n{said}```\n"


PARTS = (families, variants, runtimes, recipe, commands, measured, example, glyphs_quality, glyphs_context, glyphs_speed)
PARTS += (forcefields_equal, forcefields_distilled, forcefields_published, forcefields_speed)
MAKERS: dict[str, Callable[[], str]] = {f.__name__: f for f in PARTS}


def rendered(text: str) -> str:
    """The page with every generated part made anew."""
    return PART.sub(lambda m: m[1] + MAKERS[m[2]]() + m[4], text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = []
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        old = page.read_text(encoding="utf-8")
        new = rendered(old)
        if new != old:
            stale.append(str(page.relative_to(ROOT)))
            if not check:
                page.write_text(new, encoding="utf-8")
    sys.stdout.write(f"{'stale' if check else 'written'}: {', '.join(stale)}\n" if stale else "docs are current\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
