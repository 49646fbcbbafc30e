"""Labelled structures that come as arrays: rMD17, npz of trajectories, HDF5 with ragged arrays."""

import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from weighin.core.errors import DataError, MissingError
from weighin.families.forcefields.labels import Labels
from weighin.families.forcefields.spec import Spec
from weighin.families.forcefields.store import Frame, Frames, pack
from weighin.families.forcefields.units import converted, parse_units

NAMES = {
    "numbers": ("nuclear_charges", "atomic_numbers", "numbers", "charges", "z", "Z"),
    "types": ("types", "type"),
    "positions": ("coords", "coord", "positions", "R", "pos"),
    "energy": ("energies", "energy", "E"),
    "forces": ("forces", "force", "F"),
    "cell": ("box", "cell", "cells", "lattice"),
}
VOIGT = ((0, 5, 4), (5, 1, 3), (4, 3, 2))  # ASE's order: xx, yy, zz, yz, xz, xy


def rmd17_files(spec: Spec) -> list[Path]:
    """The train and test file of ``rmd17:DIR/MOLECULE``. Raises DataError with the molecules that are there."""
    folder, molecule, split = spec.path.parent, spec.path.name, spec.options.get("split", "01").zfill(2)
    found = [folder / f"rmd17_{molecule}_{side}_{split}.npz" for side in ("train", "test")]
    if not all(path.is_file() for path in found):
        there = {m[1] for path in folder.glob("*.npz") if (m := re.fullmatch(rf"rmd17_(.+)_train_{split}\.npz", path.name))}
        raise DataError(
            f"{folder} has no {found[0].name} with its test file", f"Molecules there: {', '.join(sorted(there)) or 'none'}"
        )
    return found


def rmd17(spec: Spec) -> Frames:
    """Revised MD17 (Christensen and von Lilienfeld 2020), kcal/mol by definition; the order of frames is random."""
    found = [frame for path in rmd17_files(spec) for frame in npz(spec, path)]
    named = [replace(frame, kind=spec.path.name) for frame in found]
    return converted(pack(named, {"source": spec.text}), parse_units("kcal/mol"))


def npz(spec: Spec, path: Path) -> list[Frame]:
    """Frames of one molecule or cell: positions [F,n,3] or [F,3n], forces alike, energy [F], box [F,9] or [F,3,3]."""
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            given: dict[str, Any] = {what: _first(file, names) for what, names in NAMES.items()}
            known = sorted(file.files)
    except (OSError, ValueError, EOFError, KeyError, BadZipFile, zlib.error, NotImplementedError) as error:
        raise DataError(f"{path} is no npz of numbers: {error}", "Arrays without pickles") from error
    for what in ("positions", "energy", "forces"):
        if given[what] is None:
            raise DataError(f"{path} has no {what}", f"One of {', '.join(NAMES[what])}; there are {', '.join(known)}")
    numbers = _numbers(given, spec, path)
    n, count = len(numbers), len(given["positions"])
    energy = _shaped(given["energy"], (count,), "energy", path)
    positions, forces = (_shaped(given[what], (count, n, 3), what, path) for what in ("positions", "forces"))
    cell = np.zeros((count, 3, 3)) if given["cell"] is None else _cells(given["cell"], count, path)
    periodic = given["cell"] is not None
    return [
        _frame(numbers, positions[at], cell[at] if periodic else None, periodic, Labels(float(energy[at]), forces[at]), path)
        for at in range(count)
    ]


def h5(spec: Spec, path: Path) -> list[Frame]:
    """Ragged HDF5: ``/structures`` atomic_numbers, positions, cells, pbc; ``/labels`` energy, forces, stress; ``*_splits``."""
    try:
        import h5py
    except ModuleNotFoundError:
        raise MissingError("HDF5 needs the package 'h5py'", hint="pip install 'weighin[forcefields]'") from None
    try:
        with h5py.File(path, "r") as opened:
            file: Any = opened
            given = {f"{part}/{name}": file[part][name][...] for part in ("structures", "labels") for name in file[part]}
    except (OSError, KeyError, AttributeError, TypeError) as error:
        raise DataError(f"{path} is no HDF5 with /structures and /labels: {error}") from error
    return _ragged(given, path)


def _ragged(given: dict[str, Any], path: Path) -> list[Frame]:
    for name in ("structures/atomic_numbers", "structures/positions", "labels/energy", "labels/forces"):
        if name not in given:
            raise DataError(
                f"{path} has no {name}", "atomic_numbers, positions, energy, forces", f"There are: {', '.join(given)}"
            )
    numbers, energy = given["structures/atomic_numbers"].ravel().astype(int), given["labels/energy"].ravel()
    start = _starts(given, len(numbers), len(energy), path)
    total, count = len(numbers), len(energy)
    positions = _shaped(given["structures/positions"], (total, 3), "positions", path)
    forces = _shaped(given["labels/forces"], (total, 3), "forces", path)
    flags = np.asarray(given.get("structures/pbc", False))
    pbc = np.broadcast_to(flags.reshape(-1, 1 if flags.size in (1, count) else 3), (count, 3))
    cells = _cells(given["structures/cells"], count, path) if "structures/cells" in given else np.zeros((count, 3, 3))
    stress = _stresses(given.get("labels/stress"), count)
    found = []
    for at in range(count):
        own = slice(start[at], start[at + 1])
        periodic = bool(pbc[at].any())
        tension = stress[at] if periodic and np.abs(stress[at]).max() > 0 else None  # the source writes zeros for none
        labels = Labels(float(energy[at]), forces[own], tension)
        found.append(_frame(numbers[own], positions[own], cells[at] if periodic else None, pbc[at], labels, path))
    return found


def _starts(given: dict[str, Any], total: int, count: int, path: Path) -> np.ndarray:
    """Where each structure's atoms begin [F+1]: the array ``*_splits`` that ends at the number of atoms."""
    for name, value in given.items():
        splits = np.asarray(value).ravel()
        fits = name.endswith("_splits") and len(splits) in (count, count + 1, count - 1) and len(splits)
        if not fits:
            continue
        inner = splits[1:] if splits[0] == 0 else splits
        inner = inner[:-1] if len(inner) and inner[-1] == total and len(inner) == count else inner
        start = np.concatenate(([0], inner, [total])).astype(np.int64)
        if len(start) == count + 1 and (np.diff(start) > 0).all():
            return start
    raise DataError(f"{path} has no *_splits for {count} structures of {total} atoms", "Where each structure begins")


def _stresses(given: Any, count: int) -> np.ndarray:
    """[F,3,3] from nine or six numbers; zeros where there are none."""
    if given is None or np.asarray(given).size not in (6 * count, 9 * count):
        return np.zeros((count, 3, 3))
    values = np.nan_to_num(np.asarray(given, dtype=np.float64)).reshape(count, -1)
    return values[:, np.array(VOIGT)] if values.shape[1] == 6 else values.reshape(count, 3, 3)


def _frame(numbers: Sequence[int] | np.ndarray, x: np.ndarray, cell: Any, pbc: Any, labels: Labels, path: Path) -> Frame:
    atoms = Atoms(numbers=numbers, positions=x, cell=cell, pbc=pbc)
    formula = atoms.get_chemical_formula()
    return Frame(atoms, labels, formula, formula, path.stem)


def _first(file: Any, names: Iterable[str]) -> np.ndarray | None:
    return next((file[name] for name in names if name in file.files), None)


def _numbers(given: dict[str, Any], spec: Spec, path: Path) -> np.ndarray:
    """Atomic numbers [n], of the file or of its types through @types=O,H."""
    if given["numbers"] is not None:
        return np.atleast_2d(given["numbers"])[0].astype(int)
    names = [name for name in spec.options.get("types", "").split(",") if name]
    types = given["types"]
    wrong = [name for name in names if name not in atomic_numbers]
    if types is None or wrong or not names or int(np.max(types)) >= len(names):
        seen = "no atomic numbers" if types is None else f"types up to {int(np.max(types))}"
        came = f", and @types={spec.options['types']}" if names else ""
        raise DataError(
            f"{path} has {seen}{came}", "Atomic numbers, or types with their symbols", f"Write {spec.text}@types=O,H"
        )
    return np.array([atomic_numbers[names[kind]] for kind in np.atleast_2d(types)[0].astype(int)])


def _shaped(given: Any, shape: tuple[int, ...], what: str, path: Path) -> np.ndarray:
    """As float64 of a shape. Raises DataError where the size is another."""
    values = np.asarray(given, dtype=np.float64)
    if values.size != np.prod(shape):
        raise DataError(f"{what} of {path} have shape {list(values.shape)}", f"{list(shape)}, or as many numbers in one row")
    return values.reshape(shape)


def _cells(given: Any, count: int, path: Path) -> np.ndarray:
    """[F,3,3] from one cell for all, or one each; nine numbers or three lengths."""
    values = np.asarray(given, dtype=np.float64)
    each = values.size // count if values.size in (3 * count, 9 * count) else values.size
    if each not in (3, 9):
        raise DataError(f"Cells of {path} have shape {list(values.shape)}", f"{count} cells of nine numbers or three lengths")
    cells = np.broadcast_to(values.reshape(-1, each), (count, each))
    return cells.reshape(count, 3, 3) if each == 9 else np.stack([np.diag(lengths) for lengths in cells])
