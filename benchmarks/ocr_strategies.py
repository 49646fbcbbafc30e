"""What each way of using one OCR run is worth, one by one and cumulatively, on the same lines in the same process.

    python benchmarks/ocr_strategies.py RUN [--lines 600] [--votes]

RUN is a trained run of a recogniser. Lines are test lines of the run's data, clean and degraded in turn; each goes through
every way, one line a call (batch 1, one thread), before the next line does, so that a drift of the machine meets all alike.
``--votes`` adds the ensembles of checkpoints, and trains their members where they are missing.
Intervals are by document; p is that of the difference to greedy on the same lines, Holm-corrected over all rows.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from weighin.core import environment, registry
from weighin.core.config import Variant
from weighin.core.family import Example, Family, Tally
from weighin.core.files import write_json
from weighin.core.run import Run
from weighin.core.statistics import holm, interval, paired
from weighin.families.ocr import confidence, strategies
from weighin.families.ocr.line import Reading
from weighin.steps.predictors import eager_predictor, variant_of
from weighin.steps.train import sample, train

EVIDENCE = Path(__file__).resolve().parent.parent / "docs" / "evidence" / "ocr" / "strategies.json"
GREEDY = "greedy"
SHOWN = ("cer", "cer_clean", "cer_degraded", "wer", "exact", "word_ece")
WARM = 3  # lines before the clock counts


def ways(family: Family[Any, Any, Any], run: Run, votes: bool) -> dict[str, tuple[Variant[Any, Any], Run]]:
    """Name -> variant and the run that it uses."""
    base = variant_of(family, run)
    base = base.but("base", **{"predict.decoder": "greedy"})
    found = {GREEDY: (base, run)} | {name.removeprefix("base-"): (v, run) for name, v in strategies.of(base).items()}
    if votes:
        lineup = {base.name: base} | strategies.checkpoints(base) | strategies.votes(base)
        root = run.path.parent.parent
        for name in (*strategies.checkpoints(base), *strategies.votes(base)):
            found[name.removeprefix("base-")] = (lineup[name], train(family, lineup[name], root=root, lineup=lineup))
    return found


def answers(
    family: Family[Any, Any, Any], found: Mapping[str, tuple[Variant[Any, Any], Run]], examples: Sequence[Example[Any, Any]]
) -> tuple[dict[str, list[Reading]], dict[str, float]]:
    """Readings by way, and CPU milliseconds a line."""
    predictors = {name: eager_predictor(family, variant, run) for name, (variant, run) in found.items()}
    read: dict[str, list[Reading]] = {name: [] for name in predictors}
    spent = dict.fromkeys(predictors, 0.0)
    for number, example in enumerate(examples):
        line = example.x
        _ = line.pixels  # set before the clock starts
        for name, predict in predictors.items():
            began = time.process_time()
            read[name] += predict([line])
            spent[name] += (time.process_time() - began) * (number >= WARM)
    return read, {name: 1000 * seconds / max(1, len(examples) - WARM) for name, seconds in spent.items()}


def row(
    family: Family[Any, Any, Any],
    read: Sequence[Reading],
    tallies: Mapping[str, Tally],
    greedy: Mapping[str, Tally],
    examples: Sequence[Example[Any, Any]],
) -> dict[str, Any]:
    """Scores with intervals, the difference to greedy, and how well words that are right are told from others."""
    groups = np.array([e.group for e in examples])
    scores = {score.name: score for score in family.scores}
    found: dict[str, Any] = {}
    for name in SHOWN:
        seen = interval(tallies[name], scores[name], groups)
        found[name] = {"value": seen.value, "low": seen.low, "high": seen.high}
    for name in ("cer_clean", "cer_degraded"):
        change = paired(tallies[name], greedy[name], scores[name], groups)
        found[f"{name} against greedy"] = {"value": change.value, "low": change.low, "high": change.high, "p": change.p}
    sums = np.zeros((3, confidence.BINS))
    for reading, example in zip(read, examples, strict=True):
        right = confidence.hits([word.text for word in reading.words], example.y.split())
        sums += confidence.binned([word.confidence for word in reading.words], right)
    return found | {"word_auroc": confidence.auroc(sums)}


def table(rows: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> str:
    """Markdown; * marks a difference to greedy with a corrected p below 0.05."""
    lines = ["| | CER clean % | CER degraded % | WER % | word ECE | AUROC | CPU ms a line |", "|---|---|---|---|---|---|---|"]
    for name in names:
        found = rows[name]
        cells = [_cell(found, column) for column in ("cer_clean", "cer_degraded")]
        cells += [f"{100 * found['wer']['value']:.2f}", f"{found['word_ece']['value']:.3f}", f"{found['word_auroc']:.3f}"]
        lines.append(f"| {name} | {' | '.join(cells)} | {found['cpu_ms']:.1f} |")
    return "\n".join(lines)


def _cell(found: Mapping[str, Any], column: str) -> str:
    value, low, high = (found[column][key] for key in ("value", "low", "high"))
    between = "" if low is None else f" ({100 * low:.2f}-{100 * high:.2f})"
    return f"{100 * value:.2f}{between}{'*' * (found[f'{column} against greedy']['p corrected'] < 0.05)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--lines", type=int, default=600)
    parser.add_argument("--votes", action="store_true")
    parser.add_argument("--out", type=Path, default=EVIDENCE)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    family, run = registry.family("ocr"), Run.open(arguments.run)
    found = ways(family, run, arguments.votes)
    examples = sample(family.examples(run.info.recipe["data"], "test"), arguments.lines, 0)
    read, spent = answers(family, found, examples)
    tallies = {name: family.score(readings, examples) for name, readings in read.items()}
    rows = {name: row(family, read[name], tallies[name], tallies[GREEDY], examples) for name in found}
    for column in ("cer_clean against greedy", "cer_degraded against greedy"):
        others = [name for name in rows if name != GREEDY]
        rows[GREEDY][column]["p corrected"] = 1.0
        for name, p in zip(others, holm([rows[name][column]["p"] for name in others]), strict=True):
            rows[name][column]["p corrected"] = p
    for name in rows:
        rows[name]["cpu_ms"] = spent[name]
    alone = [name for name in rows if name not in strategies.TOGETHER or name in strategies.ALONE]
    together = [GREEDY, *strategies.TOGETHER]
    print(f"One by one\n\n{table(rows, alone)}\n\nCumulatively\n\n{table(rows, together)}")
    made = {"command": f"python benchmarks/ocr_strategies.py {run.path.name} --lines {len(examples)}", "at": environment.now()}
    facts = {
        "run": run.info.id,
        "training": dict(run.info.training),
        "hardware": environment.hardware(),
        "lines": len(examples),
    }
    write_json(arguments.out, made | facts | {"rows": rows})


if __name__ == "__main__":
    main()
