"""The family as the house sees it: answers, losses, preparation, refusals."""

import json

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from ase.io import read, write
from made_models import FAMILY, KNOWN, built, ethanol, predictor, silicon, variant_of

from weighin.core.errors import ConfigError, DataError, InputError
from weighin.core.family import Example
from weighin.families.forcefields.labels import HessianRows, Labels
from weighin.families.forcefields.training import losses


def example(atoms, seed=0, **labels):
    forces = np.random.default_rng(seed).normal(size=(len(atoms), 3))
    return Example(str(seed), str(seed), atoms, Labels(-1000.0 * len(atoms), forces, **labels))


def test_answers_can_be_read(tmp_path):
    (answer,) = predictor(tmp_path)([silicon()])
    shown = FAMILY.show(answer)
    assert json.loads(json.dumps(shown)) == shown and shown["symbols"] == ["Si"] * 8
    assert np.shape(shown["forces_ev_per_a"]) == (8, 3) and np.shape(shown["stress_ev_per_a3"]) == (3, 3)
    assert "stress_ev_per_a3" not in FAMILY.show(predictor(tmp_path)([ethanol()])[0])
    assert FAMILY.brief(answer).startswith("Si8 -56") and "eV/A" in FAMILY.brief(answer)


def test_files_become_extended_xyz(tmp_path):
    path = tmp_path / "frames.xyz"
    write(path, [ethanol(), ethanol(1)])
    (named,) = FAMILY.expand(path)
    answers = predictor(tmp_path)([atoms for _, atoms in named])
    (written,) = FAMILY.save_answers(path, list(zip([n for n, _ in named], answers)), tmp_path)
    again = read(written, ":")
    assert [a.get_potential_energy() for a in again] == pytest.approx([y.energy for y in answers], abs=1e-6)
    np.testing.assert_allclose(again[1].get_forces(), answers[1].forces, atol=1e-6)
    single = tmp_path / "one.xyz"
    write(single, ethanol())
    (((name, atoms),),) = FAMILY.expand(single)
    assert name == "" and len(FAMILY.save_answers(single, [(name, answers[0])], tmp_path)) == 1 and len(atoms) == 9


def test_strange_elements_and_things_are_refused(tmp_path):
    predict = predictor(tmp_path)
    for wrong, message in (
        (molecule("NH3"), "holds N, which training did not have"),
        (Atoms(), "no atoms"),
        (np.zeros((3, 3)), r"Input 0 is ndarray. forcefields reads ase\.Atoms"),
    ):
        with pytest.raises(InputError, match=message):
            predict([wrong])


def test_prepare_sets_elements_scale_and_references(tmp_path):
    variant = variant_of(**{"model.zbl": True})
    model = FAMILY.build(variant)
    train = [example(ethanol(k), k) for k in range(3)]
    FAMILY.prepare(model, variant, train, tmp_path)
    assert model.numbers.tolist()[:4] == [1, 6, 8, 0]
    squares = np.concatenate([np.square(e.y.forces).ravel() for e in train])
    assert float(model.net.scale) == pytest.approx(np.sqrt(squares.mean()))
    assert model.net.repulsion.charge.tolist()[:4] == [1, 6, 8, 0]
    FAMILY.prepare(model, variant, [example(silicon())], tmp_path)
    assert model.numbers.tolist()[:5] == [1, 6, 8, 14, 0], "a model that learns on keeps its rows"
    assert float(model.net.scale) == pytest.approx(np.sqrt(squares.mean()))


def test_more_elements_than_rows_are_refused(tmp_path):
    variant = variant_of(**{"model.species": 2})
    with pytest.raises(ConfigError, match=r"3 elements: H, C, O. model\.species is 2"):
        FAMILY.prepare(FAMILY.build(variant), variant, [example(ethanol())], tmp_path)


def test_labels_that_are_no_numbers_are_refused(tmp_path):
    variant = variant_of()
    bad = Example("a", "a", ethanol(), Labels(-1.0, np.full((9, 3), np.nan)))
    with pytest.raises(DataError, match="not a number"):
        FAMILY.prepare(FAMILY.build(variant), variant, [bad], tmp_path)


FORMS = ("mse", "huber", "norm")


@pytest.mark.parametrize("form", FORMS)
def test_every_term_is_zero_for_the_truth_and_falls_with_the_error(form, tmp_path):
    dials = {f"model.loss.{name}": 1.0 for name in ("energy", "force", "angular", "atomic", "stress", "hessian")}
    variant = variant_of(**dials, **{"model.loss.form": form})
    KNOWN.save(tmp_path)
    rows = HessianRows(np.array([0, 5]), np.zeros((2, 8, 3)))
    given = example(silicon(), stress=np.zeros((3, 3)), energies=np.zeros(8), hessian=rows)
    batch = FAMILY.batch(variant, [given, example(ethanol(), 1)], tmp_path)
    model = built(variant)
    outputs = {name: value.detach() for name, value in model(batch).items()}
    found = losses(outputs, batch, variant.model.loss)
    assert set(found) == {"energy", "force", "angular", "atomic", "stress", "hessian"}
    assert all(value > 1e-4 for value in found.values())
    batch.forces, batch.energy = outputs["forces"], outputs["energy"]
    batch.atomic, batch.stress = outputs["energies"], outputs["stress"]
    batch.rows.values[outputs["drawn"]] = outputs["hessian"]
    right = losses(outputs, batch, variant.model.loss)
    assert all(value < 1e-3 for value in right.values())


def test_terms_without_labels_or_weight_are_left_out(tmp_path):
    KNOWN.save(tmp_path)
    variant = variant_of()
    batch = FAMILY.batch(variant, [example(ethanol())], tmp_path)
    model = built(variant)
    assert set(losses(model(batch), batch, variant.model.loss)) == {"energy", "force"}


def test_the_angular_term_has_a_floor(tmp_path):
    from weighin.families.forcefields.training import angular

    truth = torch.tensor([[1.0, 0, 0], [0.01, 0, 0]])
    assert float(angular(torch.tensor([[2.0, 0, 0], [-1.0, 0, 0]]), truth, 0.1)) == pytest.approx(0, abs=1e-6)
    assert float(angular(torch.tensor([[0, 3.0, 0], [-1.0, 0, 0]]), truth, 0.1)) == pytest.approx(1, abs=1e-6)
    assert float(angular(truth, truth * 0, 0.1)) == 0


def test_a_teachers_answer_becomes_the_truth(tmp_path):
    (answer,) = predictor(tmp_path)([silicon()])
    taught = FAMILY.relabel(example(silicon()), answer).y
    assert taught.energy == answer.energy and np.array_equal(taught.forces, answer.forces)
    assert np.array_equal(taught.stress, answer.stress) and np.array_equal(taught.energies, answer.energies)


def test_only_the_sources_variants_are_turned():
    given, rng = [example(ethanol())], np.random.default_rng(0)
    assert FAMILY.augment(FAMILY.variant("tiny"), given, rng) is given
    (turned,) = FAMILY.augment(FAMILY.variant("source-tiny"), given, rng)
    assert np.abs(turned.x.positions - given[0].x.positions).max() > 0.1


def test_a_picture_shows_every_atom():
    assert FAMILY.picture(Atoms("H")).startswith(b"\x89PNG") and FAMILY.picture(silicon()).startswith(b"\x89PNG")
