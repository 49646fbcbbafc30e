"""Molecules to label: a list of SMILES, or structures of a file; conformers by RDKit's ETKDG."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_masses

from weighin.core.errors import DataError, InputError, MissingError
from weighin.families.forcefields.valence import missing_hydrogens

MOST_BONDED, MOST_TRIED = 100, 1000  # atoms, and assignments of bond orders tried, before a formula must do


@dataclass(frozen=True)
class Molecule:
    """What is labelled: SMILES, or a structure that is there already."""

    name: str
    group: str  # InChIKey, or the formula of a structure whose bonds are not clear
    smiles: str = ""
    atoms: Atoms | None = field(default=None, compare=False)


def listed() -> list[Molecule]:
    """The molecules of ``molecules.smi``, in its order."""
    text = resources.files("weighin.families.forcefields").joinpath("molecules.smi").read_text(encoding="utf-8")
    return parsed(text, "molecules.smi")


def from_smiles_file(path: Path) -> list[Molecule]:
    """Molecules of a file of lines ``SMILES name``. Raises DataError with the line."""
    try:
        return parsed(path.expanduser().read_text(encoding="utf-8"), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}", "A text file of lines 'SMILES name'") from None


def parsed(text: str, source: str) -> list[Molecule]:
    """Lines of SMILES and names; empty lines and # are comments, the same molecule twice is one."""
    found: dict[str, Molecule] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        smiles, _, name = line.strip().replace("\t", " ").partition(" ")
        molecule = from_smiles(smiles, name.strip(), f"line {number} of {source}")
        found.setdefault(molecule.group, molecule)
    if not found:
        raise DataError(f"{source} holds no molecule", "Lines 'SMILES name'")
    return list(found.values())


def from_smiles(smiles: str, name: str = "", source: str = "SMILES") -> Molecule:
    """One molecule. Raises DataError when RDKit cannot read it."""
    chem = _rdkit()
    read = chem.MolFromSmiles(smiles) if smiles else None
    if read is None or not read.GetNumAtoms():
        raise DataError(
            f"{source}: {smiles!r} is no molecule", "SMILES that RDKit can read", "Correct the line or put # before it"
        )
    return Molecule(name or smiles, chem.MolToInchiKey(read), smiles)


def from_atoms(structures: Sequence[Atoms], implicit: bool = False) -> list[Molecule]:
    """Structures as molecules. Raises InputError where hydrogens are missing, unless ``implicit`` allows it."""
    found = []
    for number, atoms in enumerate(structures):
        short = {} if implicit else missing_hydrogens(atoms)
        formula = atoms.get_chemical_formula()
        if short:
            lacking = ", ".join(f"{symbol}{at} has {has} of {wants}" for at, (symbol, has, wants) in list(short.items())[:3])
            raise InputError(
                f"Structure {number + 1} ({formula}: {histogram([atoms])}) lacks hydrogens: bonds of {lacking}",
                "Every hydrogen as an atom of its own",
                "Add them (obabel -h, RDKit AddHs), or say implicit_hydrogens=True if it is meant so",
            )
        found.append(Molecule(str(atoms.info.get("name", formula)), inchikey(atoms), atoms=atoms))
    return found


def inchikey(atoms: Atoms) -> str:
    """The InChIKey without stereochemistry of a sane structure, by its bonds (Kim and Kim 2015), else its formula."""
    formula = atoms.get_chemical_formula()
    if atoms.pbc.any() or not 1 < len(atoms) <= MOST_BONDED:
        return formula
    chem = _rdkit()
    from rdkit.Chem import rdDetermineBonds

    rows = zip(atoms.get_chemical_symbols(), atoms.positions.tolist(), strict=True)
    lines = [f"{symbol} {x:.5f} {y:.5f} {z:.5f}" for symbol, (x, y, z) in rows]
    read = chem.MolFromXYZBlock("\n".join([str(len(atoms)), "", *lines, ""]))
    try:
        rdDetermineBonds.DetermineBonds(read, charge=int(atoms.info.get("charge", 0)), maxIterations=MOST_TRIED)
    except (ValueError, RuntimeError):
        return formula
    chem.RemoveStereochemistry(read)
    read.RemoveAllConformers()
    return chem.MolToInchiKey(read) or formula


def conformers(molecule: Molecule, n: int, seed: int) -> list[Atoms]:
    """``n`` starting structures, hydrogens added; info holds charge and spin (multiplicity). Raises DataError."""
    if molecule.atoms is not None:
        return [molecule.atoms.copy() for _ in range(n)]
    chem = _rdkit()
    from rdkit.Chem import AllChem

    read = chem.AddHs(chem.MolFromSmiles(molecule.smiles))
    places = list(AllChem.EmbedMultipleConfs(read, numConfs=n, randomSeed=seed))  # type: ignore[attr-defined]
    if not places:
        places = list(AllChem.EmbedMultipleConfs(read, numConfs=n, randomSeed=seed, useRandomCoords=True))  # type: ignore[attr-defined]
    if not places:
        raise DataError(f"RDKit finds no conformer of {molecule.name} ({molecule.smiles})")
    if AllChem.MMFFHasAllMoleculeParams(read):  # type: ignore[attr-defined]
        AllChem.MMFFOptimizeMoleculeConfs(read)  # type: ignore[attr-defined]
    symbols = [atom.GetSymbol() for atom in read.GetAtoms()]
    charge = chem.GetFormalCharge(read)
    spin = 1 + sum(atom.GetNumRadicalElectrons() for atom in read.GetAtoms())
    info = {"charge": charge, "spin": spin} if charge or spin != 1 else {}
    found = [Atoms(symbols, read.GetConformer(place).GetPositions(), info=dict(info)) for place in places]
    return [found[at % len(found)].copy() for at in range(n)]


def histogram(structures: Sequence[Atoms]) -> str:
    """Atoms by element: ``C 12, H 30``."""
    symbols = [symbol for atoms in structures for symbol in atoms.get_chemical_symbols()]
    names, counts = np.unique(symbols, return_counts=True)
    return ", ".join(f"{name} {count}" for name, count in zip(names, counts, strict=True)) or "no atoms"


def rattled(atoms: Atoms, amplitude: float, rng: np.random.Generator) -> Atoms:
    """Positions displaced at random, by ``amplitude`` (A) for carbon and less for heavier atoms; the centre stays."""
    other = atoms.copy()
    scale = np.minimum(1.0, np.sqrt(12.0 / atomic_masses[atoms.numbers]))[:, None]  # hydrogen no further than carbon
    moved = rng.normal(size=(len(atoms), 3)) * amplitude * scale
    other.positions += moved - moved.mean(0)
    return other


def _rdkit() -> Any:
    try:
        from rdkit import Chem, RDLogger
    except ModuleNotFoundError:
        raise MissingError("SMILES need the package 'rdkit'", hint="pip install 'weighin[forcefields]'") from None
    RDLogger.DisableLog("rdApp.*")  # type: ignore[attr-defined]
    return Chem
