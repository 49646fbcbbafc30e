"""Scores of forces and energies, and what an answer without a model would score."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from weighin.core.family import Example, Score, Tally
from weighin.families.forcefields import references
from weighin.families.forcefields.labels import Evaluation, Labels

if TYPE_CHECKING:
    from ase import Atoms

MEV = 1e3  # meV in an eV
FLOOR = 0.05  # eV/A: the direction of a smaller force says nothing


def root(value: np.ndarray, weight: float) -> float:
    """Root of a mean of squares."""
    return float(np.sqrt(value[0] / weight)) if weight else float("nan")


SCORES = (
    Score("force_mae", "eV/A", "lower", about="mean absolute error of force components"),
    Score("force_rmse", "eV/A", "lower", root, about="root mean square error over all components, not a mean over batches"),
    Score("force_cosine", "", "higher", about=f"cosine between true and predicted force, atoms above {FLOOR:g} eV/A"),
    Score("energy_mae_per_atom", "meV/atom", "lower", about="mean absolute error of the total energy, by number of atoms"),
    Score("energy_rmse_per_atom", "meV/atom", "lower", root, about="root mean square error of the same"),
    Score("stress_mae", "meV/A^3", "lower", about="mean absolute error of stress components, where labels have stress"),
)


def score(predicted: Sequence[Evaluation], examples: Sequence[Example["Atoms", Labels]]) -> Mapping[str, Tally]:
    """A tally a score, one entry an example."""
    pairs = [(y, example.y) for y, example in zip(predicted, examples, strict=True)]
    apart = [answer.forces - truth.forces for answer, truth in pairs]
    components = [x.size for x in apart]
    energy = np.array([MEV * (answer.energy - truth.energy) / len(truth.forces) for answer, truth in pairs])
    cosines = np.array([_cosines(answer.forces, truth.forces) for answer, truth in pairs]).reshape(-1, 2)
    stress = np.array([_stress(answer, truth) for answer, truth in pairs]).reshape(-1, 2)
    return {
        "force_mae": Tally.of([np.abs(x).sum() for x in apart], components),
        "force_rmse": Tally.of([np.square(x).sum() for x in apart], components),
        "force_cosine": Tally.of(cosines[:, 0], cosines[:, 1]),
        "energy_mae_per_atom": Tally.of(np.abs(energy)),
        "energy_rmse_per_atom": Tally.of(np.square(energy)),
        "stress_mae": Tally.of(stress[:, 0], stress[:, 1]),
    }


def _cosines(forces: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Sum of cosines, and over how many atoms."""
    lengths = np.linalg.norm(truth, axis=1)
    large = lengths > FLOOR
    given = np.maximum(np.linalg.norm(forces, axis=1), np.finfo(np.float64).tiny)
    return float(((forces * truth).sum(1) / (given * np.maximum(lengths, FLOOR)))[large].sum()), float(large.sum())


def _stress(answer: Evaluation, truth: Labels) -> tuple[float, float]:
    if answer.stress is None or truth.stress is None:
        return 0.0, 0.0
    return float(MEV * np.abs(answer.stress - truth.stress).sum()), 9.0


def notes(examples: Sequence[Example["Atoms", Labels]]) -> Mapping[str, float | str]:
    """What the trivial predictor scores: no force anywhere, and the best energy an atom of each element."""
    if not len(examples):
        return {}
    structures, truths = [e.x for e in examples], [e.y for e in examples]
    forces = np.concatenate([y.forces for y in truths])
    energies, sizes = np.array([y.energy for y in truths]), np.array([len(x) for x in structures])
    best = references.fitted(structures, energies)
    left = (energies - [best.of(best.species(x)).sum() for x in structures]) / sizes
    return {
        "structures": len(examples),
        "molecules": len({e.group for e in examples}),
        "atoms_mean": float(sizes.mean()),
        "elements": " ".join(best.symbols),
        "trivial_force_mae": float(np.abs(forces).mean()),
        "trivial_force_rmse": float(np.sqrt(np.square(forces).mean())),
        "trivial_energy_mae_per_atom": float(MEV * np.abs(left).mean()),
        "trivial": "no force anywhere, and the energy of composition fitted to these very structures",
    }
