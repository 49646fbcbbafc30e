"""Makes the larger data set of the family forcefields, ``gfn2``, in the cache, and says what is in it.

    OMP_NUM_THREADS=1 python benchmarks/forcefields_data.py [SPEC]

About ten minutes of CPU on one core; killed and started again it goes on where it was. With ``--json FILE`` the
figures are written down.
"""

import argparse
import json
import resource
import sys
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols

from weighin.families.forcefields import data
from weighin.families.forcefields.splits import SPLITS


def tell(stage: str, share: float, detail: str) -> None:
    """Every hundredth line of progress."""
    tell.count = getattr(tell, "count", 0) + 1
    if tell.count % 100 == 1 or share == 1:
        print(f"{stage} {share:5.1%} {detail}", flush=True)


def facts(spec: str, processes: int) -> dict:
    """What the set holds, and what making it cost (nothing where it was in the cache)."""
    frames = data.frames_of(spec, tell, processes)
    force = np.linalg.norm(frames.forces, axis=1)
    found = {split: data.examples(spec, split) for split in SPLITS}
    numbers, counts = np.unique(frames.numbers, return_counts=True)
    return {
        "spec": spec,
        "frames": len(frames),
        "molecules": len(frames.groups),
        "atoms": {chemical_symbols[z]: n for z, n in zip(numbers.tolist(), counts.tolist(), strict=True)},
        "dropped": {name: frames.notes[name] for name in ("failed", "absurd", "duplicates", "refused")},
        "teacher": f"{frames.notes['teacher']}, tblite {frames.notes['version']}",
        "hessian_rows": int(frames.row_start[-1]),
        "force_rms_eV_A": float(np.sqrt((frames.forces**2).mean())),
        "force_largest_eV_A": float(force.max()),
        "splits": {s: {"frames": len(e), "molecules": len({e.groups[i] for i in e.at.tolist()})} for s, e in found.items()},
        "cpu_s": sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)),
    }


def main() -> None:
    """Labels, then prints."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("spec", nargs="?", default="gfn2")
    arguments.add_argument("--json", type=Path)
    arguments.add_argument("--processes", type=int, default=1)
    given = arguments.parse_args()
    shown = json.dumps(facts(given.spec, given.processes), indent=1)
    if given.json:
        given.json.write_text(shown + "\n", encoding="utf-8")
    sys.stdout.write(shown + "\n")


if __name__ == "__main__":
    main()
