"""From structures to energies, forces and stress: neighbours here, everything else in the part."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from pydantic import Field

from weighin.core.config import Settings, Variant
from weighin.core.errors import InputError
from weighin.core.family import Bound
from weighin.families.forcefields import references
from weighin.families.forcefields.graph import Packed, pack
from weighin.families.forcefields.labels import Evaluation
from weighin.families.forcefields.model import ForceModel
from weighin.families.forcefields.neighbours import Neighbours, find

PART = "energy_forces"


class ForcePredict(Settings):
    """How trained weights are used."""

    places: int = Field(default=4096, gt=0, description="edges a call of the part: as many as the cache holds")
    double: bool = Field(default=False, description="compute in float64: for tests and phonons")


Forceful = Variant[ForceModel, ForcePredict]


class ForcePredictor:
    """``list[Atoms] -> list[Evaluation]``."""

    def __init__(self, part: Bound, model: ForceModel, settings: ForcePredict, known: references.References) -> None:
        self.part, self.cutoff, self.settings, self.references = part, model.cutoff, settings, known
        self.dtype = torch.float64 if settings.double else torch.float32

    def __call__(self, structures: Sequence[Atoms]) -> list[Evaluation]:
        """An evaluation a structure. Raises InputError for what is none, or cannot be computed."""
        for place, atoms in enumerate(structures):
            if not isinstance(atoms, Atoms):
                came = f"Input {place} is {type(atoms).__name__}"
                raise InputError(came, "forcefields reads ase.Atoms", "ase.io.read makes them of files")
        return self.evaluate(structures, [find(atoms, self.cutoff) for atoms in structures])

    def evaluate(self, structures: Sequence[Atoms], found: Sequence[Neighbours]) -> list[Evaluation]:
        """The same with neighbours that are known already, within the model's cutoff (a Verlet list's)."""
        answers: dict[int, Evaluation] = {}
        most = [_most(n) for n in found]
        for chunk in _chunks(most, [n.atoms for n in found], self.settings.places):
            given = self._evaluate([structures[i] for i in chunk], [found[i] for i in chunk])
            answers.update(zip(chunk, given, strict=True))
        return [answers[i] for i in range(len(structures))]

    def _evaluate(self, structures: Sequence[Atoms], found: Sequence[Neighbours]) -> list[Evaluation]:
        species = np.concatenate([self.references.species(atoms) for atoms in structures])
        packed = pack(found)
        energies, forces, slopes = self._call(species, packed, alone=len(species) == 1)
        whole = energies + self.references.of(species)
        bounds = np.cumsum([0, *(len(atoms) for atoms in structures)])
        parts = [slice(*bounds[k : k + 2]) for k in range(len(structures))]
        edges = np.searchsorted(packed.first, bounds)
        stresses = [
            _stress(atoms, packed.vectors[slice(*edges[k : k + 2])], slopes[slice(*edges[k : k + 2])])
            for k, atoms in enumerate(structures)
        ]
        return [
            Evaluation(float(whole[own].sum()), forces[own], whole[own], stress, symbols=tuple(atoms.symbols))
            for atoms, own, stress in zip(structures, parts, stresses, strict=True)
        ]

    def _call(self, species: np.ndarray, packed: Packed, alone: bool) -> tuple[np.ndarray, ...]:
        """energies [n], forces [n, 3], slopes [edges, 3] in float64. One atom gets a companion out of reach.

        Exported programs take a length of one for a constant, OpenVINO dies of an empty tensor.
        """
        if alone:
            extra = Packed(2, packed.first, packed.second, packed.vectors, packed.reverse)
            energies, forces, slopes = self._call(np.repeat(species, 2), extra, False)
            return energies[:1], forces[:1], slopes
        padded, place = packed.padded(2 * self.cutoff, self.dtype)
        answers = self.part(torch.from_numpy(species), padded.second, padded.reverse, padded.vectors)
        energies, forces, slopes = (x.double().numpy() for x in answers)
        return energies, forces, slopes.reshape(-1, 3)[place]


def _most(found: Neighbours) -> int:
    """The largest number of neighbours of an atom."""
    return int((np.bincount(found.first, minlength=found.atoms) + np.bincount(found.second, minlength=found.atoms)).max())


def _stress(atoms: Atoms, vectors: np.ndarray, slopes: np.ndarray) -> np.ndarray | None:
    if not atoms.pbc.all():
        return None
    strained = vectors.T @ slopes
    return (strained + strained.T) / (2 * atoms.cell.volume)


def _chunks(most: Sequence[int], sizes: Sequence[int], places: int) -> list[list[int]]:
    """Structures of like numbers of neighbours together, ``places`` places of padded rows at most unless one has more."""
    chunks: list[list[int]] = []
    rows = widest = 0
    for i in sorted(range(len(most)), key=most.__getitem__):
        rows, widest = rows + sizes[i], max(widest, most[i])
        if not chunks or rows * widest > places:
            chunks.append([])
            rows, widest = sizes[i], most[i]
        chunks[-1].append(i)
    return chunks


def make(parts: Mapping[str, Bound], variant: Forceful, folder: Path) -> ForcePredictor:
    """The predictor of a variant."""
    return ForcePredictor(parts[PART], variant.model, variant.predict, references.load(folder))
