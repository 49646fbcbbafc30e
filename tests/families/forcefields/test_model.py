"""The networks: sizes, exact derivatives, symmetries, smoothness; untrained, in float64."""

import numpy as np
import pytest
import torch
from ase import Atoms
from made_models import FAMILY, KNOWN, built, ethanol, predictor, silicon, slab, variant_of

from weighin.core.family import Example
from weighin.families.forcefields import rotation
from weighin.families.forcefields.batch import batch_of
from weighin.families.forcefields.graph import pack
from weighin.families.forcefields.labels import HessianRows, Labels
from weighin.families.forcefields.layers import REACH, Bessel, Repulsion, envelope
from weighin.families.forcefields.neighbours import find
from weighin.steps.candidate import count

NETS = ("tiny", "source-tiny")
STRUCTURES = {"molecule": ethanol, "crystal": silicon, "slab": slab}


@pytest.mark.parametrize(("name", "source"), [("original", 427_292), ("tiny", 77_203), ("ultra-tiny", 21_459)])
def test_ours_are_no_larger_than_the_sources_and_the_sources_are_exact(name, source):
    assert count(FAMILY, FAMILY.variant(f"source-{name}")) == source
    assert 0.8 * source < count(FAMILY, FAMILY.variant(name)) <= source


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("zbl", [False, True])
def test_what_is_exported_is_what_autograd_learns(net, layers, zbl):
    """Hand-written derivatives on padded rows against autograd on a list of edges."""
    model = built(variant_of(net, **{"model.layers": layers, "model.zbl": zbl})).double()
    structures = [make() for make in STRUCTURES.values()] + [Atoms("H")]
    packed = pack([find(atoms, 5.0) for atoms in structures])
    species = torch.from_numpy(np.concatenate([KNOWN.species(atoms) for atoms in structures]))
    flat = packed.flat(torch.float64)
    flat.vectors.requires_grad_(True)
    energies = model.net(species, flat)
    (slopes,) = torch.autograd.grad(energies.sum(), flat.vectors)
    padded, place = packed.padded(10.0, torch.float64)
    given, steep = model.net.with_slopes(species, padded)
    torch.testing.assert_close(given, energies, rtol=1e-10, atol=1e-10)
    steep = steep.reshape(-1, 3)
    torch.testing.assert_close(steep[place], slopes, rtol=1e-9, atol=1e-9)
    empty = np.setdiff1d(np.arange(len(steep)), place)
    assert (steep[empty] == 0).all() and slopes.abs().max() > 1e-3


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("kind", STRUCTURES)
def test_forces_are_minus_the_slope_of_the_energy(net, kind, tmp_path):
    predict, atoms, step = predictor(tmp_path, net), STRUCTURES[kind](), 1e-4
    forces = predict([atoms])[0].forces
    for place, axis in [(0, 0), (1, 2), (len(atoms) - 1, 1)]:
        moved = [atoms.copy(), atoms.copy()]
        for sign, copy in zip((1, -1), moved):
            copy.positions[place, axis] += sign * step
        high, low = (y.energy for y in predict(moved))
        assert forces[place, axis] == pytest.approx(-(high - low) / (2 * step), abs=1e-5)
    assert np.abs(forces).max() > 1e-2


def test_stress_is_the_slope_by_strain_over_the_volume(tmp_path):
    predict, atoms, step = predictor(tmp_path), silicon(), 1e-4
    stress = predict([atoms])[0].stress
    for a, b in [(0, 0), (1, 2), (2, 2), (0, 1)]:
        strain = np.zeros((3, 3))
        strain[a, b] += step / 2
        strain[b, a] += step / 2
        pair = []
        for sign in (1, -1):
            strained = atoms.copy()
            strained.set_cell(atoms.cell @ (np.eye(3) + sign * strain), scale_atoms=True)
            pair.append(predict([strained])[0].energy)
        assert stress[a, b] == pytest.approx((pair[0] - pair[1]) / (2 * step) / atoms.cell.volume, abs=1e-6)
    assert np.abs(stress).max() > 1e-4 and np.array_equal(stress, stress.T)


@pytest.mark.parametrize("kind", STRUCTURES)
def test_energies_do_not_see_directions_places_or_order(kind, tmp_path):
    predict, atoms = predictor(tmp_path), STRUCTURES[kind]()
    here = predict([atoms])[0]
    turn = rotation.random(np.random.default_rng(1))
    order = np.random.default_rng(2).permutation(len(atoms))
    for change in (turn, -turn):
        turned = atoms.copy()
        turned.positions, turned.cell = atoms.positions @ change.T, np.asarray(atoms.cell) @ change.T
        there = predict([turned])[0]
        assert there.energy == pytest.approx(here.energy, abs=1e-8)
        np.testing.assert_allclose(there.forces, here.forces @ change.T, atol=1e-8)
        if here.stress is not None:
            np.testing.assert_allclose(there.stress, change @ here.stress @ change.T, atol=1e-9)
    moved = atoms.copy()
    moved.positions += [300.0, -20.0, 5.0]
    np.testing.assert_allclose(predict([moved])[0].forces, here.forces, atol=1e-8)
    there = predict([atoms[order]])[0]
    np.testing.assert_allclose(there.forces, here.forces[order], atol=1e-9)
    np.testing.assert_allclose(there.energies, here.energies[order], atol=1e-9)


def test_the_sources_layers_see_directions(tmp_path):
    """What the family's checks are to catch."""
    predict, atoms = predictor(tmp_path, "source-tiny"), ethanol()
    energies = []
    for seed in range(4):
        turned = atoms.copy()
        turned.positions = atoms.positions @ rotation.random(np.random.default_rng(seed)).T
        energies.append(predict([turned])[0].energy)
    assert np.ptp(energies) > 1e-3


@pytest.mark.parametrize(("net", "jumps"), [("tiny", False), ("source-tiny", True)])
def test_an_atom_that_enters_the_cutoff(net, jumps, tmp_path):
    predict = predictor(tmp_path, net)
    pairs = [Atoms("CO", [[0, 0, 0], [0.1, 0.2, z]]) for z in np.sqrt(25.0 - 0.05) + np.array([-2e-5, -1e-5, 1e-5, 2e-5])]
    answers = predict(pairs)
    energies, forces = np.array([y.energy for y in answers]), np.array([np.abs(y.forces).max() for y in answers])
    assert (abs(energies[2] - energies[1]) > 1e-4) == jumps
    if not jumps:
        assert np.ptp(energies) < 1e-10 and forces.max() < 1e-8


@pytest.mark.parametrize("net", NETS)
def test_energies_add_up(net, tmp_path):
    predict, one, two = predictor(tmp_path, net), ethanol(), silicon()
    apart = one.copy()
    apart.positions += [50, 0, 0]
    both = predict([one + apart])[0]
    assert both.energy == pytest.approx(2 * predict([one])[0].energy, abs=1e-7)
    assert predict([two.repeat((2, 1, 1))])[0].energy == pytest.approx(2 * predict([two])[0].energy, abs=1e-7)
    assert both.energies.sum() == pytest.approx(both.energy, abs=1e-8)


def test_many_at_once_are_each_by_itself(tmp_path):
    many = [ethanol(k) for k in range(3)] + [Atoms("H"), silicon(), slab(), Atoms("O2", [[0, 0, 0], [0, 0, 1.2]])]
    predict = predictor(tmp_path, **{"predict.places": 60})
    for together, atoms in zip(predict(many), many, strict=True):
        (alone,) = predict([atoms])
        np.testing.assert_allclose(together.forces, alone.forces, atol=1e-9)
        assert together.energy == pytest.approx(alone.energy, abs=1e-8) and together.symbols == tuple(atoms.symbols)
        assert (together.stress is None) == (not atoms.pbc.all())


def test_one_atom_has_its_references_energy_and_no_force(tmp_path):
    (one,) = predictor(tmp_path)([Atoms("C")])
    (other,) = predictor(tmp_path)([Atoms("C", [[7, 8, 9]])])
    assert one.energy == other.energy and abs(one.energy + 1000) < 20 and not one.forces.any()


def test_what_training_sees_is_what_the_predictor_answers(tmp_path):
    """float32 both; the stress of the mixed batch is that of the crystal alone."""
    predict = predictor(tmp_path, **{"predict.double": False})
    structures = [ethanol(), silicon(), slab()]
    labels = [Labels(0.0, np.zeros((len(a), 3))) for a in structures]
    batch = batch_of(structures, labels, KNOWN, 5.0)
    with torch.no_grad():
        outputs = built(variant_of())(batch)
    answers = predict(structures)
    np.testing.assert_allclose(outputs["forces"], np.concatenate([y.forces for y in answers]), atol=2e-5)
    np.testing.assert_allclose(outputs["energy"], [y.energy / len(y.forces) for y in answers], atol=1e-5)
    np.testing.assert_allclose(outputs["stress"][1], answers[1].stress, atol=1e-5)
    assert outputs["stress"][[0, 2]].isnan().all()


def test_ten_thousand_electronvolts_cost_no_precision(tmp_path):
    """Total energies near -15 keV differ by what the network alone says."""
    predict, double = (predictor(tmp_path, **{"predict.double": d}) for d in (False, True))
    for atoms in (silicon(), silicon(1)):
        given, true = predict([atoms])[0], double([atoms])[0]
        assert true.energy < -50_000 and given.energy == pytest.approx(true.energy, abs=2e-5)
        np.testing.assert_allclose(given.forces, true.forces, atol=1e-4)


def test_the_hessian_in_training_is_that_of_finite_differences(tmp_path):
    """Every row of it, drawn one after the other."""
    atoms, step = ethanol(), 1e-4
    predict = predictor(tmp_path)
    rows = np.arange(3 * len(atoms))
    columns = []
    for k in rows:
        pair = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions.reshape(-1)[k] += sign * step
            pair.append(predict([moved])[0].forces.reshape(-1))
        columns.append(-(pair[0] - pair[1]) / (2 * step))
    hessian = np.stack(columns, 1)  # [3n, 3n]
    labels = Labels(0.0, np.zeros((len(atoms), 3)), hessian=HessianRows(rows, hessian.reshape(-1, len(atoms), 3)))
    variant = variant_of(**{"model.loss.hessian": 1.0, "model.loss.rows": len(rows), "model.loss.form": "mse"})
    batch = batch_of([ethanol(1), atoms], [Labels(0.0, np.zeros((9, 3))), labels], KNOWN, 5.0)
    model = built(variant)
    outputs = model(batch)
    given = outputs["hessian"][:, 9:].reshape(len(rows), -1).detach().numpy()
    np.testing.assert_allclose(given, hessian[outputs["drawn"].numpy()], atol=2e-3)
    losses = FAMILY.loss(outputs, batch, variant)
    assert 0 <= losses["hessian"].item() < 1e-6, "no other structure's rows are in it"
    other = batch_of([atoms], [Labels(0.0, np.zeros((9, 3)), hessian=HessianRows(rows[:2], np.zeros((2, 9, 3))))], KNOWN, 5.0)
    torch.stack(list(FAMILY.loss(model(other), other, variant).values())).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.net.interactions.parameters())


def test_pieces_and_their_slopes():
    distance = torch.linspace(0.4, 5.3, 200, dtype=torch.float64)[:, None].requires_grad_(True)
    basis = Bessel(7, 5.0).double()
    given, slope = basis.keep(distance)
    torch.testing.assert_close(given, basis(distance))
    for k in range(7):
        (true,) = torch.autograd.grad(given[:, k].sum(), distance, retain_graph=True)
        torch.testing.assert_close(slope[:, k : k + 1], true, atol=1e-10, rtol=1e-8)
    x = torch.tensor([0.0, 1.0, 1.5], dtype=torch.float64)
    height, fall = envelope(x)
    assert height.tolist() == [1, 0, 0] and fall.tolist() == [0, 0, 0]


def test_repulsion_is_that_of_the_paper():
    """Two bare carbons at 0.5 A: Z1 Z2 e^2 / r times the universal screening function, by hand."""
    pair = Repulsion(2).double()
    pair.set([6, 6])
    atoms = Atoms("C2", [[0, 0, 0], [0, 0, 0.5]])
    edges = pack([find(atoms, 5.0)]).flat(torch.float64)
    length = 0.88534 * 0.529177 / (2 * 6**0.23)
    screen = sum(
        a * np.exp(-b * 0.5 / length) for a, b in ((0.18175, 3.1998), (0.50986, 0.94229), (0.28022, 0.4029), (0.02817, 0.20162))
    )
    ends = float(envelope(torch.tensor(0.5 / (REACH * 1.52)))[0])
    energies = pair(torch.tensor([0, 1]), edges, edges.vectors.norm(dim=1, keepdim=True))
    assert float(energies.sum()) == pytest.approx(36 * 14.399645 / 0.5 * screen * ends, rel=1e-5)
    far = pack([find(Atoms("C2", [[0, 0, 0], [0, 0, 1.53]]), 5.0)]).flat(torch.float64)
    assert not pair(torch.tensor([0, 1]), far, far.vectors.norm(dim=1, keepdim=True)).any()


def test_turned_examples_have_turned_labels():
    rng = np.random.default_rng(0)
    turns = np.stack([rotation.random(rng) for _ in range(200)])
    np.testing.assert_allclose(turns @ turns.transpose(0, 2, 1), np.broadcast_to(np.eye(3), (200, 3, 3)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(turns), 1)
    assert np.abs(turns.mean(0)).max() < 0.15
    atoms = silicon()
    labels = Labels(-1.0, rng.normal(size=(8, 3)), np.diag([1.0, 2.0, 3.0]))
    turned = rotation.turned(Example("a", "a", atoms, labels), rng)
    before = (labels.forces * atoms.positions).sum(1)
    np.testing.assert_allclose((turned.y.forces * turned.x.positions).sum(1), before)
    np.testing.assert_allclose(sorted(np.linalg.eigvalsh(turned.y.stress)), [1, 2, 3])
    assert turned.x.cell.volume == pytest.approx(atoms.cell.volume) and turned.y.energy == -1.0
