"""Glyph classifiers on the fonts of this machine: every variant at equal CPU minutes, and one trained for long.

    python benchmarks/glyphs.py train --minutes 5          # every variant, one after the other
    python benchmarks/glyphs.py long --minutes 50          # the best of them for long
    python benchmarks/glyphs.py train --minutes 5 --variant swift-distilled --teacher runs/glyphs/swift-box-...
    python benchmarks/glyphs.py weigh                      # all that were trained; nothing else may run: timing

Held out are whole font families; nothing is tuned on them. Every step goes on where it was interrupted.
"""

import argparse
from pathlib import Path

import torch

import weighin
from weighin import console
from weighin.core import registry
from weighin.core.run import Run
from weighin.steps.compare import Plan, lineup_of
from weighin.steps.train import train

EQUAL = ("tiny", "patch-tiny", "swift", "swift-box", "light", "full")
RUNTIMES = ("torch", "onnx:int8", "openvino:int8")
EVIDENCE = Path(__file__).resolve().parent.parent / "docs" / "evidence" / "glyphs"
LONG = "swift-box"


def settings(minutes: float) -> dict[str, float]:
    """Dials laid over every variant: CPU minutes of the training process, whatever else the machine does."""
    return {"recipe.cpu_minutes": minutes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("train", "long", "weigh"))
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--variant", action="append")
    parser.add_argument("--examples", type=int, default=4000, help="test glyphs")
    parser.add_argument("--teacher", help="run that the distilled variants learn from")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    names = arguments.variant or (EQUAL if arguments.step != "long" else (LONG,))
    family = registry.family("glyphs")
    lineup = lineup_of(family, Plan("glyphs", data="fonts", settings=settings(arguments.minutes)))
    if arguments.teacher:
        lineup = {n: v.but(**{"recipe.teacher": arguments.teacher}) if v.recipe.match else v for n, v in lineup.items()}
    with console.progress() as say:
        if arguments.step == "weigh":
            given = [f"{name_of(run)}={run.path}" for run in trained(arguments.runs)]
            plan = {"given": given, "runtimes": RUNTIMES, "data": "fonts", "examples": arguments.examples}
            plan |= {"rounds": 8, "batches": (64,)}
            weighin.compare("glyphs", runs=arguments.runs, out=EVIDENCE / "report", say=say, **plan)
            return
        for name in names:
            print(train(family, lineup[name], root=arguments.runs, lineup=lineup, say=say).path, flush=True)


def trained(runs: Path) -> list[Run]:
    """Every finished run that used at least a minute."""
    found = [Run.open(path.parent) for path in sorted((runs / "glyphs").glob("*/run.json"))]
    return [run for run in found if run.trained and run.info.training.get("cpu_minutes", 0) > 1]


def name_of(run: Run) -> str:
    """Variant and CPU minutes: two trainings of one variant are two candidates."""
    return f"{run.info.variant}-{run.info.training['cpu_minutes']:.0f}min"


if __name__ == "__main__":
    main()
