"""Labelling: the same twice, resumed without a loss, with everything that was dropped counted."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.build import molecule as built
from ase.calculators.calculator import Calculator, all_changes

from weighin.core.errors import ConfigError, DataError, StorageError
from weighin.families.forcefields import labelling, molecules, teachers
from weighin.families.forcefields.labelling import FRAMES, PIECES, Labelling, label, label_structures
from weighin.families.forcefields.store import load
from weighin.families.forcefields.worker import job_of

SHORT = Labelling(frames=4, temperatures=(300.0, 600.0), relax=3, settle=3, stride=3)
FEW = molecules.parsed("O water\nC methane\nN ammonia\nC=O formaldehyde\nCO methanol\n", "here")


class Springs(Calculator):
    """Every pair of atoms on a spring; counts its calls and fails when it is told to."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012 - as ASE declares it

    def __init__(self, state, stiff=1.0):
        super().__init__()
        self.state, self.stiff = state, stiff

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.state["calls"] += 1
        if self.state.get("fails", lambda calls: False)(self.state["calls"]):
            raise RuntimeError("no convergence")
        x = self.atoms.positions
        way = x[:, None] - x[None]
        self.results = {"energy": 0.25 * self.stiff * (way**2).sum(), "forces": -self.stiff * way.sum(1)}


def springs(stiff=1.0, **state):
    state = {"calls": 0, **state}
    return teachers.custom("springs", lambda atoms: Springs(state, stiff), conservative=True), state


def arrays(folder):
    frames = load(folder / FRAMES)
    return frames.energy, frames.forces, frames.positions, frames.temperature


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    out = tmp_path_factory.mktemp("labelled")
    lines = []
    return out, label(FEW, out, SHORT, lambda *line: lines.append(line), processes=1), lines


def test_every_molecule_has_its_frames_at_its_temperatures(labelled):
    out, summary, lines = labelled
    frames = load(out / FRAMES)
    assert summary.molecules == 5 and summary.frames + summary.duplicates == 5 * 4 and summary.failed == summary.absurd == 0
    assert set(frames.kinds) == {m.name for m in FEW} and set(frames.groups) == {m.group for m in FEW}
    assert set(frames.temperature) == {300.0, 600.0} and set(frames.tags) == {"300K", "600K"}
    assert summary.elements.startswith("H ") and "O " in summary.elements
    assert [line[1] for line in lines] == [pytest.approx(n / 10) for n in range(1, 11)]
    assert json.loads((out / "summary.json").read_text())["frames"] == summary.frames
    assert not (out / PIECES).exists()


def test_labels_are_those_of_the_teacher(labelled):
    frames = load(labelled[0] / FRAMES)
    for at in (0, len(frames) - 1):
        again, labels = teachers.evaluate(frames.atoms(at), "gfn2"), frames.labels(at)
        assert np.isclose(again.energy, labels.energy, atol=1e-4) and np.allclose(again.forces, labels.forces, atol=1e-3)


def test_the_number_of_processes_changes_nothing(labelled, tmp_path):
    label(FEW, tmp_path, SHORT, processes=2)
    assert all(np.array_equal(one, other) for one, other in zip(arrays(labelled[0]), arrays(tmp_path), strict=True))


def test_a_second_call_does_nothing_and_more_molecules_are_added(labelled, tmp_path):
    shutil.copytree(labelled[0], tmp_path / "a")
    lines = []
    again = label(FEW, tmp_path / "a", SHORT, lambda *line: lines.append(line), processes=1)
    assert again.frames == labelled[1].frames and not lines
    more = label(
        [*FEW, *molecules.parsed("CC ethane", "here")], tmp_path / "a", SHORT, lambda *line: lines.append(line), processes=1
    )
    assert len(lines) == 2 and more.molecules == 6 and more.frames > again.frames


SCRIPT = """
import sys
from pathlib import Path
sys.path[:0] = [{tests!r}]
import test_labelling as t
t.label(t.FEW, Path({out!r}), t.SHORT, processes=2)
"""


def test_killed_labelling_goes_on_and_labels_nothing_twice(labelled, tmp_path):
    script = SCRIPT.format(tests=os.path.dirname(__file__), out=str(tmp_path))  # noqa: PTH120
    process = subprocess.Popen([sys.executable, "-c", script], env=os.environ | {"OMP_NUM_THREADS": "1"})
    pieces = tmp_path / PIECES
    while process.poll() is None and len(list(pieces.glob("[!.]*.safetensors")) if pieces.exists() else []) < 3:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    time.sleep(0.5)  # workers see that nobody asks any more, and end
    there = {path: path.stat().st_mtime_ns for path in pieces.glob("[!.]*.safetensors")}
    time.sleep(0.5)
    assert there == {path: path.stat().st_mtime_ns for path in pieces.glob("[!.]*.safetensors")} and 3 <= len(there) < 10
    lines = []
    label(FEW, tmp_path, SHORT, lambda *line: lines.append(line), processes=1)
    assert len(lines) == 10 - len(there), "only what was missing"
    assert all(np.array_equal(one, other) for one, other in zip(arrays(labelled[0]), arrays(tmp_path), strict=True))


def test_two_at_once_label_once(labelled, tmp_path):
    script = SCRIPT.format(tests=os.path.dirname(__file__), out=str(tmp_path))  # noqa: PTH120
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    both = [subprocess.Popen([sys.executable, "-c", script], env=environment) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert all(np.array_equal(one, other) for one, other in zip(arrays(labelled[0]), arrays(tmp_path), strict=True))


def test_other_settings_in_the_same_folder_are_refused(labelled):
    with pytest.raises(DataError, match=r"labelled with another stride, seed.*Choose another folder"):
        label(FEW, labelled[0], SHORT.model_copy(update={"stride": 4, "seed": 1}))


def test_what_cannot_be_written_is_told(tmp_path):
    (tmp_path / PIECES).write_text("in the way")
    for more in ({"processes": 1}, {"by": springs()[0]}):
        with pytest.raises(StorageError, match="Cannot write"):
            label(FEW[:1], tmp_path, SHORT, **more)
        (tmp_path / labelling.ABOUT).unlink()
    with pytest.raises(StorageError, match="Cannot write"):
        label(FEW[:1], tmp_path / PIECES / "below", SHORT)


def test_a_damaged_piece_is_told(tmp_path):
    mine, _ = springs()
    label(FEW[:1], tmp_path, SHORT, by=mine)
    (tmp_path / FRAMES).write_bytes(b"\0" * 100)
    with pytest.raises(DataError, match="is damaged"):
        label(FEW[:1], tmp_path, SHORT, by=mine)
    (tmp_path / labelling.ABOUT).write_text("{")
    with pytest.raises(DataError, match="is damaged"):
        label(FEW[:1], tmp_path, SHORT, by=mine)


def test_a_teacher_that_fails_is_counted_and_the_rest_goes_on(tmp_path):
    mine, state = springs(fails=lambda calls: calls == 12)
    summary = label(FEW, tmp_path, SHORT, by=mine)
    assert summary.failed == 1 and summary.molecules == 5 and state["calls"] > 12
    assert summary.frames + summary.duplicates == 20


def test_a_teacher_that_always_fails_is_told(tmp_path):
    mine, _ = springs(fails=lambda calls: True)
    with pytest.raises(DataError, match=r"Nothing could be labelled.*no convergence"):
        label(FEW[:1], tmp_path, SHORT, by=mine)


def test_absurd_forces_are_dropped_and_counted(tmp_path):
    mine, _ = springs(stiff=10.0)
    with pytest.raises(DataError, match="Nothing could be labelled"):
        label(FEW[1:2], tmp_path, SHORT.model_copy(update={"most_force": 1e-6}), by=mine)
    found = [built("H2O"), built("CH4")]
    _, summary = label_structures(found, mine, most_force=40.0)
    assert summary.absurd == 1 and summary.frames == 1


def test_a_molecule_the_teacher_does_not_know_is_named(tmp_path):
    some = [*FEW[:1], *molecules.parsed("[Lr] lawrencium", "here")]
    summary = label(some, tmp_path, SHORT, processes=1)
    assert summary.molecules == 1 and len(summary.refused) == 2 and "gfn2 does not know Lr" in summary.refused[0]


def test_a_process_that_dies_costs_one_piece(tmp_path, monkeypatch):
    def job(molecule, at, how, path):
        return "nonsense" if (molecule.name, at) == ("methane", 0) else job_of(molecule, at, how, path)

    monkeypatch.setattr(labelling, "job_of", job)
    summary = label(FEW[:3], tmp_path, SHORT, processes=1)
    assert summary.refused == ("methane: the process of the teacher died or hung",) and summary.molecules == 3
    monkeypatch.undo()
    assert label(FEW[:3], tmp_path, SHORT, processes=1).frames == summary.frames + 2, "it is tried again"


def test_charged_and_open_shell_molecules_keep_their_state(tmp_path):
    given = molecules.parsed("[NH4+] ammonium\n[CH3] methyl\n", "here")
    summary = label(given, tmp_path, SHORT, processes=1)
    frames = load(tmp_path / FRAMES)
    assert summary.charged + summary.open_shell == len(frames) and summary.charged > 0
    state = {frames.kinds[frames.group[at]]: (frames.charge[at], frames.spin[at]) for at in range(len(frames))}
    assert state == {"ammonium": (1, 1), "methyl": (0, 2)}
    at = int(np.flatnonzero(frames.charge == 1)[0])
    assert frames.atoms(at).info == {"charge": 1, "spin": 1}
    assert np.isclose(teachers.evaluate(frames.atoms(at), "gfn2").energy, frames.energy[at], atol=1e-4)


def test_rows_of_the_hessian_are_the_teachers(tmp_path):
    mine, _ = springs()
    label(FEW[:1], tmp_path, SHORT.model_copy(update={"hessian_every": 2, "hessian_rows": 5}), by=mine)
    frames = load(tmp_path / FRAMES)
    rows = [frames.labels(at).hessian for at in range(len(frames))]
    assert sum(row is not None for row in rows) == 2
    for row in filter(None, rows):
        assert len(set(row.rows.tolist())) == 5 and row.values.shape == (5, 3, 3)
        for place, own in enumerate(row.rows):
            wanted = np.full(3, -1.0) + 3.0 * (np.arange(3) == own // 3)  # of springs between all pairs of three atoms
            assert np.allclose(row.values[place][:, own % 3], wanted, atol=1e-6)


def test_single_atoms_are_one_frame_without_a_walk(tmp_path):
    summary = label([molecules.Molecule("neon", "Ne", atoms=Atoms("Ne"))], tmp_path, SHORT, processes=1)
    assert summary.frames == 1 and summary.duplicates == 1


def test_crystals_are_labelled_with_their_stress(tmp_path):
    given = molecules.from_atoms([bulk("Cu", cubic=True)])
    summary = label(given, tmp_path, SHORT.model_copy(update={"teacher": "emt"}), processes=1)
    frames = load(tmp_path / FRAMES)
    assert summary.frames == len(frames) == 4 and frames.pbc.all() and np.isfinite(frames.stress).all()
    again = teachers.evaluate(frames.atoms(2), "emt")
    assert np.allclose(again.stress, frames.stress[2]) and np.allclose(again.forces, frames.labels(2).forces)


def test_structures_are_labelled_as_they_are():
    mine, _ = springs(fails=lambda calls: calls == 2)
    water = built("H2O")
    given = [water, built("CH4"), water.copy(), built("NH3"), Atoms(), Atoms("H2", [[0, 0, 0], [0, 0, np.nan]])]
    frames, summary = label_structures(given, mine, tag="round 1")
    assert (summary.frames, summary.failed, summary.duplicates) == (2, 3, 1)
    assert (
        frames.groups == ("H2O", "H3N")
        and frames.tags == ("round 1",)
        and np.array_equal(frames.positions[:3], water.positions)
    )
    assert frames.notes["conservative"]


def test_settings_are_checked(tmp_path):
    with pytest.raises(ConfigError, match="No teacher is called"):
        label(FEW, tmp_path, SHORT.model_copy(update={"teacher": "none"}))
    with pytest.raises(ValueError, match="greater than 0"):
        Labelling(frames=0)
