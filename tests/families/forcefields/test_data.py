"""Examples of every kind of data that is made here."""

import os
import subprocess
import sys

import numpy as np
import pytest

from weighin.core.errors import DataError
from weighin.families.forcefields import data, labelling, molecules

SPLITS = ("train", "validation", "test")


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(data, "_KEPT", {})
    return tmp_path / "cache"


def test_synthetic_is_small_whole_and_split_by_molecule():
    found = {split: data.examples("synthetic", split) for split in SPLITS}
    groups = {split: {e.group for e in examples} for split, examples in found.items()}
    assert 250 < sum(map(len, found.values())) <= 26 * 12
    assert len(groups["test"]) >= 5 and len(groups["validation"]) >= 3 and len(set.union(*groups.values())) == 26
    assert {e.kind for e in found["train"]} | {e.kind for e in found["validation"]} | {
        e.kind for e in found["test"]
    } == data.SMALL_NAMES
    elements = {split: {s for e in examples for s in e.x.get_chemical_symbols()} for split, examples in found.items()}
    assert elements["test"] | elements["validation"] <= elements["train"] == {"H", "C", "N", "O"}


def test_examples_are_structures_with_labels_and_slices_are_examples():
    train = data.examples("synthetic", "train")
    example = train[3]
    assert example.y.forces.shape == (len(example.x), 3) and example.y.energies.shape == (len(example.x),)
    assert np.isclose(example.y.energies.sum(), example.y.energy) and not example.x.pbc.any()
    part = train[2:5]
    assert [e.id for e in part] == [train[at].id for at in (2, 3, 4)] and part[1].id == example.id
    assert train[-1].id == train[len(train) - 1].id
    with pytest.raises(IndexError):
        train[len(train)]
    assert len({e.id for e in train}) == len(train)


def test_a_list_of_ones_own_is_labelled_once(own_cache, tmp_path):
    mine = tmp_path / "mine.smi"
    mine.write_text("O water\nN ammonia\n")
    spec, lines = f"gfn2:{mine}@frames=3", []
    frames = data.frames_of(spec, lambda *line: lines.append(line), processes=1)
    assert set(frames.kinds) == {"water", "ammonia"} and len(frames) <= 6 and len(lines) == 6
    mark = data.fingerprint(spec)
    data._KEPT.clear()
    data.frames_of(spec, lambda *line: lines.append(line))
    assert len(lines) == 6 and data.fingerprint(spec) == mark
    mine.write_text("O water\nN ammonia\nC methane\n")
    assert data.fingerprint(spec) != mark
    few = data.examples(spec, "train")
    assert len({e.group for e in few}) > 2 and few[0].group.endswith(" 0"), "too few molecules: blocks of frames"
    with pytest.raises(DataError, match="There is no file"):
        data.examples("gfn2:/no/such.smi", "train")


def test_what_labelling_wrote_is_data(tmp_path):
    some = molecules.listed()[:10]
    labelling.label(some, tmp_path, labelling.Labelling(frames=3, relax=0, settle=1, stride=1), processes=1)
    found = {split: data.examples(f"labelled:{tmp_path}", split) for split in SPLITS}
    assert len({e.group for examples in found.values() for e in examples}) == 10
    hot = data.examples(f"labelled:{tmp_path}@train=300K@test=1000K", "test")
    assert set(hot.temperatures) == {1000.0} and {e.group for e in hot} == {e.group for e in found["test"]}
    with pytest.raises(DataError, match="There is no labelled file"):
        data.examples(f"labelled:{tmp_path}/none", "train")


def test_several_processes_make_synthetic_data_once(own_cache):
    script = "from weighin.families.forcefields import data\nprint(data.frames_of('gfn2@molecules=2@frames=3').energy.sum())"
    environment = os.environ | {"OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(own_cache)}
    command = [sys.executable, "-c", script]
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = {process.communicate()[0] for process in both}
    assert len(answers) == 1 and answers != {""} and all(process.returncode == 0 for process in both)


def test_a_list_can_be_thinned():
    spec = data.parse("gfn2@molecules=50@frames=6")
    chosen = data._molecules(spec)
    assert len({m.group for m in chosen}) == 50 and data._settings(spec).frames == 6
    assert data.fingerprint("gfn2@molecules=50") != data.fingerprint("gfn2") != data.fingerprint("synthetic")


def test_every_kind_says_what_it_is():
    assert {"synthetic", "gfn2", "labelled", "extxyz", "asedb", "rmd17", "npz", "h5"} == set(data.KINDS)
    with pytest.raises(DataError, match="has no data"):
        data.fingerprint("no-such-data-at-all:/no/such/place")
