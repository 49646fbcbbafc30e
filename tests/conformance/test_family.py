"""The contract, executed: what must hold of every family, whatever it does."""

import json
import signal

import numpy as np
import pytest
import torch

from killing import killed
from weighin.core.config import Variant, from_yaml, to_yaml
from weighin.core.errors import ConfigError, InputError
from weighin.core.family import Example, Part, Score
from weighin.core.recording import eager
from weighin.core.run import identity, load_tensors
from weighin.core.statistics import paired
from weighin.steps.candidate import count
from weighin.steps.predictors import eager_predictor, parts_of
from weighin.steps.train import train

BRIEF = {  # dials that make any variant's training a moment
    "recipe.steps": 2,
    "recipe.minutes": None,
    "recipe.cpu_minutes": None,
    "recipe.batch": 8,
    "recipe.precision": "fp32",
    "recipe.limit": 64,
}


@pytest.fixture(scope="session")
def predict(family, nano, run):
    return eager_predictor(family, nano, run)


def brief(family, nano, name):
    """A variant whose training takes a moment, on the data of nano."""
    return family.variant(name).but(**BRIEF, **{"recipe.data": nano.recipe.data})


def test_names_and_scores(family):
    assert family.name in type(family).__module__
    assert family.about and family.datas.get("synthetic")
    assert family.scores and all(isinstance(score, Score) for score in family.scores)
    assert len({score.name for score in family.scores}) == len(family.scores)
    assert family.primary is family.scores[0]
    assert {*family.compared, *family.peers} <= set(family.variants())


def test_variants_are_data(family, tmp_path):
    for name, variant in family.variants().items():
        assert isinstance(variant, Variant) and variant.name == name
        path = tmp_path / f"{name}.yaml"
        path.write_text(to_yaml(variant), encoding="utf-8")
        assert from_yaml(path, family.variant("nano")) == variant, "YAML out and in is the same variant"
        assert type(variant).model_validate_json(variant.model_dump_json()) == variant
        assert set(variant.of) <= set(family.variants())
        if not variant.of:  # a composite is nothing but its use
            used_otherwise = variant.model_copy(update={"name": "other", "predict": None})
            assert identity(family, variant, {}) == identity(family, used_otherwise, {}), "use costs no training"


def test_examples_have_ids_and_splits_share_no_group(family, nano):
    groups = {}
    for split in ("train", "validation", "test"):
        found = family.examples(nano.recipe.data, split)
        again = family.examples(nano.recipe.data, split)
        examples = [found[i] for i in range(len(found))]
        assert examples and all(isinstance(e, Example) and e.id and e.group for e in examples)
        assert len({e.id for e in examples}) == len(examples)
        assert [e.id for e in examples] == [again[i].id for i in range(len(again))], "made the same twice"
        groups[split] = {e.group for e in examples}
    assert not groups["train"] & groups["test"] and not groups["train"] & groups["validation"]
    assert not groups["validation"] & groups["test"]


def test_every_variant_builds_and_learns(family, nano, tmp_path):
    found = family.examples(nano.recipe.data, "train")
    examples = [found[i] for i in range(min(8, len(found)))]
    for name, variant in family.variants().items():
        if variant.of:
            continue
        assert count(family, variant) > 0
        if family.why_not(variant):
            continue
        torch.manual_seed(0)
        model = family.build(variant)
        folder = tmp_path / name
        folder.mkdir()
        family.prepare(model, variant, examples, folder)
        batch = family.batch(variant, family.augment(variant, examples, np.random.default_rng(0)), folder)
        losses = family.loss(model(batch), batch, variant)
        assert losses and all(loss.ndim == 0 and torch.isfinite(loss) for loss in losses.values())
        torch.stack(list(losses.values())).sum().backward()
        trainable = [p for p in model.parameters() if p.requires_grad]
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in trainable), f"{name} learns nothing"


def test_nano_beats_an_untrained_model(family, nano, run, predict):
    found = family.examples(nano.recipe.data, "test")
    examples = [found[i] for i in range(min(400, len(found)))]
    torch.manual_seed(1)
    untrained = family.predictor(eager(family.parts(family.build(nano).eval(), nano)), nano, run.assets)
    groups = np.array([e.group for e in examples])
    inputs, primary = [e.x for e in examples], family.primary
    ours, theirs = (family.score(p(inputs), examples)[primary.name] for p in (predict, untrained))
    seen = paired(ours, theirs, primary, groups)
    assert seen.low is not None and seen.high is not None, "the test split needs three groups"
    assert seen.low > 0 if primary.better == "higher" else seen.high < 0


def test_parts_name_what_they_take(family, nano, run):
    parts = parts_of(family, nano, run)
    assert parts
    for part in parts.values():
        assert isinstance(part, Part) and part.inputs and part.outputs and part.tolerance > 0
        assert set(part.axes) <= {*part.inputs, *part.outputs}


def test_loaded_twice_answers_are_the_same(family, nano, run, predict, test_examples):
    inputs = [e.x for e in test_examples]
    again = eager_predictor(family, nano, run)
    assert [family.show(y) for y in predict(inputs)] == [family.show(y) for y in again(inputs)]


def test_one_by_one_is_all_at_once(family, predict, test_examples):
    inputs = [e.x for e in test_examples[:16]]
    assert [family.brief(y) for y in predict(inputs)] == [family.brief(predict([x])[0]) for x in inputs]


def test_answers_are_plain_json(family, predict, test_examples):
    for y in predict([e.x for e in test_examples[:4]]):
        shown = family.show(y)
        assert json.loads(json.dumps(shown, allow_nan=False)) == shown
        assert isinstance(family.brief(y), str)


def test_nothing_in_nothing_out(predict):
    assert predict([]) == []


@pytest.mark.parametrize("wrong", [None, object(), "nonsense", 7])
def test_wrong_input_is_refused(predict, wrong):
    with pytest.raises(InputError):
        predict([wrong])


@pytest.mark.parametrize("raw", [b"", b"\0" * 64, b"not what you think", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"])
def test_unreadable_bytes_are_refused(family, raw):
    with pytest.raises(InputError):
        family.read(raw)


def test_scores_are_one_entry_an_example_in_any_order(family, predict, test_examples):
    answers = predict([e.x for e in test_examples])
    first, again = family.score(answers, test_examples), family.score(answers, test_examples)
    order = np.random.default_rng(0).permutation(len(test_examples))
    shuffled = family.score([answers[i] for i in order], [test_examples[i] for i in order])
    for score in family.scores:
        tally = first[score.name]
        assert len(tally.value) == len(tally.weight) == len(test_examples)
        assert np.array_equal(tally.value, again[score.name].value)
        assert np.allclose(tally.value[order], shuffled[score.name].value)
        nobody = not tally.weight.any() and score is not family.primary  # no example has it, such as stress of molecules
        assert nobody or np.isfinite(score.transform(tally.value.reshape(len(tally.value), -1).sum(0), tally.weight.sum()))


def test_checks_hold_of_nano(family, predict, test_examples):
    failed = [check for check in family.checks(predict, test_examples) if not check.passed]
    assert not failed


def test_composites_answer(family, nano, root, test_examples):
    for name, variant in family.variants().items():
        if not variant.of or any(family.why_not(family.variant(member)) for member in variant.of):
            continue
        lineup = {n: brief(family, nano, n) for n, v in family.variants().items() if not v.recipe.teacher}
        run = train(family, lineup[name], root=root, lineup=lineup)
        assert not run.weights.exists() and set(run.info.links) == set(variant.of)
        answers = eager_predictor(family, lineup[name], run)([e.x for e in test_examples[:4]])
        assert [family.brief(y) for y in answers]


def test_killed_and_resumed_equals_uninterrupted(family, tmp_path):
    changes = {"recipe.steps": 8, "recipe.save_every": 3, "recipe.limit": 200}
    assert killed(tmp_path / "a", 5, changes, family=family.name).returncode == -signal.SIGKILL
    found = [train(family, family.variant("nano").but(**changes), root=tmp_path / place) for place in "ab"]
    resumed, whole = (load_tensors(run.weights) for run in found)
    assert resumed.keys() == whole.keys()
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_tools_say_what_they_do_and_refuse_what_they_cannot_take(family):
    for name, tool in family.tools().items():
        least, most = tool.models
        assert tool.about and 0 <= least <= most and tool.dials().model_dump(mode="json") is not None
        with pytest.raises(ConfigError, match=f"It takes {least}"):
            tool.checked(name, most + 1)
