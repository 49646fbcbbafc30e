"""From a molecule to labelled frames: conformer, short relaxation, rattling, Langevin dynamics with the teacher itself."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from pydantic import Field

from weighin.core.config import Settings
from weighin.core.errors import DataError
from weighin.core.files import hash_bytes
from weighin.families.forcefields.molecules import Molecule, conformers, rattled
from weighin.families.forcefields.store import Frame, Frames, pack
from weighin.families.forcefields.teachers import Teacher, acceptable, charge_and_spin, compute, hessian_rows

TRIES = 3  # walks of one piece that the teacher may break before it is given up
ROOM_K = 300.0


class Labelling(Settings):
    """How frames are made. One piece of work is a molecule at a temperature."""

    teacher: str = "gfn2"
    frames: int = Field(default=24, gt=0, description="a molecule, spread over the temperatures")
    temperatures: tuple[float, ...] = Field(default=(300.0, 600.0, 1000.0), min_length=1, description="K")
    relax: int = Field(default=10, ge=0, description="steps of BFGS with the teacher before the walk")
    rattle: float = Field(default=0.03, ge=0, description="A at 300 K; grows as the root of the temperature")
    timestep: float = Field(default=1.0, gt=0, description="fs")
    friction: float = Field(default=0.02, gt=0, description="1/fs; strong, for walks as short as these")
    settle: int = Field(default=12, ge=0, description="steps before the first frame")
    stride: int = Field(default=8, gt=0, description="steps between frames")
    most_force: float = Field(default=40.0, gt=0, description="eV/A; frames with more are dropped and counted")
    hessian_every: int = Field(default=0, ge=0, description="every so many frames have rows of the Hessian; 0: none")
    hessian_rows: int = Field(default=4, gt=0, description="rows a frame, drawn at random; two calls each")
    seed: int = Field(default=0, ge=0)
    implicit_hydrogens: bool = Field(default=False, description="structures without hydrogens are meant so")

    def share(self, at: int) -> int:
        """Frames of the temperature at this place."""
        return len(range(at, self.frames, len(self.temperatures)))


def sample(molecule: Molecule, at: int, how: Labelling, by: Teacher) -> Frames:
    """The frames of one molecule at the temperature ``how.temperatures[at]``; notes count what was dropped."""
    counts: dict[str, Any] = {"failed": 0, "absurd": 0}
    kept: list[Frame] = []
    seed = int(hash_bytes(f"{how.seed}:{molecule.group}:{molecule.smiles}:{at}".encode())[:8], 16) % 2**31
    for attempt in range(TRIES):
        try:
            for frame in _walk(molecule, at, how, by, np.random.default_rng([seed, attempt]), how.share(at) - len(kept)):
                absurd = len(frame.labels.forces) and np.linalg.norm(frame.labels.forces, axis=1).max() > how.most_force
                counts["absurd"] += int(absurd)
                kept += [] if absurd else [frame]
            break
        except DataError as error:
            counts["failed"] += 1
            counts["last_failure"] = str(error)
    return pack(kept, counts)


def still(atoms: Atoms) -> Atoms:
    """A copy without velocities and calculator; charge and multiplicity are in its info where they are not 0 and 1."""
    charge, spin = charge_and_spin(atoms)
    info = {"charge": charge, "spin": spin} if (charge, spin) != (0, 1) else {}
    return Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc, info=info)


def _walk(molecule: Molecule, at: int, how: Labelling, by: Teacher, rng: np.random.Generator, n: int) -> Iterator[Frame]:
    """``n`` labelled frames along one walk. Raises DataError where the teacher fails."""
    temperature = how.temperatures[at]
    start = conformers(molecule, 1, int(rng.integers(2**31)))[0]
    acceptable(start, by)
    calculator = by.calculator(start)
    _relaxed(start, calculator, how.relax)
    atoms = rattled(start, how.rattle * np.sqrt(temperature / ROOM_K), rng)
    steps = how.settle if len(atoms) > 1 else 0
    walk = _dynamics(atoms, calculator, temperature, how, rng)
    for number in range(n if len(atoms) > 1 else 1):
        _guarded(walk, steps if number == 0 else how.stride, atoms)
        labels = compute(atoms, calculator)
        if how.hessian_every and number % how.hessian_every == 0:
            rows = rng.permutation(3 * len(atoms))[: how.hessian_rows]
            rows = hessian_rows(atoms, calculator, np.sort(rows))
            labels = replace(labels, hessian=rows)
        yield Frame(still(atoms), labels, molecule.group, molecule.name, f"{temperature:g}K", temperature)


def _relaxed(atoms: Atoms, calculator: Calculator, steps: int) -> None:
    from ase.optimize import BFGS

    if not steps or len(atoms) < 2:
        return
    atoms.calc = calculator
    try:
        BFGS(atoms, logfile=None, maxstep=0.1).run(fmax=0.02, steps=steps)  # type: ignore[arg-type]
    except Exception as error:
        raise DataError(f"The teacher fails while {atoms.get_chemical_formula()} relaxes: {error}") from error


def _dynamics(atoms: Atoms, calculator: Calculator, temperature: float, how: Labelling, rng: np.random.Generator) -> Any:
    """Langevin dynamics from momenta of the temperature (Maxwell and Boltzmann), without drift of the whole.

    The energy of the drift goes to the rest.
    """
    from ase.md.langevin import Langevin

    atoms.calc = calculator
    masses = atoms.get_masses()[:, None]
    momenta = rng.standard_normal((len(atoms), 3)) * np.sqrt(masses * units.kB * temperature)
    still_momenta = momenta - masses * momenta.sum(0) / masses.sum()
    before, after = ((p**2 / masses).sum() for p in (momenta, still_momenta))
    atoms.set_momenta(still_momenta * (np.sqrt(before / after) if after > 0 else 1.0))
    friction = how.friction / units.fs
    return Langevin(atoms, how.timestep * units.fs, temperature_K=temperature, friction=friction, rng=rng, fixcm=False)


def _guarded(walk: Any, steps: int, atoms: Atoms) -> None:
    try:
        walk.run(steps)
    except Exception as error:  # calculators raise whatever they like
        raise DataError(f"The teacher fails on a frame of {atoms.get_chemical_formula()}: {error}") from error
