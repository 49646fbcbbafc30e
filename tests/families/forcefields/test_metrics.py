"""Scores by hand on two small structures, notes beside them, and the references that are taken off."""

import json

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from weighin.core.errors import InputError, RunError
from weighin.core.family import Example
from weighin.families.forcefields import metrics, references
from weighin.families.forcefields.labels import Evaluation, Labels


def example(atoms, energy, forces, stress=None, group="a"):
    return Example(group, group, atoms, Labels(energy, np.asarray(forces, float), stress))


def answer(energy, forces, stress=None):
    forces = np.asarray(forces, float)
    return Evaluation(energy, forces, np.full(len(forces), energy / len(forces)), stress)


PAIRS = [
    (answer(-9.9, [[1, 0, 0], [0, 0, 0]]), example(Atoms("HH"), -10.0, [[1, 0, 0], [-1, 0, 0]])),
    (answer(-5.0, [[0, 3, 0]], np.full((3, 3), 0.002)), example(Atoms("C"), -5.3, [[0, 3, 4]], np.zeros((3, 3)), "b")),
]


def values(pairs):
    tallies = metrics.score([y for y, _ in pairs], [e for _, e in pairs])
    assert all(len(t.value) == len(t.weight) == len(pairs) for t in tallies.values())
    return {
        s.name: s.transform(tallies[s.name].value.reshape(len(pairs), -1).sum(0), tallies[s.name].weight.sum())
        for s in metrics.SCORES
    }


def test_scores_by_hand():
    seen = values(PAIRS)
    assert seen["force_mae"] == pytest.approx((1 + 4) / 9)
    assert seen["force_rmse"] == pytest.approx(np.sqrt((1 + 16) / 9)), "over components, not a mean of structures"
    assert seen["force_cosine"] == pytest.approx((1 + 0 + 0.6) / 3)
    assert seen["energy_mae_per_atom"] == pytest.approx((50 + 300) / 2)
    assert seen["energy_rmse_per_atom"] == pytest.approx(np.sqrt((50**2 + 300**2) / 2))
    assert seen["stress_mae"] == pytest.approx(2.0)


def test_a_constant_offset_of_a_molecule_is_an_error():
    atoms, truth = molecule("H2O"), np.zeros((3, 3))
    shifted = [(answer(-99.0, truth), example(atoms, -100.0, truth, group=str(k))) for k in range(4)]
    assert values(shifted)["energy_mae_per_atom"] == pytest.approx(1000 / 3)


def test_small_forces_have_no_direction_and_molecules_no_stress():
    seen = metrics.score([answer(0.0, [[0, 0, 1]])], [example(Atoms("H"), 0.0, [[0.01, 0, 0]])])
    assert seen["force_cosine"].weight[0] == 0 and seen["stress_mae"].weight[0] == 0


def test_notes_are_what_no_model_would_score():
    told = metrics.notes([e for _, e in PAIRS])
    assert told["trivial_force_mae"] == pytest.approx((1 + 1 + 3 + 4) / 9) and told["elements"] == "H C"
    assert told["trivial_energy_mae_per_atom"] == pytest.approx(0, abs=1e-9) and told["molecules"] == 2
    assert metrics.notes([]) == {}


def test_references_are_found_again():
    rng = np.random.default_rng(0)
    true = {1: -13.6, 6: -1036.2, 8: -2043.7}
    structures = [molecule(name) for name in ("H2O", "CH4", "CO2", "CH3CH2OH", "C2H2", "O2")]
    energies = np.array([sum(true[int(n)] for n in atoms.numbers) for atoms in structures])
    found = references.fitted(structures, energies + rng.normal(0, 1e-6, len(energies)))
    assert found.numbers == (1, 6, 8)
    np.testing.assert_allclose(found.energies, list(true.values()), atol=1e-4)


def test_one_composition_is_enough():
    """All frames of one molecule: no element's own energy can be known, their sum is."""
    structures = [molecule("H2O")] * 3
    found = references.fitted(structures, np.array([-2070.0, -2070.2, -2069.8]))
    assert found.of(found.species(structures[0])).sum() == pytest.approx(-2070.0)


def test_rows_that_are_known_keep_their_places(tmp_path):
    found = references.fitted([molecule("H2O"), molecule("CH4")], np.array([-10.0, -20.0]), known=[14, 8])
    assert found.numbers == (14, 8, 1, 6) and found.symbols == ("Si", "O", "H", "C")
    found.save(tmp_path)
    assert references.load(tmp_path) == found
    assert found.species(molecule("CH3OH")).tolist() == [3, 1, 2, 2, 2, 2]


def test_an_unknown_element_is_named(tmp_path):
    known = references.References((1, 8), (-13.6, -2000.0))
    for atoms, named in ((molecule("CH3Cl"), "C, Cl"), (bulk("Au"), "Au")):
        with pytest.raises(InputError, match=f"holds {named}, which training did not have.*knows H, O"):
            known.species(atoms)


@pytest.mark.parametrize("harm", ["missing", "half", "other"])
def test_damaged_references_are_one_clear_error(harm, tmp_path):
    references.References((1,), (-13.6,)).save(tmp_path)
    path = tmp_path / references.FILE
    if harm == "missing":
        path.unlink()
    else:
        path.write_text(path.read_text()[:20] if harm == "half" else json.dumps([{"z": 1}]))
    with pytest.raises(RunError, match=r"elements\.json is missing or damaged"):
        references.load(tmp_path)
