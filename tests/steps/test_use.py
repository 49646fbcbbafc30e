"""use: a family's own tools get trained models, validated dials and a folder."""

import json

import pytest

import weighin
from weighin.core import registry
from weighin.core.errors import ConfigError, InputError
from weighin.steps.train import train


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    points, root = registry.family("points"), tmp_path_factory.mktemp("runs")
    return [train(points, points.variant("nano").but(**{"recipe.steps": 3, "recipe.seed": seed}), root=root) for seed in (0, 1)]


@pytest.fixture
def point(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("[0.1, 0.2]")
    return path


def test_models_of_one_variant_are_told_apart(runs, point, tmp_path):
    found = weighin.use("points", "vote", [point], models=[r.path for r in runs], out=tmp_path / "out")
    assert found["models"] == [r.path.name for r in runs] and found["modules"] == 2
    assert len(json.loads((tmp_path / "out" / "votes.json").read_text())) == 2


def test_a_tool_answers_alike_on_a_runtime(runs, point, tmp_path):
    answers = []
    for runtime in ("", "torch"):
        weighin.use("points", "vote", [point], models=[runs[0].path], runtime=runtime, out=tmp_path / "out")
        answers.append(json.loads((tmp_path / "out" / "votes.json").read_text()))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("dials, agreed", [({"least": 1}, 1), ({"least": 2}, 0)])
def test_dials_reach_the_tool(runs, point, tmp_path, dials, agreed):
    found = weighin.use("points", "vote", [point], models=[runs[0].path], settings=dials, out=tmp_path / "out")
    assert found["agreed"] == agreed


@pytest.mark.parametrize(
    "tool, models, dials, said",
    [
        ("votes", 1, {}, r"No tool of points .*There are: vote.*Did you mean 'vote'"),
        ("vote", 0, {}, r"vote got 0 models. It takes 1 to 3.*--model"),
        ("vote", 1, {"lest": 2}, r"Unknown key 'lest'. Allowed here: least"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(runs, point, tmp_path, tool, models, dials, said):
    with pytest.raises(ConfigError, match=said):
        weighin.use("points", tool, [point], models=[r.path for r in runs][:models], settings=dials, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_file_and_another_family_are_told(runs, tmp_path, point):
    with pytest.raises(ConfigError, match="There is no"):
        weighin.use("points", "vote", [tmp_path / "none"], models=[runs[0].path], out=tmp_path / "out")
    (tmp_path / "bad.json").write_text("no point")
    with pytest.raises(InputError, match="is no point"):
        weighin.use("points", "vote", [tmp_path / "bad.json"], models=[runs[0].path], out=tmp_path / "out")


def test_the_command_line_lists_and_calls(runs, point, tmp_path, capsys, monkeypatch):
    from weighin import cli

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["weighin", *map(str, arguments)])
        with pytest.raises(SystemExit) as ending:
            cli.main()
        said = capsys.readouterr()
        return ending.value.code, said.out, said.err

    assert "vote" in call("use", "points")[1]
    assert json.loads(call("use", "points", "--json")[1])[0]["dials"] == {"least": 1}
    code, out, _ = call("use", "points", "vote", point, "--model", runs[0].path, "--out", tmp_path / "o", "--json")
    assert code == 0 and json.loads(out)["agreed"] == 1
    code, _, err = call("use", "points", "vote", point, "--model", runs[0].path, "--set", "least")
    assert code == 2 and "KEY=VALUE" in err
