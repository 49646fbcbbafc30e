"""Glyphs a CPU-second: the network alone on every runtime, the whole chain, and the original's chain rebuilt - in one run.

    python benchmarks/glyphs_speed.py            # nothing else may run; about ten minutes

Weights are random (speed does not depend on them). Floor: full 701, light 230, tiny 124, swift 60 MFLOP a glyph; one core
here does about 165 GFLOP/s in float32 and 330 in bf16, so tiny cannot pass 1,300 glyphs a core-second in float32. The
original's chain is rebuilt from its parts: its phase-1 network on all 256 cells of a glyph, then its network on one glyph,
both in torch eager, one glyph at a time; its slow rasteriser is left out, in its favour. Every round times every candidate
once, in an order drawn anew; ratios are medians over rounds.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from weighin.core import environment, registry
from weighin.core.files import write_json
from weighin.core.recording import Recorder, eager
from weighin.core.statistics import ratio_interval
from weighin.families.glyphs.data import examples
from weighin.families.glyphs.family import Glyphs

VARIANTS = ("full", "light", "tiny", "patch-tiny", "swift")
BATCHES = (1, 256)
COMPILED = "swift"  # the one variant for which torch.compile, a minute a variant, is timed as well
EVIDENCE = Path(__file__).resolve().parent.parent / "docs" / "evidence" / "glyphs" / "speed.json"

Timed = dict[str, tuple[Callable[[], object], int]]  # name -> (call, glyphs a call)


def candidates(family: Glyphs, names: tuple[str, ...], runtimes: list[str], folder: Path) -> Timed:
    """Everything that is timed; ``net`` is the part alone on a recorded input, ``chain`` the predictor from raster to label."""
    timed: Timed = {}
    glyphs = [example.x for example in list(examples("synthetic", "train"))[:512]]
    for name in names:
        variant = family.variant(name)
        torch.manual_seed(0)
        model = family.build(variant).eval()
        assets = folder / name
        assets.mkdir()
        family.prepare(model, variant, list(examples("synthetic", "train"))[:512], assets)
        parts = family.parts(model, variant)
        recorder = Recorder(eager(parts))
        predict = family.predictor(recorder.bound, variant, assets)
        for batch in BATCHES:
            predict(glyphs[:batch])
        inputs = {call.inputs[0].shape[0]: call.inputs for call in recorder.calls("net")}
        bound = {"eager": eager(parts)}
        for runtime in runtimes if name == COMPILED else [r for r in runtimes if r != "torch:compile"]:
            executor = registry.runtime(runtime)
            saved = {}
            for part in parts:
                path = assets / runtime.replace(":", "-") / f"{part}{executor.suffix}"
                path.parent.mkdir(exist_ok=True)
                executor.save(parts[part], recorder.inputs(part), path)
                saved[part] = executor.load(path, 1)
            bound[runtime] = saved
        for runtime, loaded in bound.items():
            for batch in BATCHES:
                timed[f"{name} net {runtime} {batch}"] = (lambda net=loaded["net"], x=inputs[batch]: net(*x), batch)
            chain = family.predictor(loaded, variant, assets)
            timed[f"{name} chain {runtime} 256"] = (lambda chain=chain: chain(glyphs[:256]), 256)
        if name in ("full", "light", "tiny"):
            timed[f"{name} original eager 1"] = (original(family, name, glyphs), 4)
    return timed


def original(family: Glyphs, name: str, glyphs: list) -> Callable[[], object]:
    """The original's way: a network names each cell, then the classifier reads one glyph."""
    torch.manual_seed(0)
    variant = family.variant(name).but(**{"model.stem": "phase1"})
    predict = family.predictor(eager(family.parts(family.build(variant).eval(), variant)), variant, Path())
    return lambda: [predict([glyph]) for glyph in glyphs[:4]]


def measure(timed: Timed, rounds: int) -> dict[str, np.ndarray]:
    """CPU seconds a glyph [rounds] of every candidate."""
    for call, _ in timed.values():
        call()
        call()
    rng, names = np.random.default_rng(0), list(timed)
    found: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        for place in rng.permutation(len(names)):
            call, glyphs = timed[names[place]]
            calls = 8 if glyphs == 1 else 1
            began = time.process_time()
            for _ in range(calls):
                call()
            found[names[place]].append((time.process_time() - began) / (glyphs * calls))
        print(f"round {number + 1} of {rounds}", flush=True)
    return {name: np.array(times) for name, times in found.items()}


def summary(times: dict[str, np.ndarray]) -> list[dict[str, object]]:
    """Glyphs a CPU-second, and the ratio to the same network in torch eager (nets) or to the original's chain."""
    lines = []
    for name, seconds in times.items():
        variant, what, _, batch = name.split()
        base = f"{variant} original eager 1" if what == "chain" else f"{variant} net eager {batch}"
        ratio = ratio_interval(times[base], seconds) if base in times and base != name else None
        line: dict[str, object] = {
            "name": name,
            "glyphs_per_cpu_s": float(1 / np.median(seconds)),
            "against": base if ratio else None,
        }
        if ratio:
            line |= {"ratio": ratio.value, "low": ratio.low, "high": ratio.high}
        lines.append(line)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--variant", action="append")
    parser.add_argument("--out", type=Path, default=EVIDENCE)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    runtimes = [r for r in registry.runtimes() if registry.runtime(r).why_not() is None and r != "torchscript"]
    with tempfile.TemporaryDirectory() as folder:
        timed = candidates(Glyphs(), tuple(arguments.variant or VARIANTS), runtimes, Path(folder))
        lines = summary(measure(timed, arguments.rounds))
    for line in lines:
        ratio = f"  {line['ratio']:6.2f}x ({line['low']:.2f}-{line['high']:.2f})" if "ratio" in line else ""
        print(f"{line['name']:36s} {line['glyphs_per_cpu_s']:9.0f}/CPU-s{ratio}")
    made = {"command": "python benchmarks/glyphs_speed.py", "at": environment.now(), "rounds": arguments.rounds}
    made |= {"hardware": environment.hardware(), "versions": environment.versions(), "lines": lines}
    write_json(arguments.out, made)


if __name__ == "__main__":
    main()
