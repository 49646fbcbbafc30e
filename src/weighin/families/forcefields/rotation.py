"""Labelled structures turned at random: what a network needs that does not know that space has no directions."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from weighin.core.family import Example
from weighin.families.forcefields.labels import Labels

if TYPE_CHECKING:
    from ase import Atoms


def random(rng: np.random.Generator) -> np.ndarray:
    """A rotation [3, 3], uniform: the orthogonal factor of a normal matrix (Stewart 1980), made proper."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q * np.sign(np.linalg.det(q))


def turned(example: Example["Atoms", Labels], rng: np.random.Generator) -> Example["Atoms", Labels]:
    """The example in another orientation, labels with it; rows of a Hessian are left out, as they mix in turning."""
    turn, atoms, y = random(rng), example.x.copy(), example.y
    atoms.positions = atoms.positions @ turn.T
    atoms.cell = np.asarray(atoms.cell) @ turn.T
    stress = None if y.stress is None else turn @ y.stress @ turn.T
    return replace(example, x=atoms, y=Labels(y.energy, y.forces @ turn.T, stress, y.energies, hessian=None))
