"""verify recomputes everything that a report shows: no figure, hash or file can be changed unseen."""

import json
import shutil

import numpy as np
import pytest

from weighin.core.errors import ConfigError
from weighin.core.files import hash_path
from weighin.steps import evidence
from weighin.steps import report as document
from weighin.steps.overview import read
from weighin.steps.verify import alike, verify


@pytest.fixture
def folder(compared, tmp_path):
    shutil.copytree(compared.folder, tmp_path / "report")
    return tmp_path / "report"


@pytest.fixture
def changed(folder):
    """Changes report.json and writes every document anew from it: as somebody would who means it."""

    def change(edit):
        raw = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        edit(raw)
        (folder / "report.json").write_text(json.dumps(raw), encoding="utf-8")
        document.write(read(folder), folder)
        return verify(folder / "report.json")

    return change


def figure(raw, name, row=0):
    return next(m for m in raw["candidates"][row]["measurements"] if m["name"] == name)


def test_an_honest_report_holds(folder):
    assert verify(folder / "report.json") == [] and verify(folder) == []


@pytest.mark.parametrize(
    "name",
    ["top1", "distance", "size_mb", "parameters", "train_minutes", "latency_p50_ms", "throughput_per_s", "peak_memory_mb"],
)
def test_a_changed_value_is_found(changed, name):
    found = changed(lambda raw: figure(raw, name).update(value=figure(raw, name)["value"] * 1.001))
    assert len(found) == 1 and found[0].startswith(f"nano @ torch: {name}.value is ")


@pytest.mark.parametrize(
    ("key", "value"), [("low", 0.1), ("high", None), ("n", 401), ("unit", "%"), ("better", "lower"), ("method", "guessed")]
)
def test_whatever_belongs_to_a_figure_is_checked(changed, key, value):
    found = changed(lambda raw: figure(raw, "top1").update({key: value}))
    assert [line for line in found if line.startswith(f"nano @ torch: top1.{key} is ")]


@pytest.mark.parametrize("key", ["weights", "artefact", "assets", "predict", "data"])
def test_a_changed_hash_is_found(changed, key):
    for name in ("top1", "latency_p50_ms", "size_mb"):
        found = changed(lambda raw, name=name: figure(raw, name)["hashes"].update({key: "0" * 16}))
        assert [line for line in found if f"{name}: its hash of {key} is not the one in" in line]


def test_a_changed_hash_of_evidence_is_found(changed):
    (line,) = changed(lambda raw: figure(raw, "top1")["hashes"].update(evidence="0" * 16))
    assert line.startswith("nano @ torch: top1: nano-torch-") and line.endswith("is not the file it was computed from")


@pytest.mark.parametrize(
    ("edit", "part"),
    [
        (lambda raw: raw["pairs"][0].update(p=0.5, different=True), "pairs does not follow"),
        (lambda raw: raw["pairs"].pop(), "pairs does not follow"),
        (lambda raw: raw["front"].update({"nano @ torch": 0.123}), "front does not follow"),
        (lambda raw: raw["details"]["pick"]["choice"].update(runtime="elsewhere"), "details.pick does not follow"),
        (lambda raw: raw["details"]["profiles"].popitem(), "details.profiles does not follow"),
        (lambda raw: raw["details"]["by_kind"]["nano @ torch"]["top1"]["arm0"].update(value=1.0), "details.by_kind does not"),
        (lambda raw: raw["details"]["batches"]["nano @ torch"]["16"].update(value=1e9), "details.batches does not follow"),
        (lambda raw: raw["details"]["noise"].update(ratio=1.0), "details.noise does not follow"),
        (
            lambda raw: raw["details"]["ratios"]["nano @ onnx"]["latency_p50_ms"].update(value=0.001),
            "details.ratios does not follow",
        ),
        (lambda raw: raw["details"]["training"]["nano"].update(minutes=1e-9), "details.training does not follow"),
        (lambda raw: raw["details"]["curves"]["nano"].pop(), "details.curves does not follow"),
        (lambda raw: raw["details"]["checks"]["nano @ torch"][0].update(passed=False), "details.checks does not follow"),
        (lambda raw: raw["details"]["worst"]["nano @ torch"].pop(), "details.worst does not follow"),
        (
            lambda raw: raw["details"]["parity"]["nano @ onnx"].update(max_rel=0.0, max_abs=0.0),
            "details.parity does not follow",
        ),
        (lambda raw: raw["notes"].update({"test examples": 4000}), "notes does not follow"),
        (lambda raw: raw["scores"][0].update(better="lower"), "scores does not follow"),
        (lambda raw: figure(raw, "quality_loss_pct").update(value=-1.0), "quality_loss_pct does not follow"),
        (lambda raw: figure(raw, "quality_loss_pct", 2).update(high=0.0), "quality_loss_pct does not follow"),
        (lambda raw: raw["details"]["noise"].update(hash="0" * 16), "details.noise does not follow"),
        (lambda raw: figure(raw, "latency_p50_ms")["hardware"].update(cpu="A faster one"), "its hardware are not those in"),
        (lambda raw: figure(raw, "top1")["hardware"].update(threads=8), "its hardware are not those in"),
        (lambda raw: figure(raw, "size_mb")["versions"].update(torch="99"), "its versions are not those in"),
        (lambda raw: raw["environment"]["versions"].update(torch="99"), "its version of torch is not the one of the report"),
        (lambda raw: raw["environment"].update(threads=[4]), "was timed on 1 threads, the report says [4]"),
        (lambda raw: figure(raw, "top1").update(run="elsewhere"), "top1 is of run 'elsewhere'"),
        (lambda raw: raw["candidates"][0]["measurements"].remove(figure(raw, "latency_p50_ms")), "is not shown"),
        (lambda raw: figure(raw, "top1").update(evidence=""), "top1 names no evidence"),
        (lambda raw: figure(raw, "top1").update(evidence="none-quality.npz"), "none-quality.npz is missing"),
        (lambda raw: figure(raw, "top1").update(name="top2"), "top2 does not follow from"),
        (lambda raw: raw["candidates"].pop(0), "does not follow from the evidence"),
    ],
)
def test_whatever_else_is_shown_is_checked(changed, edit, part):
    found = changed(edit)
    assert [line for line in found if part in line], found


@pytest.mark.parametrize("name", ["report.html", "report.md", "report.csv"])
def test_a_changed_or_missing_document_is_found(folder, name):
    text = (folder / name).read_text(encoding="utf-8")
    (folder / name).write_text(text.replace("nano", "nono", 1), encoding="utf-8")
    assert verify(folder) == [f"{folder / name} is not what report.json gives"]
    (folder / name).unlink()
    assert verify(folder) == [f"{folder / name} is missing"]


@pytest.mark.parametrize("kind", ["quality", "facts", "speed", "noise"])
def test_missing_or_damaged_evidence_is_found(folder, kind):
    path = next((folder / "evidence").glob(f"nano-torch-*-{kind}.npz"))
    whole = path.read_bytes()
    for damaged in (None, whole[:-40], b""):
        path.unlink(missing_ok=True)
        if damaged is not None:
            path.write_bytes(damaged)
        found = verify(folder)
        assert found and (kind == "noise" or all(path.name in line for line in found)), (damaged, found)
    path.write_bytes(whole)
    assert verify(folder) == []


@pytest.mark.parametrize("kind", ["quality", "speed"])
def test_evidence_that_was_made_up_is_found(folder, changed, kind):
    """Better numbers in the evidence, and its new hash in the report: the figures must then differ."""
    path = next((folder / "evidence").glob(f"nano-torch-*-{kind}.npz"))
    arrays, note = evidence.load(path)
    key = "top1.value" if kind == "quality" else "single_ms"
    evidence.save(path, {**arrays, key: np.ones_like(arrays[key]) * 0.5}, note)

    def edit(raw):
        for m in raw["candidates"][0]["measurements"]:
            if m["evidence"] == path.name:
                m["hashes"]["evidence"] = hash_path(path)[:16]

    found = changed(edit)
    assert [line for line in found if "its evidence gives" in line]


def test_a_report_without_its_noise_floor_is_found(folder, changed):
    next((folder / "evidence").glob("nano-torch-*-noise.npz")).unlink()
    assert changed(lambda raw: raw["details"].update(noise={})) == ["The evidence of the A/A row is missing"]


def test_older_evidence_without_hardware_still_verifies(folder, changed):
    """What it does not name cannot be held against it."""
    hashes = {}
    for path in (folder / "evidence").glob("*.npz"):
        arrays, note = evidence.load(path)
        evidence.save(path, arrays, {key: value for key, value in note.items() if key != "where"})
        hashes[path.name] = hash_path(path)[:16]

    def edit(raw):
        for m in (m for row in raw["candidates"] for m in row["measurements"]):
            m["hashes"]["evidence"] = hashes[m["evidence"]]
        raw["details"]["noise"]["hash"] = hashes[raw["details"]["noise"]["evidence"]]

    assert changed(edit) == []


def test_evidence_of_another_kind_is_found(folder):
    path = next((folder / "evidence").glob("nano-torch-*-quality.npz"))
    evidence.save(path, {"odd": np.zeros(3)}, {"odd": 1})
    assert all(path.name in line for line in verify(folder)) and verify(folder)


@pytest.mark.parametrize(
    ("raw", "part"),
    [(None, "There is no"), ("{", "cannot be read as a report"), ("[]", "report.json"), ('{"schema": 1}', "family")],
)
def test_what_is_no_report_is_told(tmp_path, raw, part):
    path = tmp_path / "report.json"
    if raw is not None:
        path.write_text(raw)
    with pytest.raises(ConfigError, match=part):
        verify(path)


def test_measuring_again_says_what_moved(compared, folder, with_lame, monkeypatch):
    assert verify(folder, again=["quality"], root=compared.root) == []
    predictor = "weighin.steps.candidate.load_predictor"
    monkeypatch.setattr(predictor, lambda *arguments: lambda xs: [0] * len(xs))
    root = shutil.copytree(compared.root, folder.parent / "runs")
    found = verify(folder, again=["quality"], root=root)
    assert [line for line in found if line.startswith("nano @ torch: top1 moved from ")]


def test_measuring_again_is_done_as_the_evidence_says(compared, folder, with_lame, monkeypatch):
    asked = []

    def weigh(candidates, **how):
        asked.append((sorted(c.label for c in candidates), {c.threads for c in candidates}, how))
        return [row for row in compared.report.candidates if row.label in {c.label for c in candidates}]

    monkeypatch.setattr("weighin.steps.again.weigh", weigh)
    assert verify(folder, again=["speed"], root=compared.root) == []
    ((labels, threads, how),) = asked
    assert labels == sorted(row.label for row in compared.report.candidates if row.status == "ok") and threads == {1}
    assert how == {"examples": 400, "seed": 0, "rounds": 6, "batches": (16,), "again": ["speed"]}
    verify(folder, again=["quality"], root=compared.root)
    assert asked[1][2]["rounds"] == 0


def test_sessions_of_their_own_are_measured_on_their_own(compared, folder, with_lame, monkeypatch):
    """Threads are those of the timing, not of the first figure."""
    asked = []
    monkeypatch.setattr(
        "weighin.steps.again.weigh", lambda candidates, **how: asked.append(candidates) or compared.report.candidates
    )
    raw = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    for m in raw["candidates"][1]["measurements"]:
        if m["evidence"].endswith("-speed.npz"):
            m["hardware"]["threads"] = 2
    (folder / "report.json").write_text(json.dumps(raw), encoding="utf-8")
    verify(folder, again=["speed"], root=compared.root)
    assert sorted((len(group), {c.threads for c in group}.pop()) for group in asked) == [(1, 2), (3, 1)]


def test_alike():
    assert alike({"a": [1, 2.0, "x", None]}, {"a": (1.0, 2.0 + 1e-12, "x", None)})
    for one, two in (({"a": 1}, {"b": 1}), ([1], [1, 2]), (1.0, 1.0 + 1e-6), ("x", 1), (None, 0.0), (True, None)):
        assert not alike(one, two)
