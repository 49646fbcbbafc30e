"""Energy and forces of 9 to 2,001 atoms: ours per variant and runtime beside the peers and the teacher, in one session.

    python benchmarks/forcefields_speed.py --runs RUN_FOLDER ... [--peers /work/peers] [--out FILE.json]

Every system runs in a process of its own on one thread, with its neighbour list, atoms moved at every call; rounds are
interleaved in random order. Figures are CPU milliseconds a call, the median over rounds of the median of a round, and
ratios of two systems are taken within a round. Peers need environments of their own (``--install`` makes them).
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import molecule

HERE = Path(__file__).parent
OUT = HERE.parent / "docs" / "evidence" / "forcefields" / "speed.json"
SIZES = (9, 21, 51, 99, 201, 501, 999, 2001)  # atoms: a cluster of water molecules cut from a jittered lattice
SPACING = 3.1  # A between molecules: the density of the liquid
TEACHER_LIMIT = 201  # atoms: GFN2 takes seconds beyond
PEER_PACKAGES = {
    "mace": "mace-torch",
    "nequip": "nequip",
    "torchmd-tensornet": "torchmd-net",
    "torchmd-et": "torchmd-net",
    "schnetpack-painn": "schnetpack",
}


def cluster(atoms):
    """``atoms`` / 3 water molecules, each turned at random, nearest to the centre of a lattice."""
    rng, water = np.random.default_rng(atoms), molecule("H2O")
    half = int(np.ceil((atoms / 3) ** (1 / 3) / 2)) + 1
    places = SPACING * np.array(list(itertools.product(range(-half, half + 1), repeat=3)), float)
    found = Atoms()
    for place in places[np.argsort(np.linalg.norm(places + 0.1, axis=1))][: atoms // 3]:
        one = water.copy()
        one.rotate(rng.uniform(0, 360), rng.normal(size=3))
        one.translate(place - one.get_center_of_mass() + rng.normal(0, 0.05, 3))
        found += one
    return found


def install(folder):
    """One virtual environment a peer."""
    for package in dict.fromkeys(PEER_PACKAGES.values()):
        where = folder / package
        subprocess.run([sys.executable, "-m", "venv", where], check=True)
        subprocess.run([where / "bin" / "pip", "install", "-q", "torch>=2.8,<2.14", package], check=True)


def ours(name, folder):
    """The worker of our own candidates (``RUN_FOLDER@RUNTIME``) and of the teacher (``gfn2``)."""
    sys.path.insert(0, str(HERE))
    import forcefields_peers as peers

    if name == "gfn2":
        from tblite.ase import TBLite

        def evaluate(atoms):
            atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
            return atoms.get_potential_energy(), atoms.get_forces()

        return peers.serve(evaluate, folder, {"ready": name})
    import weighin

    run, _, runtime = name.partition("@")
    predict = weighin.load(Path(run), runtime)
    return peers.serve(lambda atoms: predict([atoms])[0], folder, {"ready": name})


class System:
    """One process and what it has answered so far."""

    def __init__(self, name, command, folder):
        env = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        self.name, self.times, self.error = name, {}, ""
        self.process = subprocess.Popen(
            [*map(str, command), name, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if name in PEER_PACKAGES else None,
            text=True,
            env=env,
        )
        self.facts = self._read()

    def _read(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        self.error = f"ended with code {self.process.wait()}"
        return {}

    def visit(self, atoms, calls):
        if self.error or (self.name == "gfn2" and atoms > TEACHER_LIMIT):
            return
        self.process.stdin.write(json.dumps({"file": f"{atoms}.npz", "calls": calls}) + "\n")
        self.process.stdin.flush()
        found = self._read()
        if found:
            self.times.setdefault(atoms, []).append(found["cpu_ms"][1:] or found["cpu_ms"])

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)


def medians(system, atoms):
    """Median of every round [rounds], CPU milliseconds."""
    return np.array([np.median(calls) for calls in system.times.get(atoms, [])])


def table(systems, reference):
    """Name -> atoms -> median, and the ratio reference / system by round: median and its range of the middle 90 %."""
    found = {}
    for system in systems:
        rows = {}
        for atoms in SIZES:
            mine, theirs = medians(system, atoms), medians(reference, atoms) if reference else np.array([])
            if len(mine):
                rows[atoms] = {"cpu_ms": float(np.median(mine)), "rounds": len(mine)}
                if len(theirs) == len(mine):
                    low, middle, high = np.quantile(theirs / mine, [0.05, 0.5, 0.95])
                    rows[atoms] |= {"ratio": float(middle), "ratio_low": float(low), "ratio_high": float(high)}
        found[system.name] = {**system.facts, "sizes": rows, "error": system.error}
    return found


def measure(systems, rounds):
    rng = np.random.default_rng(0)
    for number in range(rounds + 1):  # the first is a warm-up
        if number == 1:
            for system in systems:
                system.times.clear()
        for atoms in SIZES:
            calls = max(3, min(20, 600 // atoms))
            for index in rng.permutation(len(systems)):
                systems[index].visit(atoms, 3 if systems[index].name == "gfn2" else calls)
        sys.stderr.write(f"round {number} of {rounds}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", nargs="+", default=[], help="run folders of weighin")
    parser.add_argument("--runtimes", nargs="+", default=["torch", "aoti", "onnx", "openvino"])
    parser.add_argument("--peers", type=Path, default=Path("/work/peers"))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--install", action="store_true")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    if options.install:
        install(options.peers)
    folder = options.out.parent / ".sizes"
    folder.mkdir(parents=True, exist_ok=True)
    for atoms in SIZES:
        found = cluster(atoms)
        np.savez(folder / f"{atoms}.npz", numbers=found.numbers, positions=found.positions)
    own = [sys.executable, HERE / "forcefields_speed.py", "--worker"]
    systems = [System(f"{run}@{runtime}", own, folder) for run in options.runs for runtime in options.runtimes]
    systems.append(System("gfn2", own, folder))
    for name, package in PEER_PACKAGES.items():
        python = options.peers / package / "bin" / "python"
        if python.exists():
            systems.append(System(name, [python, HERE / "forcefields_peers.py"], folder))
    measure(systems, options.rounds)
    peers = [s for s in systems if s.name in PEER_PACKAGES and not s.error]
    fastest = {atoms: min(peers, key=lambda s: np.median(medians(s, atoms))).name for atoms in SIZES} if peers else {}
    whole = {"sizes": SIZES, "fastest_peer": fastest, "command": " ".join(sys.argv), "against": {}}
    for reference in [*peers, next(s for s in systems if s.name == "gfn2")]:
        whole["against"][reference.name] = table(systems, reference)
    options.out.write_text(json.dumps(whole, indent=1) + "\n")
    for system in systems:
        row = "".join(f"{np.median(medians(system, n)):9.2f}" if n in system.times else "        -" for n in SIZES)
        print(f"{Path(system.name).name[:36]:36}{row} {system.error}")
        system.close() if not system.error else None


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        ours(sys.argv[2], Path(sys.argv[3]))
    else:
        main()
