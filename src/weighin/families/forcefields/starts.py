"""Structures that a tool starts from: read from users' files, and refused clearly where nothing can be done with them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.constraints import FixAtoms

from weighin.core.errors import ConfigError, InputError

CLOSEST = 0.2  # A: atoms nearer than this lie on each other
Named = tuple[str, Atoms]


def read(paths: Sequence[Path], least: int = 1) -> list[Named]:
    """Every structure of the files with a name of its own; each of ``least`` atoms or more. Raises InputError."""
    if not paths:
        raise ConfigError("There is no structure to start from", "Name files that ASE reads, such as water.xyz")
    found = [named for path in paths for named in _frames(path)]
    for name, atoms in found:
        check(atoms, name, least)
    return _apart(found)


def one(paths: Sequence[Path], least: int = 2) -> Named:
    """The only structure of the files. Raises InputError where there are more."""
    found = read(paths, least)
    if len(found) > 1:
        raise InputError(
            f"There are {len(found)} structures", "This tool takes one", "Put each into a file and a folder of its own"
        )
    return found[0]


def check(atoms: Atoms, name: str, least: int = 1) -> None:
    """Raises InputError for too few atoms, numbers that are none, atoms on each other, and constraints nobody keeps."""
    if len(atoms) < least:
        raise InputError(f"{name} has {len(atoms)} atoms", f"This takes {least} or more")
    if not np.isfinite(atoms.positions).all() or not np.isfinite(np.asarray(atoms.cell)).all():
        raise InputError(f"{name} has positions or a cell that are no numbers", "They are finite, in A")
    if atoms.pbc.any() and abs(atoms.cell.volume) < 1e-6 and atoms.pbc.all():
        raise InputError(f"{name} is periodic and its cell has no volume", "Give it a cell, or none of pbc")
    pair, distance = closest_pair(atoms)
    if distance < CLOSEST:
        where = " and ".join(f"{atoms.symbols[i]}{i}" for i in pair)
        raise InputError(f"{name}: {where} are {distance:.3f} A apart", f"Atoms are {CLOSEST} A apart or more")
    if any(not isinstance(constraint, FixAtoms) for constraint in atoms.constraints):
        raise InputError(f"{name} has constraints", "Only fixed atoms are kept fixed", "Remove the others")


def closest_pair(atoms: Atoms) -> tuple[tuple[int, int], float]:
    """The two nearest atoms and their distance, A, images included; infinity for fewer than two."""
    from vesin import ase_neighbor_list

    i, j, distance = ase_neighbor_list("ijd", atoms, 1.0)
    if not len(distance):
        return (0, 0), float("inf")
    place = int(np.argmin(distance))
    return (int(i[place]), int(j[place])), float(distance[place])


def _frames(path: Path) -> list[Named]:
    from ase.io import read as read_file

    try:
        frames = read_file(path, ":")
    except Exception as error:  # every format of ASE fails in its own way
        raise InputError(
            f"{path.name} cannot be read: {error or type(error).__name__}", "It takes what ASE reads, such as .xyz"
        ) from error
    frames = [frames] if isinstance(frames, Atoms) else frames
    if not frames:
        raise InputError(f"{path.name} holds no structure", "It takes one or more")
    names = [path.stem] if len(frames) == 1 else [f"{path.stem}-{number}" for number in range(len(frames))]
    for atoms in frames:
        atoms.calc = None  # what another program computed is not what this model says
    return list(zip(names, frames))


def _apart(found: Sequence[Named]) -> list[Named]:
    """Names made different where two files have one name."""
    seen: dict[str, int] = {}
    named = []
    for name, atoms in found:
        seen[name] = seen.get(name, 0) + 1
        named.append((name if seen[name] == 1 else f"{name}-{seen[name]}", atoms))
    return named


def with_calculator(atoms: Atoms, calculator: Calculator) -> Atoms:
    """A copy that ``calculator`` computes, the caller's atoms untouched."""
    copy = atoms.copy()
    copy.calc = calculator
    return copy
