"""The contract once more: what the house relies on without ever asking."""

import dataclasses

import numpy as np
import pytest
import torch
from pydantic import ValidationError

import weighin
from weighin.core.config import Variant
from weighin.core.errors import ConfigError, DataError, InputError
from weighin.steps.candidate import count
from weighin.steps.predictors import variant_of
from weighin.steps.train import train


def tensors_of(value, path=""):
    """Every tensor and array of a batch, by its place in it."""
    if isinstance(value, torch.Tensor):
        return {path: value}
    if isinstance(value, np.ndarray):
        return {path: torch.from_numpy(value)}
    inner = {}
    if dataclasses.is_dataclass(value):
        inner = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    elif isinstance(value, dict):
        inner = value
    elif isinstance(value, (list, tuple)):
        inner = dict(enumerate(value))
    return {place: t for name, item in inner.items() for place, t in tensors_of(item, f"{path}.{name}").items()}


def equal(one, two):
    """Whether two batches hold the same tensors."""
    first, second = tensors_of(one), tensors_of(two)
    assert first, "a batch is a dataclass of tensors"
    return first.keys() == second.keys() and all(same(first[k], second[k]) for k in first)


def same(one, two):
    """Equal to the bit; what is not there (NaN) must be missing in both."""
    if not one.is_floating_point():
        return torch.equal(one, two)
    return torch.equal(one.isnan(), two.isnan()) and torch.equal(one.nan_to_num(), two.nan_to_num())


@pytest.fixture(scope="session")
def learned(family, nano):
    """Eight training examples."""
    found = family.examples(nano.recipe.data, "train")
    return [found[i] for i in range(8)]


def test_nano_is_there_and_nothing_can_be_changed(family):
    found = family.variants()
    assert "nano" in found and len({type(variant) for variant in found.values()}) == 1
    for variant in found.values():
        for part in (variant, variant.model, variant.recipe, variant.predict):
            with pytest.raises(ValidationError, match="frozen"):
                setattr(part, next(iter(type(part).model_fields)), None)
    assert issubclass(type(found["nano"]), Variant) and found["nano"].recipe.steps and found["nano"].recipe.data == "synthetic"


def test_what_a_variant_names_is_there(family):
    known = family.variants()
    for variant in known.values():
        named = {*variant.of, *filter(None, (variant.recipe.teacher, variant.recipe.init))}
        assert named <= set(known) and not any(known[name].of for name in variant.of), "members hold weights"


def test_an_unknown_variant_and_unknown_data_are_told(family):
    with pytest.raises(ConfigError, match=r"There are: .*Did you mean 'nano'"):
        family.variant("nanoo")
    with pytest.raises(DataError):
        len(family.examples("no-such-data-at-all", "train"))
    with pytest.raises(DataError):
        len(family.examples("no-such-data-at-all:/no/such/place", "test"))


def test_parameters_are_counted_without_weights(family):
    rows = {row["variant"]: row for row in weighin.variants(family.name)}
    assert set(rows) == set(family.variants())
    for name, variant in family.variants().items():
        row = rows[name]
        assert row["parameters"] >= row["trainable"] > 0 and row["settings"]["recipe"]["data"] == variant.recipe.data
        if variant.of:
            assert row["parameters"] == sum(rows[member]["parameters"] for member in variant.of)
    assert count(family, family.variant("nano")) == sum(p.numel() for p in family.build(family.variant("nano")).parameters())


def test_what_is_not_here_is_told_in_words(family):
    for variant in family.variants().values():
        reason = family.why_not(variant)
        assert reason is None or len(reason.split()) > 3, f"{variant.name}: what is missing, and how to get it"
    assert family.why_not(family.variant("nano")) is None, "nano needs nothing"


def test_the_same_seed_builds_and_changes_alike(family, nano, run, learned):
    """Exact resume stands on it: whatever is random comes from the seed or the generator that is given."""
    models = []
    for _ in range(2):
        torch.manual_seed(3)
        models.append(family.build(nano).state_dict())
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])
    batches = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        changed = family.augment(nano, learned, np.random.default_rng(5))
        batches.append(family.batch(nano, changed, run.assets))
    assert equal(*batches)
    assert equal(family.batch(nano, learned, run.assets), family.batch(nano, learned, run.assets))


def test_what_distillation_matches_is_there(family, nano, run, learned):
    outputs = run.load_into(family.build(nano))(family.batch(nano, learned, run.assets))
    assert isinstance(outputs, dict) and all(isinstance(value, torch.Tensor) for value in outputs.values())
    matched = {*family.match, *(name for variant in family.variants().values() for name in variant.recipe.match)}
    assert matched <= set(outputs)


def test_scores_are_those_that_were_promised(family, predict_nano, test_examples):
    tallies = family.score(predict_nano([e.x for e in test_examples]), test_examples)
    assert set(tallies) == {score.name for score in family.scores}
    for score in family.scores:
        assert (tallies[score.name].weight >= 0).all()
        assert not score.binary or set(np.unique(tallies[score.name].value)) <= {0.0, 1.0}


@pytest.fixture(scope="session")
def predict_nano(family, run):
    return weighin.load(run)


def test_answers_do_not_depend_on_what_was_asked_before(family, predict_nano, test_examples):
    inputs = [e.x for e in test_examples[:12]]
    first = [family.brief(y) for y in predict_nano(inputs)]
    predict_nano(inputs[6:])
    assert [family.brief(y) for y in predict_nano(inputs[::-1])] == first[::-1]


def test_a_trained_run_is_used_as_its_variant(family, nano, run, root):
    assert variant_of(family, run) == nano
    assert train(family, nano, root=root).path == run.path
    assert run.info.training["stopped_by"] and run.info.assets_hash


def test_the_fingerprint_of_data_is_steady(family, nano):
    data = nano.recipe.data
    assert family.fingerprint(data) and family.fingerprint(data) == family.fingerprint(data)


def test_a_file_that_is_none_is_refused_or_one_input(family, tmp_path):
    path = tmp_path / "nothing.bin"
    path.write_bytes(b"\0" * 16)
    try:
        assert family.expand(path) is None
    except (InputError, DataError) as error:
        assert str(error)


def test_pictures_are_pngs(family, test_examples):
    picture = family.picture(test_examples[0].x)
    assert picture is None or picture.startswith(b"\x89PNG")


def test_notes_and_kinds_are_plain(family, test_examples):
    assert all(isinstance(v, (int, float, str)) for v in family.notes(test_examples).values())
    assert all(isinstance(e.kind, str) and isinstance(e.group, str) and isinstance(e.id, str) for e in test_examples)


def test_two_validation_examples_make_a_loss(family, nano, run):
    found = family.examples(nano.recipe.data, "validation")
    batch = family.batch(nano, [found[0], found[1]], run.assets)
    losses = family.loss(run.load_into(family.build(nano))(batch), batch, nano)
    assert all(torch.isfinite(loss) for loss in losses.values())
