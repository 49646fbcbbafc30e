"""One step of molecular dynamics, and what says that a molecule has come apart."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from ase.data import covalent_radii
from ase.geometry import find_mic

from weighin.core.errors import InputError

BONDED = 1.25  # times the sum of covalent radii: atoms nearer are bonded
FUSED = 0.45  # times the sum of covalent radii: atoms nearer have fallen into each other
COVALENT = (1, 5, 6, 7, 8, 9, 15, 16, 17, 34, 35, 53)  # elements whose bonds are watched; metals and Si may diffuse


@dataclass(frozen=True)
class Bath:
    """A heat bath: Langevin dynamics, its noise drawn from (seed, number of the step), so that a resumed run sees the same."""

    temperature: float  # K
    friction: float  # 1/ps
    seed: int


def step(atoms: Atoms, timestep: float, number: int = 0, bath: Bath | None = None) -> None:
    """One step of ``timestep`` fs: velocity Verlet, or with a bath BAOAB (Leimkuhler and Matthews 2013).

    Fixed atoms stay. Raises InputError where the atoms' calculator refuses where they got to.
    """
    dt, masses = timestep * units.fs, atoms.get_masses()[:, None]
    atoms.set_momenta(atoms.get_momenta() + 0.5 * dt * atoms.get_forces())
    if bath is None:
        atoms.set_positions(atoms.positions + dt * atoms.get_momenta() / masses)
    else:
        atoms.set_positions(atoms.positions + 0.5 * dt * atoms.get_momenta() / masses)
        atoms.set_momenta(_exchanged(atoms, masses, timestep, number, bath))
        atoms.set_positions(atoms.positions + 0.5 * dt * atoms.get_momenta() / masses)
    if not np.isfinite(atoms.positions).all():
        raise InputError("Positions are no numbers any more", hint="Take a shorter timestep")
    atoms.set_momenta(atoms.get_momenta() + 0.5 * dt * atoms.get_forces())


def _exchanged(atoms: Atoms, masses: np.ndarray, timestep: float, number: int, bath: Bath) -> np.ndarray:
    """Momenta [n,3] after the exact solution of friction and noise over one step."""
    kept = np.exp(-bath.friction * timestep * 1e-3)
    noise = np.random.default_rng([bath.seed, number]).standard_normal((len(atoms), 3))
    return kept * atoms.get_momenta() + np.sqrt((1 - kept**2) * masses * units.kB * bath.temperature) * noise


def heated(atoms: Atoms, temperature: float, seed: int) -> None:
    """Momenta of a Maxwell-Boltzmann distribution at ``temperature`` K, without drift of the whole."""
    noise = np.random.default_rng([seed, 77]).standard_normal((len(atoms), 3))
    atoms.set_momenta(noise * np.sqrt(atoms.get_masses()[:, None] * units.kB * temperature))
    stilled(atoms)


def stilled(atoms: Atoms) -> None:
    """Takes the momentum of the whole away; with fixed atoms there is none to conserve."""
    if not atoms.constraints:
        masses = atoms.get_masses()
        velocity = atoms.get_momenta().sum(0) / masses.sum()
        atoms.set_momenta(atoms.get_momenta() - masses[:, None] * velocity)


def temperature_of(atoms: Atoms, bath: Bath | None = None) -> float:
    """K, of the degrees of freedom that move: without a bath the centre of mass does not."""
    free = atoms.get_number_of_degrees_of_freedom() - (3 if bath is None and not atoms.constraints else 0)
    return 2 * float(atoms.get_kinetic_energy()) / (max(free, 1) * units.kB)


class Watch:
    """What must not happen to a structure in dynamics or relaxation: see ``why_not``."""

    def __init__(self, atoms: Atoms, broken: float | None, hottest: float = np.inf) -> None:
        """``broken``: times its first length at which a bond is broken, None: never. ``hottest``: K."""
        self.broken, self.hottest = broken, hottest
        radii = covalent_radii[atoms.numbers]
        i, j, distance = _near(atoms, 2 * BONDED * float(radii.max(initial=0.3)))
        known = np.isin(atoms.numbers, COVALENT)
        bonded = (i < j) & (distance < BONDED * (radii[i] + radii[j])) & known[i] & known[j]
        self.i, self.j = i[bonded], j[bonded]
        self.lengths = distance[bonded]
        self.radii = radii

    def why_not(self, atoms: Atoms, temperature: float = 0.0) -> str:
        """Empty while all is well; else one sentence on what has happened."""
        if not np.isfinite(temperature) or temperature > self.hottest:
            return f"exploded: {temperature:.0f} K, more than {self.hottest:.0f} K"
        return self._fused(atoms) or self._broken(atoms)

    def _fused(self, atoms: Atoms) -> str:
        i, j, distance = _near(atoms, 2 * FUSED * float(self.radii.max(initial=0.3)))
        share = distance / (self.radii[i] + self.radii[j])
        if not len(share) or share.min() > FUSED:
            return ""
        worst = int(share.argmin())
        return f"fused: {_pair(atoms, i[worst], j[worst])} are {distance[worst]:.2f} A apart"

    def _broken(self, atoms: Atoms) -> str:
        if self.broken is None or not len(self.i):
            return ""
        between = atoms.positions[self.j] - atoms.positions[self.i]
        lengths = find_mic(between, atoms.cell, atoms.pbc)[1]  # type: ignore[arg-type]
        stretch = lengths / self.lengths
        worst = int(stretch.argmax())
        if stretch[worst] < self.broken:
            return ""
        pair = _pair(atoms, self.i[worst], self.j[worst])
        return f"broken: {pair} went from {self.lengths[worst]:.2f} to {lengths[worst]:.2f} A"


def _pair(atoms: Atoms, i: int, j: int) -> str:
    return f"{atoms.symbols[int(i)]}{int(i)} and {atoms.symbols[int(j)]}{int(j)}"


def _near(atoms: Atoms, cutoff: float) -> Sequence[np.ndarray]:
    """Pairs nearer than ``cutoff`` A, both ways, images included: i [p], j [p], distance [p]."""
    from vesin import ase_neighbor_list

    return ase_neighbor_list("ijd", atoms, cutoff)
