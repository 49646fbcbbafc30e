"""Checks along a way: through the cutoff, through time, down to where atoms would fuse. See ``checks.py``."""

from itertools import combinations_with_replacement

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii

from weighin.families.forcefields import motion
from weighin.families.forcefields.calculator import Calculator, Predict
from weighin.families.forcefields.checks_still import Tried, free

PULL, NEAR, FAR = 0.03, 3.2, 7.0  # A: steps and reach of an atom that is pulled away
CLUSTER = 5  # atoms that it is pulled from
JUMP, KINK = 2e-3, 0.15  # eV and eV/A that one step may leave unexplained
RUN, TIMESTEP, HEAT = 160, 0.25, 300.0  # steps, fs and K of the short run
DRIFT, TURN = 1.0, 1e-3  # meV/atom over the short run; share of angular momentum
BARRIER = 0.5  # eV above a bond that two atoms must climb before they fuse
ELEMENTS = 5  # the most of which all pairs are tried


def continuity(predict: Predict, chosen: list[Atoms]) -> Tried:
    """An atom pulled out of a cluster's reach: each step's energy is the work of its forces, and those do not jump."""
    cluster = free(chosen[0])[:CLUSTER]
    cluster.positions -= cluster.positions.mean(0)
    reach = float(cluster.positions[:, 0].max())
    where = np.arange(reach + NEAR, 2 * reach + FAR, PULL)
    answers = predict([cluster + Atoms([cluster.symbols[-1]], [[x, 0.1, 0.2]]) for x in where])
    energies = np.array([answer.energy for answer in answers])
    forces = np.array([answer.forces[-1, 0] for answer in answers])
    jumps = np.abs(np.diff(energies) + PULL * (forces[1:] + forces[:-1]) / 2)
    kinks = np.abs(np.diff(forces, 2))
    seen = f"jumps of {1000 * jumps.max():.2g} meV, {kinks.max():.2g} eV/A"
    return bool(jumps.max() <= JUMP and kinks.max() <= KINK), seen, f"{1000 * JUMP:g} meV, {KINK:g} eV/A a step of {PULL} A"


def conservation(predict: Predict, chosen: list[Atoms]) -> Tried:
    """A short run without a heat bath: energy by a linear fit, and angular momentum."""
    atoms = free(next((a for a in chosen if len(a) > 2), chosen[0])).copy()
    atoms.calc = Calculator(predict)
    motion.heated(atoms, HEAT, seed=5)
    arms = atoms.positions - atoms.get_center_of_mass()
    before, scale = atoms.get_angular_momentum(), np.abs(np.cross(arms, atoms.get_momenta())).sum()
    energies = [atoms.get_total_energy()]
    for _ in range(RUN):
        motion.step(atoms, TIMESTEP)
        energies.append(atoms.get_total_energy())
    slope = np.polyfit(np.linspace(0, 1, len(energies)), energies, 1)[0]
    drift = 1000 * abs(slope) / len(atoms)
    turn = float(np.abs(atoms.get_angular_momentum() - before).max() / scale)
    seen = f"{drift:.2g} meV/atom in {RUN * TIMESTEP:g} fs, {100 * turn:.2g} % of angular momentum"
    return bool(drift <= DRIFT and turn <= TURN), seen, f"{DRIFT} meV/atom, {100 * TURN:g} %"


def dissociation(predict: Predict, chosen: list[Atoms]) -> Tried:
    """Two atoms of any kinds, pushed together from where they would be bonded, climb before they fuse."""
    elements = sorted({symbol for atoms in chosen for symbol in atoms.symbols})[:ELEMENTS]
    pairs = list(combinations_with_replacement(elements, 2))
    shares = np.linspace(0.35, 1.2, 35)  # of the sum of covalent radii
    dimers = [Atoms(pair, [[0, 0, 0], [share * _length(pair), 0, 0]]) for pair in pairs for share in shares]
    energies = np.array([answer.energy for answer in predict(dimers)]).reshape(len(pairs), -1)
    inside = shares < 0.8
    barriers = energies[:, inside].max(1) - energies[:, ~inside].min(1)  # eV
    if np.isnan(barriers).any():
        return False, "energies that are no numbers", "numbers"
    lowest = int(barriers.argmin())
    seen = f"{'-'.join(pairs[lowest])} climb {barriers[lowest]:.2g} eV"
    return bool(barriers[lowest] >= BARRIER), seen, f"at least {BARRIER} eV"


def _length(pair: tuple[str, str]) -> float:
    return float(sum(covalent_radii[atomic_numbers[symbol]] for symbol in pair))
