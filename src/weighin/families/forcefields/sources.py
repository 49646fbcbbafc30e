"""Labelled structures of other people's files: extended xyz and databases of ASE; arrays stand in ``arrays.py``."""

import logging
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from weighin.core.errors import DataError, InputError, WeighinError
from weighin.families.forcefields import arrays
from weighin.families.forcefields.labels import Labels
from weighin.families.forcefields.molecules import histogram
from weighin.families.forcefields.readers import whole_xyz
from weighin.families.forcefields.spec import Spec
from weighin.families.forcefields.splits import matches
from weighin.families.forcefields.store import Frame, Frames, pack
from weighin.families.forcefields.units import Units, check, converted, parse_units, stress_factor
from weighin.families.forcefields.valence import missing_hydrogens

log = logging.getLogger("weighin.forcefields")
ENERGY_NAMES = ("REF_energy", "energy", "dft_energy", "DFT_energy", "Energy", "free_energy")
FORCE_NAMES = ("REF_forces", "forces", "force", "dft_forces", "DFT_forces", "Forces")
STRESS_NAMES = ("REF_stress", "stress", "dft_stress")
VASP_STRESS = "virial_stress_xx_yy_zz_xy_yz_xz"  # of mlearn (Zuo et al. 2020): kbar, compression positive
SUFFIXES = {"extxyz": (".xyz", ".extxyz"), "npz": (".npz",), "h5": (".h5", ".hdf5"), "asedb": (".db", ".json")}
NAMES = ("inchikey", "smiles", "molecule", "name")  # in the comment line: whose structure it is
MOST = 1e12  # eV, A
LOOKED_AT, SHARE_LACKING = 200, 0.5  # molecules, and their share without hydrogens that is no chance
VOIGT = ((0, 5, 4), (5, 1, 3), (4, 3, 2))  # ASE's order: xx, yy, zz, yz, xz, xy


def files(spec: Spec) -> list[Path]:
    """The files that a spec means, sorted. Raises DataError where there are none."""
    if spec.kind == "rmd17":
        return arrays.rmd17_files(spec)
    place, wanted = spec.path, spec.options.get("files", "")
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise DataError(f"There is nothing at {place}", f"A file or folder for {spec.kind}")
    found = [p for p in sorted(place.iterdir()) if p.suffix.lower() in SUFFIXES[spec.kind] and not p.name.startswith(".")]
    chosen = [path for path in found if not wanted or matches(path.stem, wanted)]
    if not chosen:
        there = ", ".join(path.name for path in found) or "none"
        raise DataError(f"{place} has no file {wanted or 'of ' + ', '.join(SUFFIXES[spec.kind])}", f"There are: {there}")
    return chosen


def read(spec: Spec) -> Frames:
    """All labelled structures of a spec in eV and A. Raises DataError: damaged, labels missing, units that look wrong."""
    if spec.kind == "rmd17":
        with _clear(spec):
            known = arrays.rmd17(spec)
        _finite(known, spec)
        return known
    reader: Callable[[Spec, Path], list[Frame]] = {
        "extxyz": _extxyz,
        "asedb": _asedb,
        "npz": arrays.npz,
        "h5": arrays.h5,
    }[spec.kind]
    with _clear(spec):
        found = [frame for path in files(spec) for frame in reader(spec, path)]
    if not found:
        raise DataError(f"{spec.text} has no structure with energy and forces", "Both, for every structure", _names_hint(spec))
    frames = pack(found, {"source": spec.text})
    _finite(frames, spec)
    _with_hydrogens(frames, spec)
    if "units" in spec.options:
        return converted(frames, parse_units(spec.options["units"]))
    check(frames, spec.text)
    return converted(frames, Units())


@contextmanager
def _clear(spec: Spec) -> Iterator[None]:
    """Whatever a reader raises becomes one DataError."""
    try:
        yield
    except InputError as error:
        raise DataError(f"{spec.text} is damaged: {error}") from error
    except WeighinError:
        raise
    except Exception as error:
        raise DataError(f"{spec.text} cannot be read: {type(error).__name__} {error}".rstrip()) from error


def _finite(frames: Frames, spec: Spec) -> None:
    for name in ("energy", "forces", "positions"):
        values = getattr(frames, name).reshape(len(getattr(frames, name)), -1)
        bad = np.flatnonzero(~(np.abs(values) < MOST).all(1))  # also what is no number
        if len(bad):
            at = bad[0] if name == "energy" else np.searchsorted(frames.start, bad[0], side="right") - 1
            raise DataError(
                f"{name} of structure {int(at) + 1} of {spec.text} are not finite or beyond all measure",
                f"Numbers below {MOST:g}",
                "Remove it",
            )


def _with_hydrogens(frames: Frames, spec: Spec) -> None:
    """Raises DataError where most molecules lack hydrogens: a student of skeletons knows nothing of molecules."""
    firsts = [frames.atoms(int(at)) for at in np.unique(frames.group, return_index=True)[1][:LOOKED_AT]]
    lacking = sum(bool(missing_hydrogens(atoms)) for atoms in firsts)
    shown = histogram(firsts)
    log.info("%s: %d structures of %d molecules: %s", spec.text, len(frames), len(frames.groups), shown)
    if spec.options.get("hydrogens") != "implicit" and lacking >= SHARE_LACKING * len(firsts):
        raise DataError(
            f"{lacking} of {len(firsts)} molecules of {spec.text} lack hydrogens: {shown}",
            "Every hydrogen as an atom of its own",
            f"Label structures with hydrogens, or write {spec.text}@hydrogens=implicit if it is meant so",
        )


def _names_hint(spec: Spec) -> str:
    return "If they have other names, write @energy=NAME@forces=NAME" if spec.kind == "extxyz" else ""


def _extxyz(spec: Spec, path: Path) -> list[Frame]:
    """Frames of one file; those without energy or forces (isolated atoms, scans of energies) are counted and left out."""
    from ase.io import iread

    found, without, seen = [], 0, 0
    with path.open(encoding="utf-8", errors="replace") as lines:
        whole_xyz(lines)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for atoms in iread(path, index=":", format="extxyz"):
            seen += 1
            frame = _frame(atoms, spec, path)
            without += frame is None
            found += [] if frame is None else [frame]
    if without:
        tell = log.warning if found else log.info  # a file of scans is meant so, a gap in a trajectory may not be
        tell("%s: %d of %d structures have no energy or no forces and are left out", path.name, without, seen)
    return found


def _frame(atoms: Atoms, spec: Spec, path: Path) -> Frame | None:
    results = dict(atoms.calc.results) if atoms.calc is not None else {}
    known = {**atoms.info, **results}
    energy = _first(known, spec.options.get("energy", ""), ENERGY_NAMES)
    forces = _first({**atoms.arrays, **results}, spec.options.get("forces", ""), FORCE_NAMES)
    if energy is None or forces is None or "isolated" in str(atoms.info.get("config_type", "")).lower():
        return None
    labels = Labels(float(energy), np.asarray(forces, dtype=np.float64), _stress(known, atoms, spec))
    name = next((str(atoms.info[key]) for key in NAMES if key in atoms.info), "")
    temperature = _temperature(atoms.info, path)
    formula = atoms.symbols.formula.reduce()[0] if atoms.pbc.any() else atoms.symbols.formula  # one crystal has many cells
    return Frame(_bare(atoms), labels, name or f"{formula:hill}", name or f"{formula:hill}", path.stem, temperature)


def _bare(atoms: Atoms) -> Atoms:
    """Elements, positions, charge and spin; the cell where it is periodic."""
    info = {key: int(atoms.info[key]) for key in ("charge", "spin") if key in atoms.info}
    cell = atoms.cell if atoms.pbc.any() else None
    return Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=cell, pbc=atoms.pbc, info=info)


def _first(known: Mapping[str, Any], wanted: str, names: tuple[str, ...]) -> Any:
    """The value of the name that is wanted, or of the first that is there."""
    if wanted:
        return known.get(wanted)
    return next((known[name] for name in names if name in known), None)


def _stress(known: Mapping[str, Any], atoms: Atoms, spec: Spec) -> np.ndarray | None:
    """In eV/A^3 with tension positive, [3,3]."""
    unit = spec.options.get("stress", "")
    if unit == "none" or not atoms.pbc.all():
        return None
    given = _first(known, "", STRESS_NAMES)
    if given is not None:
        return _tensor(given) * stress_factor(unit or "eV/A^3")
    if VASP_STRESS in known:
        xx, yy, zz, xy, yz, xz = np.asarray(known[VASP_STRESS], dtype=np.float64)
        return _tensor([xx, yy, zz, yz, xz, xy]) * stress_factor(unit or "-kbar")
    virial = _first(known, "", ("REF_virial", "virial", "REF_virials", "virials"))
    return None if virial is None else -_tensor(virial) / atoms.get_volume()


def _tensor(given: Any) -> np.ndarray:
    """Nine numbers, or six in ASE's order of Voigt, as [3,3]. Raises DataError."""
    values = np.asarray(given, dtype=np.float64).ravel()
    if values.size not in (6, 9):
        raise DataError(f"A stress has {values.size} numbers", "Nine, or six as xx yy zz yz xz xy", "Or write @stress=none")
    return values[np.array(VOIGT)] if values.size == 6 else values.reshape(3, 3)


def _temperature(info: Mapping[str, Any], path: Path) -> float:
    """K, of ``temperature`` or of a name such as 300K_MD; NaN where nothing tells."""
    if isinstance(info.get("temperature"), (int, float, np.number)):
        return float(info["temperature"])
    found = re.search(r"(\d+)\s*K(?![a-z])", f"{info.get('config_type', '')} {path.stem}")
    return float(found[1]) if found else float("nan")


def _asedb(spec: Spec, path: Path) -> list[Frame]:
    """Rows of a database of ASE that have energy and forces."""
    from ase.db import connect

    if not path.is_file():
        raise DataError(f"There is no database {path}", "A file that ase.db wrote")
    found = []
    for row in connect(path).select():
        atoms = row.toatoms(add_additional_information=True)
        atoms.info |= atoms.info.pop("key_value_pairs", {})
        frame = _frame(atoms, spec, path)
        found += [] if frame is None else [frame]
    return found
