"""The demo: three glyph classifiers, trained for a minute each on the fonts of this machine, weighed on several runtimes.

    make demo            # or: python benchmarks/demo.py --out report-glyphs

It is `weighin compare glyphs` with a small plan, so that it ends in minutes; run that for the whole family.
"""

import argparse
import time
from pathlib import Path

import weighin
from weighin import console
from weighin.core.errors import DataError
from weighin.steps.overview import overview

VARIANTS = ("tiny", "patch-tiny", "swift")
RUNTIMES = ("torch", "onnx", "onnx:int8", "openvino:int8")
# a minute is too short for changed rasters and for a long average
BRIEF = {"recipe.cpu_minutes": None, "recipe.ema": 0.99, "model.augment": False}


def fonts_here() -> str:
    """``fonts`` when this machine has enough of them, else the glyphs that the family draws itself."""
    from weighin.core import registry

    try:
        registry.family("glyphs").examples("fonts", "train")
    except DataError as error:
        print(f"No fonts to learn from ({error}); the demo takes made-up glyphs.")
        return "synthetic"
    return "fonts"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("report-glyphs"))
    parser.add_argument("--minutes", type=float, default=1.0, help="wall-clock training of each variant")
    arguments = parser.parse_args()
    began = time.perf_counter()
    data = fonts_here()
    with console.progress() as say:
        report = weighin.compare(
            "glyphs",
            variants=VARIANTS,
            runtimes=RUNTIMES,
            data=data,
            settings=BRIEF | {"recipe.minutes": arguments.minutes},
            examples=2000,
            rounds=8,
            out=arguments.out,
            say=say,
        )
    console.table(*overview(report.candidates))
    print(f"\n{report.details['pick']['sentence']}")
    print(f"\nData: {data}; {time.perf_counter() - began:.0f} s. Open {arguments.out / 'report.html'} in a browser.")


if __name__ == "__main__":
    main()
