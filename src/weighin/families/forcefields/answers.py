"""Answers as extxyz, which ASE, OVITO and every trainer of force fields read."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from weighin.core.files import write_text
from weighin.families.forcefields.labels import Evaluation

if TYPE_CHECKING:
    from ase import Atoms


def save(path: Path, structures: Sequence["Atoms"], given: Sequence[Evaluation], out: Path) -> list[Path]:
    """Writes ``<stem>.evaluated.extxyz`` into ``out``: energy, forces, energies, stress where there is one."""
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.io import write

    found = []
    for atoms, answer in zip(structures, given, strict=True):
        copy = atoms.copy()
        results = {"energy": answer.energy, "forces": answer.forces, "energies": answer.energies, "stress": answer.stress}
        copy.calc = SinglePointCalculator(copy, **{name: value for name, value in results.items() if value is not None})
        found.append(copy)
    buffer = io.StringIO()
    write(buffer, found, format="extxyz")
    place = out / f"{path.stem}.evaluated.extxyz"
    write_text(place, buffer.getvalue())
    return [place]
