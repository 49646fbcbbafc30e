"""Labelled structures packed into arrays: one safetensors file, read in one go, without pickles."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from platformdirs import user_cache_dir
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from weighin.core.errors import DataError
from weighin.core.files import write_atomic
from weighin.families.forcefields.labels import HessianRows, Labels

FORMAT = 1


@dataclass(frozen=True, eq=False)
class Frame:
    """One labelled structure, and where it comes from."""

    atoms: Atoms  # info["charge"] and info["spin"] (multiplicity) where they are not 0 and 1
    labels: Labels
    group: str  # InChIKey, formula or block of frames: never split
    kind: str = ""  # name or formula
    tag: str = ""  # temperature or file: what a split can select
    temperature: float = float("nan")  # K, of the thermostat


@dataclass(frozen=True, eq=False)
class Frames:
    """F structures of N atoms in all; frame f owns atoms ``start[f]:start[f + 1]``. NaN stands for what is not known."""

    start: np.ndarray  # int64 [F+1]
    numbers: np.ndarray  # uint8 [N]
    positions: np.ndarray  # float64 [N,3], A
    forces: np.ndarray  # float64 [N,3], eV/A
    energies: np.ndarray  # float64 [N], eV, of single atoms
    energy: np.ndarray  # float64 [F], eV
    cell: np.ndarray  # float64 [F,3,3], A
    pbc: np.ndarray  # uint8 [F,3]
    stress: np.ndarray  # float64 [F,3,3], eV/A^3
    charge: np.ndarray  # int16 [F], e
    spin: np.ndarray  # int16 [F], multiplicity
    temperature: np.ndarray  # float64 [F], K
    group: np.ndarray  # int32 [F], place in ``groups``
    tag: np.ndarray  # int32 [F], place in ``tags``
    row_start: np.ndarray  # int64 [F+1], rows of the Hessian a frame
    rows: np.ndarray  # int64 [R], 3 * atom + axis
    value_start: np.ndarray  # int64 [F+1], into ``values``
    values: np.ndarray  # float64 [sum of rows * atoms,3], eV/A^2
    groups: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()  # of the groups
    tags: tuple[str, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.energy)

    def atoms(self, at: int) -> Atoms:
        """The structure of frame ``at``."""
        own = slice(self.start[at], self.start[at + 1])
        periodic = bool(self.pbc[at].any())
        atoms = Atoms(
            numbers=self.numbers[own],
            positions=self.positions[own],
            cell=self.cell[at] if periodic or self.cell[at].any() else None,
            pbc=self.pbc[at].astype(bool) if periodic else False,
        )
        if self.charge[at] or self.spin[at] != 1:
            atoms.info |= {"charge": int(self.charge[at]), "spin": int(self.spin[at])}
        return atoms

    def labels(self, at: int) -> Labels:
        """The labels of frame ``at``."""
        own = slice(self.start[at], self.start[at + 1])
        rows = self.rows[self.row_start[at] : self.row_start[at + 1]]
        hessian = None
        if len(rows):
            values = self.values[self.value_start[at] : self.value_start[at + 1]]
            hessian = HessianRows(rows, values.reshape(len(rows), -1, 3))
        return Labels(
            energy=float(self.energy[at]),
            forces=self.forces[own],
            stress=None if np.isnan(self.stress[at, 0, 0]) else self.stress[at],
            energies=None if np.isnan(self.energies[own]).any() else self.energies[own],
            hessian=hessian,
        )

    def frame(self, at: int) -> Frame:
        """Everything about frame ``at``."""
        group = self.group[at]
        place = self.groups[group], self.kinds[group], self.tags[self.tag[at]]
        return Frame(self.atoms(at), self.labels(at), *place, temperature=float(self.temperature[at]))


ARRAYS = tuple(f.name for f in fields(Frames) if f.type is np.ndarray)


def pack(frames: Sequence[Frame], notes: Mapping[str, Any] | None = None) -> Frames:
    """Frames as arrays. Raises DataError where shapes of atoms and labels differ."""
    groups = dict(zip((f.group for f in frames), (f.kind for f in frames), strict=True))
    place = {group: number for number, group in enumerate(groups)}
    tags = {tag: number for number, tag in enumerate(dict.fromkeys(f.tag for f in frames))}
    for frame in frames:
        _fits(frame)
    own, rows = [f.labels for f in frames], [f.labels.hessian for f in frames]
    known = [row for row in rows if row is not None]
    nothing = np.full((3, 3), np.nan)
    return Frames(
        start=_starts(len(f.atoms) for f in frames),
        numbers=_joined([f.atoms.numbers for f in frames], (0,)).astype(np.uint8),
        positions=_joined([f.atoms.positions for f in frames], (0, 3)),
        forces=_joined([y.forces for y in own], (0, 3)),
        energies=_joined([np.full(len(y.forces), np.nan) if y.energies is None else y.energies for y in own], (0,)),
        energy=np.array([y.energy for y in own], dtype=np.float64),
        cell=np.array([f.atoms.cell.array for f in frames], dtype=np.float64).reshape(-1, 3, 3),
        pbc=np.array([f.atoms.pbc for f in frames], dtype=np.uint8).reshape(-1, 3),
        stress=np.array([nothing if y.stress is None else y.stress for y in own], dtype=np.float64).reshape(-1, 3, 3),
        charge=np.array([int(f.atoms.info.get("charge", 0)) for f in frames], dtype=np.int16),
        spin=np.array([int(f.atoms.info.get("spin", 1)) for f in frames], dtype=np.int16),
        temperature=np.array([f.temperature for f in frames], dtype=np.float64),
        group=np.array([place[f.group] for f in frames], dtype=np.int32),
        tag=np.array([tags[f.tag] for f in frames], dtype=np.int32),
        row_start=_starts(0 if row is None else len(row.rows) for row in rows),
        rows=_joined([row.rows for row in known], (0,)).astype(np.int64),
        value_start=_starts(0 if row is None else row.values.size // 3 for row in rows),
        values=_joined([row.values.reshape(-1, 3) for row in known], (0, 3)),
        groups=tuple(groups),
        kinds=tuple(groups.values()),
        tags=tuple(tags),
        notes=notes or {},
    )


def save(frames: Frames, path: Path) -> None:
    """One safetensors file, whole or not at all."""
    words = {"format": FORMAT, "groups": frames.groups, "kinds": frames.kinds, "tags": frames.tags, "notes": frames.notes}
    arrays = {name: np.ascontiguousarray(getattr(frames, name)) for name in ARRAYS}
    write_atomic(path, lambda temporary: save_file(arrays, temporary, {"weighin": json.dumps(words)}))


def load(path: Path) -> Frames:
    """Frames from a file. Raises DataError where it is missing, damaged or of another kind."""
    try:
        with safe_open(path, framework="numpy") as file:
            words = json.loads((file.metadata() or {})["weighin"])
            made: dict[str, Any] = {name: file.get_tensor(name) for name in ARRAYS}
        made |= {name: tuple(words[name]) for name in ("groups", "kinds", "tags")}
        frames = Frames(**made, notes=words["notes"])
        _whole(frames)
    except FileNotFoundError:
        raise DataError(f"There is no labelled file {path}", hint="Label structures first, or name another file") from None
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is damaged: {error}", "It is a file that labelling wrote", "Delete it and label again"
        ) from error
    return frames


def cache_folder() -> Path:
    """Where made data sets are kept; XDG_CACHE_HOME moves it on Linux."""
    return Path(user_cache_dir("weighin", appauthor=False)) / "forcefields"


def _fits(frame: Frame) -> None:
    n, labels = len(frame.atoms), frame.labels
    shapes = {"forces": (labels.forces, (n, 3)), "stress": (labels.stress, (3, 3)), "energies": (labels.energies, (n,))}
    for name, (array, wanted) in shapes.items():
        if array is not None and np.shape(array) != wanted:
            raise DataError(f"{name} of {frame.group} have shape {list(np.shape(array))}", f"{n} atoms need {list(wanted)}")
    rows = labels.hessian
    if rows is not None and rows.values.shape != (len(rows.rows), n, 3):
        raise DataError(f"Hessian rows of {frame.group} have shape {list(rows.values.shape)}", f"[{len(rows.rows)}, {n}, 3]")


def _whole(frames: Frames) -> None:
    """Lengths agree and places exist, or ValueError."""
    n, f = len(frames.numbers), len(frames.energy)
    lengths = {"positions": n, "forces": n, "energies": n, "start": f + 1, "row_start": f + 1, "value_start": f + 1}
    lengths |= dict.fromkeys(("cell", "pbc", "stress", "charge", "spin", "temperature", "group", "tag"), f)
    wrong = [name for name, length in lengths.items() if len(getattr(frames, name)) != length]
    ends = frames.start[-1] == n and frames.row_start[-1] == len(frames.rows) and frames.value_start[-1] == len(frames.values)
    if wrong or not ends or (f and (frames.group.max() >= len(frames.groups) or frames.tag.max() >= len(frames.tags))):
        raise ValueError(f"lengths of {', '.join(wrong) or 'its arrays'} do not agree")


def _starts(counts: Iterable[int]) -> np.ndarray:
    return np.cumsum([0, *counts], dtype=np.int64)


def _joined(arrays: Sequence[np.ndarray], empty: tuple[int, ...]) -> np.ndarray:
    return np.concatenate([np.asarray(a) for a in arrays]) if arrays else np.zeros(empty)
