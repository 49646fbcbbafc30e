"""What a whole font is worth: glyphs of held-out font files read one by one, and with the font's labels shared out.

    python benchmarks/glyphs_context.py RUN [--files 40]

A glyph is right when its label is one that the font itself gives it (by cmap and shaping); merged counts classes that no
eye can tell apart as one. Intervals are by font family.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from weighin.core import environment, registry
from weighin.core.family import Score, Tally
from weighin.core.files import write_json
from weighin.core.run import Run
from weighin.core.statistics import interval, paired
from weighin.families.glyphs.data import examples
from weighin.families.glyphs.fontfile import font_glyphs
from weighin.families.glyphs.labels import CLASS_OF, GROUPS
from weighin.steps.predictors import eager_predictor, variant_of

EVIDENCE = Path(__file__).resolve().parent.parent / "docs" / "evidence" / "glyphs" / "context.json"


def held_out(files: int) -> list[tuple[str, str]]:
    """(family, path) of held-out font files, one a family, drawn at random."""
    test = examples("fonts", "test")
    faces = {test.store.faces[i] for i in np.unique(test.store.rows["face"][test.indices])}  # type: ignore[attr-defined]
    first = {face.group: face.path for face in sorted(faces, key=lambda face: face.path, reverse=True) if face.index == 0}
    order = np.random.default_rng(0).permutation(len(first))[:files]
    return [sorted(first.items())[i] for i in order]


def merged(label: str) -> int:
    """The class that a label belongs to."""
    return GROUPS[CLASS_OF[label]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--files", type=int, default=40)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    family, run = registry.family("glyphs"), Run.open(arguments.run)
    variant = variant_of(family, run)
    hits: dict[str, list[float]] = {"alone": [], "context": [], "alone merged": [], "context merged": []}
    groups: list[str] = []
    for group, path in held_out(arguments.files):
        [named], truths = family.expand(Path(path)) or [[]], [g.labels for g in font_glyphs(Path(path))]
        for kind in ("alone", "context"):
            use = variant.but(**{"predict.context": kind == "context"})
            answers = eager_predictor(family, use, run)([x for _, x in named])
            known = [(a.label, t) for a, t in zip(answers, truths, strict=True) if t]
            hits[kind] += [label in truth for label, truth in known]
            hits[f"{kind} merged"] += [merged(label) in {merged(t) for t in truth} for label, truth in known]
        groups += [group] * sum(bool(t) for t in truths)
    score, places = Score("top1", "share", "higher", binary=True), np.array(groups)
    lines = {name: interval(Tally.of(values), score, places) for name, values in hits.items()}
    gain = paired(Tally.of(hits["context merged"]), Tally.of(hits["alone merged"]), score, places)
    made = {"command": f"python benchmarks/glyphs_context.py {run.path.name}", "at": environment.now()}
    made |= {"glyphs": len(groups), "files": arguments.files, "hardware": environment.hardware()}
    made["lines"] = {name: {"value": seen.value, "low": seen.low, "high": seen.high} for name, seen in lines.items()}
    made["gain merged"] = {"value": gain.value, "low": gain.low, "high": gain.high, "p": gain.p}
    write_json(EVIDENCE, made)
    for name, seen in lines.items():
        print(f"{name:15s} {seen.value:.3f} ({seen.low:.3f}-{seen.high:.3f})")


if __name__ == "__main__":
    main()
