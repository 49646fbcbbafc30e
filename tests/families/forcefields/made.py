"""Predictors made of ASE's calculators and of formulas: what the using half is tested on without any training."""

import numpy as np
from ase import Atoms
from ase.calculators.lj import LennardJones

from weighin.core.errors import InputError
from weighin.families.forcefields.labels import Evaluation

DEPTH, STEEP = 4.0, 1.6  # eV, 1/A, of every bond
LENGTHS = {"HH": 1.5, "CH": 1.09, "CC": 1.5, "HO": 0.96, "CO": 1.4, "OO": 2.6, "CN": 1.4, "HN": 1.0, "NN": 1.4, "NO": 1.4}


class Morse:
    """Morse pairs, switched off smoothly between 4 and 5 A: smooth, rotation invariant, conservative, fast."""

    def __init__(self, scale: float = 1.0, noise: float = 0.0, elements: str = "HCON") -> None:
        self.scale, self.noise, self.elements, self.calls = scale, noise, set(elements), 0

    def __call__(self, structures):
        self.calls += 1
        return [self.one(atoms) for atoms in structures]

    def one(self, atoms):
        if not isinstance(atoms, Atoms) or not len(atoms):
            raise InputError("no structure")
        if set(atoms.symbols) - self.elements:
            raise InputError(f"{sorted(set(atoms.symbols) - self.elements)} were not in training")
        from vesin import ase_neighbor_list

        i, j, between = ase_neighbor_list("ijD", atoms, 5.0)
        distance = np.linalg.norm(between, axis=1)
        names = ["".join(sorted((atoms.symbols[a], atoms.symbols[b]))) for a, b in zip(i, j)]
        length = np.array([LENGTHS[name] for name in names])
        energy, slope = self.pair(distance, length)
        energies = np.bincount(i, energy / 2, len(atoms))
        along = slope[:, None] * between / np.maximum(distance, 1e-9)[:, None]
        forces = np.zeros((len(atoms), 3))
        np.add.at(forces, i, along)
        stress = None
        if atoms.pbc.all():
            stress = np.einsum("ka,kb->ab", along, between) / 2 / atoms.get_volume()
        if self.noise:
            forces = forces + self.noise * np.sin(7 * forces + self.noise)
        return Evaluation(float(energies.sum()), forces, energies, stress, symbols=tuple(atoms.symbols))

    def pair(self, distance, length):
        """Energy and its slope, each [p]."""
        wave = np.exp(-STEEP * (distance - length))
        energy = self.scale * DEPTH * (wave**2 - 2 * wave)
        slope = self.scale * DEPTH * 2 * STEEP * (wave - wave**2)
        far = np.clip(distance - 4.0, 0, 1)
        switch, bend = 1 - 10 * far**3 + 15 * far**4 - 6 * far**5, -30 * far**2 + 60 * far**3 - 30 * far**4
        return energy * switch, slope * switch + energy * bend


def of(calculator):
    """A predictor over an ASE calculator."""

    def predict(structures):
        found = []
        for atoms in structures:
            copy = atoms.copy()
            copy.calc = calculator
            stress = copy.get_stress(voigt=False) if copy.pbc.all() else None
            forces, energies = copy.get_forces(), copy.get_potential_energies()
            found.append(Evaluation(copy.get_potential_energy(), forces, energies, stress, symbols=tuple(copy.symbols)))
        return found

    return predict


def argon():
    """Lennard-Jones argon."""
    return of(LennardJones(sigma=3.4, epsilon=0.0104, rc=8.0, smooth=True))


def water():
    """Water near its minimum under Morse."""
    return Atoms("OHH", [[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]])
