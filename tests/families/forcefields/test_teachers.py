"""Teachers: what they answer, what they refuse, and that their forces are what they say."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.build import molecule as built
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.units import kcal, mol

from weighin.core.errors import ConfigError, DataError, InputError, MissingError
from weighin.families.forcefields import molecules, teachers

PROTON = 164.22 * kcal / mol  # eV, the energy of a bare proton in GFN2-xTB


class Broken(Calculator):
    """Answers what it is told."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012 - as ASE declares it

    def __init__(self, energy=0.0, error=None):
        super().__init__()
        self.energy, self.error = energy, error

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        if self.error:
            raise self.error
        self.results = {"energy": self.energy, "forces": np.full((len(self.atoms), 3), self.energy)}


def test_unknown_and_missing_teachers_are_told():
    with pytest.raises(ConfigError, match=r"No teacher is called 'gfn3'.*Did you mean"):
        teachers.teacher("gfn3")
    with pytest.raises(MissingError, match=r"needs the package 'orb-models'.*pip install orb-models"):
        teachers.teacher("orb-v2")


def test_teachers_say_whether_forces_are_the_gradient():
    known = teachers.names()
    assert "not the gradient" in known["orb-v2"] and "not the gradient" not in known["gfn2"]


@pytest.mark.parametrize(("name", "atoms"), [("gfn2", built("H2O")), ("gfn1", built("CH4")), ("emt", bulk("Cu", cubic=True))])
def test_forces_are_minus_the_slope_of_the_energy(name, atoms):
    atoms = atoms.copy()
    atoms.rattle(0.05, seed=0)
    force = teachers.evaluate(atoms, name).forces[0, 1]
    energies = []
    for step in (1e-3, -1e-3):
        moved = atoms.copy()
        moved.positions[0, 1] += step
        energies.append(teachers.evaluate(moved, name).energy)
    assert np.isclose(-(energies[0] - energies[1]) / 2e-3, force, atol=2e-3)


def test_water_has_the_energy_of_the_paper_and_atomic_energies_sum_to_it():
    labels = teachers.evaluate(built("H2O"), "gfn2")
    assert np.isclose(labels.energy, -137.97, atol=0.02), "-5.0703 Hartree"
    assert labels.energies is not None and np.isclose(labels.energies.sum(), labels.energy)
    assert labels.stress is None


def test_periodic_cells_have_stress():
    copper = bulk("Cu", cubic=True)
    energies = []
    for stretch in (1.001, 0.999):
        other = copper.copy()
        other.set_cell(copper.cell.array * stretch, scale_atoms=True)
        energies.append(teachers.evaluate(other, "emt").energy)
    stress = teachers.evaluate(copper, "emt").stress
    assert stress is not None and stress.shape == (3, 3)
    assert np.isclose((energies[0] - energies[1]) / 0.002 / copper.get_volume(), np.trace(stress), rtol=0.02)


@pytest.mark.parametrize(
    ("atoms", "words"),
    [
        (Atoms(), "without atoms"),
        ("H2O", "str is no structure"),
        (Atoms("H2", [[0, 0, 0], [0, 0, np.nan]]), "not finite"),
        (Atoms("HOH", [[0, 0, 0], [0, 0, 1], [0, 0, 1.01]]), r"Atoms 1 and 2 lie 0\.010 A apart"),
        (Atoms("Lr"), "does not know Lr"),
        (
            Atoms(built("CH3").symbols, built("CH3").positions),
            r"9 electrons, which multiplicity 1 does not fit.*multiplicity\): 2 for a radical",
        ),
    ],
)
def test_what_no_teacher_can_label_is_refused(atoms, words):
    with pytest.raises(InputError, match=words):
        teachers.evaluate(atoms, "gfn2")


def test_charges_and_radicals_are_given_to_the_teacher():
    ammonium, ammonia = (molecules.conformers(molecules.from_smiles(s), 1, 0)[0] for s in ("[NH4+]", "N"))
    affinity = teachers.evaluate(ammonia, "gfn2").energy - teachers.evaluate(ammonium, "gfn2").energy
    assert np.isclose(affinity + PROTON, 8.85, atol=0.4), "the proton affinity of ammonia, eV"
    methyl = molecules.conformers(molecules.from_smiles("[CH3]"), 1, 0)[0]
    assert np.isfinite(teachers.evaluate(methyl, "gfn2").energy)
    cation, neutral = built("H2O"), built("H2O")
    cation.info |= {"charge": 1, "spin": 2}
    assert teachers.evaluate(cation, "gfn2").energy > teachers.evaluate(neutral, "gfn2").energy + 8


@pytest.mark.parametrize("info", [{"charge": 1}, {"spin": 3}])
def test_a_teacher_without_charges_refuses_them(info):
    copper = bulk("Cu")
    copper.info |= info
    with pytest.raises(InputError, match="which emt does not take"):
        teachers.evaluate(copper, "emt")


def test_a_teacher_that_fails_is_one_error():
    atoms = built("H2O")
    for calculator, words in (
        (Broken(error=RuntimeError("no convergence\nlong story")), "fails on H2O: no convergence$"),
        (Broken(error=RuntimeError()), "fails on H2O: RuntimeError"),
        (Broken(energy=float("nan")), "no finite numbers for H2O"),
    ):
        with pytest.raises(DataError, match=words.replace("$", r"\.?$")):
            teachers.compute(atoms, calculator)


def test_any_calculator_can_be_a_teacher():
    mine = teachers.custom("mine", lambda atoms: EMT(), conservative=True)
    copper = bulk("Cu")
    assert teachers.evaluate(copper, mine).energy == teachers.evaluate(copper, "emt").energy


def test_calculators_of_ase_are_teachers_by_name():
    dimer = Atoms("Ar2", [[0, 0, 0], [0, 0, 1.3]])
    assert teachers.evaluate(dimer, "ase:lj").energy < 0
    with pytest.raises(ConfigError, match=r"No calculator of ASE is called 'ljj'.*Did you mean"):
        teachers.teacher("ase:ljj")
    with pytest.raises(DataError, match=r"The teacher (fails on Ar2|ase:vasp cannot be set up): "):
        teachers.evaluate(dimer, "ase:vasp")


def test_hessian_rows_are_those_of_a_symmetric_matrix_without_translations():
    water = built("H2O")
    rows = teachers.hessian_rows(water, teachers.teacher("gfn2").make(water), np.arange(9))
    full = rows.values.reshape(9, 9)
    assert np.allclose(full, full.T, atol=0.02) and np.abs(rows.values.sum(1)).max() < 0.02, "eV/A^2"
    assert 30 < full.max() < 120, "eV/A^2, an O-H bond"


def test_the_two_nearest_atoms_are_found():
    assert teachers.nearest(Atoms("H")) == (0, 0, float("inf"))
    one, other, distance = teachers.nearest(Atoms("H3", [[0, 0, 0], [5, 0, 0], [5, 0.7, 0]]))
    assert (one, other, round(distance, 6)) == (1, 2, 0.7)
