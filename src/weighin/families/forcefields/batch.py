"""Labelled structures as tensors for training."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from weighin.families.forcefields import neighbours
from weighin.families.forcefields.graph import Flat, pack
from weighin.families.forcefields.labels import Labels
from weighin.families.forcefields.references import References

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(eq=False)
class Rows:
    """Rows of the Hessian in rounds: at most one row a structure and round."""

    pick: Tensor  # int64 [rounds, structures], 3 * atom + axis in the flattened forces; -1: none
    values: Tensor  # float32 [rounds, atoms, 3], eV/A^2; zero where there is no row


@dataclass(eq=False)
class ForceBatch:
    """Structures one after the other."""

    species: Tensor  # int64 [atoms], rows of the model's table
    edges: Flat
    owner: Tensor  # int64 [atoms], which structure
    edge_owner: Tensor  # int64 [edges]
    sizes: Tensor  # int64 [structures]
    reference: Tensor  # float64 [structures], eV an atom
    energy: Tensor  # float64 [structures], eV an atom, references included
    forces: Tensor  # float32 [atoms, 3], eV/A
    atomic: Tensor  # float32 [atoms], eV above the reference; NaN where the teacher does not say
    volume: Tensor  # float32 [structures], A^3; NaN without a three-dimensional cell
    stress: Tensor  # float32 [structures, 3, 3], eV/A^3; NaN where there is none
    rows: Rows | None


def batch_of(structures: Sequence["Atoms"], labels: Sequence[Labels], references: References, cutoff: float) -> ForceBatch:
    """See :class:`ForceBatch`. Raises InputError."""
    species = [references.species(atoms) for atoms in structures]
    packed = pack([neighbours.find(atoms, cutoff) for atoms in structures])
    sizes = np.array([len(atoms) for atoms in structures])
    owner = np.repeat(np.arange(len(sizes)), sizes)
    taken = [references.of(rows) for rows in species]
    nothing = np.full((3, 3), np.nan)
    return ForceBatch(
        species=torch.from_numpy(np.concatenate(species)),
        edges=packed.flat(torch.float32),
        owner=torch.from_numpy(owner),
        edge_owner=torch.from_numpy(owner[packed.first]),
        sizes=torch.from_numpy(sizes),
        reference=torch.from_numpy(np.array([t.sum() for t in taken]) / sizes),
        energy=torch.from_numpy(np.array([y.energy for y in labels]) / sizes),
        forces=_float(np.concatenate([y.forces for y in labels])),
        atomic=_float(np.concatenate([_atomic(y, t) for y, t in zip(labels, taken, strict=True)])),
        volume=_float(np.array([a.cell.volume if a.pbc.all() else np.nan for a in structures])),
        stress=_float(np.stack([nothing if y.stress is None else y.stress for y in labels])),
        rows=_rows(labels, sizes),
    )


def _float(x: np.ndarray) -> Tensor:
    return torch.from_numpy(x.astype(np.float32))


def _atomic(labels: Labels, taken: np.ndarray) -> np.ndarray:
    return np.full(len(taken), np.nan) if labels.energies is None else labels.energies - taken


def _rows(labels: Sequence[Labels], sizes: np.ndarray) -> Rows | None:
    given = [y.hessian for y in labels]
    rounds = max((len(h.rows) for h in given if h is not None), default=0)
    if not rounds:
        return None
    starts = np.cumsum(sizes) - sizes
    pick = np.full((rounds, len(sizes)), -1)
    values = np.zeros((rounds, int(sizes.sum()), 3), np.float32)
    for place, hessian in enumerate(given):
        if hessian is not None:
            count, start = len(hessian.rows), starts[place]
            pick[:count, place] = hessian.rows + 3 * start
            values[:count, start : start + sizes[place]] = hessian.values
    return Rows(torch.from_numpy(pick), torch.from_numpy(values))
