"""Active learning on formulas: what is picked, what is dropped, and that an interrupted call goes on."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from made import Morse, water

from weighin.core.errors import ConfigError, DataError, InputError, RunError
from weighin.families.forcefields import active, teachers
from weighin.families.forcefields.active import AcquireDials, Candidate, acquire, ranked
from weighin.families.forcefields.store import load
from weighin.families.forcefields.teachers import custom

QUICK = {"teacher": "made", "temperatures": (200.0, 600.0), "steps": 60, "stride": 6, "count": 12}


@pytest.fixture(autouse=True)
def teacher(monkeypatch):
    """``made``: Morse as any ASE calculator; ``labels`` counts and may break."""
    from weighin.families.forcefields.calculator import Calculator

    found = custom("made", lambda atoms: Calculator(Morse()), conservative=True)
    real = teachers.teacher
    monkeypatch.setattr(teachers, "teacher", lambda name: found if name == "made" else real(name))
    monkeypatch.setattr(type(found), "version", "1")
    return found


def methane():
    corners = np.array([[1, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1]]) * 0.63
    return Atoms("CH4", np.vstack([np.zeros(3), corners]))


STARTS = [("water", water()), ("methane", methane())]
PAIR = (Morse(1.0), Morse(1.1))


def run(out, starts=STARTS, models=PAIR, **dials):
    out.mkdir(exist_ok=True)
    return acquire(starts, models, AcquireDials(**(QUICK | dials)), out)


def test_labels_are_the_teachers(tmp_path):
    seen = run(tmp_path / "set")
    frames = load(tmp_path / "set" / "frames.safetensors")
    assert seen["frames"] == len(frames) == 12 and seen["pool"] == 40 and seen["failed"] == 0
    for at in range(12):
        truth = Morse()([frames.atoms(at)])[0]
        assert frames.labels(at).energy == pytest.approx(truth.energy)
        assert np.allclose(frames.labels(at).forces, truth.forces)
    assert set(frames.tags) <= {"200K", "600K"} and frames.notes["teacher"] == "made"


def test_the_committee_picks_where_it_errs_more_than_chance_does(tmp_path):
    """Members disagree by a tenth of the force, so large forces are picked."""
    picked, chance = run(tmp_path / "a", count=6), run(tmp_path / "b", count=6, pick="random")
    assert picked["pool"] == chance["pool"] and picked["spread_of_pool"] == chance["spread_of_pool"]
    assert picked["committee"]["spread"] > 1.1 * chance["committee"]["spread"]
    assert picked["committee"]["rmse"] > 1.1 * chance["committee"]["rmse"]


def test_the_seed_decides_what_chance_picks(tmp_path):
    files = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run(tmp_path / name, pick="random", seed=seed)
        files.append(load(tmp_path / name / "frames.safetensors").positions)
    assert np.array_equal(files[0], files[1]) and not np.array_equal(files[0], files[2])


def test_an_interrupted_call_goes_on_and_labels_nothing_twice(tmp_path, monkeypatch):
    run(tmp_path / "whole", count=30)
    real, calls = teachers.evaluate, []

    def broken(atoms, by):
        calls.append(1)
        if len(calls) == 25:
            raise KeyboardInterrupt
        return real(atoms, by)

    monkeypatch.setattr(teachers, "evaluate", broken)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", count=30)
    run(tmp_path / "cut", count=30)
    assert len(calls) == 25 + 10, "the first twenty stood already"
    for name in ("frames.safetensors", "summary.json"):
        mine, other = ((tmp_path / place / name).read_bytes() for place in ("cut", "whole"))
        assert mine.replace(b"/cut", b"/whole") == other


def test_failures_and_absurd_frames_are_counted_and_made_up_for(tmp_path, monkeypatch):
    real, calls = teachers.evaluate, []

    def flaky(atoms, by):
        calls.append(1)
        if len(calls) % 4 == 0:
            raise DataError("the teacher fails")
        labels = real(atoms, by)
        return replace(labels, forces=labels.forces + 100) if len(calls) % 5 == 0 else labels

    monkeypatch.setattr(teachers, "evaluate", flaky)
    seen = run(tmp_path / "set")
    assert seen["frames"] == 12 and seen["failed"] > 0 and seen["absurd"] > 0
    assert len(calls) == 12 + seen["failed"] + seen["absurd"]


def test_labels_are_added_to_a_set(tmp_path):
    run(tmp_path / "one", count=5, pick="random")
    seen = run(tmp_path / "two", count=4, onto=str(tmp_path / "one"))
    both, first = load(tmp_path / "two" / "frames.safetensors"), load(tmp_path / "one" / "frames.safetensors")
    assert seen["frames"] == 4 and seen["frames_in_set"] == len(both) == 9
    assert np.array_equal(both.positions[: len(first.positions)], first.positions)
    with pytest.raises(DataError, match="no labelled file"):
        run(tmp_path / "three", onto=str(tmp_path / "none"))


def test_a_rattled_and_a_given_pool(tmp_path):
    assert run(tmp_path / "a", pool="rattle", count=5)["pool"] == 40
    seen = run(tmp_path / "b", pool="given", count=5)
    assert seen["pool"] == 2 == seen["frames"]


def test_a_periodic_start_keeps_its_cell(tmp_path):
    crystal = bulk("C", "diamond", 3.6, cubic=True)
    crystal.rattle(0.02, seed=0)
    run(tmp_path / "set", starts=[("diamond", crystal)], pool="rattle", count=3)
    frames = load(tmp_path / "set" / "frames.safetensors")
    assert frames.pbc.all() and np.allclose(frames.cell[0], crystal.cell.array) and np.isfinite(frames.stress).all()


def pool(spreads, shifts):
    found = []
    for spread, shift in zip(spreads, shifts):
        atoms = water()
        atoms.positions[1, 1] += shift
        found.append(Candidate(atoms, "water", 300.0, spread))
    return found


def test_the_largest_spread_comes_first_and_twins_last():
    given = pool([0.1, 0.5, 0.4, 0.3], [0.0, 0.2, 0.201, 0.4])
    assert ranked(given, AcquireDials(apart=0.02)) == [1, 3, 0, 2]
    assert ranked(given, AcquireDials(apart=0.0)) == [1, 2, 3, 0]
    assert ranked(given, AcquireDials(apart=0.0, least=0.35)) == [1, 2]
    assert sorted(ranked(given, AcquireDials(pick="random"))) == [0, 1, 2, 3]


def test_a_turned_frame_is_a_twin():
    turned = water()
    turned.rotate(70, "y")
    turned.positions += 3
    given = [Candidate(water(), "water", 300.0, 0.5), Candidate(turned, "water", 300.0, 0.4), *pool([0.1], [0.3])]
    assert ranked(given, AcquireDials()) == [0, 2, 1]


def test_what_cannot_be_is_told(tmp_path):
    with pytest.raises(ConfigError, match="committee of one"):
        run(tmp_path / "a", models=PAIR[:1])
    assert run(tmp_path / "b", models=PAIR[:1], pick="random")["frames"] == 12
    with pytest.raises(ConfigError, match="No teacher is called"):
        run(tmp_path / "c", teacher="nobody")
    with pytest.raises(InputError, match=r"not trained|not in training"):
        run(tmp_path / "d", starts=[("argon", Atoms("Ar2", [[0, 0, 0], [0, 0, 4]]))])
    with pytest.raises(ConfigError, match="picked otherwise"):
        run(tmp_path / "b", models=PAIR[:1], pick="random", count=3)
    (tmp_path / "b" / "pool" / "0.npz").write_bytes(b"nonsense")
    with pytest.raises(RunError, match="damaged"):
        run(tmp_path / "b", models=PAIR[:1], pick="random")


def test_a_teacher_that_labels_nothing_is_told(tmp_path, monkeypatch):
    def never(atoms, by):
        raise DataError("no")

    monkeypatch.setattr(active.teachers, "evaluate", never)
    with pytest.raises(DataError, match="labelled none of"):
        run(tmp_path / "set")
