"""A committee's mean and spread, and whether the spread is to be believed."""

import numpy as np
import pytest
from made import Morse, water

from weighin.core.errors import ConfigError, DataError, InputError
from weighin.core.family import Example
from weighin.families.forcefields.committee import Committee, calibration, combined
from weighin.families.forcefields.labels import Evaluation, Labels


def rattled(n, seed=0):
    found = []
    for number in range(n):
        atoms = water()
        atoms.rattle(0.1, seed=seed + number)
        found.append(atoms)
    return found


def test_mean_and_spread():
    atoms = rattled(1)
    answers = [Morse(scale)(atoms)[0] for scale in (0.9, 1.0, 1.3)]
    seen = Committee([Morse(0.9), Morse(1.0), Morse(1.3)])(atoms)[0]
    forces = np.stack([answer.forces for answer in answers])
    assert seen.energy == pytest.approx(np.mean([answer.energy for answer in answers]))
    assert np.allclose(seen.forces, forces.mean(0)) and seen.energies.sum() == pytest.approx(seen.energy)
    assert np.allclose(seen.forces_std, np.sqrt(forces.var(0, ddof=1).mean(1))) and seen.forces_std.shape == (3,)
    assert seen.symbols == ("O", "H", "H")


def test_those_who_agree_have_no_spread():
    assert not Committee([Morse(), Morse()])(rattled(1))[0].forces_std.any()


def test_stress_only_where_all_have_one():
    atoms = water()
    atoms.cell, atoms.pbc = np.eye(3) * 5, True
    one, other = Morse()([atoms])[0], Morse(1.2)([atoms])[0]
    assert np.allclose(combined([one, other]).stress, (one.stress + other.stress) / 2)
    bare = Evaluation(other.energy, other.forces, other.energies)
    assert combined([one, bare]).stress is None


def test_one_is_no_committee_and_errors_come_through():
    with pytest.raises(ConfigError, match="two or more"):
        Committee([Morse()])
    with pytest.raises(InputError):
        Committee([Morse(), Morse()])([None])


def answering(errors, spread):
    """A predictor that errs and admits as told, and examples that it errs on."""
    examples = [Example(str(k), str(k), k, Labels(0.0, np.zeros_like(e))) for k, e in enumerate(errors)]

    def predict(asked):
        return [Evaluation(0.0, errors[k], np.zeros(len(errors[k])), forces_std=spread[k]) for k in asked]

    return predict, examples


def drawn(factor):
    """40 structures of 10 atoms whose errors are normal with deviation ``factor`` times the spread."""
    rng = np.random.default_rng(0)
    spread = rng.uniform(0.05, 0.5, (40, 10))
    return answering(rng.normal(size=(40, 10, 3)) * factor * spread[..., None], spread)


def test_a_calibrated_spread_is_found_so():
    seen = calibration(*drawn(1.0))
    assert seen.atoms == 400 and seen.scale == pytest.approx(1, abs=0.06)
    assert seen.miscalibration < 0.03 and seen.spearman > 0.6 and seen.pearson > 0.5
    assert seen.rmse == pytest.approx(seen.spread, rel=0.1)


def test_one_that_is_too_sure_is_scaled():
    seen = calibration(*drawn(4.0))
    assert seen.scale == pytest.approx(4, rel=0.06)
    assert seen.miscalibration > 0.2 and seen.miscalibration_scaled < 0.03


def test_a_spread_that_says_nothing_has_no_correlation():
    rng = np.random.default_rng(1)
    seen = calibration(*answering(rng.normal(size=(40, 10, 3)), rng.uniform(0.05, 0.5, (40, 10))))
    assert abs(seen.spearman) < 0.15
    constant = calibration(*answering(rng.normal(size=(4, 10, 3)), np.ones((4, 10))))
    assert constant.spearman == 0 == constant.pearson


def test_a_single_model_has_nothing_to_calibrate():
    atoms = rattled(2)
    examples = [Example(str(k), "", a, Labels(0.0, np.zeros((3, 3)))) for k, a in enumerate(atoms)]
    with pytest.raises(DataError, match="no spread"):
        calibration(Morse(), examples)
