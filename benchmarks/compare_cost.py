"""What does `compare` cost beyond training and timing? Processor seconds of what is left when everything is made.

Three times: a second `compare` of nano on several runtimes, which finds every run, export and figure standing; the report
of docs/evidence (24 candidates x 4,000 examples) written again from its evidence; and the same report verified. Processor
time of this process (and its children), because wall time on a shared machine says nothing; both are kept.

    python benchmarks/compare_cost.py [--family glyphs] [--out docs/evidence/statistics/compare_cost.json]
"""

import argparse
import cProfile
import os
import pstats
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import weighin
from weighin.core import environment
from weighin.core.files import write_json
from weighin.steps.refresh import refresh
from weighin.steps.verify import verify

OUT = Path("docs/evidence/statistics/compare_cost.json")
REPORT = Path("docs/evidence/glyphs/report")
SHOWN = 12  # functions of the profile


def cost(work: Callable[[], Any], profiled: bool = False) -> dict[str, Any]:
    """Wall and processor seconds of ``work``, and where they go."""
    began, before, profile = time.perf_counter(), os.times(), cProfile.Profile()
    if profiled:
        profile.runcall(work)
    else:
        work()
    after = os.times()
    cpu = sum(after[i] - before[i] for i in range(4))
    found: dict[str, Any] = {"wall_s": round(time.perf_counter() - began, 3), "cpu_s": round(cpu, 3)}
    return found | ({"profile": lines(profile)} if profiled else {})


def lines(profile: cProfile.Profile) -> list[str]:
    """The functions of weighin in which most time passes, callees included."""
    rows = pstats.Stats(profile).stats.items()  # type: ignore[attr-defined]
    ours = [(total, f"{Path(file).stem}.{name}") for (file, _, name), (_, _, _, total, _) in rows if "weighin" in file]
    return [f"{total:.2f} s {name}" for total, name in sorted(ours, reverse=True)[:SHOWN]]


def study(family: str, runtimes: list[str], place: Path) -> dict[str, Any]:
    """Every row."""
    plan: dict[str, Any] = {"variants": ["nano"], "runtimes": runtimes, "examples": 400, "rounds": 6, "batches": [16]}
    plan |= {"runs": place / "runs", "out": place / "report", "settings": {"recipe.steps": 20}}
    first = cost(lambda: weighin.compare(family, **plan))
    second = cost(lambda: weighin.compare(family, **plan))
    shutil.copytree(REPORT, place / "large")
    return {
        "compare, everything to be made": first,
        "compare, everything made": second,
        "report of docs/evidence/glyphs written again": cost(lambda: refresh(place / "large")),
        "the same, verified": cost(lambda: verify(place / "large")),
        "the same, written again under a profiler": cost(lambda: refresh(place / "large"), profiled=True),
    }


def main() -> None:
    """Runs the study, prints it and writes it down with its command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", default="glyphs")
    parser.add_argument("--runtimes", nargs="+", default=["torch", "onnx", "onnx:int8"])
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        rows = study(asked.family, asked.runtimes, Path(name))
    for what, row in rows.items():
        print(f"{what}: {row['cpu_s']:.1f} s of processor time, {row['wall_s']:.1f} s")
        print("".join(f"  {line}\n" for line in row.get("profile", ())), end="")
    about = {
        "command": shlex.join(["python", "benchmarks/compare_cost.py", *sys.argv[1:]]),
        "at": environment.now(),
        "hardware": environment.hardware(),
        "load": [round(x, 1) for x in os.getloadavg()],
    }
    write_json(asked.out, about | {"rows": rows})


if __name__ == "__main__":
    main()
