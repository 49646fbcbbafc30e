"""Labelled structures for tests of files, and what must come back."""

import numpy as np
from ase.build import bulk
from ase.build import molecule as built
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator


def walk(n=30, kind="emt"):
    """Structures with energies and forces: copper by EMT, or water whose atoms are on springs."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(n):
        atoms = bulk("Cu", cubic=True) if kind == "emt" else built("H2O")
        atoms.positions += rng.normal(size=atoms.positions.shape) * 0.05
        if kind == "emt":
            atoms.calc = EMT()
            results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(), "stress": atoms.get_stress()}
        else:
            way = atoms.positions[:, None] - atoms.positions[None]
            results = {"energy": 0.5 * (way**2).sum(), "forces": -2.0 * way.sum(1)}
        atoms.calc = SinglePointCalculator(atoms, **results)
        found.append(atoms)
    return found


def same(found, wanted, stress=True):
    assert len(found) == len(wanted)
    for at in (0, len(wanted) - 1):
        labels, atoms = found.labels(at), found.atoms(at)
        assert np.allclose(atoms.positions, wanted[at].positions, atol=1e-6) and (atoms.pbc == wanted[at].pbc).all()
        assert np.isclose(labels.energy, wanted[at].get_potential_energy())
        assert np.allclose(labels.forces, wanted[at].get_forces(), atol=1e-6)
        if stress and wanted[at].pbc.all():
            assert np.allclose(labels.stress, wanted[at].get_stress(voigt=False), atol=1e-6)
