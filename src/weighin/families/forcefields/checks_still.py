"""Checks of single answers: symmetries, derivatives, sums. See ``checks.py``."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from ase import Atoms

from weighin.families.forcefields.calculator import Predict
from weighin.families.forcefields.labels import Evaluation
from weighin.families.forcefields.rotation import random

ENERGY, FORCE = 1e-3, 1e-3  # eV; eV/A a largest force of 1 eV/A or less, in proportion above
H, SLOPE = 0.002, 0.02  # A, of finite differences; eV/A a largest force of 1 eV/A or less, in proportion above
STRAIN = 2e-3
BOX = 11.0  # A: a cell wider than twice the cutoff
TURNS = 4  # of each structure
Tried = tuple[bool, str, str]  # passed, seen, allowed


def _same(one: Sequence[Evaluation], other: Sequence[Evaluation]) -> Tried:
    """Energies and forces agree; NaN fails."""
    pairs = list(zip(one, other, strict=True))
    energy = worst([abs(a.energy - b.energy) for a, b in pairs])
    force = worst([_off(a.forces, b.forces, a.forces) for a, b in pairs])
    seen = f"{1000 * energy:.2g} meV, {force:.1g} of the largest force"
    return energy <= ENERGY and force <= FORCE, seen, f"{1000 * ENERGY:g} meV, {FORCE:g}"


def _off(one: np.ndarray, other: np.ndarray, scale: np.ndarray) -> float:
    """Largest difference as a share of the largest force, which counts as 1 eV/A at least."""
    return float(np.abs(one - other).max() / max(1.0, np.abs(scale).max()))


def _moved(predict: Predict, chosen: list[Atoms], move: Callable[[Atoms], tuple[Atoms, Callable]]) -> Tried:
    """Compares answers before and after ``move``, which also says how forces should go along."""
    pairs = [move(atoms) for atoms in chosen]
    before, after = _split(predict([*chosen, *(moved for moved, _ in pairs)]), len(chosen))
    along = [replace(b, forces=along(b.forces)) for b, (_, along) in zip(before, pairs, strict=True)]
    return _same(along, after)


def _split(answers: list[Evaluation], at: int) -> tuple[list[Evaluation], list[Evaluation]]:
    return answers[:at], answers[at:]


def worst(values: Sequence[float]) -> float:
    """The largest; NaN where there is one, which ``max`` may lose."""
    return float(np.max(values))


def _turned(matrices: Iterator[np.ndarray]) -> Callable[[Atoms], tuple[Atoms, Callable]]:
    def move(atoms: Atoms) -> tuple[Atoms, Callable]:
        matrix, moved = next(matrices), atoms.copy()
        moved.set_cell(atoms.cell.array @ matrix.T)
        moved.positions = atoms.positions @ matrix.T
        return moved, lambda forces: forces @ matrix.T

    return move


def rotation(predict: Predict, chosen: list[Atoms]) -> Tried:
    rng, several = np.random.default_rng(1), [atoms for atoms in chosen for _ in range(TURNS)]
    return _moved(predict, several, _turned(random(rng) for _ in several))


def reflection(predict: Predict, chosen: list[Atoms]) -> Tried:
    mirrors = (np.eye(3) - 2 * np.outer(axis, axis) for axis in np.eye(3).repeat(len(chosen), 0))
    return _moved(predict, [*chosen, *chosen, *chosen], _turned(mirrors))


def translation(predict: Predict, chosen: list[Atoms]) -> Tried:
    def move(atoms: Atoms) -> tuple[Atoms, Callable]:
        moved = atoms.copy()
        moved.positions += [3.1, -2.7, 5.3]
        return moved, lambda forces: forces

    return _moved(predict, chosen, move)


def permutation(predict: Predict, chosen: list[Atoms]) -> Tried:
    rng = np.random.default_rng(2)

    def move(atoms: Atoms) -> tuple[Atoms, Callable]:
        order = rng.permutation(len(atoms))
        return atoms[order], lambda forces: forces[order]

    return _moved(predict, chosen, move)


def together(predict: Predict, chosen: list[Atoms]) -> Tried:
    return _same(predict(chosen), [predict([atoms])[0] for atoms in chosen])


def extensivity(predict: Predict, chosen: list[Atoms]) -> Tried:
    """Two copies far from each other have twice the energy and the same forces."""
    singles = [free(atoms) for atoms in chosen]
    doubles = []
    for atoms in singles:
        other = atoms.copy()
        other.positions += [np.ptp(atoms.positions[:, 0]) + 3 * BOX, 0, 0]
        doubles.append(atoms + other)
    one, two = _split(predict([*singles, *doubles]), len(singles))
    return _same([replace(a, energy=2 * a.energy, forces=np.tile(a.forces, (2, 1))) for a in one], two)


def free(atoms: Atoms) -> Atoms:
    """Without a cell; of a crystal the six atoms nearest its first."""
    if not atoms.pbc.any():
        return atoms
    away = atoms.get_all_distances(mic=True)[0]
    near = np.argsort(away)[:6]
    return Atoms(atoms.numbers[near], atoms.get_distances(0, near, mic=True, vector=True))


def _four_point(energies: np.ndarray, width: float) -> np.ndarray:
    """Slopes [k] from energies [k,4] at -2, -1, 1 and 2 widths: fourth order, so that float32 may take a wide step."""
    return (energies @ np.array([1.0, -8.0, 8.0, -1.0])) / (12 * width)


def forces(predict: Predict, chosen: list[Atoms]) -> Tried:
    """F = -dE/dx at some coordinates of each structure."""
    rng, moved, places = np.random.default_rng(3), [], []
    for number, atoms in enumerate(chosen):
        for place in rng.choice(3 * len(atoms), 4, replace=False):
            places.append((number, place))
            moved += [_nudged(atoms, int(place), times * H) for times in (-2, -1, 1, 2)]
    before, after = _split(predict([*chosen, *moved]), len(chosen))
    slopes = _four_point(np.array([a.energy for a in after]).reshape(-1, 4), H)
    said = np.array([before[number].forces.ravel()[place] for number, place in places])
    scale = max(1.0, *(float(np.abs(b.forces).max()) for b in before))
    off = worst(list(np.abs(said + slopes)))
    return off <= SLOPE * scale, f"{off:.2g} eV/A", f"{SLOPE * scale:.2g} eV/A"


def _nudged(atoms: Atoms, place: int, by: float) -> Atoms:
    moved = atoms.copy()
    moved.positions[place // 3, place % 3] += by
    return moved


def stress(predict: Predict, chosen: list[Atoms]) -> Tried:
    """Stress = dE/dstrain / volume in a cell, of all six strains, and its sign and order."""
    atoms = _boxed(chosen[0])
    strains = [(a, b) for a in range(3) for b in range(a, 3)]
    moved = [_strained(atoms, a, b, times * STRAIN) for a, b in strains for times in (-2, -1, 1, 2)]
    before, *after = predict([atoms, *moved])
    if before.stress is None:
        return False, "no stress in a periodic cell", "a stress"
    slopes = _four_point(np.array([answer.energy for answer in after]).reshape(-1, 4), STRAIN)  # eV
    said = np.array([before.stress[a, b] for a, b in strains]) * atoms.get_volume()
    allowed = 2 * SLOPE * max(1.0, float(np.abs(said).max()), float(np.abs(before.forces).max()))
    off = worst([*np.abs(said - slopes), np.abs(before.stress - before.stress.T).max() * atoms.get_volume()])
    return off <= allowed, f"{off:.2g} eV", f"{allowed:.2g} eV (stress times volume)"


def _boxed(atoms: Atoms) -> Atoms:
    """In a cell of its own, not quite cubic, with neighbours in the next."""
    if atoms.pbc.all():
        return atoms
    sides = np.maximum(np.ptp(atoms.positions, axis=0) + 2.5, [BOX, BOX + 0.5, BOX + 1])
    cell = np.diag(sides)
    cell[1, 0] = 0.7
    return Atoms(atoms.numbers, atoms.positions, cell=cell, pbc=True)


def _strained(atoms: Atoms, a: int, b: int, by: float) -> Atoms:
    strain = np.eye(3)
    strain[a, b] += by / 2
    strain[b, a] += by / 2
    moved = atoms.copy()
    moved.set_cell(atoms.cell.array @ strain, scale_atoms=True)
    return moved


def net_force(predict: Predict, chosen: list[Atoms]) -> Tried:
    answers = predict(chosen)
    off = worst([_off(a.forces.sum(0), np.zeros(3), a.forces) for a in answers])
    return off <= FORCE, f"{off:.1g} of the largest force", f"{FORCE:g}"


def net_torque(predict: Predict, chosen: list[Atoms]) -> Tried:
    alone = [free(atoms) for atoms in chosen]
    arms, answers = [atoms.positions - atoms.positions.mean(0) for atoms in alone], predict(alone)
    torques = [np.cross(arm, a.forces).sum(0) / np.abs(arm).max() for arm, a in zip(arms, answers, strict=True)]
    off = worst([float(np.abs(torque).max()) for torque in torques])
    scale = max(1.0, *(float(np.abs(a.forces).max()) for a in answers))
    return off <= FORCE * scale, f"{off:.1g} eV/A", f"{FORCE * scale:.2g} eV/A"
