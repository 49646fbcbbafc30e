"""Bytes to structures: every format by its content, and what is refused."""

import io

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.build import molecule as built
from ase.io import write
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem import AllChem

from weighin.core.errors import InputError
from weighin.families.forcefields.readers import expand, format_of, molecules_of, read, structures


def written(atoms, kind):
    """Bytes of a format of ASE."""
    buffer = io.BytesIO() if kind == "cif" else io.StringIO()
    write(buffer, atoms, format=kind)
    raw = buffer.getvalue()
    return raw if isinstance(raw, bytes) else raw.encode()


def sdf(smiles, hydrogens=True, name="it"):
    found = Chem.AddHs(Chem.MolFromSmiles(smiles))
    AllChem.EmbedMolecule(found, randomSeed=1)
    found.SetProp("_Name", name)
    return Chem.MolToMolBlock(found if hydrogens else Chem.RemoveHs(found)).encode()


@pytest.mark.parametrize("kind", ["xyz", "extxyz", "proteindatabank"])
def test_molecules_are_read_whatever_their_format(kind):
    ethanol = built("CH3CH2OH")
    found = read(written(ethanol, kind))
    assert np.array_equal(found.numbers, ethanol.numbers)
    distances = [np.linalg.norm(a.positions[0] - a.positions[5]) for a in (found, ethanol)]
    assert np.isclose(*distances, atol=2e-3)


@pytest.mark.parametrize("kind", ["extxyz", "cif", "vasp"])
def test_crystals_are_read_with_their_cell(kind):
    salt = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    found = read(written(salt, kind))
    assert found.get_chemical_formula() == "Cl4Na4" and found.pbc.all() and np.isclose(found.get_volume(), 5.64**3, rtol=1e-4)


@pytest.mark.parametrize(
    ("smiles", "info"), [("CCO", {}), ("[NH4+]", {"charge": 1, "spin": 1}), ("[CH2]C", {"charge": 0, "spin": 2})]
)
def test_sdf_keeps_charge_and_multiplicity(smiles, info):
    found = read(sdf(smiles))
    assert found.info == {"name": "it", **info} and 1 in found.numbers


def test_an_sdf_without_hydrogens_is_refused_with_its_elements():
    with pytest.raises(InputError, match=r"lacks hydrogens: C 2, O 1.*Add them"):
        read(sdf("CCO", hydrogens=False))
    assert read(sdf("FC(F)(F)F")).get_chemical_formula() == "CF4"


def test_a_drawing_is_no_structure():
    flat = Chem.MolFromSmiles("CCO")
    AllChem.Compute2DCoords(flat)
    with pytest.raises(InputError, match="two dimensions"):
        read(Chem.MolToMolBlock(flat).encode())


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "nothing came"),
        (b"\0" * 64, "binary data"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary data"),
        (b"not what you think", "'not what you think'"),
        (b"3\n\nO 0 0 0\n", "says 3 atoms and has 1"),
        (b"1\n\nQq 0 0 0\n", "cannot be read"),
        (b"1\n\nX 0 0 0\n", "no element"),
        (b"1\n\nH 0 nan 0\n", "not finite"),
        (b"0\n\n", "no atoms|cannot be read|no structure"),
        (b"1\n\nH 0 0\n", "cannot be read"),
        (b"99999999999999\n\nH 0 0 0\n", "says 99999999999999 atoms and has 1"),
        (b"1\nProperties=species:S:1:pos:R:30000000000\nH 0 0 0\n", "says it has 30000000000 columns"),
        (b"1\n\nH 0 0 0\nH 0 0 1\n", "Structure 2 begins with 'H 0 0 1'"),
        (b"\n\n\nnonsense V2000\n", "cannot be read"),
        (b"data_x\n_cell_length_a 3\n", "cannot be read|no structure"),
        (b"ATOM  nonsense", "cannot be read|no atoms|no structure"),
        (b"Si\n1.0\n1 0 0\n0 1 0\n0 0 1\nSi\n", "no structure|cannot be read"),
    ],
)
def test_what_is_no_structure_is_refused(raw, words):
    with pytest.raises(InputError, match=words):
        read(raw)


def test_several_structures_at_once_are_refused_by_read_and_named_by_expand(tmp_path):
    many = [built("H2O"), built("CH4"), built("NH3")]
    raw = b"".join(written(atoms, "extxyz") for atoms in many)
    with pytest.raises(InputError, match="3 structures came at once"):
        read(raw)
    path = tmp_path / "many.xyz"
    path.write_bytes(raw)
    assert [(name, atoms.get_chemical_formula()) for name, atoms in expand(path)] == [("1", "H2O"), ("2", "CH4"), ("3", "H3N")]
    path.write_bytes(written(many[0], "xyz"))
    assert expand(path) is None
    sdfs = tmp_path / "two.sdf"
    sdfs.write_bytes(sdf("CCO", name="ethanol") + b"$$$$\n" + sdf("C", name="methane") + b"$$$$\n")
    assert [name for name, _ in expand(sdfs)] == ["ethanol", "methane"]


def test_trajectories_are_expanded(tmp_path):
    path = tmp_path / "walk.traj"
    write(path, [built("H2O"), built("CH4")])
    assert [atoms.get_chemical_formula() for _, atoms in expand(path)] == ["H2O", "CH4"]
    path.write_bytes(b"nonsense")
    with pytest.raises(InputError, match="cannot be read"):
        expand(path)
    with pytest.raises(InputError, match="No such file"):
        expand(tmp_path / "none.xyz")


def test_formats_are_told_apart():
    assert format_of(written(built("H2O"), "extxyz")) == "extxyz" and format_of(sdf("C")) == "sdf"
    assert format_of(written(bulk("Cu", cubic=True), "vasp")) == "vasp"


def test_molecules_to_label_come_from_smiles_or_structures(tmp_path):
    smiles = tmp_path / "mine.smi"
    smiles.write_text("CCO ethanol\nO\n")
    assert [m.name for m in molecules_of(smiles)] == ["ethanol", "O"]
    bare = built("CH3CH2OH")
    bare = bare[bare.numbers != 1]
    path = tmp_path / "bare.xyz"
    write(path, bare)
    with pytest.raises(InputError, match=r"lacks hydrogens.*implicit_hydrogens=True"):
        molecules_of(path)
    assert molecules_of(path, implicit=True)[0].atoms.get_chemical_formula() == "C2O"
    assert isinstance(structures(path.read_bytes())[0], Atoms), "a diatomic fragment may well be meant in an xyz file"


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_whatever_comes_is_a_structure_or_a_clear_error(raw):
    try:
        found = read(raw)
    except InputError as error:
        assert str(error)
    else:
        assert len(found) and np.isfinite(found.positions).all()


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["extxyz", "proteindatabank", "cif", "vasp", "sdf"]), st.data())
def test_damaged_files_are_structures_or_clear_errors(kind, data):
    crystal = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    raw = sdf("CCO") if kind == "sdf" else written(crystal if kind in ("cif", "vasp") else built("CH3OH"), kind)
    at = data.draw(st.integers(0, len(raw) - 1))
    end = data.draw(st.integers(at, min(len(raw), at + 12)))
    damaged = raw[:at] + data.draw(st.binary(max_size=6)) + raw[end:]
    try:
        found = structures(damaged)
    except InputError as error:
        assert str(error)
    else:
        assert all(len(atoms) and np.isfinite(atoms.positions).all() for atoms in found)
