"""A finished report is written again from its evidence: newer statistics, newer pages, the same measurements."""

import json
import shutil

import pytest

from weighin.core.errors import RunError
from weighin.steps.overview import read
from weighin.steps.refresh import refresh
from weighin.steps.verify import verify


@pytest.fixture
def folder(compared, tmp_path):
    shutil.copytree(compared.folder, tmp_path / "report")
    return tmp_path / "report"


def test_nothing_changes_where_nothing_has_changed(folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    whole, files = refresh(folder)
    assert {path.name: path.read_bytes() for path in files.values()} == before
    assert whole == read(folder)


def test_figures_of_an_older_method_become_those_of_this_one(folder):
    honest = read(folder)
    raw = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    for row in raw["candidates"]:
        row["measurements"] = [m for m in row["measurements"] if m["name"] not in ("quality_loss_pct", "latency_p90_ms")]
        for m in row["measurements"]:
            m.update(low=None, high=None, method="older")
    raw["details"]["profiles"], raw["pairs"] = {}, []
    (folder / "report.json").write_text(json.dumps(raw), encoding="utf-8")
    assert verify(folder)
    whole, _ = refresh(folder / "report.json")
    assert verify(folder) == [] and whole == honest == read(folder)


def test_pictures_stay(folder):
    raw = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    label, lines = next((label, lines) for label, lines in raw["details"]["worst"].items() if lines)
    lines[0].update(picture="aGVsbG8=", pictures=["aGVsbG8="])
    (folder / "report.json").write_text(json.dumps(raw), encoding="utf-8")
    assert refresh(folder)[0].details["worst"][label][0]["pictures"] == ["aGVsbG8="]


def test_other_evidence_is_refused(folder):
    one, two = sorted((folder / "evidence").glob("*-torch-*-quality.npz"))[:2]
    text = (folder / "report.json").read_bytes()
    shutil.copy(two, one)
    with pytest.raises(RunError, match="is not the file that"):
        refresh(folder)
    one.unlink()
    with pytest.raises(RunError, match="is missing"):
        refresh(folder)
    assert (folder / "report.json").read_bytes() == text
