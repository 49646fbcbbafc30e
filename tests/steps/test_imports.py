"""Other tools' figures in a report: they show, they never win unasked, and every mistake has a line and a column."""

import json
import shutil
from pathlib import Path

import pytest
from made_report import made_report

import weighin
from weighin.core.errors import ConfigError, StorageError
from weighin.core.files import hash_bytes, hash_path
from weighin.steps import imports, verify
from weighin.steps import report as document
from weighin.steps.imports import candidates_of
from weighin.steps.overview import overview, read

GOOD = """variant,runtime,name,value,low,high,n,unit,method
paper,their torch,top1,0.999,0.99,1,600,,as printed
paper,their torch,distance,0.001,,,600,arms,as printed
paper,their torch,latency_p50_ms,0.2,,,100,ms,
rival,onnx,top1,0.9,,,600,,
"""
LIST = [{"variant": "paper", "runtime": "tvm", "status": "ok", "about": "theirs", "measurements": [
    {"name": "top1", "value": 0.5, "unit": "", "n": 600, "method": "as printed", "evidence": "elsewhere.npz"}]}]  # fmt: skip


@pytest.fixture(scope="module")
def compared(tmp_path_factory) -> Path:
    """A real report of one small candidate, quality only."""
    place = tmp_path_factory.mktemp("compared")
    how = {"variants": ["nano"], "runtimes": ["torch"], "settings": {"recipe.steps": 40}, "examples": 300, "rounds": 0}
    weighin.compare("points", runs=place / "runs", out=place / "report", limits=["distance<=2"], **how)
    return place / "report"


@pytest.fixture
def folder(compared, tmp_path) -> Path:
    return Path(shutil.copytree(compared, tmp_path / "report"))


def csv_at(path: Path, text: str = GOOD) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_they_show_and_never_win_unasked(folder, tmp_path):
    file = csv_at(tmp_path / "peers.csv")
    whole, added = weighin.import_measurements(file, folder)
    assert [c.label for c in added] == ["paper @ their torch", "rival @ onnx"]
    assert {c.status for c in added} == {"imported"}
    assert added[0].reason == f"imported, not measured here (from peers.csv, sha256 {hash_path(file)[:12]})"
    kept = read(folder)
    assert [c.label for c in kept.candidates] == ["nano @ torch", "paper @ their torch", "rival @ onnx"]
    assert kept.details["pick"]["choice"] == {"variant": "nano", "runtime": "torch"}
    assert [limit["name"] for limit in kept.details["pick"]["limits"]] == ["distance"], "the limits of the report stay"
    out = {e["variant"]: e["reasons"] for e in kept.details["pick"]["excluded"]}
    assert out == {"paper": ["imported, not measured here"], "rival": ["imported, not measured here"]}
    assert whole.details["pick"] == kept.details["pick"]


def test_they_win_when_that_is_allowed(folder, tmp_path):
    weighin.import_measurements(csv_at(tmp_path / "peers.csv"), folder)
    assert weighin.pick(folder, best="top1").choice.variant == "nano"
    assert weighin.pick(folder, best="top1", allow_imported=True).choice.variant == "paper"


def test_the_report_still_holds(folder, tmp_path):
    weighin.import_measurements(csv_at(tmp_path / "peers.csv"), folder)
    assert weighin.verify(folder) == []
    json_file = tmp_path / "more.json"
    json_file.write_text(json.dumps(LIST))
    weighin.import_measurements(json_file, folder)
    assert weighin.verify(folder) == []
    assert len(read(folder).candidates) == 4


def test_every_document_says_where_they_came_from(folder, tmp_path):
    weighin.import_measurements(csv_at(tmp_path / "peers.csv"), folder)
    for kind in ("html", "md", "csv"):
        text = (folder / f"report.{kind}").read_text(encoding="utf-8")
        assert "imported, not measured here (from peers.csv, sha256" in text.replace("\\", ""), kind
    assert overview(read(folder).candidates)[1][1][0] == "paper @ their torch (imported)"
    assert sorted(p.name for p in folder.glob(".*")) == []


def test_units_and_directions_are_the_reports(folder, tmp_path):
    _, (paper, _) = weighin.import_measurements(csv_at(tmp_path / "peers.csv"), folder)
    assert [(m.name, m.unit, m.better, m.n) for m in paper.measurements] == [
        ("top1", "", "higher", 600), ("distance", "arms", "lower", 600), ("latency_p50_ms", "ms", "lower", 100),
    ]  # fmt: skip
    assert {m.evidence for m in paper.measurements} == {f"imported-{hash_bytes(GOOD.encode())[:12]}-peers.csv"}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("variant,runtime,name,value\na,b,top1,1\n", ("line 1", "no column 'n'")),
        ("variant,runtime,nam,value,n\n", ("line 1", "unknown column 'nam'", "Did you mean 'name'?")),
        ("variant,runtime,name,value,n,n\n", ("line 1", "'n' stands there twice")),
        ("variant,runtime,name,value,n\na,b,top2,0.5,3\n", ("line 2, column name", "'top2'", "Did you mean 'top1'?")),
        ("variant,runtime,name,value,n\na,b,top1,much,3\n", ("line 2, column value", "'much' is no number")),
        ("variant,runtime,name,value,n\na,b,top1,nan,3\n", ("line 2, column value", "not finite")),
        ("variant,runtime,name,value,n\na,b,top1,,3\n", ("line 2, column value", "empty")),
        ("variant,runtime,name,value,n\na,b,top1,0.5,\n", ("line 2, column n",)),
        ("variant,runtime,name,value,n\na,b,top1,0.5,2.5\n", ("line 2, column n", "2.5")),
        ("variant,runtime,name,value,n\n\na,b,top1,0.5,3\n,b,top1,0.5,3\n", ("line 4, column variant", "empty")),
        ("variant,runtime,name,value,n\na,b,top1,0.5\n", ("line 2 has 4 cells", "names 5 columns")),
        ("variant,runtime,name,value,n\na,b,top1,0.5,3\na,b,top1,0.6,3\n", ("line 3, column name", "stands there twice")),
        ("variant,runtime,name,value,n,unit\na,b,latency_p50_ms,0.5,3,s\n", ("line 2, column unit", "'s'", "'ms'")),
        ("variant,runtime,name,value,n,unit\na,b,top1,50,3,%\n", ("line 2, column unit", "'%'", "none")),
        ("variant,runtime,name,value,n,better\na,b,top1,0.5,3,lower\n", ("line 2, column better", "'lower'", "'higher'")),
        ("variant,runtime,name,value,n,better\na,b,top1,0.5,3,good\n", ("line 2, column better", "'good'")),
        ("variant,runtime,name,value,n,low\na,b,top1,0.5,3,0.6\n", ("line 2, column value", "not within 0.6 to 0.5")),
        ("variant,runtime,name,value,n\na,b,size_mb,-1,1\n", ("line 2, column value", "size_mb", "0 or more")),
        ("variant,runtime,name,value,n,status\na,b,top1,0.5,3,fine\n", ("line 2, column status", "'fine'")),
        ('variant,runtime,name,value,n\na,b,"top1,0.5,3\n', ("not a CSV table",)),
        ("variant,runtime,name,value,n\n", ("holds no candidate",)),
        ("", ("holds no candidate",)),
    ],
)
def test_mistakes_have_a_line_and_a_column(folder, tmp_path, text, parts):
    before = hash_path(folder)
    with pytest.raises(ConfigError) as error:
        weighin.import_measurements(csv_at(tmp_path / "peers.csv", text), folder)
    assert all(part in str(error.value) for part in ("peers.csv", *parts)), str(error.value)
    assert hash_path(folder) == before, "nothing changes"


def changed(**figure) -> str:
    return json.dumps([{**LIST[0], "measurements": [{**LIST[0]["measurements"][0], **figure}]}])


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("{", ("not JSON",)),
        ("[" * 100_000, ("not JSON",)),
        ('{"schema": 1}', ("no candidates",)),
        ('"candidates"', ("no candidates",)),
        ("[]", ("no candidate",)),
        ("[1]", ("candidate 1",)),
        (json.dumps([{**LIST[0], "speed": 1}]), ("candidate 1", "Unknown key 'speed'")),
        (json.dumps([{**LIST[0], "variant": " "}]), ("candidate 1 has no name",)),
        (json.dumps(LIST * 2), ("candidate 2", "twice")),
        (changed(value="x"), ("candidate 1", "measurements.0.value", "'x'")),
        (changed(value=float("nan")), ("NaN", "finite")),
        (changed(name="top9"), ("candidate 1, measurement 1, name", "'top9'", "Did you mean 'top1'?")),
        (changed(n=0), ("candidate 1, measurement 1, n", "0")),
        (changed(name="cold_start_s", unit="ms"), ("candidate 1, measurement 1, unit", "'ms'", "'s'")),
    ],
)
def test_mistakes_in_json_have_a_place(folder, tmp_path, text, parts):
    (tmp_path / "peers.json").write_text(text)
    with pytest.raises(ConfigError) as error:
        weighin.import_measurements(tmp_path / "peers.json", folder)
    assert all(part in str(error.value) for part in ("peers.json", *parts)), str(error.value)


def test_a_name_that_is_taken_is_refused(folder, tmp_path):
    with pytest.raises(ConfigError, match=r"brings nano @ torch.*has a candidate of that name"):
        weighin.import_measurements(csv_at(tmp_path / "a.csv", GOOD.replace("rival,onnx", "nano,torch")), folder)
    weighin.import_measurements(csv_at(tmp_path / "peers.csv"), folder)
    with pytest.raises(ConfigError, match="brings paper @ their torch"):
        weighin.import_measurements(tmp_path / "peers.csv", folder)


def test_files_of_other_kinds_are_refused(folder, tmp_path):
    (tmp_path / "table.xlsx").write_bytes(b"PK")
    (tmp_path / "peers.csv").write_bytes(b"variant\xff")
    for name, said in (("table.xlsx", "neither a CSV nor a JSON"), ("peers.csv", "UTF-8"), ("none.csv", "Cannot read")):
        with pytest.raises(ConfigError, match=said):
            weighin.import_measurements(tmp_path / name, folder)
    shutil.copy(folder / "report.json", tmp_path / "other.json")
    with pytest.raises(ConfigError, match=r"folder of a report, or the report\.json"):
        weighin.import_measurements(csv_at(tmp_path / "peers.csv"), tmp_path / "other.json")
    with pytest.raises(ConfigError, match="There is no"):
        weighin.import_measurements(tmp_path / "peers.csv", tmp_path)


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_whole_report_comes_through_unchanged(kind):
    report = made_report()
    text = document.to_csv(report) if kind == "csv" else json.dumps(document.to_json(report))
    rows = candidates_of(text.encode(), f"theirs.{kind}", report)
    assert [c.label for c in rows] == [c.label for c in report.candidates]
    for came, went in zip(rows, report.candidates):
        kept = [(m.name, m.value, m.low, m.high, m.n, m.unit, m.method, m.at) for m in came.measurements]
        own = [
            m for m in went.measurements if m.name != "quality_loss_pct"
        ]  # against the best of a report that is not this one
        assert kept == [(m.name, m.value, m.low, m.high, m.n, m.unit, m.method, m.at) for m in own]
    (failed,) = [c for c in rows if c.runtime == "openvino:int8"]
    assert failed.status == "imported" and "it came as failed: Export of part" in failed.reason


def test_a_page_that_cannot_be_made_changes_nothing(folder, tmp_path, monkeypatch):
    before = {path.name: path.read_bytes() for path in folder.glob("report.*")}

    def fail(report):
        raise StorageError("Cannot write it", hint="Free some space")

    monkeypatch.setattr(document.markdown, "render", fail)
    with pytest.raises(StorageError):
        weighin.import_measurements(csv_at(tmp_path / "peers.csv"), folder)
    assert {path.name: path.read_bytes() for path in folder.glob("report.*")} == before
    assert sorted(p.name for p in folder.glob(".*")) == []


def test_tampering_is_found(folder, tmp_path):
    weighin.import_measurements(csv_at(tmp_path / "peers.csv"), folder)
    report = json.loads((folder / "report.json").read_text())
    report["candidates"][1]["measurements"][0]["value"] = 0.9999
    (folder / "report.json").write_text(json.dumps(report))
    assert any("paper @ their torch is not what the file" in line for line in verify.verify(folder))


@pytest.mark.parametrize(("how", "said"), [("changed", "not what the file"), ("gone", "is missing"), ("damaged", "line 2")])
def test_the_file_must_be_the_one_that_came_in(folder, tmp_path, how, said):
    weighin.import_measurements(csv_at(tmp_path / "peers.csv"), folder)
    (kept,) = (folder / "evidence").glob(f"{imports.PREFIX}*")
    text = kept.read_text()
    if how == "gone":
        kept.unlink()
    else:
        kept.write_text(text.replace("0.999", "0.998") if how == "changed" else text.replace("0.999", "x"))
    assert any(said in line for line in verify.verify(folder))
