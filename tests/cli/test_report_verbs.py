"""compare with limits, then what is done with its report: pick, verify, import - through the command line."""

import json
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from weighin import cli

runner = CliRunner()
COMPARE = ["compare", "points", "--variant", "nano", "--runtime", "torch", "--set", "recipe.steps=60", "--rounds", "0"]
VERBS = sorted(get_command(cli.app).commands)
ROWS = "variant,runtime,name,value,n\npaper,theirs,top1,0.999,600\n"


def ended(monkeypatch, capsys, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and complaints of ``weighin ARGUMENTS``."""
    monkeypatch.setattr(sys, "argv", ["weighin", *arguments])
    code = 0
    try:
        cli.main()
    except SystemExit as ending:
        code = int(ending.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """What ``weighin compare`` leaves with limits on a score, on a size, and of a profile."""
    place = tmp_path_factory.mktemp("compared")
    limits = ["--limit", "distance<=1.5", "--limit", "size_mb<=1", "--profile", "research", "--examples", "300"]
    result = runner.invoke(cli.app, [*COMPARE, *limits, "--runs", str(place / "runs"), "--out", str(place / "report")])
    assert result.exit_code == 0, result.output
    assert "nano @ torch" in result.output and "Ship nano @ torch" in result.output
    return place / "report"


def test_compare_picks_under_limits_on_scores(report, monkeypatch, capsys):
    asked = json.loads((report / "report.json").read_text())["details"]["pick"]
    assert [(x["name"], x["op"], x["bound"]) for x in asked["limits"]] == [("distance", "<=", 1.5), ("size_mb", "<=", 1.0)]
    assert asked["choice"] == {"variant": "nano", "runtime": "torch"} and len(asked["binding"]) == 2
    code, out, _ = ended(monkeypatch, capsys, "verify", str(report))
    assert (code, out) == (0, "Every figure follows from its evidence.\n")


def test_a_report_is_written_again(report, monkeypatch, capsys):
    before = (report / "report.json").read_bytes()
    code, out, _ = ended(monkeypatch, capsys, "report", str(report))
    assert code == 0 and out.startswith("Ship nano @ torch: ") and "report.html" in out
    assert (report / "report.json").read_bytes() == before


def test_a_card_says_what_evaluation_results_need(report, tmp_path, monkeypatch, capsys):
    ask = ("card", str(report), "--variant", "nano", "--runtime", "torch", "--out", str(tmp_path / "card"))
    code, out, err = ended(monkeypatch, capsys, *ask)
    assert code == 0 and out.splitlines() == [str(tmp_path / "card" / "README.md")]
    assert "Name it with --dataset OWNER/NAME" in err and "'synthetic'" in err
    code, out, err = ended(monkeypatch, capsys, *ask, "--dataset", "someone/points")
    assert code == 0 and len(out.splitlines()) == 2 and not err
    assert ended(monkeypatch, capsys, *ask, "--dataset", "points")[0] == 2


def test_import_then_pick_then_verify(report, tmp_path, monkeypatch, capsys):
    (tmp_path / "peers.csv").write_text(ROWS)
    code, out, err = ended(monkeypatch, capsys, "import", str(tmp_path / "peers.csv"), "--into", str(report))
    assert code == 0, err
    assert (
        "paper @ theirs: 1 figures, imported, not measured here (from peers.csv, sha256" in out and "Ship nano @ torch" in out
    )
    ask = ("pick", "--from", str(report), "--json")
    assert json.loads(ended(monkeypatch, capsys, *ask)[1])["choice"]["variant"] == "nano"
    assert json.loads(ended(monkeypatch, capsys, *ask, "--allow-imported")[1])["choice"]["variant"] == "paper"
    assert ended(monkeypatch, capsys, "verify", str(report))[0] == 0
    code, _, err = ended(monkeypatch, capsys, "import", str(tmp_path / "peers.csv"), "--into", str(report))
    assert code == 2 and "has a candidate of that name" in err and "Traceback" not in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--limit", "disstance<=5"], "Did you mean 'distance'?"),
        (["--limit", "latency_p50<=5"], "Did you mean 'latency_p50_ms'?"),
        (["--limit", "typo<=5"], "'typo'"),
        (["--limit", "top1=5"], "NAME<=NUMBER"),
        (["--best", "top11"], "Did you mean 'top1'?"),
        (["--profile", "egde"], "Did you mean 'edge'?"),
        (["--again", "sped"], "Did you mean 'speed'?"),
    ],
)
def test_mistakes_are_found_before_anything_is_trained(tmp_path, monkeypatch, capsys, options, said):
    code, _, err = ended(
        monkeypatch, capsys, *COMPARE, *options, "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "r")
    )
    assert code == 2 and err.startswith("weighin: ") and said in err
    assert list(tmp_path.iterdir()) == [], "no run, no report"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("pick", "--from", "REPORT", "--profile", "egde"), "Did you mean 'edge'?"),
        (("verify", "REPORT", "--again", "sped"), "Did you mean 'speed'?"),
        (("track", "REPORT", "--uri", "mlruns"), "A folder is no tracking store"),
        (("import", "none.csv", "--into", "REPORT"), "Cannot read none.csv"),
        (("import", "none.csv", "--into", "nowhere"), "There is no nowhere"),
    ],
)
def test_mistakes_are_one_sentence(report, monkeypatch, capsys, arguments, said):
    code, out, err = ended(monkeypatch, capsys, *(str(report) if word == "REPORT" else word for word in arguments))
    assert (code, out) == (2, "") and err.startswith("weighin: ") and said in err


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_fits_80_columns(verb):
    result = runner.invoke(cli.app, [*filter(None, [verb]), "--help"], terminal_width=80, env={"COLUMNS": "80"})
    assert result.exit_code == 0
    assert max(map(len, result.output.splitlines())) <= 80
    assert "…" not in result.output, "no text is cut"


def test_the_verbs_stand_in_the_order_of_work():
    names = list(get_command(cli.app).commands)
    work = ["variants", "train", "export", "weigh", "compare", "pick", "verify", "import", "track"]
    assert [name for name in names if name in work] == work
