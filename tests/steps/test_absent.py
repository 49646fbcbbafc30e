"""Variants that need what is not here: listed, counted, compared as not measured; nothing is trained or fetched for them."""

import json

import pytest

import weighin
from weighin.core.engine import silent
from weighin.core.run import runs_root
from weighin.steps.compare import Plan, compare
from weighin.steps.train import train, why_not

REASON = "needs the weights of somebody/somewhere, which are not here"


@pytest.fixture
def without(points, monkeypatch):
    """The toy family, whose variant ``wide`` cannot be built."""

    def reason(self, variant):
        return REASON if variant.name == "wide" else None

    def build(self, variant):
        assert variant.name != "wide", "nobody asked for it"
        return right(self, variant)

    right = type(points).build
    monkeypatch.setattr(type(points), "why_not", reason)
    return lambda: monkeypatch.setattr(type(points), "build", build)


def test_it_is_listed_and_counted(without):
    rows = {row["variant"]: row for row in weighin.variants("points")}
    assert rows["wide"]["why_not"] == REASON and rows["wide"]["parameters"] > rows["nano"]["parameters"]
    assert rows["both"]["why_not"] == REASON and rows["nano"]["why_not"] is None


def test_it_reaches_those_that_stand_on_it(points, without):
    lineup = points.variants()
    told = {name: why_not(points, variant, runs_root(), lineup) for name, variant in lineup.items()}
    assert told["wide"] == REASON and told["nano"] is told["biased"] is told["tuned"] is None
    assert told["taught"] == told["relabelled"] == f"its teacher cannot be built here: {REASON}"
    assert told["both"] == f"its wide cannot be built here: {REASON}"


def test_a_run_to_learn_from_is_asked_as_well(points, tmp_path, request):
    """A run of an adapted model holds no base: its teaching needs the base again."""
    run = train(points, points.variant("wide").but(**{"recipe.steps": 2}), root=tmp_path)
    taught = points.variant("taught").but(**{"recipe.teacher": str(run.path)})
    assert why_not(points, taught, tmp_path, points.variants()) is None
    request.getfixturevalue("without")
    assert why_not(points, taught, tmp_path, points.variants()) == f"its teacher cannot be built here: {REASON}"


def test_its_row_is_not_measured_with_the_reason(without, tmp_path):
    without()
    plan = Plan(
        "points",
        variants=["nano", "wide", "taught"],
        runtimes=["torch"],
        settings={"recipe.steps": 20},
        examples=100,
        rounds=6,
        batches=[16],
    )
    report, _ = compare(plan, root=tmp_path / "runs", out=tmp_path / "report", say=silent)
    rows = {row.variant: row for row in report.candidates}
    assert rows["nano"].status == "ok"
    assert (rows["wide"].status, rows["wide"].reason) == ("not measured", REASON)
    assert rows["taught"].status == "not measured" and REASON in rows["taught"].reason
    assert not [path for path in (tmp_path / "runs" / "points").iterdir() if not path.name.startswith("nano")]
    texts = [(tmp_path / "report" / f"report.{kind}").read_text() for kind in ("json", "md", "html")]
    assert all(REASON in text for text in texts)
    written = {row["variant"]: row["status"] for row in json.loads(texts[0])["candidates"]}
    assert written == {"nano": "ok", "wide": "not measured", "taught": "not measured"}


def test_only_what_is_not_here_is_a_report_as_well(without, tmp_path):
    without()
    report, _ = compare(Plan("points", variants=["wide"], runtimes=["torch"]), root=tmp_path / "runs", out=tmp_path / "report")
    assert [row.status for row in report.candidates] == ["not measured"]
