"""What must hold of any trained force field, whatever its architecture: seen through the predictor alone.

Energies to 1 meV and forces to a thousandth: a float32 network that is invariant by construction errs by less than a
tenth of that, one that is not by hundreds of times more.
"""

from collections.abc import Callable, Mapping, Sequence

from ase import Atoms

from weighin.core.errors import WeighinError
from weighin.core.family import Check, Example
from weighin.families.forcefields import checks_moving, checks_still
from weighin.families.forcefields.calculator import Predict
from weighin.families.forcefields.checks_still import Tried
from weighin.families.forcefields.labels import Labels

SEEN = 3  # structures that are looked at
LARGEST = 40  # atoms, of a structure that is looked at where there is a smaller one

CHECKS: Mapping[str, Callable[[Predict, list[Atoms]], Tried]] = {
    "rotation": checks_still.rotation,
    "reflection": checks_still.reflection,
    "translation": checks_still.translation,
    "permutation": checks_still.permutation,
    "one by one or all at once": checks_still.together,
    "two far copies": checks_still.extensivity,
    "forces are -dE/dx": checks_still.forces,
    "stress is dE/dstrain": checks_still.stress,
    "net force": checks_still.net_force,
    "net torque": checks_still.net_torque,
    "nothing jumps at the cutoff": checks_moving.continuity,
    "a short run conserves": checks_moving.conservation,
    "atoms do not fuse": checks_moving.dissociation,
}


def run(predict: Predict, examples: Sequence[Example[Atoms, Labels]]) -> list[Check]:
    """All checks on a few small ones of ``examples``; a check that is refused an answer has failed and says why."""
    chosen = _chosen([example.x for example in examples])
    return [_guarded(check, name, predict, chosen) for name, check in CHECKS.items()] if chosen else []


def _chosen(structures: Sequence[Atoms]) -> list[Atoms]:
    """A few small structures of two atoms or more, those of many elements first."""
    fit = sorted((a for a in structures if len(a) > 1), key=lambda a: (len(a) > LARGEST, -len(set(a.symbols)), len(a)))
    return [_bare(atoms) for atoms in fit[:SEEN]]


def _bare(atoms: Atoms) -> Atoms:
    """Without momenta, constraints and what others computed."""
    return Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc, info=dict(atoms.info))


def _guarded(check: Callable[[Predict, list[Atoms]], Tried], name: str, predict: Predict, chosen: list[Atoms]) -> Check:
    try:
        return Check(name, *check(predict, chosen))
    except WeighinError as error:
        return Check(name, False, f"refused: {error}", "an answer")
