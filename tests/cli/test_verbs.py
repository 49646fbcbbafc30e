"""Every verb of the command line on the toy family: what it prints, what it leaves, its exit code."""

import json
import re

import pytest
import yaml

from weighin import cli
from weighin.core import registry

FEW = ("--set", "recipe.steps=3")


def test_families(weighin):
    code, out, _ = weighin("families", "--json")
    found = {line["family"]: line for line in json.loads(out)}
    assert code == 0 and found["points"]["scores"] == ["top1", "distance"] and "synthetic" in found["points"]["data"]
    assert "points  arms of a spiral" in weighin("families")[1]


def test_a_broken_family_does_not_hide_the_others(weighin, tmp_path, monkeypatch):
    (tmp_path / "families" / "broken").mkdir(parents=True)
    (tmp_path / "families" / "broken" / "family.py").write_text("import no_such_package_at_all\n")
    monkeypatch.setenv("WEIGHIN_PLUGINS", f"{registry.os.environ['WEIGHIN_PLUGINS']}:{tmp_path}")
    code, out, _ = weighin("families", "--json")
    found = {line["family"]: line for line in json.loads(out)}
    assert code == 0 and "points" in found and "no_such_package_at_all" in found["broken"]["error"]


def test_variants_are_machine_readable(weighin):
    code, out, _ = weighin("variants", "points", "--json")
    found = {line["variant"]: line for line in json.loads(out)}
    assert code == 0 and all(
        set(line) == {"variant", "parameters", "trainable", "settings", "why_not"} for line in found.values()
    )
    assert found["nano"]["parameters"] == found["nano"]["trainable"] == 403
    assert found["both"]["parameters"] == found["nano"]["parameters"] + found["wide"]["parameters"]
    assert found["wide"]["settings"]["model"]["width"] == 64
    assert re.search(r"nano\s+403\s+403", weighin("variants", "points")[1])


def test_runtimes(weighin):
    code, out, _ = weighin("runtimes", "--json")
    found = {line["runtime"]: line for line in json.loads(out)}
    assert code == 0 and found["torch"]["why_not"] is None and found["torchscript"]["deprecated"]
    assert "torch" in weighin("runtimes")[1]


def test_show_is_yaml_that_train_takes(weighin, tmp_path):
    code, out, _ = weighin("show", "points/wide", "--set", "recipe.steps=2", "--set", "recipe.lr=1e-4")
    shown = yaml.safe_load(out)
    assert code == 0 and shown["model"]["width"] == 64 and shown["recipe"]["steps"] == 2 and shown["recipe"]["lr"] == 1e-4
    (tmp_path / "my.yaml").write_text(out)
    code, out, err = weighin("train", "points/nano", "my.yaml", "--runs", "r")
    assert code == 0 and "r/points/wide-" in out.replace("\n", "") and "train wide: 100%" in err


def test_train_resumes_and_repeats_nothing(weighin, tmp_path):
    code, out, err = weighin("train", "points/nano", *FEW, "--runs", "r")
    folder = tmp_path / out.strip()
    assert code == 0 and (folder / "weights.safetensors").exists() and "train nano: 100%" in err
    before = (folder / "weights.safetensors").stat().st_mtime_ns
    assert weighin("train", "points/nano", *FEW, "--runs", "r")[:2] == (0, out)
    assert (folder / "weights.safetensors").stat().st_mtime_ns == before


def test_distill(weighin, tmp_path):
    _, teacher, _ = weighin("train", "points/wide", *FEW)
    code, out, _ = weighin("distill", "points/nano", "--teacher", teacher.strip(), *FEW)
    assert code == 0 and json.loads((tmp_path / out.strip() / "run.json").read_text())["links"].keys() == {"teacher"}


def test_from_run_to_pick(weighin, tmp_path):
    """export, weigh, compare, pick, verify, predict, one after the other."""
    run = weighin("train", "points/nano", *FEW)[1].strip()
    code, out, _ = weighin("export", run, "--runtime", "torch")
    assert code == 0 and out.strip() == f"{run}/exports/torch"
    code, out, _ = weighin("weigh", run, "--runtime", "torch", "--rounds", 0, "--examples", 50, "--json")
    (row,) = json.loads(out)
    assert code == 0 and row["status"] == "ok" and row["measurements"][0]["name"] == "top1"
    assert "nano @ torch" in weighin("weigh", run, "--rounds", 0, "--examples", 50)[1]

    code, out, err = weighin(
        *("compare", "points", "--variant", "nano", "--variant", "biased", "--runtime", "torch", "--rounds", 0),
        *("--examples", 60, "--best", "top1", "--limit", "size_mb<=1", "--out", "rep", *FEW),
    )
    assert code == 0 and "Report: rep/report.html" in out and "report: 100%" in err and "biased @ torch" in out

    code, out, _ = weighin("pick", "--from", "rep/report.json", "--best", "top1", "--limit", "size_mb<=1", "--json")
    answer = json.loads(out)
    assert code == 0 and {"choice", "reasons", "excluded", "runner_up"} <= set(answer)
    assert answer["choice"].keys() == {"variant", "runtime"} and answer["choice"]["runtime"] == "torch"
    code, out, _ = weighin("pick", "--from", "rep", "--limit", "size_mb<=0.000001", "--json")
    assert code == 1 and json.loads(out)["choice"] is None and len(json.loads(out)["excluded"]) == 2

    assert weighin("verify", "rep/report.json")[:2] == (0, "Every figure follows from its evidence.\n")
    text = (tmp_path / "rep" / "report.json").read_text()
    (tmp_path / "rep" / "report.json").write_text(text.replace('"n": 60', '"n": 61', 1))
    code, out, _ = weighin("verify", "rep")
    assert code == 1 and "top1.n is 61, its evidence gives 60" in out and "differences." in out


@pytest.fixture
def trained(weighin):
    return weighin("train", "points/nano", *FEW)[1].strip()


def test_predict_answers_and_refuses(weighin, trained, tmp_path):
    (tmp_path / "a.json").write_text("[0.1, 0.2]")
    (tmp_path / "b.json").write_text("")
    code, out, err = weighin("predict", trained, "a.json", "--json")
    assert code == 0 and json.loads(out)["answer"].keys() == {"arm"} and "1 answered, 0 refused" in err
    code, out, err = weighin("predict", trained, "a.json", "b.json", "none.json", "--set", "predict.bias=100")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 2 and lines[0]["answer"] == {"arm": 0} and "is no point" in lines[1]["error"]
    assert lines[2]["error"] == "none.json cannot be read: No such file or directory." and "1 answered, 2 refused" in err
    code, out, err = weighin("predict", trained, "a.json", "b.json", "--out", "o.jsonl")
    assert (
        code == 2
        and out == ""
        and "b.json: b'' is no point" in err
        and len((tmp_path / "o.jsonl").read_text().splitlines()) == 2
    )


def test_predict_on_a_runtime(weighin, trained, tmp_path):
    (tmp_path / "a.json").write_text("[0.1, 0.2]")
    plain = weighin("predict", trained, "a.json")[1]
    assert weighin("predict", trained, "a.json", "--runtime", "torch")[:2] == (0, plain)


def test_help_of_every_verb(weighin):
    from typer.main import get_command

    assert "compare" in weighin("--help")[1]
    for name in get_command(cli.app).commands:
        code, out, _ = weighin(name, "--help")
        assert code == 0 and "Usage" in out
