"""The tools end to end, with a trained nano: files, summaries, resuming, and clear words for what cannot be done."""

import json
import warnings

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.io import read, write

import weighin
from weighin.core import registry
from weighin.core.errors import ConfigError, InputError, WeighinError
from weighin.families.forcefields.store import load
from weighin.steps.train import train

MODELLED = ("relax", "md", "timestep", "acquire")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two nanos of unlike seeds: a committee."""
    family, root = registry.family("forcefields"), tmp_path_factory.mktemp("runs")
    changes = {"recipe.steps": 100, "recipe.limit": 100}
    return [train(family, family.variant("nano").but(**changes, **{"recipe.seed": s}), root=root).path for s in (0, 1)]


@pytest.fixture
def ethanol(tmp_path):
    path = tmp_path / "ethanol.xyz"
    write(path, molecule("CH3CH2OH"))
    return path


def use(tool, paths, models, out, **dials):
    return weighin.use("forcefields", tool, paths, models=models, settings=dials, out=out)


def test_every_tool_has_defaults_and_a_line():
    found = registry.family("forcefields").tools()
    assert {*MODELLED, "label", "metatomic"} == set(found)
    for tool in found.values():
        assert tool.dials() and tool.about


def test_relax(runs, ethanol, tmp_path):
    seen = use("relax", [ethanol], runs[:1], tmp_path / "out", steps=60, fmax=0.05)
    after = read(tmp_path / "out" / "relaxed.xyz")
    assert seen["gain_eV"] > 0 and after.get_potential_energy() == pytest.approx(seen["energy_eV"], abs=1e-4)
    assert (tmp_path / "out" / "relaxation.png").read_bytes().startswith(b"\x89PNG")
    stamp = (tmp_path / "out" / "relaxed.xyz").stat().st_mtime_ns
    assert use("relax", [ethanol], runs[:1], tmp_path / "out", steps=60, fmax=0.05) == seen
    assert (tmp_path / "out" / "relaxed.xyz").stat().st_mtime_ns == stamp, "no work is done twice"


def test_several_structures_have_a_folder_each(runs, tmp_path):
    path = tmp_path / "two.xyz"
    write(path, [molecule("H2O"), molecule("CH3OH")])
    seen = use("relax", [path], runs[:1], tmp_path / "out", steps=20)
    assert set(seen["each"]) == {"two-0", "two-1"} and (tmp_path / "out" / "two-1" / "relaxed.xyz").exists()


def test_md_goes_on_exactly_with_the_neighbours_of_a_trained_model(runs, ethanol, tmp_path):
    dials = {"equilibrate": 10, "timestep": 0.25, "temperature": 100, "broken": None}
    whole = use("md", [ethanol], runs[:1], tmp_path / "a", steps=60, **dials)
    use("md", [ethanol], runs[:1], tmp_path / "b", steps=50, **dials)
    assert use("md", [ethanol], runs[:1], tmp_path / "b", steps=60, **dials) == whole
    assert (tmp_path / "a" / "trajectory.xyz").read_bytes() == (tmp_path / "b" / "trajectory.xyz").read_bytes()
    json.dumps(whole, allow_nan=False)


def test_neighbours_are_searched_when_atoms_have_moved(runs, monkeypatch):
    from weighin.families.forcefields import motion, neighbours
    from weighin.families.forcefields.calculator import Calculator

    real, searches = neighbours._pairs, []
    monkeypatch.setattr(neighbours, "_pairs", lambda *given: searches.append(1) or real(*given))
    one, other = (weighin.load(run) for run in runs)
    answers = []
    for skin in (0.5, 0.0):
        searches.clear()
        atoms = molecule("CH3CH2OH")
        atoms.calc = Calculator([one, other], skin=skin)
        motion.heated(atoms, 50, 0)
        for _ in range(10):
            motion.step(atoms, 0.25)
        answers.append((atoms.get_potential_energy(), len(searches)))
    assert answers[0][0] == pytest.approx(answers[1][0], abs=1e-4)
    assert answers[0][1] <= 2 and answers[1][1] == 2 * 11, "two members share a list; without a skin each searches"


def test_md_with_a_committee_says_where_it_is_unsure(runs, ethanol, tmp_path):
    seen = use("md", [ethanol], runs, tmp_path / "out", steps=20, equilibrate=0, ensemble="nve", timestep=0.25)
    assert seen["largest_forces_std"] > 0 and "drift_meV_per_atom_per_ps" in seen


def test_timestep(runs, tmp_path):
    path = tmp_path / "water.xyz"
    write(path, molecule("H2O"))
    seen = use("timestep", [path], runs[:1], tmp_path / "out", first=0.5, largest=2, ps=0.05, refine=0, equilibrate=0.02)
    assert {"largest_timestep_fs", "trials"} <= set(seen) and (tmp_path / "out" / "summary.json").exists()


def test_acquire_writes_a_set_that_trains(runs, ethanol, tmp_path):
    family = registry.family("forcefields")
    more = tmp_path / "more.xyz"
    write(more, [molecule("CH3OH"), molecule("H2O"), molecule("C2H6")])
    dials = {"count": 12, "steps": 60, "stride": 10, "temperatures": [100], "timestep": 0.25}
    seen = use("acquire", [ethanol, more], runs, tmp_path / "set", **dials)
    frames = load(tmp_path / "set" / "frames.safetensors")
    assert seen["frames"] == len(frames) == 12 and seen["committee"]["atoms"] == len(frames.numbers)
    before = (tmp_path / "set" / "frames.safetensors").read_bytes()
    assert use("acquire", [ethanol, more], runs, tmp_path / "set", **dials) == seen
    assert (tmp_path / "set" / "frames.safetensors").read_bytes() == before
    with pytest.raises(ConfigError, match="picked otherwise"):
        use("acquire", [ethanol, more], runs, tmp_path / "set", **(dials | {"count": 13}))
    found = family.examples(f"labelled:{tmp_path / 'set'}", "train")
    assert len(found) and np.isfinite(found[0].y.energy)


def test_label_structures(ethanol, tmp_path):
    seen = weighin.use("forcefields", "label", [ethanol], settings={"frames": 2, "relax": 0}, out=tmp_path / "set")
    assert seen["frames"] == 2 and load(tmp_path / "set" / "frames.safetensors").notes["teacher"] == "gfn2"


@pytest.mark.parametrize("tool", MODELLED)
@pytest.mark.parametrize(
    "atoms, said",
    [
        (Atoms(), "has 0 atoms|no structure|cannot be read"),
        (Atoms("H"), "has 1 atoms"),
        (Atoms("OHH", [[0, 0, 0], [0, 0, 0.001], [0, 0.8, 0.6]]), "A apart"),
        (Atoms("OHH", [[0, 0, 0], [0, 0, np.nan], [0, 0.8, 0.6]]), "no numbers"),
        (Atoms("Xe2", [[0, 0, 0], [0, 0, 4]]), "Xe"),
    ],
)
def test_what_cannot_be_used_is_told(runs, tmp_path, tool, atoms, said):
    path = tmp_path / "bad.xyz"
    write(path, atoms)
    with pytest.raises(InputError, match=said):
        use(tool, [path], runs, tmp_path / "out")


def test_other_mistakes_are_told(runs, ethanol, tmp_path):
    junk = tmp_path / "junk.xyz"
    junk.write_bytes(b"\0\1nonsense")
    with pytest.raises(InputError, match="cannot be read"):
        use("md", [junk], runs[:1], tmp_path / "out")
    with pytest.raises(ConfigError, match="no structure to start"):
        use("md", [], runs[:1], tmp_path / "out")
    with pytest.raises(ConfigError, match="committee of one"):
        use("acquire", [ethanol], runs[:1], tmp_path / "out")
    with pytest.raises(ConfigError, match="Did you mean 'gfn2'"):
        use("acquire", [ethanol], runs, tmp_path / "out", teacher="gfn3")
    with pytest.raises(InputError, match="not periodic"):
        use("relax", [ethanol], runs[:1], tmp_path / "out", cell=True)
    with pytest.raises(WeighinError, match="takes 1"):
        use("metatomic", [], runs, tmp_path / "out")


def test_metatomics_own_calculator_answers_as_we_do(runs, tmp_path):
    pytest.importorskip("metatomic.torch")
    ase_side = pytest.importorskip("metatomic_ase")
    seen = use("metatomic", [], runs[:1], tmp_path / "out")
    predict = weighin.load(runs[0])
    periodic = molecule("CH3OH")
    periodic.cell, periodic.pbc = np.diag([7.0, 8.0, 6.5]), True
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is deprecated", DeprecationWarning)
        theirs = ase_side.MetatomicCalculator(seen["path"], check_consistency=True, device="cpu")
        for atoms in (molecule("CH3CH2OH"), molecule("H2O"), periodic):
            atoms.rattle(0.05, seed=1)
            ours = predict([atoms])[0]
            atoms.calc = theirs
            assert atoms.get_potential_energy() == pytest.approx(ours.energy, abs=1e-4)
            assert np.allclose(atoms.get_forces(), ours.forces, atol=1e-4)
            if atoms.pbc.all():
                assert np.allclose(atoms.get_stress(voigt=False), ours.stress, atol=1e-6)
                assert np.abs(ours.stress).max() > 1e-5
