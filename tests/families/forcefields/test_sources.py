"""Other people's files of labelled structures, right and wrong."""

import logging
from pathlib import Path

import numpy as np
import pytest
from ase import units as ase_units
from ase.build import molecule as built
from ase.db import connect
from ase.io import write
from walks import same, walk

from weighin.core.errors import DataError
from weighin.families.forcefields import data, units
from weighin.families.forcefields.sources import files, read
from weighin.families.forcefields.spec import parse

SHARED = Path(__file__).parents[4] / "shared" / "data"
shared = pytest.mark.skipif(not SHARED.exists(), reason="../shared/data is not there")
pytestmark = pytest.mark.filterwarnings("error")


def named(frames, prefix="REF_", stress=True):
    """The same with labels as plain fields instead of a calculator."""
    found = []
    for atoms in frames:
        other = atoms.copy()
        other.info[f"{prefix}energy"] = atoms.get_potential_energy()
        other.arrays[f"{prefix}forces"] = atoms.get_forces()
        if stress and atoms.pbc.all():
            other.info[f"{prefix}stress"] = atoms.get_stress(voigt=False)
        found.append(other)
    return found


@pytest.mark.parametrize("kind", ["emt", "springs"])
@pytest.mark.parametrize("prefix", ["", "REF_"])
def test_extxyz_is_read_with_or_without_a_calculator(tmp_path, kind, prefix):
    path, frames = tmp_path / "run.extxyz", walk(kind=kind)
    write(path, frames if not prefix else named(frames), format="extxyz")
    same(read(parse(f"extxyz:{path}")), frames)


def test_labels_of_any_name_are_read_when_they_are_named(tmp_path):
    path, frames = tmp_path / "run.xyz", walk()
    write(path, named(frames, "pbe_"), format="extxyz")
    with pytest.raises(DataError, match=r"no structure with energy and forces.*@energy=NAME@forces=NAME"):
        read(parse(f"extxyz:{path}"))
    same(read(parse(f"extxyz:{path}@energy=pbe_energy@forces=pbe_forces")), frames, stress=False)


def test_stress_has_the_unit_that_is_said(tmp_path):
    path, frames = tmp_path / "run.xyz", walk(3)
    write(path, frames, format="extxyz")
    plain, scaled = (read(parse(f"extxyz:{path}{o}")).stress for o in ("", "@stress=-GPa"))
    assert np.allclose(scaled, -plain * ase_units.GPa)
    assert np.isnan(read(parse(f"extxyz:{path}@stress=none")).stress).all()


def test_a_virial_is_a_stress_times_volume(tmp_path):
    frames = walk(3)
    others = named(frames, stress=False)
    for atoms, other in zip(frames, others, strict=True):
        other.info["virial"] = -atoms.get_stress(voigt=False) * atoms.get_volume()
    write(tmp_path / "run.xyz", others, format="extxyz")
    same(read(parse(f"extxyz:{tmp_path / 'run.xyz'}")), frames)


def test_isolated_atoms_and_scans_without_forces_are_left_out(tmp_path, caplog):
    frames = walk(12, "springs")
    bare = built("H2O")
    bare.info["energy"] = -5.0
    write(tmp_path / "train.xyz", [*frames, bare], format="extxyz")
    write(tmp_path / "atoms.xyz", [bare], format="extxyz")
    with caplog.at_level(logging.WARNING, "weighin.forcefields"):
        same(read(parse(f"extxyz:{tmp_path}")), frames)
    assert "train.xyz: 1 of 13 structures have no energy or no forces" in caplog.text and "atoms.xyz" not in caplog.text


def test_charge_and_spin_of_the_comment_line_are_kept(tmp_path):
    frames = walk(3, "springs")
    for atoms in frames:
        atoms.info |= {"charge": 1, "spin": 2, "temperature": 350.0, "name": "water cation"}
    write(tmp_path / "run.xyz", frames, format="extxyz")
    found = read(parse(f"extxyz:{tmp_path / 'run.xyz'}"))
    assert (
        found.atoms(0).info == {"charge": 1, "spin": 2} and found.temperature[0] == 350.0 and found.kinds == ("water cation",)
    )


def test_other_units_are_asked_and_converted(tmp_path):
    path, frames = tmp_path / "run.xyz", walk(kind="springs")
    for atoms in frames:
        atoms.calc.results = {"energy": atoms.get_potential_energy() / ase_units.Hartree, "forces": atoms.get_forces()}
    write(path, frames, format="extxyz")
    with pytest.raises(DataError, match="@units=Hartree,eV/A"):
        read(parse(f"extxyz:{path}"))
    found = read(parse(f"extxyz:{path}@units=Hartree,eV/A"))
    assert np.isclose(found.energy[0], frames[0].get_potential_energy() * ase_units.Hartree)
    assert np.allclose(found.labels(0).forces, frames[0].get_forces(), atol=1e-6)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("O 0 0 0 0 0 nan", "forces of structure 2 .* are not finite"),
        ("O 0 nan 0 0 0 0", "positions of structure 2"),
        ("O 0 0 0 0 0", "cannot be read"),
        ("O 0 0 zero 0 0 0", "cannot be read"),
    ],
)
def test_damaged_lines_are_told(tmp_path, line, words):
    path = tmp_path / "bad.xyz"
    head = '1\nProperties=species:S:1:pos:R:3:forces:R:3 energy=1.0 pbc="F F F"\n'
    path.write_text(f"{head}O 0 0 0 0 0 0\n{head}{line}\n")
    with pytest.raises(DataError, match=words):
        read(parse(f"extxyz:{path}"))


def test_what_is_not_there_is_told(tmp_path):
    with pytest.raises(DataError, match="There is nothing at /no/such/place"):
        read(parse("extxyz:/no/such/place"))
    (tmp_path / "a.xyz").write_text("1\n\nH 0 0 0\n")
    with pytest.raises(DataError, match=r"has no file b\*. There are: a.xyz"):
        files(parse(f"extxyz:{tmp_path}@files=b*"))
    with pytest.raises(DataError, match="no structure with energy and forces"):
        read(parse(f"extxyz:{tmp_path}"))
    with pytest.raises(DataError, match=r"has no file of .npz"):
        files(parse(f"npz:{tmp_path}"))
    with pytest.raises(DataError, match="There is nothing at"):
        read(parse("asedb:/no/such.db"))


def test_databases_of_ase_are_read(tmp_path):
    frames = walk(5)
    with connect(tmp_path / "mine.db") as database:
        for atoms in frames:
            database.write(atoms, name="copper")
        database.write(built("H2O"))
    found = read(parse(f"asedb:{tmp_path / 'mine.db'}"))
    same(found, frames)
    assert found.kinds == ("copper",)
    (tmp_path / "bad.db").write_bytes(b"nonsense" * 100)
    with pytest.raises(DataError, match="cannot be read"):
        read(parse(f"asedb:{tmp_path / 'bad.db'}"))


@shared
@pytest.mark.shared
def test_acetylacetone_by_temperature():
    spec = f"extxyz:{SHARED}/botnet/dataset_acac@train=300K@test=600K"
    train, validation, test = (data.examples(spec, split) for split in ("train", "validation", "test"))
    assert len(train) + len(validation) == 500 and len(test) == 650
    assert set(train.temperatures) == set(validation.temperatures) == {300.0} and set(test.temperatures) == {600.0}
    assert train[0].x.get_chemical_formula() == "C5H8O2" and not train[0].x.pbc.any() and train[0].y.stress is None


@shared
@pytest.mark.shared
@pytest.mark.parametrize(("element", "train", "test"), [("Si", 214, 25), ("Mo", 194, 23)])
def test_crystals_have_their_stress_and_their_own_test_files(element, train, test):
    spec = f"extxyz:{SHARED}/mlearn@files={element}"
    sizes = [len(data.examples(spec, split)) for split in ("train", "validation", "test")]
    assert sizes[0] + sizes[1] == train and sizes[2] == test
    frames = data.frames_of(spec)
    assert np.isfinite(frames.stress).all() and np.isclose(*_work_and_energy(frames), rtol=0.15)


def _work_and_energy(frames):
    """Slope of energy over strain between like structures, by the stress and by the energies less the work of the forces."""
    work, change = [], []
    for one in range(len(frames)):
        for other in range(one):
            a, b = frames.atoms(one), frames.atoms(other)
            if len(a) != len(b):
                continue
            inside = b.get_scaled_positions() - a.get_scaled_positions()
            inside -= inside.round()
            strain = np.linalg.solve(a.cell.array, b.cell.array) - np.eye(3)
            if np.abs(inside).max() > 0.02 or not 0.01 < np.abs(strain).max() < 0.12:
                continue
            first, second = frames.labels(one), frames.labels(other)
            tension = 0.5 * (first.stress * a.get_volume() + second.stress * b.get_volume())
            way = inside @ (0.5 * (a.cell.array + b.cell.array))
            work.append((tension * strain).sum())
            change.append(second.energy - first.energy + (0.5 * (first.forces + second.forces) * way).sum())
    assert len(work) > 100
    return np.dot(work, work), np.dot(work, change)


@shared
@pytest.mark.shared
def test_water_and_rmd17_are_consistent():
    water = data.frames_of(f"npz:{SHARED}/water@types=O,H")
    assert len(water) == 400 and water.pbc.all() and water.atoms(0).get_chemical_formula() == "H128O64"
    for molecule in ("ethanol", "uracil"):
        assert np.isclose(units.consistency(data.frames_of(f"rmd17:{SHARED}/rmd17/{molecule}")), 1, rtol=0.2)
    with pytest.raises(DataError, match="look like kcal/mol and kcal/mol/A"):
        data.frames_of(f"npz:{SHARED}/rmd17@files=rmd17_ethanol*")
