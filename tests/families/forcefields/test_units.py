"""Units: said, detected, asked for."""

from dataclasses import replace

import numpy as np
import pytest
from ase import units as ase_units
from ase.build import bulk
from ase.calculators.emt import EMT

from weighin.core.errors import ConfigError, DataError
from weighin.families.forcefields import molecules, teachers, units
from weighin.families.forcefields.labels import Labels
from weighin.families.forcefields.store import Frame, pack

KCAL = ase_units.kcal / ase_units.mol
PER_BOHR = ase_units.Hartree / ase_units.Bohr


@pytest.fixture(scope="module")
def frames():
    """Ethanol, displaced at random, by GFN2."""
    rng = np.random.default_rng(0)
    start = molecules.conformers(molecules.from_smiles("CCO"), 1, 0)[0]
    calculator = teachers.teacher("gfn2").make(start)
    found = [molecules.rattled(start, 0.04, rng) for _ in range(40)]
    return pack([Frame(a, teachers.compute(a, calculator), "ethanol", "ethanol", "x") for a in found])


def scaled(frames, energy, forces):
    return replace(frames, energy=frames.energy / energy, forces=frames.forces / forces)


def test_electronvolts_pass(frames):
    units.check(frames, "mine")
    assert np.isclose(units.consistency(frames), 1, rtol=0.15)


@pytest.mark.parametrize(
    ("energy", "forces", "words"),
    [
        (KCAL, KCAL, "look like kcal/mol and kcal/mol/A .*mine@units=kcal/mol, or @units=eV"),
        (ase_units.Hartree, PER_BOHR, "look like Hartree and Hartree/Bohr .*mine@units=Hartree,Hartree/Bohr,"),
        (ase_units.Hartree, 1.0, "look like Hartree and eV/A .*mine@units=Hartree,eV/A"),
        (KCAL, 1.0, "look like kcal/mol and eV/A"),
        (1.0, PER_BOHR, "look like eV and Hartree/Bohr"),
        (1.0, KCAL, "look like eV and kcal/mol/A"),
        (ase_units.kJ / ase_units.mol, ase_units.kJ / ase_units.mol, "look like kJ/mol and kJ/mol/A"),
    ],
)
def test_other_units_are_detected_and_asked(frames, energy, forces, words):
    with pytest.raises(DataError, match=words):
        units.check(scaled(frames, energy, forces), "mine")
    said = words.partition("@units=")[2].partition(", or")[0].removesuffix(",")
    if said:
        back = units.converted(scaled(frames, energy, forces), units.parse_units(said))
        assert np.allclose(back.energy, frames.energy) and np.allclose(back.forces, frames.forces)


def test_total_energies_of_all_electron_calculations_tell_their_unit(frames):
    ethanol = -4209.4 + 0.01 * np.arange(len(frames))
    for unit, value in (("eV", 1.0), ("kcal/mol", KCAL), ("Hartree", ase_units.Hartree)):
        assert units.energy_unit(replace(frames, energy=ethanol / value)) == unit
    assert units.energy_unit(frames) is None, "GFN2 has valence electrons only"


def test_one_structure_in_another_unit_is_named(frames):
    energy = frames.energy.copy()
    energy[7] /= KCAL
    with pytest.raises(DataError, match=r"mixes units: structure 8 of ethanol .*as eV and kcal/mol differ"):
        units.check(replace(frames, energy=energy), "mine")


def test_walks_in_a_cell_are_consistent_across_its_border():
    copper = bulk("Cu", cubic=True) * 2
    rng = np.random.default_rng(0)
    found = []
    for _ in range(30):
        moved = copper.copy()
        moved.positions += rng.normal(size=(len(copper), 3)) * 0.05
        moved.calc = EMT()
        energy, forces = moved.get_potential_energy(), moved.get_forces()
        moved.wrap()
        found.append(Frame(moved, Labels(energy, forces), "Cu", "Cu", "x"))
    frames = pack(found)
    assert np.isclose(units.consistency(frames), 1, rtol=0.15)
    with pytest.raises(DataError, match="look like Hartree and eV/A"):
        units.check(scaled(frames, ase_units.Hartree, 1.0), "mine")


def test_few_or_single_atoms_prove_nothing(frames):
    single = pack([Frame(frames.atoms(0)[:1], Labels(-5.0, np.zeros((1, 3))), "H", "H", "x")] * 20)
    assert units.consistency(single) is None and units.consistency(pack([])) is None
    units.check(single, "mine")


def test_names_of_units_are_read():
    assert units.parse_units("eV") == units.Units()
    assert np.isclose(units.parse_units("kcal/mol").forces, KCAL)
    assert np.isclose(units.parse_units("Hartree,Hartree/Bohr,Bohr").length, ase_units.Bohr)
    assert np.isclose(units.stress_factor("GPa"), 0.0062415, rtol=1e-4) and units.stress_factor("-kbar") < 0
    for wrong in ("ev", "eV,eV", "eV,eV/m", "eV,eV/A,mile"):
        with pytest.raises(ConfigError, match="There are: "):
            units.parse_units(wrong)
    with pytest.raises(ConfigError, match="unit of stress"):
        units.stress_factor("psi")
