"""Examples of the family ``forcefields``: structures and a teacher's labels, from its own teacher or from files."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import overload

import numpy as np
from ase import Atoms

from weighin.core.engine import Say
from weighin.core.errors import DataError
from weighin.core.family import Example, Split
from weighin.core.files import hash_bytes, hash_json
from weighin.families.forcefields import molecules, sources
from weighin.families.forcefields.labelling import FRAMES, Labelling, label
from weighin.families.forcefields.labels import Labels
from weighin.families.forcefields.molecules import Molecule
from weighin.families.forcefields.spec import KINDS, Spec, parse
from weighin.families.forcefields.splits import SPLITS, divide
from weighin.families.forcefields.store import Frames, cache_folder, load
from weighin.families.forcefields.teachers import teacher

__all__ = ["KINDS", "Structures", "examples", "fingerprint", "frames_of"]
log = logging.getLogger("weighin.forcefields")

MAKING = 1  # raised when sampling, labels or the list of molecules change their meaning, so that old caches are not read
LARGE = Labelling(hessian_every=4)  # gfn2: 550 molecules
SMALL = Labelling(frames=12, temperatures=(300.0, 600.0), relax=8, settle=10, stride=5)
SAMPLED = 1 << 16  # bytes
SMALL_NAMES = frozenset(
    {
        *("water", "ammonia", "methane", "ethane", "ethene", "acetylene", "propane", "propene", "cyclopropane"),
        *("methanol", "ethanol", "dimethyl ether", "oxirane", "formaldehyde", "acetaldehyde", "acetone", "ketene"),
        *("formic acid", "acetic acid", "methyl formate", "methylamine", "methanimine", "formamide", "acetonitrile"),
        *("hydrogen cyanide", "hydroxylamine"),
    }
)


class Structures(Sequence[Example[Atoms, Labels]]):
    """Examples made from packed arrays when they are asked for; a slice is another ``Structures``."""

    def __init__(self, frames: Frames, at: np.ndarray, groups: Sequence[str]) -> None:
        self.frames, self.at, self.groups = frames, at, groups

    def __len__(self) -> int:
        return len(self.at)

    @overload
    def __getitem__(self, at: int) -> Example[Atoms, Labels]: ...
    @overload
    def __getitem__(self, at: slice) -> "Structures": ...
    def __getitem__(self, at: int | slice) -> "Example[Atoms, Labels] | Structures":
        if isinstance(at, slice):
            return Structures(self.frames, self.at[at], self.groups)
        place = int(self.at[at])
        group = self.groups[place]
        kind = self.frames.kinds[self.frames.group[place]]
        return Example(f"{group}:{place}", group, self.frames.atoms(place), self.frames.labels(place), kind)

    @property
    def temperatures(self) -> np.ndarray:
        """Of the thermostat, K [n]; NaN where it is not known."""
        return self.frames.temperature[self.at]


def examples(data: str, split: Split) -> Structures:
    """Examples of a split: y is :class:`Labels`, kind the molecule's name or formula. Splits share no group."""
    found = frames_of(data)
    places, groups = _divided(data, fingerprint(data))
    at = np.flatnonzero(places == SPLITS.index(split))
    if not len(at):
        raise DataError(
            f"{data} has no {split} structures", f"Its {len(found)} structures are divided otherwise", "Use other data"
        )
    return Structures(found, at, groups)


def fingerprint(data: str) -> str:
    """A hash of what ``data`` means: settings, molecules and the teacher's version, or names and sizes of the files."""
    spec = parse(data)
    if spec.kind in ("synthetic", "gfn2"):
        return hash_json([_making(spec), spec.options])[:16]
    files = [spec.path / FRAMES] if spec.kind == "labelled" else sources.files(spec)
    return hash_json([data, [(path.name, path.stat().st_size, _short_hash(path)) for path in files if path.is_file()]])[:16]


def frames_of(data: str, say: Say | None = None, processes: int | None = None) -> Frames:
    """All labelled structures of a spec, made (in so many processes) or read once, and kept. Raises DataError."""
    return _frames(data, fingerprint(data), say, processes)


_KEPT: dict[str, Frames] = {}


def _frames(data: str, mark: str, say: Say | None = None, processes: int | None = None) -> Frames:
    if mark not in _KEPT:
        if len(_KEPT) >= 4:
            _KEPT.pop(next(iter(_KEPT)))
        spec = parse(data)
        _KEPT[mark] = _made(spec, say, processes) if spec.kind in ("synthetic", "gfn2") else _read(spec)
    return _KEPT[mark]


def _read(spec: Spec) -> Frames:
    return load(spec.path / FRAMES) if spec.kind == "labelled" else sources.read(spec)


def _made(spec: Spec, say: Say | None, processes: int | None) -> Frames:
    """From the cache, after labelling what is missing there."""
    how, chosen = _settings(spec), _molecules(spec)
    folder = cache_folder() / _making(spec)
    if not (folder / "summary.json").is_file():
        with _progress(f"labelling {spec.text}") as tell:
            summary = label(chosen, folder, how, say or tell, processes=processes)
        log.info("%s: %s", spec.text, summary)
    return load(folder / FRAMES)


def _making(spec: Spec) -> str:
    """A hash of everything that decides what is made."""
    how = _settings(spec)
    chosen = [(m.group, m.smiles) for m in _molecules(spec)]
    return hash_json([MAKING, how.model_dump(mode="json"), chosen, teacher(how.teacher).version])[:16]


def _settings(spec: Spec) -> Labelling:
    how = SMALL if spec.kind == "synthetic" else LARGE
    return how.model_copy(update={"frames": spec.number("frames", how.frames)})


@lru_cache(maxsize=8)
def _listed(where: str, stamp: tuple[int, int]) -> tuple[Molecule, ...]:
    return tuple(molecules.from_smiles_file(Path(where)) if where else molecules.listed())


def _molecules(spec: Spec) -> list[Molecule]:
    """The molecules of a spec; some of a list are spread evenly over it."""
    state = spec.path.stat() if spec.where and spec.path.is_file() else None
    if spec.where and not state:
        raise DataError(f"There is no file {spec.path}", "A text file of lines 'SMILES name'")
    found = _listed(str(spec.path) if spec.where else "", (state.st_size, state.st_mtime_ns) if state else (0, 0))
    if spec.kind == "synthetic":
        return [m for m in found if m.name in SMALL_NAMES]
    wanted = min(spec.number("molecules", len(found)), len(found))
    return [found[number * len(found) // wanted] for number in range(wanted)]


@lru_cache(maxsize=8)
def _divided(data: str, mark: str) -> tuple[np.ndarray, list[str]]:
    return divide(_frames(data, mark), parse(data))


def _short_hash(path: Path) -> str:
    """Of the first, middle and last 64 kB: a corrected label may leave the size as it was."""
    size = path.stat().st_size
    with path.open("rb") as file:
        parts = [(file.seek(max(0, place)), file.read(SAMPLED))[1] for place in (0, size // 2, size - SAMPLED)]
    return hash_bytes(b"".join(parts))[:16]


@contextmanager
def _progress(what: str) -> Iterator[Say]:
    """A bar on a terminal; elsewhere a line in the log every tenth of the way."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=1.0)
            yield lambda stage, share, detail: bar.update(task, completed=share)
        return
    last = [-1]

    def tell(stage: str, share: float, detail: str) -> None:
        if int(10 * share) > last[0]:
            last[0] = int(10 * share)
            log.info("%s: %d %%, %s", what, 10 * last[0], detail)

    yield tell
