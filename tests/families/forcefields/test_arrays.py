"""Labelled structures that come as arrays: npz, rMD17, HDF5, right and wrong."""

import h5py
import numpy as np
import pytest
from ase import units as ase_units
from ase.build import molecule as built
from ase.calculators.singlepoint import SinglePointCalculator
from walks import same, walk

from weighin.core.errors import DataError
from weighin.families.forcefields import data
from weighin.families.forcefields.sources import read
from weighin.families.forcefields.spec import parse


def arrays_of(frames, **changes):
    given = {
        "nuclear_charges": frames[0].numbers,
        "coords": np.array([a.positions for a in frames]),
        "energies": np.array([a.get_potential_energy() for a in frames]),
        "forces": np.array([a.get_forces() for a in frames]),
    }
    return {name: value for name, value in (given | changes).items() if value is not None}


def test_npz_of_a_trajectory_is_read(tmp_path):
    path, frames = tmp_path / "run.npz", walk(kind="springs")
    np.savez(path, **arrays_of(frames))
    same(read(parse(f"npz:{path}")), frames)
    np.savez(path, **arrays_of(frames, nuclear_charges=None, types=np.array([0, 1, 1])))
    with pytest.raises(DataError, match=r"types up to 1.*@types=O,H"):
        read(parse(f"npz:{path}"))
    for wrong in ("O", "O,Hh"):
        with pytest.raises(DataError, match=f"and @types={wrong}"):
            read(parse(f"npz:{path}@types={wrong}"))
    same(read(parse(f"npz:{path}@types=O,H")), frames)


def test_npz_with_boxes_is_periodic(tmp_path):
    frames = walk()
    for box in (frames[0].cell.array, np.array([a.cell.array.ravel() for a in frames]), frames[0].cell.lengths()):
        np.savez(tmp_path / "run.npz", **arrays_of(frames), box=box)
        same(read(parse(f"npz:{tmp_path / 'run.npz'}")), frames, stress=False)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"forces": None}, r"has no forces. One of forces, force"),
        ({"energies": np.zeros(7)}, r"energy of .* have shape \[7\]. \[30\]"),
        ({"forces": np.zeros((30, 2, 3))}, r"forces of .* \[30, 2, 3\]. \[30, 3, 3\]"),
        ({"box": np.zeros(5)}, r"Cells of .* \[5\]"),
        ({"energies": np.full(30, np.nan)}, "energy of structure 1 .* not finite"),
        ({"forces": np.full((30, 3, 3), 1e200)}, "forces of structure 1 .* beyond all measure"),
    ],
)
def test_wrong_arrays_are_told(tmp_path, changes, words):
    np.savez(tmp_path / "run.npz", **arrays_of(walk(kind="springs"), **changes))
    with pytest.raises(DataError, match=words):
        read(parse(f"npz:{tmp_path / 'run.npz'}"))


def test_pickles_and_damaged_archives_are_refused(tmp_path):
    path = tmp_path / "run.npz"
    np.savez(path, coords=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="without pickles"):
        read(parse(f"npz:{path}"))
    path.write_bytes(b"nonsense")
    with pytest.raises(DataError, match="no npz of numbers"):
        read(parse(f"npz:{path}"))


def test_rmd17_is_kilocalories(tmp_path):
    for side, n in (("train", 100), ("test", 40)):
        frames = walk(n, "springs")
        calories = {name: arrays_of(frames)[name] * ase_units.mol / ase_units.kcal for name in ("energies", "forces")}
        np.savez(tmp_path / f"rmd17_water_{side}_01.npz", **arrays_of(frames, **calories))
    found = data.frames_of(f"rmd17:{tmp_path}/water")
    same(found, walk(100, "springs") + walk(40, "springs"))
    sizes = [len(data.examples(f"rmd17:{tmp_path}/water", split)) for split in ("train", "validation", "test")]
    assert sum(sizes) == 140 and sizes[2] == 40 and 3 <= sizes[1] <= 12
    np.savez(tmp_path / "rmd17_bad_train_01.npz", **arrays_of(walk(9, "springs"), coords=np.full((9, 3, 3), np.inf)))
    np.savez(tmp_path / "rmd17_bad_test_01.npz", **arrays_of(walk(9, "springs")))
    with pytest.raises(DataError, match=r"positions of structure 1 .* not finite"):
        data.frames_of(f"rmd17:{tmp_path}/bad")
    with pytest.raises(DataError, match="Molecules there: bad, water"):
        data.frames_of(f"rmd17:{tmp_path}/wter")
    with pytest.raises(DataError, match=r"train_02\.npz"):
        data.frames_of(f"rmd17:{tmp_path}/water@split=02")


def ragged(path, frames, splits="with ends", positions_flat=False, stress=None, **changes):
    counts = [len(a) for a in frames]
    ends = np.cumsum([0, *counts]) if splits == "with ends" else np.cumsum(counts)[:-1]
    positions = np.concatenate([a.positions for a in frames])
    pbc = np.array([a.pbc for a in frames])
    given = {
        "structures/atomic_numbers": np.concatenate([a.numbers for a in frames]),
        "structures/atomic_numbers_splits": ends,
        "structures/positions": positions.ravel() if positions_flat else positions,
        "structures/cells": np.array([a.cell.array for a in frames]),
        "structures/pbc": pbc,
        "labels/energy": np.array([a.get_potential_energy() for a in frames]),
        "labels/forces": np.concatenate([a.get_forces() for a in frames]),
        "labels/stress": np.zeros((len(frames), 6)) if stress is None else stress,
    }
    with h5py.File(path, "w") as file:
        for name, value in (given | changes).items():
            if value is not None:
                file[name] = value


@pytest.mark.parametrize("splits", ["with ends", "without"])
@pytest.mark.parametrize("flat", [True, False])
def test_ragged_hdf5_is_read(tmp_path, splits, flat):
    frames = [*walk(10, "springs"), *walk(10)]
    ragged(tmp_path / "x.h5", frames, splits, flat)
    found = read(parse(f"h5:{tmp_path / 'x.h5'}"))
    same(found, frames, stress=False)
    assert np.isnan(found.stress).all(), "zeros everywhere are no stress"


def test_stress_of_hdf5_is_read(tmp_path):
    frames = walk(4)
    ragged(tmp_path / "x.h5", frames, stress=np.array([a.get_stress() for a in frames]))
    same(read(parse(f"h5:{tmp_path / 'x.h5'}")), frames)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"structures/atomic_numbers_splits": None}, r"no \*_splits for 5 structures of 15 atoms"),
        ({"structures/atomic_numbers_splits": np.arange(6)}, r"no \*_splits"),
        ({"labels/forces": None}, "has no labels/forces"),
        ({"labels/forces": np.zeros((14, 3))}, r"forces of .* \[14, 3\]"),
        ({"structures/cells": np.zeros(4)}, "Cells of"),
    ],
)
def test_wrong_hdf5_is_told(tmp_path, changes, words):
    ragged(tmp_path / "x.h5", walk(5, "springs"), **changes)
    with pytest.raises(DataError, match=words):
        read(parse(f"h5:{tmp_path / 'x.h5'}"))
    (tmp_path / "y.h5").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="no HDF5"):
        read(parse(f"h5:{tmp_path / 'y.h5'}"))


def test_data_of_skeletons_without_hydrogens_are_refused(tmp_path):
    frames = []
    for name in ("CH3CH2OH", "C6H6", "CH3CONH2") * 4:
        whole = built(name)
        bare = whole[whole.numbers != 1]
        bare.calc = SinglePointCalculator(bare, energy=-1.0, forces=np.ones((len(bare), 3)))
        frames.append(bare)
    ragged(tmp_path / "x.h5", frames)
    spec = f"h5:{tmp_path / 'x.h5'}"
    with pytest.raises(DataError, match=r"3 of 3 molecules .* lack hydrogens: C 10, N 1, O 2.*@hydrogens=implicit"):
        read(parse(spec))
    assert len(read(parse(f"{spec}@hydrogens=implicit"))) == 12
