"""Variants as data: YAML in and out, one clear error for a wrong key, name or value."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from weighin.core.config import Match, Recipe, Settings, Variant, from_yaml, parse_settings, to_yaml, validate
from weighin.core.errors import ConfigError, WeighinError, closest, unknown


class Model(Settings):
    width: int = 16
    stages: tuple[int, ...] = (1, 2)


class Use(Settings):
    beam: int = 1


TINY = Variant[Model, Use](name="tiny", model=Model(), recipe=Recipe(steps=10), predict=Use())


def said(**changes):
    with pytest.raises(ConfigError) as caught:
        TINY.but(**changes)
    return str(caught.value)


def test_variants_are_frozen():
    with pytest.raises(ValidationError):
        TINY.name = "other"
    with pytest.raises(ValidationError):
        TINY.recipe.lr = 1.0


def test_one_dial_changes_and_nothing_else():
    wide = TINY.but("wide", "more width", **{"model.width": 64})
    assert (wide.name, wide.about, wide.model.width, wide.recipe, wide.predict) == (
        "wide",
        "more width",
        64,
        TINY.recipe,
        TINY.predict,
    )
    assert TINY.model.width == 16


def test_dials_with_underscores():
    assert TINY.but(predict__beam=4).predict.beam == 4


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"recipe.lrr": 1}, ("recipe.lrr", "Allowed here: data, steps", "Did you mean 'lr'?")),
        ({"model.widht": 1}, ("model.widht", "width, stages", "Did you mean 'width'?")),
        ({"recip.lr": 1}, ("'recip.lr' names no section 'recip'", "Did you mean 'recipe'?")),
        ({"model.width": "wide"}, ("model.width", "integer", "'wide'")),
        ({"recipe.lr": -1}, ("recipe.lr", "greater than 0", "-1")),
        ({"recipe.lr": float("nan")}, ("recipe.lr", "nan")),
        ({"recipe.lr": float("inf")}, ("recipe.lr", "finite", "inf")),
        ({"recipe.schedule": "cosin"}, ("recipe.schedule", "'cosine', 'linear' or 'constant'", "'cosin'")),
        ({"recipe.steps": None}, ("one of steps, minutes, cpu_minutes must be set",)),
        ({"recipe.relabel": True}, ("need a teacher",)),
        ({"recipe.hard": 0}, ("nothing to learn from",)),
        (
            {"recipe.teacher": "full", "recipe.match": {"logits": {"distanc": "kl"}}},
            ("recipe.match.logits.distanc", "distance, weight, temperature", "Did you mean 'distance'?"),
        ),
        ({"model": None}, ("model",)),
        ({"of": "tiny"}, ("of",)),
    ],
)
def test_a_wrong_dial_says_what_came_and_what_is_allowed(changes, parts):
    message = said(**changes)
    assert all(part in message for part in parts), message
    assert (
        "\n" not in message
        and "?." not in message
        and ".." not in message
        and message.startswith(("variant 'tiny'", "Setting"))
    )


def test_yaml_there_and_back(tmp_path):
    path = tmp_path / "my.yaml"
    variant = TINY.but(
        "full", "all", **{"recipe.teacher": "x", "recipe.match": {"logits": Match().model_dump()}, "of": ("a", "b")}
    )
    path.write_text(to_yaml(variant))
    assert from_yaml(path, TINY) == variant


def test_yaml_may_hold_only_what_differs(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text("recipe: {lr: 0.5}\nmodel:\n  width: 3\n")
    variant = from_yaml(path, TINY)
    assert (variant.recipe.lr, variant.recipe.steps, variant.model.width, variant.name) == (0.5, 10, 3, "tiny")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("recipe: {lrr: 1}", ("my.yaml", "recipe.lrr", "Did you mean 'lr'?")),
        ("model: {width: [1]}", ("my.yaml", "model.width", "integer", "[1]")),
        ("modle: {width: 1}", ("my.yaml", "modle", "Did you mean 'model'?")),
        ("[1, 2]", ("my.yaml", "list", "mapping", "weighin show")),
        ("", ("my.yaml", "NoneType", "mapping")),
        ("a: [1", ("my.yaml", "not YAML")),
        ("1: 2", ("my.yaml", "1")),
        ("recipe: 3", ("my.yaml", "recipe", "3")),
        ("model: !!python/object/apply:os.system ['true']", ("my.yaml", "not YAML")),
    ],
)
def test_a_wrong_yaml_is_told(tmp_path, text, parts):
    path = tmp_path / "my.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        from_yaml(path, TINY)
    assert all(part in str(caught.value) for part in parts), str(caught.value)


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.mkdir(), lambda p: p.write_bytes(b"\xff\xfe\x00\x81")])
def test_a_yaml_that_cannot_be_read(tmp_path, make):
    path = tmp_path / "my.yaml"
    make(path)
    with pytest.raises(ConfigError, match=r"my\.yaml"):
        from_yaml(path, TINY)


def test_settings_of_the_command_line():
    found = parse_settings(["recipe.lr=1e-4", "recipe.data=fonts:/x", "model.stages=[1, 2]", "recipe.ema=null", "a=true", "b="])
    assert found == {
        "recipe.lr": 1e-4,
        "recipe.data": "fonts:/x",
        "model.stages": [1, 2],
        "recipe.ema": None,
        "a": True,
        "b": None,
    }


@pytest.mark.parametrize("pair", ["recipe.lr", "=3", "recipe.lr=[1", "recipe.lr={"])
def test_a_setting_that_is_none(pair):
    with pytest.raises(ConfigError, match="--set"):
        parse_settings([pair])


@given(st.text(max_size=30))
@settings(max_examples=60, deadline=None)
def test_no_text_breaks_a_setting(text):
    try:
        changes = parse_settings([f"model.width={text}"])
        variant = TINY.but(**changes)
    except ConfigError as error:
        assert str(error)
    else:
        assert isinstance(variant.model.width, int)


@given(st.floats(1e-9, 1), st.integers(1, 10**6), st.booleans(), st.text(st.characters(codec="utf-8"), max_size=20))
@settings(max_examples=20, deadline=None)
def test_any_variant_survives_yaml_and_json(tmp_path_factory, lr, steps, relabel, about):
    path = tmp_path_factory.mktemp("yaml") / "v.yaml"
    variant = TINY.but(
        about=about, **{"recipe.lr": lr, "recipe.steps": steps, "recipe.teacher": "t", "recipe.relabel": relabel}
    )
    path.write_text(to_yaml(variant), encoding="utf-8")
    assert from_yaml(path, TINY) == variant
    assert validate(type(variant), variant.model_dump(mode="json"), "x") == variant


def test_an_error_is_three_short_sentences():
    error = WeighinError("This came", "That is allowed.", "Did you mean it?")
    assert str(error) == "This came. That is allowed. Did you mean it?"
    assert (error.came, error.allowed, error.hint) == ("This came", "That is allowed.", "Did you mean it?")
    assert (
        str(unknown("variant", "tyni", ["tiny", "full"]))
        == "No variant is called 'tyni'. There are: full, tiny. Did you mean 'tiny'?"
    )
    assert str(unknown("variant", "x", [])) == "No variant is called 'x'. There are: none."
    assert closest("zzz", ["tiny"]) == ""
