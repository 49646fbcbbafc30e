"""The elements that a model knows, and the energy of an atom of each: kept in float64 beside the weights.

Total energies are ten thousand times as large as what a network must learn of them, so a least-squares fit of the
training energies by composition is taken off before training and added again to every answer.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from weighin.core.errors import InputError, RunError
from weighin.core.files import write_json

if TYPE_CHECKING:
    from ase import Atoms

FILE = "elements.json"


@dataclass(frozen=True)
class References:
    """Row of the model's table -> element and reference energy."""

    numbers: tuple[int, ...]  # atomic numbers
    energies: tuple[float, ...]  # eV

    @cached_property
    def _rows(self) -> np.ndarray:
        rows = np.full(max(self.numbers, default=0) + 2, -1)
        rows[list(self.numbers)] = np.arange(len(self.numbers))
        return rows

    @cached_property
    def _energies(self) -> np.ndarray:
        return np.array(self.energies)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Chemical symbols of the elements."""
        from ase.data import chemical_symbols

        return tuple(chemical_symbols[number] for number in self.numbers)

    def species(self, atoms: "Atoms") -> np.ndarray:
        """Rows int64 [n] of the model's table. Raises InputError that names an element which training did not have."""
        rows = self._rows[np.minimum(atoms.numbers, len(self._rows) - 1)]
        if rows.min(initial=0) < 0:
            strange = sorted({str(atoms.symbols[int(i)]) for i in np.flatnonzero(rows < 0)})
            came = f"{atoms.get_chemical_formula()} holds {', '.join(strange)}, which training did not have"
            raise InputError(came, f"This model knows {', '.join(self.symbols)}", "Train on structures with it")
        return rows

    def of(self, species: np.ndarray) -> np.ndarray:
        """Reference energies [n], eV, of rows of the table."""
        return self._energies[species]

    def save(self, folder: Path) -> None:
        """``elements.json``."""
        rows = zip(self.numbers, self.symbols, self.energies, strict=True)
        write_json(folder / FILE, [{"number": n, "symbol": s, "energy_ev": e} for n, s, e in rows])


def fit(counts: np.ndarray, energies: np.ndarray) -> np.ndarray:
    """Energies [elements] that fit ``energies`` [m] by ``counts`` [m, elements], errors an atom, smallest where free."""
    size = counts.sum(1, keepdims=True)
    return np.linalg.lstsq(counts / size, energies / size[:, 0], rcond=None)[0]


def fitted(structures: Sequence["Atoms"], energies: np.ndarray, known: Sequence[int] = ()) -> References:
    """References of training data; ``known`` are elements whose rows are given already."""
    present = {int(number) for atoms in structures for number in np.unique(atoms.numbers)}
    numbers = (*known, *sorted(present - set(known)))
    counts = np.stack([np.bincount(atoms.numbers, minlength=120)[list(numbers)] for atoms in structures])
    return References(numbers, tuple(fit(counts.astype(np.float64), energies).tolist()))


def load(folder: Path) -> References:
    """What ``save`` wrote. Raises RunError."""
    path = folder / FILE
    try:
        return _read(path, path.stat().st_mtime_ns)
    except (OSError, ValueError, KeyError, TypeError):
        raise RunError(f"{path} is missing or damaged", hint="Train the run again") from None


@lru_cache(maxsize=64)
def _read(path: Path, _changed: int) -> References:
    rows = json.loads(path.read_text(encoding="utf-8"))
    return References(tuple(int(row["number"]) for row in rows), tuple(float(row["energy_ev"]) for row in rows))
