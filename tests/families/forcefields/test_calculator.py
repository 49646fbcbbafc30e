"""The ASE calculator: values are the predictor's, nothing is computed twice, nothing stale is answered."""

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError
from made import Morse, water

from weighin.core.errors import ConfigError, InputError
from weighin.families.forcefields.calculator import Calculator


def test_values_are_the_predictors():
    predict, atoms = Morse(), water()
    atoms.calc = Calculator(predict)
    said = predict([water()])[0]
    assert atoms.get_potential_energy() == said.energy == atoms.get_potential_energy(force_consistent=True)
    assert np.array_equal(atoms.get_forces(), said.forces) and np.array_equal(atoms.get_potential_energies(), said.energies)


def test_forces_are_the_slope_of_the_energy():
    atoms = water()
    atoms.rattle(0.05, seed=1)
    atoms.calc = Calculator(Morse())
    from ase.calculators.fd import calculate_numerical_forces

    assert np.allclose(atoms.get_forces(), calculate_numerical_forces(atoms, eps=1e-4), atol=1e-5)


def test_nothing_is_computed_twice_and_nothing_is_stale():
    predict, atoms = Morse(), water()
    atoms.calc = Calculator(predict)
    first = atoms.get_potential_energy()
    atoms.get_forces(), atoms.get_potential_energies(), atoms.get_potential_energy()
    assert predict.calls == 1
    atoms.positions[0, 2] += 1e-7
    assert atoms.get_potential_energy() != first and predict.calls == 2
    atoms.positions[0, 2] -= 1e-7
    assert atoms.get_potential_energy() == pytest.approx(first, abs=1e-12) and predict.calls == 3
    atoms.cell, atoms.pbc = np.eye(3) * 12, True
    atoms.get_forces()
    assert predict.calls == 4
    atoms.numbers[0] = 7
    atoms.get_forces()
    assert predict.calls == 5


def test_a_result_that_is_changed_does_not_change_the_calculator():
    atoms = water()
    atoms.calc = Calculator(Morse())
    forces = atoms.get_forces()
    forces += 1
    assert not np.array_equal(forces, atoms.get_forces())


def test_stress_only_in_a_cell():
    atoms = water()
    atoms.calc = Calculator(Morse())
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_stress()
    atoms.cell, atoms.pbc = np.eye(3) * 4, True
    from ase.calculators.fd import calculate_numerical_stress

    assert np.allclose(atoms.get_stress(), calculate_numerical_stress(atoms, eps=1e-5), atol=1e-6)
    assert np.abs(atoms.get_stress()).max() > 1e-3


def test_a_committee_has_a_spread():
    atoms = water()
    atoms.calc = Calculator([Morse(), Morse(1.1)])
    forces = np.stack([p([water()])[0].forces for p in (Morse(), Morse(1.1))])
    assert np.allclose(atoms.get_forces(), forces.mean(0))
    assert np.allclose(atoms.calc.get_property("forces_std", atoms), np.sqrt(forces.var(0, ddof=1).mean(1)))
    atoms.calc = Calculator([Morse()])
    with pytest.raises(PropertyNotImplementedError):
        atoms.calc.get_property("forces_std", atoms)
    with pytest.raises(ConfigError, match="no predictor"):
        Calculator([])


def test_an_element_that_was_not_trained_is_refused():
    atoms = Atoms("Ar")
    atoms.calc = Calculator(Morse())
    with pytest.raises(InputError, match="Ar"):
        atoms.get_potential_energy()
