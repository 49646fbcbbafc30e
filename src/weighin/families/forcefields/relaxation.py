"""Relaxation to the nearest minimum, of positions or of the cell as well, by ASE's optimisers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS, FIRE, LBFGS
from ase.optimize.optimize import Optimizer
from pydantic import Field

from weighin.core.config import Settings
from weighin.core.engine import Say, silent
from weighin.core.errors import InputError
from weighin.families.forcefields.motion import Watch
from weighin.families.forcefields.starts import with_calculator

OPTIMISERS: Mapping[str, type[Optimizer]] = {"bfgs": BFGS, "lbfgs": LBFGS, "fire": FIRE}


class RelaxDials(Settings):
    """Dials of relaxation."""

    optimiser: Literal["bfgs", "lbfgs", "fire"] = "bfgs"
    fmax: float = Field(default=0.01, gt=0, description="eV/A, largest force on an atom when done")
    steps: int = Field(default=500, gt=0)
    cell: bool = Field(default=False, description="relax the cell as well (periodic along all three axes)")
    broken: float | None = Field(default=2.0, gt=1, description="stop when a bond is so many times its first length")


@dataclass(frozen=True)
class Relaxation:
    """Where a relaxation ended, and how it got there."""

    atoms: Atoms  # with its calculator
    converged: bool
    ended: str  # why it stopped, when not converged
    energies: tuple[float, ...]  # eV, one a step, the start first
    fmax: tuple[float, ...]  # eV/A, largest force on an atom (with ``cell``: of positions and strains)

    def summary(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "converged": self.converged,
            "reason": self.ended,
            "steps": len(self.energies) - 1,
            "energy_eV": self.energies[-1],
            "gain_eV": self.energies[0] - self.energies[-1],
            "fmax_eV_per_A": self.fmax[-1],
        }


def relaxed(atoms: Atoms, calculator: Calculator, dials: RelaxDials, say: Say = silent) -> Relaxation:
    """A relaxed copy of ``atoms``. Raises InputError where the cell cannot be relaxed, and the calculator's own."""
    copy = with_calculator(atoms, calculator)
    if dials.cell and not copy.pbc.all():
        raise InputError("A cell was to be relaxed that is not periodic along all three axes", hint="Set cell=false")
    if not len(copy) or (len(copy) == 1 and not dials.cell):
        raise InputError(f"{len(copy)} atoms cannot be relaxed", "It takes two, or one in a cell that is relaxed")
    watch, target = Watch(copy, dials.broken), FrechetCellFilter(copy) if dials.cell else copy
    optimiser = OPTIMISERS[dials.optimiser](target, logfile=None)  # type: ignore[arg-type]
    energies, largest, ended = [], [], ""
    for _ in optimiser.irun(fmax=dials.fmax, steps=dials.steps):
        energies.append(float(copy.get_potential_energy()))
        largest.append(float(np.linalg.norm(target.get_forces().reshape(-1, 3), axis=1).max()))
        say(f"relax {copy.get_chemical_formula()}", len(energies) / (dials.steps + 1), f"{largest[-1]:.3f} eV/A")
        ended = watch.why_not(copy)
        if ended:
            break
    converged = not ended and largest[-1] <= dials.fmax
    if not converged:
        ended = ended or f"{largest[-1]:.3f} eV/A are left after {dials.steps} steps"
    return Relaxation(copy, converged, ended, tuple(energies), tuple(largest))
