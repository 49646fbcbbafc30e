"""Active learning: dynamics with a committee, labels where its members disagree (Smith et al. 2018); and at random, to compare.

A pool of frames comes from the models' own dynamics, which are cheap; only what is picked goes to the teacher.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ase import Atoms
from pydantic import Field

from weighin.core.config import Settings
from weighin.core.engine import Say, silent
from weighin.core.errors import ConfigError, DataError, RunError, WeighinError
from weighin.core.family import Example
from weighin.core.files import hash_json, sweep, write_atomic, write_json
from weighin.families.forcefields import store, teachers
from weighin.families.forcefields.calculator import Calculator, Predict
from weighin.families.forcefields.committee import Committee, calibration
from weighin.families.forcefields.dynamics import MdDials, moving, prepared
from weighin.families.forcefields.labelling import FRAMES
from weighin.families.forcefields.labels import Labels
from weighin.families.forcefields.molecules import inchikey, rattled
from weighin.families.forcefields.starts import Named
from weighin.families.forcefields.store import Frame, Frames
from weighin.families.forcefields.teachers import Teacher

CHUNK = 20  # labels between two savings


class AcquireDials(Settings):
    """Dials of active learning."""

    teacher: str = "gfn2"
    count: int = Field(default=200, gt=0, description="labels wanted")
    pick: Literal["committee", "random"] = Field(default="committee", description="where members disagree most, or at random")
    pool: Literal["md", "rattle", "given"] = Field(default="md", description="where frames come from")
    temperatures: tuple[float, ...] = Field(default=(300.0, 600.0, 1000.0), min_length=1, description="K")
    steps: int = Field(default=1000, gt=0, description="of dynamics, a start and temperature")
    timestep: float = Field(default=0.5, gt=0, description="fs")
    stride: int = Field(default=20, gt=0, description="steps between frames of the pool")
    rattle: float = Field(default=0.05, gt=0, description="A at 300 K, of a rattled pool; grows as the root of the temperature")
    least: float = Field(default=0.0, ge=0, description="eV/A: members that disagree by less are believed")
    apart: float = Field(default=0.02, ge=0, description="A: frames whose distances differ by less are alike")
    most_force: float = Field(default=40.0, gt=0, description="eV/A; frames on which the teacher says more are dropped")
    onto: str | None = Field(default=None, description="a folder of labelled frames to add to")
    seed: int = Field(default=0, ge=0)


@dataclass(frozen=True, eq=False)
class Candidate:
    """A frame of the pool."""

    atoms: Atoms
    name: str  # of the start
    temperature: float  # K
    spread: float  # eV/A, largest forces_std of an atom; 0 for a single model


def acquire(
    starts: Sequence[Named], predictors: Sequence[Predict], dials: AcquireDials, out: Path, say: Say = silent, models: Any = ()
) -> dict[str, Any]:
    """Labels ``dials.count`` frames into ``out/frames.safetensors`` for ``recipe.data=labelled:OUT``; returns a summary.

    Called again with the same folder it goes on where it was. Raises ConfigError for a committee of one and a folder
    of another pick, DataError where no frame could be labelled.
    """
    if dials.pick == "committee" and len(predictors) < 2:
        raise ConfigError("A committee of one model never disagrees", "It takes two --model or more", "Or set pick=random")
    teacher = teachers.teacher(dials.teacher)
    before = _all(store.load(Path(dials.onto) / FRAMES)) if dials.onto else []
    for _, atoms in starts:
        teachers.acceptable(atoms, teacher)
    sweep(out)
    _same(out, [dials.model_dump(mode="json"), [_key(named) for named in starts], models])
    pool = _pool([(name, _grouped(atoms)) for name, atoms in starts], predictors, dials, out, say)
    order = ranked(pool, dials)
    labelled, counts = _labelled([pool[place] for place in order], dials, teacher, out, say)
    notes = {"teacher": teacher.name, "version": teacher.version, "conservative": teacher.conservative, **counts}
    if not len(labelled):
        raise DataError(f"{teacher.name} labelled none of {len(order)} frames", hint="Start from saner structures")
    store.save(store.pack(before + labelled, notes), out / FRAMES)
    summary = {
        "frames": len(labelled),
        "frames_in_set": len(before) + len(labelled),
        "pool": len(pool),
        "pick": dials.pick,
        "teacher": teacher.name,
        **counts,
        "spread_of_pool": float(np.mean([one.spread for one in pool])),
        "path": str(out),
    }
    if len(predictors) > 1:
        summary["committee"] = asdict(calibration(Committee(predictors), [_example(frame) for frame in labelled]))
    write_json(out / "summary.json", summary)
    return summary


def ranked(pool: Sequence[Candidate], dials: AcquireDials) -> list[int]:
    """Places of the pool, those to be labelled first in front: by spread or at random, frames that are alike last."""
    spread = np.array([one.spread for one in pool])
    if dials.pick == "random":
        order = np.random.default_rng([dials.seed, 11]).permutation(len(pool))
    else:
        order = [int(place) for place in np.argsort(-spread, kind="stable") if spread[place] >= dials.least]
    first: list[int] = []
    alike: list[int] = []
    shapes: dict[str, list[np.ndarray]] = {}
    for place in map(int, order):
        shape, known = _shape(pool[place].atoms), shapes.setdefault(pool[place].name, [])
        near = any(np.sqrt(((shape - other) ** 2).mean()) < dials.apart for other in known)
        (alike if near else first).append(place)
        known += [] if near else [shape]
    return first + alike


def _shape(atoms: Atoms) -> np.ndarray:
    """Sorted distances and the cell: the same however a frame is turned."""
    distances = atoms.get_all_distances(mic=bool(atoms.pbc.any()))[np.triu_indices(len(atoms), 1)]
    return np.concatenate([np.sort(distances), atoms.cell.array.ravel()])


def _pool(starts: Sequence[Named], predictors: Sequence[Predict], dials: AcquireDials, out: Path, say: Say) -> list[Candidate]:
    """All frames; each start at each temperature is kept on disk when it is done. Raises InputError, the predictor's."""
    temperatures = dials.temperatures if dials.pool != "given" else dials.temperatures[:1]
    pieces = [(named, temperature) for named in starts for temperature in temperatures]
    pool: list[Candidate] = []
    for number, ((name, atoms), temperature) in enumerate(pieces):
        path = out / "pool" / f"{number}.npz"
        if not path.exists():
            found = list(_frames(atoms, temperature, predictors, dials, seed=dials.seed + 1000 * number))
            positions = np.array([frame for frame, _ in found]).reshape(-1, len(atoms), 3)
            _keep(path, positions, np.array([spread for _, spread in found]))
        pool += [Candidate(_at(atoms, x), name, temperature, s) for x, s in zip(*_kept(path), strict=True)]
        say("pool", (number + 1) / len(pieces), f"{name} at {temperature:g} K: {len(pool)} frames")
    if not pool:
        raise DataError("The pool has no frame", hint="Take more steps or a shorter stride")
    return pool


def _frames(
    atoms: Atoms, temperature: float, predictors: Sequence[Predict], dials: AcquireDials, seed: int
) -> Iterator[tuple[np.ndarray, float]]:
    """Positions [n,3] and spread of frames from one start."""
    calculator = Calculator(predictors)
    if dials.pool != "md":
        for number in range(dials.steps // dials.stride if dials.pool == "rattle" else 1):
            rng, width = np.random.default_rng([seed, number]), dials.rattle * np.sqrt(temperature / 300)
            frame = rattled(atoms, width, rng) if dials.pool == "rattle" else atoms.copy()
            frame.calc = calculator
            frame.get_potential_energy()
            yield frame.positions, _spread(calculator)
        return
    md = MdDials(steps=dials.steps, timestep=dials.timestep, temperature=temperature, friction=20.0, equilibrate=0, seed=seed)
    moved, watch = prepared(atoms, calculator, md)
    for now in moving(moved, md, 0, watch):
        if now.ended:
            return
        if not now.step % dials.stride:
            yield moved.positions.copy(), _spread(calculator)


def _spread(calculator: Calculator) -> float:
    return float(np.max(calculator.results.get("forces_std", np.zeros(1))))


def _labelled(
    order: Sequence[Candidate], dials: AcquireDials, teacher: Teacher, out: Path, say: Say
) -> tuple[list[Frame], dict[str, int]]:
    """Labels down the ranking until there are enough; each chunk is kept on disk when it is done."""
    found: list[Frame] = []
    counts = {"failed": 0, "absurd": 0}
    for number, start in enumerate(range(0, len(order), CHUNK)):
        path = out / "labels" / f"{number}.safetensors"
        if not path.exists():
            store.save(_chunk(order[start : start + CHUNK], dials.count - len(found), dials.most_force, teacher), path)
        part = store.load(path)
        found += _all(part)
        counts = {name: total + part.notes[name] for name, total in counts.items()}
        say("label", min(1.0, len(found) / dials.count), f"{len(found)} of {dials.count}, {counts['failed']} failed")
        if len(found) >= dials.count:
            break
    return found, counts


def _chunk(candidates: Sequence[Candidate], most: int, most_force: float, teacher: Teacher) -> Frames:
    """At most ``most`` labelled frames; notes count what was dropped."""
    kept: list[Frame] = []
    notes = {"failed": 0, "absurd": 0}
    for one in candidates:
        if len(kept) == most:
            break
        try:
            labels = teachers.evaluate(one.atoms, teacher)
        except WeighinError:
            notes["failed"] += 1
            continue
        if np.linalg.norm(labels.forces, axis=1).max() > most_force:
            notes["absurd"] += 1
            continue
        group = str(one.atoms.info["group"])
        kept.append(Frame(one.atoms, labels, group, one.name, f"{one.temperature:g}K", one.temperature))
    return store.pack(kept, notes)


def _all(frames: Frames) -> list[Frame]:
    return [frames.frame(at) for at in range(len(frames))]


def _example(frame: Frame) -> Example[Atoms, Labels]:
    return Example(frame.group, frame.group, frame.atoms, frame.labels)


def _same(out: Path, asked: Any) -> None:
    """Writes down what this folder is, or refuses to mix two things in it."""
    path, wanted = out / "identity.json", hash_json(asked)
    if not path.exists():
        write_json(path, wanted)
    elif path.read_text(encoding="utf-8").strip() != f'"{wanted}"':
        raise ConfigError(
            f"{out} holds frames picked otherwise", "The same starts, models and dials go on", "Take another folder"
        )


def _key(named: Named) -> Any:
    name, atoms = named
    return [name, atoms.numbers.tolist(), atoms.positions.tolist(), atoms.cell.array.tolist(), atoms.pbc.tolist()]


def _grouped(atoms: Atoms) -> Atoms:
    """With the molecule as its group, as labelled sets have it: splits must not tear a molecule that is in both."""
    frame = atoms.copy()
    frame.info.setdefault("group", inchikey(atoms))
    return frame


def _at(atoms: Atoms, positions: np.ndarray) -> Atoms:
    frame = Atoms(atoms.numbers, positions, cell=atoms.cell, pbc=atoms.pbc)
    frame.info |= {key: atoms.info[key] for key in ("charge", "spin", "group") if key in atoms.info}
    return frame


def _keep(path: Path, positions: np.ndarray, spread: np.ndarray) -> None:
    write_atomic(path, lambda temporary: np.savez(temporary, positions=positions, spread=spread))


def _kept(path: Path) -> tuple[np.ndarray, list[float]]:
    try:
        with np.load(path, allow_pickle=False) as found:
            return found["positions"], found["spread"].tolist()
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise RunError(f"{path} is damaged: {error}", hint="Delete it and start again") from error
