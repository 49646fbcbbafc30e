"""Everything the README and docs claim, measured again, one script after the other: `make bench`.

    python benchmarks/run_all.py            # about three hours on two cores; leave the machine alone meanwhile

A script that fails ends the whole, and the next call goes on: runs that were trained are not trained again.
"""

import subprocess
import sys
from pathlib import Path

from glyphs import LONG, trained

HERE = Path(__file__).resolve().parent
RUNS = Path("runs")


def call(script: str, *arguments: str) -> None:
    """One benchmark in a process of its own. Raises CalledProcessError when it fails."""
    print(f"== {script} {' '.join(arguments)}", flush=True)
    subprocess.run([sys.executable, str(HERE / script), *arguments], check=True)


def longest() -> str:
    """Folder of the run that was trained for longest: the teacher, and the reader of whole fonts."""
    runs = [run for run in trained(RUNS) if run.info.variant == LONG]
    return str(max(runs, key=lambda run: run.info.training["cpu_minutes"]).path)


def main() -> None:
    call("coverage.py")
    call("glyphs.py", "train", "--minutes", "5", "--runs", str(RUNS))
    call("glyphs.py", "long", "--minutes", "50", "--runs", str(RUNS))
    taught = ("--variant", "swift-distilled", "--teacher", longest())
    call("glyphs.py", "train", "--minutes", "5", *taught, "--runs", str(RUNS))
    call("glyphs.py", "weigh", "--runs", str(RUNS))
    call("glyphs_context.py", longest())
    call("glyphs_speed.py")
    call("noise.py")


if __name__ == "__main__":
    main()
