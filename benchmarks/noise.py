"""Do ratios survive a noisy machine? Our interleaved session against timing each candidate alone, beside bursts of load.

One process a core alternates at random between spinning and sleeping, for seconds each. Beside it the same two
candidates are timed again and again: by `weighin`'s session (a process each, rounds in random order), and as most tools
do it (alone, one after the other: 10 calls to warm up, then the mean of 100). How far does the ratio of the two move?

    python benchmarks/noise.py [--repetitions 5] [--rounds N] [--hogs N] [--out docs/evidence/speed/noise.json]
"""

import argparse
import contextlib
import os
import random
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import weighin
from weighin import console
from weighin.core import environment, registry
from weighin.core.files import write_json
from weighin.steps import evidence
from weighin.steps.candidate import Weighed
from weighin.steps.export import export
from weighin.steps.ratios import ratios
from weighin.steps.scale import Scale
from weighin.steps.speed import ROUNDS, speed

OUT = Path("docs/evidence/speed/noise.json")
WARM, CALLS = 10, 100  # of the naive timing: what Olive and optimum-benchmark do unless told otherwise
BURST_S = (0.3, 4.0)  # a hog spins, and sleeps, for so long


def hog(core: int, seed: int) -> None:
    """Spins and sleeps by turns, for random times, on one core; ends with its parent."""
    with contextlib.suppress(AttributeError, OSError):  # not Linux, or the core is not ours
        os.sched_setaffinity(0, {core})
    rng, parent = random.Random(f"{seed} {core}"), os.getppid()
    while os.getppid() == parent:
        ends = time.monotonic() + rng.uniform(*BURST_S)
        while time.monotonic() < ends:
            pass
        time.sleep(rng.uniform(*BURST_S))


@contextlib.contextmanager
def hogs(count: int, seed: int) -> Iterator[None]:
    """As many hogs as asked, for as long as the block takes."""
    command = [sys.executable, __file__, "--seed", str(seed), "--hog"]
    made = [subprocess.Popen([*command, str(core)]) for core in range(count)]
    try:
        yield
    finally:
        for process in made:
            process.kill()
            process.wait()


def candidates(family: str, variant: str, runtimes: Sequence[str], runs: Path) -> list[Weighed]:
    """The variant, trained and exported to both runtimes."""
    with console.progress() as say:
        run = weighin.train(f"{family}/{variant}", runs=runs, say=say)
        found, point = registry.family(family), weighin.variant(f"{family}/{variant}")
        for runtime in runtimes:
            export(found, point, run, runtime, say=say)
    return [Weighed(found, point, run, runtime, point.recipe.data) for runtime in runtimes]


def interleaved(both: Sequence[Weighed], rounds: int, seed: int) -> dict[str, float]:
    """One session, as `weighin compare` runs it: its ratios (paired rounds), and those of the medians that it reports."""
    made = speed(both, rounds=rounds, batches=(), seed=seed, again=True)
    failed = [reason for reason in made.values() if isinstance(reason, str)]
    if failed:
        raise SystemExit(failed[0])
    shown = [{m.name: m.value for m in made[c.label] if not isinstance(m, str)} for c in both]
    first, second = (evidence.load(c.run.path / "evidence" / f"{c.stem}-speed.npz") for c in both)
    seen = ratios(first, second)
    return {
        "wall": seen["latency_p50_ms"].value,
        "cpu": seen["latency_cpu_p50_ms"].value,
        "wall_p50": shown[0]["latency_p50_ms"] / shown[1]["latency_p50_ms"],
        "cpu_p50": shown[0]["latency_cpu_p50_ms"] / shown[1]["latency_cpu_p50_ms"],
    }


def alone(candidate: Weighed) -> dict[str, float]:
    """One candidate by itself in a fresh process: milliseconds a call."""
    scale = Scale(candidate, candidate.label)
    try:
        scale.start()
        scale.ask("time", batch=1, calls=WARM)
        seen = scale.ask("time", batch=1, calls=CALLS)
    finally:
        scale.close()
    if scale.error:
        raise SystemExit(scale.error)
    return {
        "wall_mean": float(np.mean(seen["wall_ms"])),
        "cpu_mean": float(np.mean(seen["cpu_ms"])),
        "wall_p50": float(np.median(seen["wall_ms"])),
        "cpu_p50": float(np.median(seen["cpu_ms"])),
    }


def naive(both: Sequence[Weighed]) -> dict[str, float]:
    """One after the other, as if each had been measured for itself."""
    first, second = (alone(candidate) for candidate in both)
    return {name: first[name] / second[name] for name in first}


def moves(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """How far each ratio moves over the repetitions: largest by smallest, less 1."""
    return {name: max(row[name] for row in rows) / min(row[name] for row in rows) - 1 for name in rows[0]}


def study(both: Sequence[Weighed], repetitions: int, rounds: int, seed: int) -> dict[str, Any]:
    """Both ways by turns, so that neither has the quieter hours."""
    ours, theirs = [], []
    for number in range(repetitions):
        began = time.monotonic()
        ours.append(interleaved(both, rounds, seed + number))
        middle = time.monotonic()
        theirs.append(naive(both))
        print(f"{number + 1}: interleaved {_shown(ours[-1])} in {middle - began:.0f} s")
        print(f"   naive       {_shown(theirs[-1])} in {time.monotonic() - middle:.0f} s", flush=True)
    return {"moves": {"interleaved": moves(ours), "naive": moves(theirs)}, "interleaved": ours, "naive": theirs}


def _shown(row: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in row.items())


def main() -> None:
    """Runs the study, prints it and writes it down with its command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", default="glyphs/nano")
    parser.add_argument("--runtimes", nargs=2, default=["torch", "onnx"])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--hogs", type=int, default=os.cpu_count(), help="0: none of ours")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--hog", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.hog is not None:
        return hog(asked.hog, asked.seed)
    both = candidates(*asked.variant.split("/"), asked.runtimes, asked.runs)
    load = os.getloadavg()[0]
    with hogs(asked.hogs, asked.seed):
        found = study(both, asked.repetitions, asked.rounds, asked.seed)
    for way, row in found["moves"].items():
        print(f"the ratio moves, {way}: {', '.join(f'{name} {100 * value:.1f} %' for name, value in row.items())}")
    about = {
        "command": shlex.join(["python", "benchmarks/noise.py", *sys.argv[1:]]),
        "at": environment.now(),
        "what": f"{both[0].label} by {both[1].label}, milliseconds a call; moves: largest ratio by smallest, less 1",
        "hogs": asked.hogs,
        "load_before": round(load, 2),
        "hardware": environment.hardware(),
        "versions": both[0].versions | both[1].versions,
    }
    write_json(asked.out, about | found)
    return None


if __name__ == "__main__":
    main()
