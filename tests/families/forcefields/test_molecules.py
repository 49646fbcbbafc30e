"""The list of molecules, conformers, and whether hydrogens are there."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule as built
from rdkit import Chem

from weighin.core.errors import DataError, InputError
from weighin.families.forcefields import molecules
from weighin.families.forcefields.valence import missing_hydrogens


@pytest.fixture(scope="module")
def listed():
    return molecules.listed()


def test_every_listed_molecule_is_one_and_none_stands_twice(listed):
    text = [line.split("\t") for line in molecules_text().splitlines() if line and not line.startswith("#")]
    assert len(listed) == len(text) > 500, "a molecule that stands twice is dropped by the reader"
    assert len({m.group for m in listed}) == len({m.name for m in listed}) == len(listed)
    for one, (smiles, name) in zip(listed, text, strict=True):
        read = Chem.MolFromSmiles(smiles)
        assert (one.smiles, one.name, one.group) == (smiles, name, Chem.MolToInchiKey(read))
        assert {a.GetSymbol() for a in read.GetAtoms()} <= {"C", "N", "O", "F", "S", "Cl"}
        assert not Chem.GetFormalCharge(read) and not any(a.GetNumRadicalElectrons() for a in read.GetAtoms())
        assert 3 <= Chem.AddHs(read).GetNumAtoms() <= 25


def molecules_text():
    from importlib import resources

    return resources.files("weighin.families.forcefields").joinpath("molecules.smi").read_text()


def test_known_molecules_have_their_formulas():
    wanted = {"aspirin": "C9H8O4", "paracetamol": "C8H9NO2", "adenine": "C5H5N5", "cysteine": "C3H7NO2S", "azulene": "C10H8"}
    found = {m.name: m for m in molecules.listed() if m.name in wanted}
    assert {name: molecules.conformers(m, 1, 0)[0].get_chemical_formula() for name, m in found.items()} == wanted


def test_smiles_that_are_none_are_told_with_their_line(tmp_path):
    with pytest.raises(DataError, match="line 2 of mine: 'C1CC' is no molecule"):
        molecules.parsed("CCO ethanol\nC1CC ring\n", "mine")
    with pytest.raises(DataError, match="holds no molecule"):
        molecules.parsed("# nothing\n", "mine")
    with pytest.raises(DataError, match="cannot be read"):
        molecules.from_smiles_file(tmp_path / "none.smi")


def test_the_same_molecule_twice_is_one():
    assert len(molecules.parsed("CCO ethanol\nOCC again\nC\n", "mine")) == 2


def test_conformers_are_the_same_for_a_seed_and_differ_otherwise():
    butane = molecules.from_smiles("CCCCO")
    one, again, other = (molecules.conformers(butane, 1, seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(one.positions, again.positions) and not np.allclose(one.positions, other.positions)
    assert one.get_chemical_formula() == "C4H10O"


@pytest.mark.parametrize(
    ("smiles", "charge", "spin"), [("[NH4+]", 1, 1), ("C[O-]", -1, 1), ("[CH3]", 0, 2), ("[O][O]", 0, 3), ("CO", 0, 1)]
)
def test_charge_and_multiplicity_come_from_the_smiles(smiles, charge, spin):
    info = molecules.conformers(molecules.from_smiles(smiles), 1, 0)[0].info
    assert (info.get("charge", 0), info.get("spin", 1)) == (charge, spin)


@pytest.mark.parametrize(
    "name", ["CH3CH2OH", "C6H6", "CO2", "CO", "CH3", "C2H2", "HCN", "CF4", "OCS", "CH3NO2", "C2H4", "CCl4"]
)
def test_hydrogens_that_are_there_are_seen(name):
    assert not missing_hydrogens(built(name))


@pytest.mark.parametrize("name", ["CH3CH2OH", "C6H6", "C3H8", "CH3COOH", "C5H5N", "C4H4O", "CH3CONH2", "CH3SCH3"])
def test_hydrogens_that_are_left_out_are_missed(name):
    whole = built(name)
    bare = whole[whole.numbers != 1]
    assert missing_hydrogens(bare)
    with pytest.raises(InputError, match=r"\(.*C \d.*lacks hydrogens: bonds of .*implicit_hydrogens"):
        molecules.from_atoms([bare])
    assert len(molecules.from_atoms([bare], implicit=True)) == 1


def test_polar_hydrogens_alone_are_not_enough():
    ethanol = built("CH3CH2OH")
    polar = [at for at in range(len(ethanol)) if ethanol.numbers[at] != 1 or ethanol.get_distance(at, 2) < 1.1]
    assert len(polar) == 4 and missing_hydrogens(ethanol[polar])


def test_stretched_bonds_are_no_missing_hydrogens():
    for name in ("C2H4", "H2CO", "CH3CHO"):
        long = built(name)
        long.positions *= 1.08
        assert not missing_hydrogens(long)


def test_rattling_moves_no_centre_and_keeps_the_elements():
    water = built("H2O")
    moved = molecules.rattled(water, 0.1, np.random.default_rng(0))
    assert np.allclose(moved.positions.mean(0), water.positions.mean(0)) and not np.allclose(moved.positions, water.positions)
    assert np.array_equal(moved.numbers, water.numbers)


def test_histogram_names_every_element():
    assert molecules.histogram([built("H2O"), built("CH4")]) == "C 1, H 6, O 1"
    assert molecules.histogram([Atoms()]) == "no atoms"


def test_structures_and_smiles_of_one_molecule_have_one_name():
    for one in molecules.listed()[::25]:
        if "/" not in one.smiles:
            assert molecules.inchikey(molecules.conformers(one, 1, 0)[0]) == one.group, one.name
    ammonium = molecules.from_smiles("[NH4+]")
    assert molecules.inchikey(molecules.conformers(ammonium, 1, 0)[0]) == ammonium.group
    assert molecules.inchikey(Atoms("Ne")) == "Ne" and molecules.inchikey(built("CH3")) in (
        "CH3",
        molecules.from_smiles("[CH3]").group,
    )


def test_structures_keep_their_names():
    water = built("H2O")
    water.info["name"] = "mine"
    found = molecules.from_atoms([water, built("H2O")])
    assert [m.name for m in found] == ["mine", "H2O"] and {m.group for m in found} == {molecules.from_smiles("O").group}
