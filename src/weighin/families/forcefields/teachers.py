"""Teachers: any ASE calculator by name, what it can do, and whether its forces are the gradient of its energy."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, get_calculator_class
from ase.calculators.names import names as calculator_names
from ase.data import atomic_numbers

from weighin.core.errors import DataError, InputError, MissingError, unknown
from weighin.families.forcefields.labels import HessianRows, Labels

NEAREST = 0.15  # A; atoms closer than this are one atom written twice
STATE = ", charge and unpaired electrons by level filling, without spin polarisation"
STEP = 5e-3  # A, of central differences for rows of the Hessian


@dataclass(frozen=True)
class Teacher:
    """A calculator by name."""

    name: str
    make: Callable[[Atoms], Calculator]  # a new calculator for such atoms
    conservative: bool  # whether forces are the gradient of the energy
    about: str
    elements: frozenset[str] | None = None  # None: whatever the calculator accepts
    charges: bool = False  # whether it takes a total charge and unpaired electrons
    package: str = "ase"  # the distribution whose version decides its labels

    def calculator(self, atoms: Atoms) -> Calculator:
        """A new calculator for such atoms. Raises DataError where it cannot be set up."""
        try:
            return self.make(atoms)
        except Exception as error:  # calculators raise whatever they like
            raise DataError(f"The teacher {self.name} cannot be set up: {_line(error)}") from error

    @property
    def version(self) -> str:
        """Of the package."""
        return metadata.version(self.package)


def teacher(name: str) -> Teacher:
    """A teacher by name; ``ase:NAME`` is any other calculator of ASE with its own settings.

    Raises ConfigError for an unknown name and MissingError where its package is not installed.
    """
    if name.startswith("ase:"):
        return _of_ase(name)
    known = _teachers()
    if name not in known:
        raise unknown("teacher", name, known)
    found = known[name]
    try:
        metadata.version(found.package)
    except metadata.PackageNotFoundError:
        raise MissingError(
            f"The teacher {name} needs the package {found.package!r}", hint=f"pip install {found.package}"
        ) from None
    return found


def _of_ase(name: str) -> Teacher:
    own = name.removeprefix("ase:")
    if own not in calculator_names:
        raise unknown("calculator of ASE", own, calculator_names)
    kind = get_calculator_class(own)
    return Teacher(name, lambda atoms: kind(), True, f"the calculator {own} of ASE, set up as ASE finds it")


def names() -> dict[str, str]:
    """Every teacher and what it is, installed or not."""
    found = {name: f"{t.about}{'' if t.conservative else '; forces are not the gradient'}" for name, t in _teachers().items()}
    return found | {"ase:NAME": "any other calculator of ASE, with the settings ASE finds"}


def custom(name: str, make: Callable[[Atoms], Calculator], conservative: bool, about: str = "") -> Teacher:
    """Any other ASE calculator as a teacher, for labelling in this process."""
    return Teacher(name, make, conservative, about or f"the calculator {name}")


def evaluate(atoms: Atoms, by: Teacher | str) -> Labels:
    """Energy, forces, atomic energies and, of a periodic cell, stress.

    Raises InputError for atoms that no calculator could take (none, NaN, coincident, an element the teacher lacks,
    an odd number of electrons with no spin) and DataError where the calculator fails.
    """
    by = teacher(by) if isinstance(by, str) else by
    acceptable(atoms, by)
    return compute(atoms, by.calculator(atoms))


def compute(atoms: Atoms, calculator: Calculator) -> Labels:
    """As ``evaluate``, with a calculator that exists. Raises DataError where it fails or answers no numbers."""
    own = atoms.copy()
    own.calc = calculator
    try:
        energy, forces = float(own.get_potential_energy()), np.array(own.get_forces(), dtype=np.float64)
        given = calculator.results.get("energies")
        stress = own.get_stress(voigt=False) if own.pbc.all() and "stress" in calculator.implemented_properties else None
    except Exception as error:  # calculators raise whatever they like
        raise DataError(f"The teacher fails on {atoms.get_chemical_formula()}: {_line(error)}") from error
    energies = None if given is None or np.shape(given) != (len(own),) else np.array(given, dtype=np.float64)
    if not np.isfinite(energy) or not np.isfinite(forces).all():
        raise DataError(f"The teacher answers no finite numbers for {atoms.get_chemical_formula()}")
    return Labels(energy, forces, None if stress is None else np.array(stress, dtype=np.float64), energies)


def acceptable(atoms: Any, by: Teacher) -> None:
    """Raises InputError for what this teacher cannot label, and says why."""
    if not isinstance(atoms, Atoms):
        raise InputError(f"{type(atoms).__name__} is no structure", "ase.Atoms")
    if not len(atoms):
        raise InputError("A structure without atoms has no energy", "At least one atom")
    if not np.isfinite(atoms.positions).all() or not np.isfinite(atoms.cell.array).all():
        raise InputError(f"Positions or cell of {atoms.get_chemical_formula()} are not finite", "Numbers in A")
    strange = sorted(set(atoms.get_chemical_symbols()) - (by.elements or set(atomic_numbers)))
    if strange:
        raise InputError(f"{by.name} does not know {', '.join(strange)}", f"{', '.join(sorted(by.elements or ()))}")
    pair = nearest(atoms)
    if pair[2] < NEAREST:
        raise InputError(
            f"Atoms {pair[0]} and {pair[1]} lie {pair[2]:.3f} A apart", f"At least {NEAREST} A", "Remove one of them"
        )
    _electrons(atoms, by)


def nearest(atoms: Atoms) -> tuple[int, int, float]:
    """The two nearest atoms of one cell and their distance (A); infinity for a single atom."""
    if len(atoms) < 2:
        return 0, 0, float("inf")
    from scipy.spatial import KDTree

    found: Any = KDTree(atoms.positions).query(atoms.positions, k=2)
    distance, other = found
    at = int(distance[:, 1].argmin())
    one, two = sorted((at, int(other[at, 1] if other[at, 1] != at else other[at, 0])))
    return one, two, float(distance[at, 1])


def charge_and_spin(atoms: Atoms) -> tuple[int, int]:
    """Total charge (e) and multiplicity: of ``info``, else of the initial charges and moments."""
    charge = atoms.info.get("charge", round(float(atoms.get_initial_charges().sum())))
    spin = atoms.info.get("spin", 1 + round(abs(float(np.sum(atoms.get_initial_magnetic_moments())))))
    return int(charge), int(spin)


def hessian_rows(atoms: Atoms, calculator: Calculator, rows: np.ndarray) -> HessianRows:
    """Rows (3 * atom + axis) of d2E/dx2 by central differences of the teacher's forces; two calls a row."""
    values = np.empty((len(rows), len(atoms), 3))
    for place, row in enumerate(np.asarray(rows).tolist()):
        sides = []
        for sign in (1.0, -1.0):
            moved = atoms.copy()
            moved.positions[row // 3, row % 3] += sign * STEP
            sides.append(compute(moved, calculator).forces)
        values[place] = (sides[1] - sides[0]) / (2 * STEP)
    return HessianRows(np.asarray(rows, dtype=np.int64), values)


def _electrons(atoms: Atoms, by: Teacher) -> None:
    charge, spin = charge_and_spin(atoms)
    formula = atoms.get_chemical_formula()
    if not by.charges:
        if charge or spin != 1:
            raise InputError(
                f"{formula} has charge {charge} and multiplicity {spin}, which {by.name} does not take",
                "Neutral closed shells, or a teacher with charges (gfn2, gfn1)",
                "Its labels would be those of another state",
            )
        return
    electrons = int(atoms.numbers.sum()) - charge
    if spin < 1 or spin > electrons + 1 or (electrons - spin + 1) % 2:
        raise InputError(
            f"{formula} with charge {charge} has {electrons} electrons, which multiplicity {spin} does not fit",
            "An even number of electrons for odd multiplicities",
            "Set atoms.info['charge'] and atoms.info['spin'] (multiplicity): 2 for a radical",
        )


def _xtb(method: str) -> Callable[[Atoms], Calculator]:
    def make(atoms: Atoms) -> Calculator:
        from tblite.ase import TBLite

        charge, spin = charge_and_spin(atoms)
        return TBLite(method=method, charge=charge, multiplicity=spin, verbosity=0)

    return make


def _emt(atoms: Atoms) -> Calculator:
    from ase.calculators.emt import EMT

    return EMT()


def _lennard_jones(atoms: Atoms) -> Calculator:
    from ase.calculators.lj import LennardJones

    return LennardJones(epsilon=0.0104, sigma=3.40, rc=10.2, smooth=True)  # argon


def _orb(atoms: Atoms) -> Calculator:
    from orb_models.forcefield import pretrained  # type: ignore[import-not-found]
    from orb_models.forcefield.calculator import ORBCalculator  # type: ignore[import-not-found]

    return ORBCalculator(_loaded_orb(pretrained.orb_v2), device="cpu")


@cache
def _loaded_orb(load: Callable[..., Any]) -> Any:
    return load(device="cpu")


def _mace_off(atoms: Atoms) -> Calculator:
    return _loaded_mace()


@cache
def _loaded_mace() -> Calculator:
    from mace.calculators import mace_off  # type: ignore[import-not-found]

    return mace_off(model="small", device="cpu", default_dtype="float64")


@cache
def _teachers() -> dict[str, Teacher]:
    metals = frozenset({"Al", "Cu", "Ag", "Au", "Ni", "Pd", "Pt", "H", "C", "N", "O"})
    organic = frozenset({"H", "C", "N", "O", "F", "P", "S", "Cl", "Br", "I"})
    xtb = frozenset(symbol for symbol, z in atomic_numbers.items() if 1 <= z <= 86)
    found = (
        Teacher("gfn2", _xtb("GFN2-xTB"), True, f"GFN2-xTB by tblite{STATE}", xtb, charges=True, package="tblite"),
        Teacher("gfn1", _xtb("GFN1-xTB"), True, f"GFN1-xTB by tblite{STATE}", xtb, charges=True, package="tblite"),
        Teacher("emt", _emt, True, "effective medium theory of ASE, for metals", metals),
        Teacher("lj", _lennard_jones, True, "Lennard-Jones argon of ASE", frozenset({"Ar"})),
        Teacher("orb-v2", _orb, False, "Orb-v2, direct forces", package="orb-models"),
        Teacher("mace-off", _mace_off, True, "MACE-OFF23 small", organic, package="mace-torch"),
    )
    return {found_one.name: found_one for found_one in found}


def _line(error: Exception) -> str:
    words = str(error).strip().splitlines()
    return words[0][:200] if words else type(error).__name__
