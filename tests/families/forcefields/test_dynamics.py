"""Dynamics and relaxation on a formula: energy is conserved, temperature is right, a killed run is the whole one."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.io import read
from made import Morse, argon, water

from weighin.core.errors import ConfigError, DataError, InputError, RunError
from weighin.families.forcefields import motion
from weighin.families.forcefields.calculator import Calculator
from weighin.families.forcefields.drift import drift
from weighin.families.forcefields.dynamics import MdDials, md
from weighin.families.forcefields.relaxation import RelaxDials, relaxed
from weighin.families.forcefields.starts import closest_pair
from weighin.families.forcefields.timestep import TimestepDials, largest_timestep


def run(out, predict=None, atoms=None, **dials):
    out.mkdir(exist_ok=True)
    return md(atoms or water(), Calculator(predict or Morse()), MdDials(**{"steps": 200, "equilibrate": 0, **dials}), out)


def test_drift_is_the_slope_that_was_put_in():
    times = np.linspace(0, 5, 400)
    noise = np.random.default_rng(0).normal(0, 2e-3, 400)
    seen = drift(times, -500 + 0.03 * times + noise, 10)
    assert abs(seen.slope - 3.0) < 3 * seen.error and 0 < seen.error < 0.1
    assert seen.fluctuation == pytest.approx(0.2, rel=0.15) and seen.ps == 5
    with pytest.raises(DataError, match="three"):
        drift(times[:2], times[:2], 1)


def test_a_slow_wave_widens_the_error_of_a_drift():
    times, rng = np.linspace(0, 1, 300), np.random.default_rng(1)
    noise = rng.normal(size=300)
    slow = np.convolve(noise, np.ones(30) / np.sqrt(30), "same")
    assert drift(times, slow, 1).error > 3 * drift(times, noise, 1).error


def test_nve_conserves_energy_and_a_shorter_step_better(tmp_path):
    coarse = run(tmp_path / "a", ensemble="nve", timestep=0.5, steps=160, save_every=2)
    fine = run(tmp_path / "b", ensemble="nve", timestep=0.25, steps=320, save_every=4)
    assert fine["fluctuation_meV_per_atom"] < 0.4 * coarse["fluctuation_meV_per_atom"], "second order"
    assert abs(fine["drift_meV_per_atom_per_ps"]) < 0.5 + 3 * fine["drift_error"]


def test_nve_keeps_momentum_and_angular_momentum():
    atoms = water()
    atoms.calc = Calculator(Morse())
    motion.heated(atoms, 300, 4)
    before = atoms.get_angular_momentum()
    for _ in range(200):
        motion.step(atoms, 0.5)
    assert np.allclose(atoms.get_momenta().sum(0), 0, atol=1e-12)
    assert np.allclose(atoms.get_angular_momentum(), before, atol=1e-9)


def test_the_bath_brings_the_temperature():
    atoms = bulk("Ar", "fcc", 5.3, cubic=True).repeat(2)
    atoms.calc = Calculator(argon())
    motion.heated(atoms, 10, 0)
    bath, seen = motion.Bath(60.0, 20.0, 1), []
    for number in range(350):
        motion.step(atoms, 8.0, number, bath)
        seen.append(motion.temperature_of(atoms, bath))
    # kinetic temperature of 96 degrees of freedom: deviation of one look 14 %, of 250 correlated ones about 2 %
    assert np.mean(seen[100:]) == pytest.approx(60, rel=0.1)


def test_heated_has_the_temperature_and_no_drift():
    atoms = Atoms("Ar500", np.random.default_rng(0).uniform(0, 80, (500, 3)))
    motion.heated(atoms, 300, 3)
    assert motion.temperature_of(atoms) == pytest.approx(300, rel=0.1)
    assert np.allclose(atoms.get_momenta().sum(0), 0, atol=1e-9)


def test_a_killed_run_goes_on_exactly(tmp_path, monkeypatch):
    from weighin.families.forcefields import dynamics

    whole = run(tmp_path / "whole", steps=400, equilibrate=50)
    real, calls = motion.step, []

    def killed(*given):
        calls.append(1)
        if len(calls) == 290:
            raise KeyboardInterrupt
        real(*given)

    monkeypatch.setattr(dynamics.motion, "step", killed)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", steps=400, equilibrate=50)
    half = (tmp_path / "cut" / "log.csv").read_text()
    assert 0 < len(half.splitlines()) < 41
    again = run(tmp_path / "cut", steps=400, equilibrate=50)
    assert again == whole and len(calls) < 290 + 260, "went on, not anew"
    for name in ("trajectory.xyz", "log.csv"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_more_steps_make_a_run_longer(tmp_path):
    run(tmp_path / "a", steps=100)
    longer, whole = run(tmp_path / "a", steps=300), run(tmp_path / "b", steps=300)
    assert longer == whole and longer["frames"] == 31
    assert (tmp_path / "a" / "log.csv").read_bytes() == (tmp_path / "b" / "log.csv").read_bytes()


def test_another_run_in_the_same_folder_is_refused(tmp_path):
    run(tmp_path / "a")
    with pytest.raises(ConfigError, match="another run"):
        run(tmp_path / "a", temperature=500)
    (tmp_path / "a" / "state.npz").write_bytes(b"nonsense")
    with pytest.raises(RunError, match="damaged"):
        run(tmp_path / "a")


def test_a_trajectory_has_what_was_computed(tmp_path):
    run(tmp_path / "a", steps=50)
    frames, last = read(tmp_path / "a" / "trajectory.xyz", ":"), None
    assert len(frames) == 6
    last = frames[-1]
    said = Morse()([last])[0]
    assert last.get_potential_energy() == pytest.approx(said.energy, abs=1e-5)
    assert np.allclose(last.get_forces(), said.forces, atol=1e-4) and last.get_momenta().any()
    assert last.info["time_ps"] == pytest.approx(0.025)
    assert (tmp_path / "a" / "dynamics.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "a" / "dynamics.svg").read_text()


def test_a_run_that_breaks_stops_and_says_why(tmp_path):
    seen = run(tmp_path / "a", temperature=20000, steps=2000)
    assert seen["status"] == "stopped" and seen["reason"].startswith(("broken: ", "exploded: "))
    assert run(tmp_path / "a", temperature=20000, steps=2000) == seen
    fine = run(tmp_path / "b", timestep=12.0, steps=2000)
    assert fine["status"] == "stopped"


def test_a_relaxation_that_breaks_it_is_told(tmp_path):
    """A model whose atoms pull at each other."""

    def sticky(structures):
        found = []
        for atoms, y in zip(structures, Morse()(structures)):
            between = atoms.positions[1:] - atoms.positions[0]
            pull = 200 * between / np.linalg.norm(between, axis=1)[:, None]
            found.append(replace(y, forces=y.forces + np.vstack([pull.sum(0), -pull])))
        return found

    seen = run(tmp_path / "a", predict=sticky)
    assert seen["status"] == "stopped" and seen["reason"].startswith("fused: ") and seen["steps"] == 0


def test_fusing_is_seen():
    atoms = water()
    watch = motion.Watch(atoms, 2.0)
    assert watch.why_not(atoms) == ""
    atoms.set_distance(0, 1, 0.35, fix=0)
    assert watch.why_not(atoms).startswith("fused: O0 and H1")
    atoms.set_distance(0, 1, 2.2, fix=0)
    assert watch.why_not(atoms).startswith("broken: O0 and H1 went from 0.97 to 2.20")
    assert motion.Watch(water(), None).why_not(atoms) == ""


def test_bonds_across_a_cell_face_are_not_broken():
    atoms = water()
    atoms.cell, atoms.pbc = np.eye(3) * 10, True
    watch = motion.Watch(atoms, 2.0)
    atoms.positions += 5
    atoms.positions[1] += [0, 0, 4.9]
    atoms.positions[[0, 2]] += [0, 0, 4.9]
    atoms.wrap()
    assert np.ptp(atoms.positions[:, 2]) > 5 and watch.why_not(atoms) == ""


def test_fixed_atoms_stay(tmp_path):
    atoms = water()
    atoms.set_constraint(FixAtoms([0]))
    run(tmp_path / "a", atoms=atoms, steps=100, relax=False)
    last = read(tmp_path / "a" / "trajectory.xyz", -1)
    assert np.allclose(last.positions[0], water().positions[0]) and not np.allclose(last.positions[1], water().positions[1])


@pytest.mark.parametrize("optimiser", ["bfgs", "lbfgs", "fire"])
def test_relaxation_finds_the_minimum(optimiser):
    atoms = water()
    atoms.rattle(0.15, seed=2)
    found = relaxed(atoms, Calculator(Morse()), RelaxDials(optimiser=optimiser, fmax=0.001))
    assert found.converged and np.abs(Morse()([found.atoms])[0].forces).max() < 0.001
    assert found.energies[-1] < found.energies[0] and found.summary()["gain_eV"] > 0
    assert not np.allclose(atoms.positions, found.atoms.positions)


def test_a_cell_is_relaxed():
    atoms = bulk("Cu", "fcc", 3.8)
    found = relaxed(atoms, EMT(), RelaxDials(cell=True, fmax=0.001))
    assert found.converged and found.atoms.get_volume() == pytest.approx(3.59**3 / 4, rel=0.01)
    with pytest.raises(InputError, match="cell"):
        relaxed(water(), Calculator(Morse()), RelaxDials(cell=True))


def test_what_does_not_converge_says_so():
    atoms = water()
    atoms.rattle(0.2, seed=2)
    found = relaxed(atoms, Calculator(Morse()), RelaxDials(steps=2, fmax=1e-4))
    assert not found.converged and "are left after 2 steps" in found.ended
    with pytest.raises(InputError, match="1 atoms"):
        relaxed(Atoms("O"), Calculator(Morse()), RelaxDials())


def test_the_largest_timestep_is_between_what_holds_and_what_does_not(tmp_path):
    dials = TimestepDials(first=0.5, ps=0.1, limit=5.0, refine=1, equilibrate=0.1)
    seen = largest_timestep(water(), Calculator(Morse()), dials, tmp_path)
    held = [t["timestep"] for t in seen["trials"] if t["held"]]
    broke = [t["timestep"] for t in seen["trials"] if not t["held"]]
    assert held and broke and max(held) == seen["largest_timestep_fs"] < min(broke)
    period = 2 * np.pi / np.sqrt(2 * 4.0 * 1.6**2 / (1.008 * 16 / 17)) / units.fs  # fs, of an O-H bond
    assert 0.5 <= max(held) < min(broke) <= 2 * period / np.pi * 1.2, "Verlet is unstable beyond period / pi"
    assert (tmp_path / "timestep.svg").exists() and (tmp_path / "summary.json").exists()


def test_closest_pair():
    assert closest_pair(water())[1] == pytest.approx(0.9684, abs=1e-3)
    assert closest_pair(Atoms("O"))[1] == np.inf
