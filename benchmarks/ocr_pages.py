"""How well pages are taken apart into lines, on rendered pages whose layout is known.

    python benchmarks/ocr_pages.py [--pages 4] [--out docs/evidence/ocr/pages.json]

Each condition is the mean over pages of different text and fonts; intervals are a bootstrap over pages. Fonts are those of
Debian's fonts-noto-core, fonts-lohit-orya, fonts-orya-extra and fonts-samyak-orya, whichever are installed.
"""

import argparse
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from weighin.core import environment
from weighin.core.files import write_json
from weighin.families.ocr.segment import sheet

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "families" / "ocr"))
from made_pages import Look, installed, page
from page_scores import Scored, score

LOOKS = {
    "plain": Look(),
    "tight leading": Look(leading=1.25),
    "two columns": Look(columns=2),
    "three columns, small": Look(columns=3, size=24),
    "ruled lines and a frame": Look(columns=2, rules=True),
    "skew +3": Look(columns=2, skew=3),
    "skew -8.5": Look(skew=-8.5),
    "specks": Look(columns=2, specks=2000),
    "bent by 10 pixels": Look(curve=10),
    "photographed": Look(photo=True, skew=1.5),
    "photographed, three columns, specks": Look(columns=3, photo=True, skew=-2, size=24, specks=2000),
    "upside down": Look(columns=2, skew=180),
    "on its side": Look(columns=2, skew=90),
}


def measured(look: Look, pages: int, fonts: tuple[str, ...]) -> tuple[list[Scored], float]:
    """Scores of pages, and CPU seconds a page."""
    scores, spent = [], 0.0
    for seed in range(pages):
        made = page(Look(**{**asdict(look), "fonts": (fonts[seed % len(fonts)],)}), 100 + seed)
        start = time.process_time()
        seen = sheet(made.pixels)
        spent += time.process_time() - start
        scores.append(score(made, seen, straight=not look.curve))
    return scores, spent / pages


def share(scores: list[Scored]) -> tuple[float, float, float]:
    """Share of lines found, with a 95 % bootstrap interval over pages."""
    found, lines = (np.array([getattr(s, name) for s in scores], dtype=float) for name in ("found", "lines"))
    drawn = np.random.default_rng(0).integers(0, len(scores), (2000, len(scores)))
    shares = found[drawn].sum(1) / lines[drawn].sum(1)
    low, high = np.percentile(shares, (2.5, 97.5))
    return float(found.sum() / lines.sum()), float(low), float(high)


def row(name: str, scores: list[Scored], seconds: float) -> dict[str, object]:
    """What is kept of one condition."""
    found, low, high = share(scores)
    sums = {key: sum(getattr(s, key) for s in scores) for key in ("lines", "misplaced", "extra")}
    ink = {key: round(float(np.mean([getattr(s, key) for s in scores])), 4) for key in ("own", "foreign")}
    values = {"found": round(found, 4), "low": round(low, 4), "high": round(high, 4)}
    return {"pages": name, "n": len(scores), **values, **sums, **ink, "cpu_s_a_page": round(seconds, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=4)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    fonts = tuple(map(str, installed()))
    if not fonts:
        sys.exit("No Odia font is installed: apt-get install fonts-noto-core fonts-lohit-orya fonts-orya-extra")
    rows = []
    for name, look in LOOKS.items():
        rows.append(row(name, *measured(look, arguments.pages, fonts)))
        print(rows[-1], flush=True)
    if arguments.out:
        made = {"command": f"python benchmarks/ocr_pages.py --pages {arguments.pages}", "at": environment.now()}
        write_json(arguments.out, {**made, "hardware": environment.hardware(), "fonts": fonts, "rows": rows})


if __name__ == "__main__":
    main()
