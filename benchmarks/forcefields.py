"""Force fields: every comparison that docs/forcefields.md shows. Each set is trained, then weighed in one session.

    python benchmarks/forcefields.py train SET ... [--runs runs]     # goes on where it was interrupted
    python benchmarks/forcefields.py weigh SET ... [--runs runs]     # nothing else may run when the set is timed
    python benchmarks/forcefields.py list

Held out are whole molecules (gfn2), the published test files (rMD17 split 01, acetylacetone, Si, Mo); nothing is tuned
on them. Minutes are CPU minutes of one thread. ``--shared`` is where rmd17/, botnet/ and mlearn/ lie.
"""

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

import weighin
from weighin import console
from weighin.core import registry
from weighin.core.run import Run
from weighin.steps.train import train

EVIDENCE = Path(__file__).resolve().parent.parent / "docs" / "evidence" / "forcefields"
FAMILY = "forcefields"
LABELS = 2000  # structures with labels in the comparison of distillations


@dataclass(frozen=True)
class Row:
    """One candidate: a variant on some data with some dials; ``teacher`` names another row, ``SET/ROW``."""

    variant: str
    data: str
    minutes: float
    settings: dict[str, Any] = field(default_factory=dict)
    teacher: str = ""


def equal(minutes: float) -> dict[str, Row]:
    """Every variant on the same data for the same time."""
    names = ("original", "tiny", "ultra-tiny", "source-original", "source-tiny", "source-ultra-tiny")
    return {name: Row(name, "gfn2", minutes) for name in names}


def taught(minutes: float) -> dict[str, Row]:
    """What distillation is worth to ``tiny`` where a teacher's labels are scarce: LABELS structures for all."""
    few = {"recipe.limit": LABELS}
    soft = {"recipe.relabel": True}
    return {
        "teacher": Row("original", "gfn2", 2 * minutes, few),
        "labels": Row("tiny", "gfn2", minutes, few),
        "labels-hessian": Row("tiny", "gfn2", minutes, few | {"model.loss.hessian": 0.05}),
        "soft": Row("tiny", "gfn2", minutes, soft, teacher="distilled/teacher"),
        "all-labels": Row("tiny", "gfn2", minutes),
    }


def sets(shared: Path) -> dict[str, dict[str, Row]]:
    """Set -> name of a row -> row."""
    found = {"equal-10": equal(10), "equal-60": equal(60), "distilled": taught(10)}
    for molecule in ("aspirin", "ethanol", "uracil"):
        data = f"rmd17:{shared / 'rmd17' / molecule}"
        found[f"rmd17-{molecule}"] = {name: Row(name, data, 60, {"recipe.batch": 8}) for name in ("original", "tiny")}
    acac = f"extxyz:{shared / 'botnet' / 'dataset_acac'}@train=300K@test=600K"
    found["acac-600K"] = {name: Row(name, acac, 20, {"recipe.batch": 8}) for name in ("original", "tiny")}
    for solid in ("Si", "Mo"):
        data = f"extxyz:{shared / 'mlearn'}@files={solid}"
        found[f"solid-{solid}"] = {"tiny": Row("tiny", data, 20, {"recipe.batch": 2})}
    return found


def variant_of(row: Row, everything: dict[str, dict[str, Row]], runs: Path) -> Any:
    """The variant of a row with its dials; a teacher that is not trained yet raises KeyError."""
    changes = {"recipe.data": row.data, "recipe.cpu_minutes": row.minutes} | row.settings
    if row.teacher:
        group, _, name = row.teacher.partition("/")
        changes["recipe.teacher"] = str(run_of(everything[group][name], everything, runs).path)
    return registry.family(FAMILY).variant(row.variant).but(**changes)


def run_of(row: Row, everything: dict[str, dict[str, Row]], runs: Path) -> Run:
    """The trained run of a row; trains what is missing."""
    with console.progress() as say:
        return train(registry.family(FAMILY), variant_of(row, everything, runs), root=runs, say=say)


def weigh(name: str, rows: dict[str, Row], everything: dict[str, dict[str, Row]], runs: Path) -> None:
    """One report for a set, under docs/evidence; timed only where all rows answer the default structures."""
    timed = name.startswith("equal")
    runtimes = ("torch", "aoti", "onnx", "openvino") if timed else ("torch",)
    given = [f"{row}={run_of(rows[row], everything, runs).path}" for row in rows]
    plan: dict[str, Any] = {"given": given, "runtimes": runtimes, "data": next(iter(rows.values())).data}
    plan |= {"rounds": 8 if timed else 0, "batches": (16,)}
    with console.progress() as say:
        weighin.compare(FAMILY, runs=runs, out=EVIDENCE / name, say=say, **plan)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("train", "weigh", "list"))
    parser.add_argument("set", nargs="*")
    parser.add_argument("--row", action="append", help="only these rows (train)")
    parser.add_argument("--shared", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    everything = sets(options.shared)
    for name in options.set or everything:
        rows = {key: row for key, row in everything[name].items() if not options.row or key in options.row}
        if options.step == "list":
            print(name, *rows)
        elif options.step == "weigh":
            weigh(name, rows, everything, options.runs)
        else:
            for key, row in rows.items():
                print(name, key, run_of(row, everything, options.runs).path, flush=True)


if __name__ == "__main__":
    main()
