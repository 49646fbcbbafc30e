"""Structures from the bytes of a file: xyz, extended xyz, SDF, MOL, PDB, CIF, POSCAR, told apart by their content."""

import io
import re
import warnings
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np
from ase import Atoms

from weighin.core.errors import InputError, MissingError
from weighin.families.forcefields.molecules import Molecule, from_atoms, from_smiles_file, histogram
from weighin.families.forcefields.valence import missing_hydrogens

FORMATS = "xyz, extended xyz, SDF, MOL, PDB, CIF or POSCAR"
MOST_DIGITS = 4  # of the number of columns of an array in an extended xyz
IMPLICIT = ("sdf", "proteindatabank")  # formats in which hydrogens are often left out


def read(raw: bytes) -> Atoms:
    """One structure. Raises InputError: nothing that can be read, several structures, no atoms, hydrogens left out."""
    found = structures(raw)
    if len(found) > 1:
        raise InputError(f"{len(found)} structures came at once", "One", "Send them one by one, or as a file")
    return found[0]


def expand(path: Path) -> list[tuple[str, Atoms]] | None:
    """The structures of a file that holds several, by their names or numbers; None where it is one. Raises InputError."""
    found = trajectory(path) if path.suffix.lower() == ".traj" else structures(_bytes(path))
    if len(found) == 1 and path.suffix.lower() != ".traj":
        return None
    return [(str(atoms.info.get("name", number)), atoms) for number, atoms in enumerate(found, 1)]


def structures(raw: bytes) -> list[Atoms]:
    """All structures in these bytes, at least one. Raises InputError."""
    kind = format_of(raw)
    text = raw.decode("utf-8", errors="replace")  # of comments; numbers and symbols are ASCII
    try:
        if kind == "extxyz":
            whole_xyz(io.StringIO(text))
        found = _sdf(text) if kind == "sdf" else _by_ase(text, kind)
    except (InputError, MissingError):
        raise
    except Exception as error:  # readers raise whatever they like
        raise InputError(f"This {kind} cannot be read: {type(error).__name__} {error}".rstrip(), FORMATS) from error
    for number, atoms in enumerate(found, 1):
        _usable(atoms, number, kind)
    if not found:
        raise InputError(f"This {kind} holds no structure", "At least one")
    return found


def format_of(raw: bytes) -> str:
    """ASE's name of the format. Raises InputError where the content is none that is known."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1") if b"\0" not in raw[:4096] else ""
    lines = text.splitlines()
    if not text.strip() or "\0" in text[:4096]:
        raise InputError("This is no structure: " + ("nothing came" if not raw else "binary data"), FORMATS)
    if len(lines) > 3 and re.search(r"V[23]000\s*$", lines[3]):
        return "sdf"
    if re.fullmatch(r"\s*\d+\s*", lines[0]):
        return "extxyz"
    if any(re.match(r"(ATOM  |HETATM)", line) for line in lines):
        return "proteindatabank"
    if any(line.startswith("data_") for line in lines):
        return "cif"
    if len(lines) > 6 and all(_numbers(line) >= least for line, least in zip(lines[1:5], (1, 3, 3, 3), strict=True)):
        return "vasp"
    raise InputError(f"This is no structure: {lines[0][:40]!r}", FORMATS)


def whole_xyz(lines: Iterable[str]) -> None:
    """Raises InputError where a structure has fewer lines than atoms, or absurdly many columns: ASE would go on for ever."""
    rest = iter(lines)
    for number, line in enumerate(rest, 1):
        if not line.strip() or line.startswith("VEC"):
            continue
        if not line.strip().isdecimal():
            raise InputError(f"Structure {number} begins with {line.strip()[:40]!r}", "A number of atoms")
        columns = re.findall(r":[A-Za-z]:(\d+)", next(rest, ""))
        if any(len(count) > MOST_DIGITS for count in columns):
            raise InputError(f"Structure {number} says it has {max(columns, key=len)} columns", "As many as its lines")
        wanted = int(line)
        found = sum(1 for _ in islice(rest, wanted))
        if found < wanted:
            raise InputError(f"Structure {number} says {wanted} atoms and has {found}", "One line an atom")


def molecules_of(path: Path, implicit: bool = False) -> list[Molecule]:
    """What a file asks to be labelled: SMILES (.smi) or structures. Raises InputError or DataError."""
    if path.suffix.lower() in (".smi", ".smiles"):
        return from_smiles_file(path)
    found = trajectory(path) if path.suffix.lower() == ".traj" else structures(_bytes(path))
    return from_atoms(found, implicit)


def trajectory(path: Path) -> list[Atoms]:
    """Structures of a trajectory of ASE. Raises InputError."""
    from ase.io import read as read_ase

    try:
        found = read_ase(path, index=":", format="traj")
    except Exception as error:  # readers raise whatever they like
        raise InputError(f"{path} cannot be read: {error}", "A trajectory of ASE") from error
    return list(found) if isinstance(found, list) else [found]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def _by_ase(text: str, kind: str) -> list[Atoms]:
    from ase.io import read as read_ase

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about space groups, missing occupancies
        found = read_ase(io.StringIO(text), index=":", format=kind)
    return list(found) if isinstance(found, list) else [found]


def _sdf(text: str) -> list[Atoms]:
    """Records of an SDF with charge and multiplicity, by RDKit."""
    try:
        from rdkit import Chem, RDLogger
    except ModuleNotFoundError:
        raise MissingError("SDF needs the package 'rdkit'", hint="pip install 'weighin[forcefields]'") from None
    RDLogger.DisableLog("rdApp.*")  # type: ignore[attr-defined]
    found = []
    for record in re.split(r"^\$\$\$\$.*\n?", text, flags=re.MULTILINE):
        if not record.strip():
            continue
        read_one = Chem.MolFromMolBlock(record, sanitize=False, removeHs=False)
        if read_one is None:
            raise InputError(f"Record {len(found) + 1} of this SDF cannot be read", "V2000 or V3000")
        places = read_one.GetConformer().GetPositions() if read_one.GetNumAtoms() else np.zeros((0, 3))
        atoms = Atoms([atom.GetSymbol() for atom in read_one.GetAtoms()], places)
        if len(atoms) > 1 and not np.ptp(places[:, 2]) and not read_one.GetConformer().Is3D():
            raise InputError(f"Record {len(found) + 1} of this SDF is a drawing in two dimensions", "Positions in space")
        charge = sum(atom.GetFormalCharge() for atom in read_one.GetAtoms())
        spin = 1 + sum(atom.GetNumRadicalElectrons() for atom in read_one.GetAtoms())
        atoms.info |= {"charge": charge, "spin": spin} if charge or spin != 1 else {}
        title = record.splitlines()[0].strip()
        atoms.info |= {"name": title} if title else {}
        found.append(atoms)
    return found


def _usable(atoms: Atoms, number: int, kind: str) -> None:
    if not len(atoms):
        raise InputError(f"Structure {number} has no atoms", "At least one")
    if not np.isfinite(atoms.positions).all() or not np.isfinite(atoms.cell.array).all():
        raise InputError(
            f"Structure {number} ({atoms.get_chemical_formula()}) has positions that are not finite", "Numbers in A"
        )
    if "X" in atoms.get_chemical_symbols():
        raise InputError(f"Structure {number} holds atoms of no element", "Symbols of elements")
    if kind in IMPLICIT and missing_hydrogens(atoms):
        raise InputError(
            f"Structure {number} lacks hydrogens: {histogram([atoms])}",
            "Every hydrogen as an atom of its own",
            "Add them (obabel -h, RDKit AddHs); if it is meant so, write it as xyz",
        )


def _numbers(line: str) -> int:
    """How many numbers a line begins with."""
    count = 0
    for word in line.split():
        try:
            float(word)
        except ValueError:
            break
        count += 1
    return count
