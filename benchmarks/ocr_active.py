"""Two ways to more training lines: label those that a run is least sure of, or learn from what it is sure of itself.

    python benchmarks/ocr_active.py RUN [--pool 2000] [--count 200] [--cpu-minutes 2] [--seeds 3] [--threshold 0.95]

RUN is a trained run of a recogniser on rendered lines. The pool is lines of its own training text, set in every font that is
here, also those that RUN never saw; their truth is held back. From RUN each arm trains on for the same CPU time:

- ``random`` and ``least confident`` on ``count`` lines of the pool with their truth,
- ``pseudo`` on every line whose calibrated confidence reaches the threshold, labelled by RUN, and ``told`` on the same
  lines with their truth: what the errors among the labels cost.

Intervals are by document, on the test lines of RUN's data; the seed changes the random choice and the order of training.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from weighin.core import environment, registry
from weighin.core.config import Variant
from weighin.core.family import Example, Family
from weighin.core.files import write_json, write_text
from weighin.core.run import Run
from weighin.core.statistics import interval, paired
from weighin.families.ocr.line import Line, Reading
from weighin.families.ocr.selection import confident, least_confident
from weighin.steps.predictors import eager_predictor, variant_of
from weighin.steps.train import sample, train

EVIDENCE = Path(__file__).resolve().parent.parent / "docs" / "evidence" / "ocr" / "active.json"
BATCH = 16  # lines that are made alike long
RATE = 0.3  # of the run's learning rate, for training on

Arm = tuple[Sequence[int], Sequence[str]]  # places in the pool, and their labels


def pool_of(family: Family[Any, Any, Any], variant: Variant[Any, Any], count: int) -> list[Example[Any, Any]]:
    """Lines made as training lines are, in every font."""
    kind, _, where = variant.recipe.data.partition(":")
    data = variant.recipe.data if kind not in ("rendered", "synthetic") else "allfonts" + (f":{where}" if where else "")
    found = sample(family.examples(data, "train"), count, 17)
    made: list[Example[Any, Any]] = []
    for start in range(0, len(found), BATCH):
        made += family.augment(variant, found[start : start + BATCH], np.random.default_rng([17, start]))
    return made


def written(pool: Sequence[Example[Any, Any]], arm: Arm, folder: Path) -> str:
    """A data spec: the lines and their labels, in files as tesstrain has them."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, label in zip(*arm, strict=True):
        Image.fromarray(pool[place].x.pixels).save(folder / f"{place:06d}.png")
        write_text(folder / f"{place:06d}.gt.txt", label + "\n")
    return f"lines:{folder}"


def arms(pool: Sequence[Example[Any, Any]], read: Sequence[Reading], count: int, threshold: float, seed: int) -> dict[str, Arm]:
    """What each way learns from."""
    drawn = np.random.default_rng([seed, 23]).permutation(len(pool))[:count].tolist()
    unsure, sure = least_confident(read, count), confident(read, threshold)
    return {
        "random": (drawn, [pool[place].y for place in drawn]),
        "least confident": (unsure, [pool[place].y for place in unsure]),
        "pseudo": (sure, [read[place].text for place in sure]),
        "told": (sure, [pool[place].y for place in sure]),
    }


def learned(family: Family[Any, Any, Any], run: Run, data: str, minutes: float, seed: int, root: Path) -> Any:
    """The predictor of ``run`` trained on."""
    base = variant_of(family, run)
    changes = {"recipe.data": data, "recipe.init": str(run.path.resolve()), "recipe.lr": base.recipe.lr * RATE}
    budget = {"recipe.cpu_minutes": minutes, "recipe.minutes": None, "recipe.steps": None, "recipe.seed": seed}
    variant = base.but("on", **changes, **budget)
    return eager_predictor(family, variant, train(family, variant, root=root))


def figures(family: Family[Any, Any, Any], found: Mapping[str, Any], examples: Sequence[Example[Any, Any]]) -> dict[str, Any]:
    """Character error rate with its interval, and the change from RUN and from the arm that it must beat."""
    groups, score, lines = np.array([e.group for e in examples]), family.primary, [e.x for e in examples]
    tallies = {name: family.score(predict(lines), examples)[score.name] for name, predict in found.items()}
    rivals = {"least confident": "random", "pseudo": "run", "told": "run", "random": "run"}
    rows: dict[str, Any] = {}
    for name, tally in tallies.items():
        seen = interval(tally, score, groups)
        rows[name] = {"value": seen.value, "low": seen.low, "high": seen.high}
        if name in rivals:
            change = paired(tally, tallies[rivals[name]], score, groups)
            rows[name][f"against {rivals[name]}"] = {
                "value": change.value,
                "low": change.low,
                "high": change.high,
                "p": change.p,
            }
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--pool", type=int, default=2000)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--cpu-minutes", type=float, default=2.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threshold", type=float, default=0.95)
    parser.add_argument("--lines", type=int, default=600)
    parser.add_argument("--work", type=Path, default=Path("runs") / "active", help="folder of lines and runs")
    parser.add_argument("--out", type=Path, default=EVIDENCE)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    family, run = registry.family("ocr"), Run.open(arguments.run)
    variant = variant_of(family, run)
    predict, pool = eager_predictor(family, variant, run), pool_of(family, variant, arguments.pool)
    read = predict([Line(e.x.pixels) for e in pool])
    examples = sample(family.examples(variant.recipe.data, "test"), arguments.lines, 0)
    seeds: list[dict[str, Any]] = []
    for seed in range(1, arguments.seeds + 1):
        found: dict[str, Any] = {"run": predict}
        chosen = arms(pool, read, arguments.count, arguments.threshold, seed)
        for name, arm in chosen.items():
            place = arguments.work / f"{name.replace(' ', '-')}-{seed}"
            data = written(pool, arm, place / "lines")
            found[name] = learned(family, run, data, arguments.cpu_minutes, seed, place)
        rows = figures(family, found, examples)
        for name, (places, labels) in chosen.items():
            wrong = sum(label != pool[place].y for place, label in zip(places, labels, strict=True))
            rows[name] |= {"lines": len(places), "labels wrong": wrong}
        seeds.append(rows)
        for name, seen in rows.items():
            print(f"seed {seed}  {name:16s} CER {100 * seen['value']:.2f} %  {seen.get('lines', '')} lines", flush=True)
    settings = {name: str(value) for name, value in vars(arguments).items()}
    facts = {"at": environment.now(), "hardware": environment.hardware(), "training": dict(run.info.training)}
    write_json(arguments.out, {"settings": settings} | facts | {"seeds": seeds})


if __name__ == "__main__":
    main()
