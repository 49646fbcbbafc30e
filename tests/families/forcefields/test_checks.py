"""The checks pass what is right, and each of them fails on the very thing that it is there for."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from made import Morse, argon, water

from weighin.core import registry
from weighin.core.errors import InputError
from weighin.core.family import Example
from weighin.core.recording import eager
from weighin.families.forcefields import checks
from weighin.families.forcefields.references import References

NAMES = list(checks.CHECKS)


def examples(*structures):
    return [Example(str(at), str(at), atoms, None) for at, atoms in enumerate(structures)]


def organic():
    """Rattled, so that none is its own mirror image."""
    found = [molecule("CH3OH"), molecule("CH3CH2NH2"), water(), Atoms("H")]
    for atoms in found:
        atoms.rattle(0.03, seed=3)
    return examples(*found)


def failed(predict, given=None):
    return {check.name for check in checks.run(predict, given or organic()) if not check.passed}


def spoilt(spoil):
    """Morse, with each answer changed by ``spoil(atoms, answer)``."""

    def predict(structures):
        return [spoil(atoms, answer) for atoms, answer in zip(structures, Morse()(structures))]

    return predict


def test_a_right_model_passes_and_says_what_was_seen():
    found = checks.run(Morse(), organic())
    assert [check.name for check in found] == NAMES
    assert all(check.passed for check in found) and all(check.seen and check.allowed for check in found)


def test_a_crystal_passes():
    assert failed(argon(), examples(bulk("Ar", "fcc", 5.3, cubic=True).repeat(2))) <= {"atoms do not fuse"}


def test_nothing_to_look_at():
    assert checks.run(Morse(), []) == [] == checks.run(Morse(), examples(Atoms("H")))


def field(atoms, y):
    """A field along x: an energy that turns with the molecule does not stay."""
    x = atoms.positions[:, 0] - atoms.positions[:, 0].mean()
    return replace(y, energy=y.energy + 0.01 * float((x**2).sum()), forces=y.forces - 0.02 * np.outer(x, [1, 0, 0]))


def handed(atoms, y):
    """Tells a molecule from its mirror image: a triple product of sums of powers of distances."""
    arms = atoms.positions - atoms.positions.mean(0)
    sums = [(arms * (np.linalg.norm(arms, axis=1) ** power * atoms.numbers)[:, None]).sum(0) for power in (0, 1, 2)]
    return replace(y, energy=y.energy + 0.1 * float(np.linalg.det(sums)))


def placed(atoms, y):
    return replace(y, energy=y.energy + 0.01 * float(atoms.positions[0, 0]))


def ordered(atoms, y):
    return replace(y, energy=y.energy + 0.01 * float(atoms.numbers @ np.arange(len(atoms))))


def grows(atoms, y):
    return replace(y, energy=y.energy + 0.001 * len(atoms) ** 2)


def leans(atoms, y):
    return replace(y, forces=y.forces + np.array([0.1, 0, 0]))


def weak(atoms, y):
    return replace(y, forces=0.9 * y.forces)


def swirls(atoms, y):
    arms = atoms.positions - atoms.positions.mean(0)
    return replace(y, forces=y.forces + 0.2 * np.cross([0, 0, 1.0], arms))


def stiff(atoms, y):
    return replace(y, stress=None if y.stress is None else 1.2 * y.stress)


def flipped(atoms, y):
    return replace(y, stress=None if y.stress is None else -y.stress)


def cut(atoms, y):
    """A pair counts until 5 A and then does not."""
    return replace(y, energy=y.energy + 0.005 * int((atoms.get_all_distances() < 5).sum()))


def sticky(atoms, y):
    """Falls without end at short range."""
    distances = atoms.get_all_distances()[np.triu_indices(len(atoms), 1)]
    return replace(y, energy=y.energy - float((50 * np.maximum(0, 0.9 - distances)).sum()))


@pytest.mark.parametrize(
    "spoil, caught",
    [
        (field, {"rotation", "net torque"}),
        (handed, {"reflection"}),
        (placed, {"translation"}),
        (ordered, {"permutation"}),
        (grows, {"two far copies"}),
        (leans, {"net force"}),
        (weak, {"forces are -dE/dx", "a short run conserves"}),
        (swirls, {"net torque", "forces are -dE/dx", "a short run conserves"}),
        (stiff, {"stress is dE/dstrain"}),
        (flipped, {"stress is dE/dstrain"}),
        (cut, {"nothing jumps at the cutoff"}),
        (sticky, {"atoms do not fuse"}),
        (lambda atoms, y: replace(y, energy=float("nan")), {"rotation", "forces are -dE/dx", "atoms do not fuse"}),
    ],
)
def test_each_is_caught(spoil, caught):
    assert caught <= failed(spoilt(spoil))


def test_a_batch_that_leaks_is_caught():
    def predict(structures):
        return [replace(y, energy=y.energy + 0.01 * len(structures)) for y in Morse()(structures)]

    assert "one by one or all at once" in failed(predict)


def test_a_refusal_is_a_failed_check_not_the_end():
    def predict(structures):
        if any(atoms.pbc.any() for atoms in structures):
            raise InputError("no cells here")
        return Morse()(structures)

    found = {check.name: check for check in checks.run(predict, organic())}
    assert not found["stress is dE/dstrain"].passed and "no cells here" in found["stress is dE/dstrain"].seen
    assert found["rotation"].passed


def untrained(name, tmp_path):
    """A predictor of random weights."""
    family = registry.family("forcefields")
    variant = family.variant(name)
    torch.manual_seed(0)
    model = family.build(variant)
    model.set([1, 6, 7, 8], fresh=True, scale=1.0)
    References((1, 6, 7, 8), (-13.0, -1000.0, -1400.0, -2000.0)).save(tmp_path)
    return family.predictor(eager(family.parts(model.eval(), variant)), variant, tmp_path)


@pytest.mark.parametrize("name", ["nano", "tiny", "original"])
def test_a_float32_painn_passes_whatever_its_weights(name, tmp_path):
    """Random weights do not know that atoms repel; all else is in the architecture."""
    assert failed(untrained(name, tmp_path)) <= {"atoms do not fuse"}


@pytest.mark.parametrize("name", ["source-original", "source-tiny", "source-ultra-tiny"])
def test_the_sources_layers_are_caught_whatever_their_weights(name, tmp_path):
    caught = {"rotation", "reflection", "net torque", "nothing jumps at the cutoff"}
    assert caught <= failed(untrained(name, tmp_path))


def test_checks_are_quick(tmp_path):
    predict, start = untrained("nano", tmp_path), time.process_time()
    checks.run(predict, organic())
    assert time.process_time() - start < 4, "a second on a quiet machine"
