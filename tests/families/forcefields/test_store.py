"""Frames packed and read again."""

import time
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.build import molecule as built

from weighin.core.errors import DataError
from weighin.families.forcefields.labels import HessianRows, Labels
from weighin.families.forcefields.store import Frame, load, pack, save


def frames_of_two():
    rng = np.random.default_rng(0)
    radical = built("CH3")
    radical.info |= {"charge": 1, "spin": 3}
    rows = HessianRows(np.array([2, 7]), rng.normal(size=(2, 4, 3)))
    copper = bulk("Cu", cubic=True)
    copper.pbc = (True, True, False)
    return [
        Frame(
            radical,
            Labels(-1.5, rng.normal(size=(4, 3)), energies=rng.normal(size=4), hessian=rows),
            "A",
            "methyl",
            "300K",
            300.0,
        ),
        Frame(copper, Labels(2.0, rng.normal(size=(4, 3)), stress=rng.normal(size=(3, 3))), "Cu", "copper", "file"),
        Frame(Atoms("H"), Labels(-13.6, np.zeros((1, 3))), "A", "methyl", "300K", 600.0),
    ]


def test_what_is_saved_is_what_is_read(tmp_path):
    given = frames_of_two()
    save(pack(given, {"teacher": "mine"}), tmp_path / "frames.safetensors")
    frames = load(tmp_path / "frames.safetensors")
    assert len(frames) == 3 and frames.notes == {"teacher": "mine"} and frames.groups == ("A", "Cu")
    for at, one in enumerate(given):
        again = frames.frame(at)
        assert np.array_equal(again.atoms.numbers, one.atoms.numbers) and np.array_equal(
            again.atoms.positions, one.atoms.positions
        )
        assert np.array_equal(again.atoms.pbc, one.atoms.pbc) and np.array_equal(again.atoms.cell, one.atoms.cell)
        assert again.atoms.info == one.atoms.info
        assert (again.group, again.kind, again.tag) == (one.group, one.kind, one.tag)
        assert again.labels.energy == one.labels.energy and np.array_equal(again.labels.forces, one.labels.forces)
        for name in ("stress", "energies"):
            assert np.array_equal(getattr(again.labels, name), getattr(one.labels, name)) or getattr(one.labels, name) is None
            assert (getattr(again.labels, name) is None) == (getattr(one.labels, name) is None)
    hessian = frames.labels(0).hessian
    assert hessian is not None and np.array_equal(hessian.rows, [2, 7])
    assert np.array_equal(hessian.values, given[0].labels.hessian.values) and frames.labels(1).hessian is None


def test_nothing_can_be_packed_and_read(tmp_path):
    save(pack([]), tmp_path / "none.safetensors")
    assert len(load(tmp_path / "none.safetensors")) == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"forces": np.zeros((3, 3))}, r"forces of A have shape \[3, 3\]. 4 atoms need \[4, 3\]"),
        ({"stress": np.zeros(6)}, r"stress of A have shape \[6\]"),
        ({"energies": np.zeros(5)}, "energies of A"),
        ({"hessian": HessianRows(np.array([0]), np.zeros((1, 3, 3)))}, "Hessian rows of A"),
    ],
)
def test_wrong_shapes_are_refused(changes, words):
    frame = frames_of_two()[0]
    with pytest.raises(DataError, match=words):
        pack([replace(frame, labels=replace(frame.labels, **changes))])


def test_damaged_files_are_told(tmp_path):
    path = tmp_path / "frames.safetensors"
    with pytest.raises(DataError, match="There is no labelled file"):
        load(path)
    save(pack(frames_of_two()), path)
    whole = path.read_bytes()
    for raw in (whole[:-40], whole[:100], b"", b"\0" * 64, b"nonsense", whole.replace(b'"groups', b'"croups')):
        path.write_bytes(raw)
        with pytest.raises(DataError, match=r"is damaged.*Delete it and label again"):
            load(path)


def test_arrays_that_do_not_fit_are_damage(tmp_path):
    frames = pack(frames_of_two())
    for changes in ({"energy": frames.energy[:2]}, {"group": frames.group + 5}, {"start": frames.start[:-1]}):
        save(replace(frames, **changes), tmp_path / "x.safetensors")
        with pytest.raises(DataError, match="do not agree"):
            load(tmp_path / "x.safetensors")


def test_twelve_thousand_frames_are_read_in_two_seconds(tmp_path):
    ethanol = built("CH3CH2OH")
    one = Frame(ethanol, Labels(0.0, np.zeros((9, 3))), "A", "ethanol", "300K")
    save(pack([one] * 12_000), tmp_path / "many.safetensors")
    begin = time.process_time()
    frames = load(tmp_path / "many.safetensors")
    assert len(frames.atoms(11_999)) == 9
    assert time.process_time() - begin < 2
