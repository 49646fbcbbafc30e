"""Glyph classifiers on the fonts of this machine: every variant at equal CPU minutes, and one trained for long.

    python benchmarks/glyphs.py train --minutes 8         # all variants, one after the other (about 80 CPU-minutes)
    python benchmarks/glyphs.py long --minutes 70         # the best of them for long
    python benchmarks/glyphs.py weigh --minutes 8         # nothing else may run: timing

Held out are whole font families; nothing is tuned on them. Every step goes on where it was interrupted.
"""

import argparse
from pathlib import Path

import torch

import weighin
from weighin import console
from weighin.core import registry
from weighin.steps.compare import Plan, lineup_of
from weighin.steps.train import train

EQUAL = ("tiny", "patch-tiny", "swift", "swift-box", "light", "full", "patch-light", "light-distilled", "tiny-distilled")
RUNTIMES = ("torch", "torch:bf16", "onnx", "onnx:int8", "openvino", "openvino:bf16", "openvino:int8")
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
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    names = arguments.variant or (EQUAL if arguments.step != "long" else (LONG,))
    family = registry.family("glyphs")
    lineup = lineup_of(family, Plan("glyphs", data="fonts", settings=settings(arguments.minutes)))
    with console.progress() as say:
        if arguments.step == "weigh":
            plan = {"variants": names, "runtimes": RUNTIMES, "data": "fonts", "settings": settings(arguments.minutes)}
            weighin.compare("glyphs", runs=arguments.runs, out=EVIDENCE / "report", examples=6000, say=say, **plan)
            return
        for name in names:
            print(train(family, lineup[name], root=arguments.runs, lineup=lineup, say=say).path, flush=True)


if __name__ == "__main__":
    main()
