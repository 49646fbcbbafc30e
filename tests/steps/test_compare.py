"""compare end to end: what is missing is made, what fails is a row, nothing is done twice."""

import csv
import json
import shutil

import jsonschema
import pytest

from weighin.core import registry
from weighin.core.errors import ConfigError, DataError, RunError, StorageError
from weighin.core.files import hash_path
from weighin.core.result import Report
from weighin.steps import compare as step
from weighin.steps import export, loop, quality, report, speed
from weighin.steps.candidate import Weighed
from weighin.steps.compare import Plan, compare
from weighin.steps.overview import overview, read
from weighin.steps.train import train

NAMES = {
    "top1", "distance", "size_mb", "parameters", "train_minutes", "train_cpu_minutes", "latency_p50_ms", "latency_cpu_p50_ms",
    "throughput_per_s", "cpu_ms_per_item", "peak_memory_mb", "cold_start_s", "quality_loss_pct",
}  # fmt: skip
FEW = {"recipe.steps": 2}


@pytest.fixture
def raw(compared):
    return json.loads((compared.folder / "report.json").read_text(encoding="utf-8"))


def test_every_candidate_is_a_row(compared):
    rows = {row.label: row for row in compared.report.candidates}
    assert list(rows) == ["nano @ torch", "nano @ onnx", "biased @ torch", "biased @ onnx", "nano @ lame", "biased @ lame"]
    assert [row.status for row in rows.values()] == ["ok"] * 4 + ["failed"] * 2
    assert "No kernel for Dropout. It has Linear. Use torch" in rows["nano @ lame"].reason
    assert not rows["nano @ lame"].measurements


def test_every_figure_is_there_with_its_evidence(compared):
    for row in compared.report.candidates[:4]:
        assert {m.name for m in row.measurements} - {"latency_p90_ms", "latency_p95_ms", "latency_p99_ms"} == NAMES
        for m in row.measurements:
            assert hash_path(compared.folder / "evidence" / m.evidence)[:16] == m.hashes["evidence"]
            assert (m.variant, m.runtime, m.data, m.family) == (row.variant, row.runtime, "synthetic", "points")
            assert m.method and m.command and m.at and m.hardware and {"torch", "weighin"} <= set(m.versions)
        assert ("onnxruntime" in row.measurements[0].versions) == (row.runtime == "onnx")


def test_variants_that_differ_in_use_share_the_run(compared):
    assert len(list((compared.root / "points").iterdir())) == 1
    nano, _, biased, _, *_ = compared.report.candidates
    assert nano.run == biased.run and nano.settings["predict"] != biased.settings["predict"]
    assert nano.get("top1").value != biased.get("top1").value and nano.get("size_mb").value == biased.get("size_mb").value
    assert nano.get("train_minutes").value == biased.get("train_minutes").value


def test_the_answers_of_exports_are_those_of_the_original(compared):
    torch, onnx, *_ = compared.report.candidates
    assert torch.get("top1").value == pytest.approx(onnx.get("top1").value, abs=0.006)
    assert all(seen["passed"] for seen in compared.report.details["parity"].values())


def test_report_json_is_as_published(compared, raw):
    assert raw["schema"] == 1
    assert {"family", "data", "environment", "candidates"} <= set(raw)
    assert raw["family"] == "points" and raw["data"] == "synthetic" and raw["primary"] == "top1"
    for row in raw["candidates"]:
        assert {"variant", "runtime", "run", "status", "reason", "measurements"} <= set(row)
        for m in row["measurements"]:
            assert {"name", "value", "low", "high", "n", "unit", "better", "method", "hashes", "command"} <= set(m)
    jsonschema.validate(raw, report.schema())
    assert Report.model_validate(raw).candidates == read(compared.folder).candidates


def test_report_json_is_what_was_returned(compared):
    assert report.to_json(read(compared.folder / "report.json")) == report.to_json(report.clean(compared.report))


def test_all_documents_are_written(compared):
    for name in ("report.html", "report.md", "report.json", "report.csv"):
        assert (compared.folder / name).stat().st_size > 500
    html = (compared.folder / "report.html").read_text(encoding="utf-8")
    assert "nano" in html and "No kernel for Dropout" in html
    lines = list(csv.DictReader((compared.folder / "report.csv").read_text(encoding="utf-8").splitlines()))
    shown = [row for row in compared.report.candidates if row.measurements]
    assert {line["status"] for line in lines} == {"ok", "failed"} and len(lines) == 2 + sum(len(r.measurements) for r in shown)


def test_the_rest_of_the_report_follows(compared):
    whole = compared.report
    assert {(p.first, p.second) for p in whole.pairs} and len(whole.pairs) == 6 and all(p.score == "top1" for p in whole.pairs)
    assert set(whole.front) == {row.label for row in whole.candidates[:4]} and sum(whole.front.values()) >= 1
    assert whole.notes["test examples"] == 400
    tables = {"by_kind", "by_group", "worst", "confusions", "checks", "curves", "training", "parity", "batches"}
    assert tables <= set(whole.details)
    assert whole.details["curves"]["nano"][-1]["step"] == 60 and whole.details["training"]["nano"]["steps"] == 60
    assert whole.details["noise"]["label"] == "nano @ torch" and whole.details["noise"]["low"] <= whole.details["noise"]["high"]
    assert whole.details["pick"]["choice"]["runtime"] in ("torch", "onnx")
    excluded = {(e["variant"], e["runtime"]): e["reasons"] for e in whole.details["pick"]["excluded"]}
    assert any("No kernel" in reason for reason in excluded["nano", "lame"])


def test_the_table_of_a_terminal(compared):
    headings, lines = overview(compared.report.candidates)
    assert headings[:2] == ["candidate", "top1"] and len(lines) == 6
    assert lines[4][1].startswith("failed: ") and all(len(line) == len(headings) for line in lines)


def test_nothing_is_done_twice(compared, with_lame, monkeypatch):
    never = lambda *arguments, **named: pytest.fail("done again")  # noqa: E731
    for place, name in ((loop, "fit"), (export, "_make"), (speed, "_session"), (Weighed, "predictor"), (quality, "_answers")):
        monkeypatch.setattr(place, name, never)
    before = {p: p.stat().st_mtime_ns for p in compared.root.rglob("*") if p.is_file()}
    again = compared.again()
    assert again.candidates == compared.report.candidates and again.pairs == compared.report.pairs
    assert again.details == compared.report.details
    assert {p: p.stat().st_mtime_ns for p in compared.root.rglob("*") if p.is_file()} == before


@pytest.fixture
def copy(compared, tmp_path, with_lame, monkeypatch):
    """The runs once more, to be damaged; speed is not timed again."""
    root = tmp_path / "copy"
    shutil.copytree(compared.root, root)
    monkeypatch.setattr(speed, "_session", lambda *arguments: pytest.fail("timed again"))
    return root


def test_a_damaged_export_is_a_row_with_its_reason(compared, copy, tmp_path):
    (run,) = (copy / "points").iterdir()
    (run / "exports" / "onnx" / "net.onnx").write_bytes(b"other")
    plan = Plan("points", variants=["nano"], runtimes=["torch", "onnx"], settings={"recipe.steps": 60}, examples=400, rounds=0)
    rows = {row.label: row for row in compare(plan, root=copy, out=tmp_path / "out")[0].candidates}
    assert rows["nano @ torch"].status == "ok" and rows["nano @ onnx"].status == "failed"
    assert "net.onnx is missing or is not the file that the export wrote" in rows["nano @ onnx"].reason


def test_tampered_weights_fail_every_row(compared, copy, tmp_path):
    (run,) = (copy / "points").iterdir()
    (run / "weights.safetensors").write_bytes(b"other")
    shutil.rmtree(run / "exports")
    plan = Plan("points", variants=["nano"], runtimes=["torch"], settings={"recipe.steps": 60}, rounds=0)
    whole = compare(plan, root=copy, out=tmp_path / "out")[0]
    assert [row.status for row in whole.candidates] == ["failed"]
    assert "is not the file that training wrote" in whole.candidates[0].reason
    assert whole.details["pick"]["choice"] is None and (tmp_path / "out" / "report.html").exists()


def test_a_training_that_fails_is_a_row(points, tmp_path, monkeypatch):
    batch = type(points).batch

    def sometimes(self, variant, examples, folder):
        if variant.name == "wide":
            raise DataError("wide finds nothing")
        return batch(self, variant, examples, folder)

    monkeypatch.setattr(type(points), "batch", sometimes)
    plan = Plan("points", variants=["nano", "wide"], runtimes=["torch"], settings=FEW, examples=60, rounds=0)
    rows = compare(plan, root=tmp_path / "runs", out=tmp_path / "out")[0].candidates
    assert [(row.label, row.status) for row in rows] == [("nano @ torch", "ok"), ("wide @ -", "failed")]
    assert rows[1].reason == "wide finds nothing."


@pytest.mark.parametrize("place", ["train", "export", "quality", "report"])
def test_stopped_anywhere_it_goes_on(points, tmp_path, monkeypatch, place):
    plan = Plan("points", variants=["nano", "wide"], runtimes=["torch"], settings=FEW, examples=60, rounds=0)
    places = {"train": (loop, "fit"), "export": (export, "_save_parts"), "quality": (quality, "_answers")}
    owner, name = places.get(place, (step.document, "write"))
    original, calls = getattr(owner, name), []

    def counted(*arguments, **named):
        calls.append(1)
        if len(calls) == (1 if place == "report" else 2):
            raise KeyboardInterrupt
        return original(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, counted)
        with pytest.raises(KeyboardInterrupt):
            compare(plan, root=tmp_path / "runs", out=tmp_path / "out")
        assert not list(tmp_path.rglob("*partial*")) and not (tmp_path / "out" / "report.json").exists()
        whole = compare(plan, root=tmp_path / "runs", out=tmp_path / "out")[0]
    assert len(calls) == (2 if place == "report" else 3), "what stood before the interruption was made again"
    assert [row.status for row in whole.candidates] == ["ok", "ok"]


def test_a_full_disk_while_the_report_is_written(compared, with_lame, tmp_path, monkeypatch):
    import errno

    from weighin.core import files

    def full(path, raw):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "_flush", full)
    with pytest.raises(StorageError, match=r"Cannot write .*report\.html: No space left on device"):
        compare(compared.plan, root=compared.root, out=tmp_path / "out")
    assert [p for p in (tmp_path / "out").iterdir() if p.name != "evidence"] == []


def test_composites_and_their_members_are_changed_alike(points):
    lineup = step.lineup_of(points, Plan("points", data="other", settings={"recipe.lr": 0.5}))
    assert {(v.recipe.data, v.recipe.lr) for v in lineup.values()} == {("other", 0.5)}


def test_a_comparison_of_composites_alone(points):
    assert step.data_of([points.variant("both")], Plan("points")) == "synthetic"


@pytest.mark.parametrize(
    ("plan", "parts"),
    [
        (Plan("pints"), ("No family is called 'pints'", "Did you mean 'points'?")),
        (Plan("points", variants=["nanno"]), ("No variant of points is called 'nanno'", "Did you mean 'nano'?")),
        (Plan("points", runtimes=["torhc"]), ("No runtime is called 'torhc'", "Did you mean 'torch'?")),
        (Plan("points", engine="locl"), ("No engine is called 'locl'", "Did you mean 'local'?")),
        (Plan("points", settings={"recipe.stesp": 1}), ("recipe.stesp", "Did you mean 'steps'?")),
        (Plan("points", best="top2"), ("'top2'", "Did you mean 'top1'?")),
        (Plan("points", limits=["top1>0.5"]), ("top1>0.5",)),
        (Plan("points", variants=["wide"], settings={"recipe.teacher": "wide"}), ("wide cannot learn from itself",)),
        (Plan("points", again=["qality"]), ("'qality'", "Did you mean 'quality'?")),
    ],
)
def test_mistakes_are_found_before_anything_is_done(tmp_path, monkeypatch, plan, parts):
    monkeypatch.setattr(loop, "fit", lambda job: pytest.fail("trained"))
    with pytest.raises(ConfigError) as caught:
        compare(plan, root=tmp_path / "runs", out=tmp_path / "out")
    assert all(part in str(caught.value) for part in parts), str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_variants_of_different_data_are_refused(points, monkeypatch, tmp_path):
    other = points.variant("wide").but(**{"recipe.data": "other"})
    with pytest.raises(ConfigError, match=r"different data: other, synthetic.*Name it with --data"):
        step.data_of([points.variant("nano"), other], Plan("points"))


def test_default_runtimes_are_those_that_can_run():
    usual = step.runtimes_of(Plan("points"))
    assert "torch" in usual and "torchscript" not in usual and "torch:compile" not in usual
    every = step.runtimes_of(Plan("points", runtimes=["all"]))
    assert set(usual) <= set(every) and all(registry.runtime(name).why_not() is None for name in every)
    assert step.runtimes_of(Plan("points", runtimes=["onnx", "onnx"])) == ["onnx"]


def test_runs_that_exist_can_be_given(points, tmp_path):
    run = train(points, points.variant("nano").but("mine", **FEW), root=tmp_path / "elsewhere")
    plan = Plan("points", given=[str(run.path)], runtimes=["torch"], examples=60, rounds=0)
    rows = compare(plan, root=tmp_path / "runs", out=tmp_path / "out")[0].candidates
    assert [row.label for row in rows] == ["mine @ torch"] and rows[0].run == run.path.name
    with pytest.raises(RunError, match="is not a run"):
        compare(Plan("points", given=[str(tmp_path)]), root=tmp_path / "runs", out=tmp_path / "out")
