"""What ``write`` leaves behind: four files that hold the report, whole, escaped, and nothing else."""

import csv
import io
import json
import re
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from made_report import made_report, measurement
from pydantic import ValidationError

from weighin.core.errors import ConfigError, DataError, StorageError
from weighin.core.result import Candidate, Report
from weighin.steps import report as document
from weighin.steps.report import figures

DOCS = Path(__file__).parents[2] / "docs" / "report.schema.json"


@pytest.fixture(scope="module")
def report() -> Report:
    return made_report()


@pytest.fixture(scope="module")
def written(report, tmp_path_factory) -> dict[str, Path]:
    return document.write(report, tmp_path_factory.mktemp("report"))


def bare() -> Report:
    """A report with one candidate and nothing else."""
    only = Candidate(variant="nano", runtime="torch", status="ok", measurements=[measurement("top1", 0.5, ("nano", "torch"))])
    return Report(schema=1, family="glyphs", data="synthetic", environment={}, primary="top1", candidates=[only])


def test_four_files_and_no_temporary(written):
    folder = written["html"].parent
    assert sorted(p.name for p in folder.iterdir()) == ["report.csv", "report.html", "report.json", "report.md"]
    assert set(written) == {"html", "md", "json", "csv"}


def test_json_reads_back_and_fits_the_schema(report, written):
    raw = json.loads(written["json"].read_text(), parse_constant=lambda text: pytest.fail(f"{text} in report.json"))
    assert raw["schema"] == 1 and "schema_version" not in raw
    jsonschema.validate(raw, document.schema(), cls=jsonschema.Draft202012Validator)
    assert document.to_json(Report.model_validate(raw)) == raw


def test_schema_refuses_what_is_not_a_report():
    raw = document.to_json(bare())
    for broken in (raw | {"schema": "one"}, raw | {"surprise": 1}, {k: v for k, v in raw.items() if k != "candidates"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, document.schema(), cls=jsonschema.Draft202012Validator)


def test_published_schema_is_current():
    again = "weighin.steps.report.write_schema(Path('docs/report.schema.json'))"
    assert json.loads(DOCS.read_text()) == document.schema(), f"write it again: {again}"


def test_writing_again_gives_the_same_bytes(report, written, tmp_path):
    read = Report.model_validate(json.loads(written["json"].read_text()))
    again = document.write(read, tmp_path)
    assert all(again[kind].read_bytes() == written[kind].read_bytes() for kind in written)


def test_csv_holds_every_measurement_once(report, written):
    rows = list(csv.DictReader(io.StringIO(written["csv"].read_text())))
    wanted = [(c.variant, c.runtime, c.status, m.name, m.value) for c in report.candidates for m in c.measurements]
    assert [(r["variant"], r["runtime"], r["status"], r["name"], float(r["value"])) for r in rows if r["name"]] == wanted
    empty = {(r["variant"], r["runtime"]): r["reason"] for r in rows if not r["name"]}
    assert empty == {(c.variant, c.runtime): c.reason for c in report.candidates if not c.measurements}


@pytest.mark.parametrize("kind", ["md", "html"])
def test_every_measurement_is_shown_with_its_interval(report, written, kind):
    text = written[kind].read_text()
    for candidate in report.candidates:
        for m in candidate.measurements:
            shown = figures.figure_of(m)
            assert shown.value in text and shown.interval in text, (candidate.label, m.name)


@pytest.mark.parametrize("kind", ["md", "html"])
def test_failed_rows_stay_with_their_reason(report, written, kind):
    text = written[kind].read_text().replace("&#39;", "'")
    for candidate in report.candidates:
        if candidate.status in ("failed", "not measured"):
            assert candidate.reason in text


def test_markdown_figures_come_from_the_report(report, written):
    """Every decimal figure of the benchmark table is one of the report's, as its interval allows it to be written."""
    text = written["md"].read_text().split("## Benchmarks by runtime")[1].split("###")[0]
    allowed = {
        part
        for c in report.candidates
        for m in c.measurements
        for part in re.findall(r"[\d.,]*\d", " ".join(figures.figure_of(m)[:2]))
    }
    table = [line for line in text.splitlines() if line.startswith("| ") and "failed" not in line][2:]
    found = {
        number for line in table for number in re.findall(r"(?<!n )(?<![\w.])\d+[\d.,]*\d*(?=[ );|])", line.split("|", 2)[2])
    }
    assert len(found) > 80 and found <= allowed | {"400", "12"}


def test_markdown_has_the_sections_of_such_documents(written):
    heads = re.findall(r"^## (.+)$", written["md"].read_text(), re.M)
    assert heads == [
        "Quick reference",
        "Detailed specification",
        "Training cost",
        "Quality",
        "Benchmarks by runtime",
        "Size, memory, cold start",
        "Selection guide",
        "How sure",
        "Reproduce",
        "Evidence",
    ]


def test_markdown_tables_are_rectangular(written):
    widths = [len(re.findall(r"(?<!\\)\|", line)) for line in written["md"].read_text().splitlines() if line.startswith("|")]
    blocks = re.findall(r"(?:^\|.*\n)+", written["md"].read_text(), re.M)
    assert widths and all(len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1 for block in blocks)


def test_sections_without_evidence_say_so(tmp_path):
    paths = document.write(bare(), tmp_path)
    page, text = paths["html"].read_text(), paths["md"].read_text()
    sections = re.findall(r"<h3>([^<]+)</h3>\s*<p class=\"none\">not measured</p>", page)
    assert sections == [
        "By kind",
        "By group",
        "Worst examples",
        "Confusions",
        "Differences between candidates",
        "Parity of exports",
        "Checks",
        "Curves",
    ]
    assert text.lower().count("not measured") >= 9 and "None" not in text and "None" not in page


def test_each_detail_may_be_absent_alone(report, tmp_path):
    for key in report.details:
        rest = {k: v for k, v in report.details.items() if k != key}
        document.write(report.model_copy(update={"details": rest}), tmp_path / key)


def test_a_model_without_mistakes_says_so(report, tmp_path):
    none = {label: [] for label in report.details["worst"]}
    paths = document.write(
        report.model_copy(update={"details": {**report.details, "worst": none, "confusions": none}}), tmp_path
    )
    assert paths["html"].read_text().count("none were found") == 2 * len(none)
    assert paths["md"].read_text().count("none were found") == len(none)


def test_no_candidates_at_all(tmp_path):
    paths = document.write(bare().model_copy(update={"candidates": []}), tmp_path)
    assert "No candidates." in paths["html"].read_text() and "No candidates." in paths["md"].read_text()


def test_what_is_not_a_number_was_not_measured(tmp_path):
    noise = {"label": "x", "ratio": np.float32(1.5), "low": float("nan"), "high": np.float64("inf")}
    kinds = {"nano @ torch": {"top1": {"a": {"value": float("nan"), "low": None, "high": None, "n": np.int64(3)}}}}
    paths = document.write(bare().model_copy(update={"details": {"noise": noise, "by_kind": kinds}}), tmp_path)
    raw = json.loads(paths["json"].read_text())
    assert raw["details"]["noise"] == {"label": "x", "ratio": 1.5, "low": None, "high": None}
    assert raw["details"]["by_kind"]["nano @ torch"]["top1"]["a"] == {"value": None, "low": None, "high": None, "n": 3}
    assert not any(re.search(r"\bnan\b|\binf\b", path.read_text(), re.I) for path in paths.values())


def test_measurements_cannot_be_nan():
    with pytest.raises(ValidationError, match="finite"):
        measurement("top1", float("nan"), ("nano", "torch"))


def test_hostile_text_stays_text(report, tmp_path):
    evil = '</script><script>alert("1")</script><img src=x onerror=alert(2)>|`*'
    row = report.candidates[0].model_copy(update={"variant": evil, "reason": evil, "about": evil})
    failed = Candidate(variant=evil, runtime="onnx", status="failed", reason=evil)
    worst = {
        row.label: [
            {"id": evil, "group": evil, "truth": evil, "answer": evil, "confidence": 0.5, "picture": '"><script>x</script>'}
        ]
    }
    details = {**report.details, "worst": worst, "curves": {evil: report.details["curves"]["full"]}}
    paths = document.write(
        report.model_copy(update={"about": evil, "data": evil, "candidates": [row, failed], "details": details}), tmp_path
    )
    page = paths["html"].read_text()
    assert len(re.findall(r"<script[ >]", page)) == 2 and page.count("</script>") == 2
    assert "<img src=x" not in page and "<script>alert" not in page
    cells = [line for line in paths["md"].read_text().splitlines() if line.startswith("|") and "alert" in line]
    assert cells and not any(re.search(r"(?<!\\)<(script|img)", line) for line in cells)


def test_nothing_is_left_when_the_folder_cannot_be_written(report, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="Cannot write"):
        document.write(report, tmp_path / "file" / "below")


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_plot(report, tmp_path, ending):
    path = document.plot_png(report, tmp_path / f"front.{ending}")
    raw = path.read_bytes()
    assert raw.startswith(b"\x89PNG" if ending == "png" else b"<svg") and len(raw) > 5000


def test_plot_refuses(report, tmp_path):
    with pytest.raises(ConfigError, match=r"\.png or \.svg"):
        document.plot_png(report, tmp_path / "front.gif")
    with pytest.raises(DataError, match="No candidate has both top1 and size_mb"):
        document.plot_png(bare(), tmp_path / "front.png", across="size_mb")
