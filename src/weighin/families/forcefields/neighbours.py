"""Who is near whom: pairs within a cutoff, found by vesin, each once; the model itself never searches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from weighin.core.errors import ConfigError, InputError

if TYPE_CHECKING:
    from ase import Atoms

COINCIDENT = 1e-2  # A: atoms nearer than this are one atom written twice
CROWDED = 4000  # neighbours an atom: an ideal crystal of carbon has 92 within 5 A


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Pairs of one structure of ``atoms`` atoms, each pair (and image) once."""

    atoms: int
    first: np.ndarray  # int64 [pairs]
    second: np.ndarray  # int64 [pairs]
    vectors: np.ndarray  # float64 [pairs, 3], A: from the first atom to (the image of) the second


def find(atoms: "Atoms", cutoff: float) -> Neighbours:
    """Pairs within ``cutoff`` (A), all images in periodic directions. Raises InputError."""
    cell, periodic = checked(atoms, cutoff)
    first, second, vectors = _pairs(atoms.positions, cell, periodic, cutoff, "ijD")
    _apart(atoms, first, second, vectors)
    return Neighbours(len(atoms), first, second, vectors)


class VerletList:
    """Pairs found once within ``cutoff + skin`` and used again until an atom has moved half the skin (Verlet 1967).

    ``builds`` counts searches. Not for use by several threads at once.
    """

    def __init__(self, cutoff: float, skin: float = 0.5) -> None:
        if skin < 0:
            raise ConfigError(f"skin is {skin}", "It is at least 0 A")
        self.cutoff, self.skin, self.builds = cutoff, skin, 0
        self._known: tuple[Any, ...] | None = None
        self._at = np.empty((0, 3))

    def of(self, atoms: "Atoms") -> Neighbours:
        """Pairs within ``cutoff``, as :func:`find` gives them. Raises InputError."""
        cell, periodic = checked(atoms, self.cutoff)
        key = (atoms.numbers.tobytes(), cell.tobytes(), periodic.tobytes())
        if self._known is None or self._known[0] != key or not self._fresh(atoms.positions):
            first, second, shifts = _pairs(atoms.positions, cell, periodic, self.cutoff + self.skin, "ijS")
            self._known = (key, first, second, shifts @ cell)
            self._at = atoms.positions.copy()
            self.builds += 1
        _, first, second, offsets = self._known
        vectors = atoms.positions[second] - atoms.positions[first] + offsets
        near = np.einsum("ix,ix->i", vectors, vectors) < self.cutoff**2
        first, second, vectors = first[near], second[near], vectors[near]
        _apart(atoms, first, second, vectors)
        return Neighbours(len(atoms), first, second, vectors)

    def _fresh(self, positions: np.ndarray) -> bool:
        moved = positions - self._at
        return float(np.einsum("ix,ix->i", moved, moved).max()) < (self.skin / 2) ** 2


def checked(atoms: "Atoms", cutoff: float) -> tuple[np.ndarray, np.ndarray]:
    """The cell [3, 3] (completed where a direction is not periodic) and which directions are. Raises InputError."""
    if not len(atoms):
        raise InputError("The structure has no atoms", "A structure has at least one")
    if not np.isfinite(atoms.positions).all():
        place = int(np.flatnonzero(~np.isfinite(atoms.positions).all(1))[0])
        raise InputError(f"Atom {place} ({atoms.symbols[place]}) has a position that is not a number")
    periodic, cell = atoms.pbc, np.asarray(atoms.cell)
    if not periodic.any():
        return np.zeros((3, 3)), periodic
    if not np.isfinite(cell).all():
        raise InputError("The cell holds something that is not a number")
    if np.linalg.matrix_rank(cell[periodic]) < periodic.sum():
        flags = "".join("FT"[int(flag)] for flag in periodic)
        raise InputError(
            f"The structure is periodic ({flags}) and its cell {cell.tolist()} has no volume there", hint="Set pbc"
        )
    whole = np.asarray(atoms.cell.complete())
    images = len(atoms) * np.prod(2 * cutoff / _heights(whole)[periodic] + 1)
    if images > CROWDED:
        came = f"The cell {np.round(cell, 3).tolist()} is so small that an atom has {images:.0f} images within {cutoff:g} A"
        raise InputError(came, f"At most {CROWDED}", "Is it in A?")
    return whole, periodic


def _heights(cell: np.ndarray) -> np.ndarray:
    """Distances [3] between opposite faces of a cell."""
    return 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)


def _pairs(positions: np.ndarray, cell: np.ndarray, periodic: np.ndarray, cutoff: float, what: str) -> Sequence[np.ndarray]:
    from vesin import NeighborList

    found = NeighborList(cutoff=cutoff, full_list=False).compute(positions, cell, periodic, quantities=what)
    return [x.astype(np.int64) if x.dtype.kind == "u" else x for x in found]


def _apart(atoms: "Atoms", first: np.ndarray, second: np.ndarray, vectors: np.ndarray) -> None:
    squared = np.einsum("ix,ix->i", vectors, vectors)
    if not len(squared) or squared.min() >= COINCIDENT**2:
        return
    place = int(squared.argmin())
    one, other = int(first[place]), int(second[place])
    came = f"Atoms {one} ({atoms.symbols[one]}) and {other} ({atoms.symbols[other]}) are {squared[place] ** 0.5:.2g} A apart"
    raise InputError(came, f"They are one atom below {COINCIDENT:g} A", "Remove one of them")
