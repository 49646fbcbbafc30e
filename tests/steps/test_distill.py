"""Distillation is the same loop with a teacher: outputs matched (soft), or its answers learned (hard)."""

import pytest
import torch
from torch import nn

import weighin
from weighin.core.config import Match
from weighin.core.errors import ConfigError, RunError
from weighin.core.run import load_tensors
from weighin.steps.distances import distance
from weighin.steps.predictors import eager_predictor
from weighin.steps.train import train

FEW = {"recipe.steps": 4}


@pytest.fixture
def lineup(points):
    return {name: variant.but(**FEW) for name, variant in points.variants().items()}


def weights(points, variant, root, lineup):
    return load_tensors(train(points, variant, root=root, lineup=lineup).weights)


def test_a_taught_student_learns_otherwise(points, lineup, tmp_path):
    taught = train(points, lineup["taught"], root=tmp_path, lineup=lineup)
    assert taught.info.links.keys() == {"teacher"} and taught.info.training["teacher"] == "wide"
    alone = weights(points, lineup["nano"], tmp_path, lineup)
    same = weights(points, lineup["taught"].but(**{"recipe.match": {"logits": {"weight": 1e-9}}}), tmp_path, lineup)
    assert not torch.allclose(load_tensors(taught.weights)["body.0.weight"], alone["body.0.weight"], atol=1e-5)
    assert torch.allclose(same["body.0.weight"], alone["body.0.weight"], atol=1e-5)


def test_the_teacher_itself_never_changes(points, lineup, tmp_path):
    wide = train(points, lineup["wide"], root=tmp_path)
    before = wide.weights.read_bytes()
    train(points, lineup["taught"], root=tmp_path, lineup=lineup)
    assert wide.weights.read_bytes() == before


def test_another_teacher_makes_another_run(points, lineup, tmp_path):
    one = train(points, lineup["taught"], root=tmp_path, lineup=lineup)
    older = lineup | {"wide": lineup["wide"].but(**{"recipe.steps": 5})}
    two = train(points, lineup["taught"], root=tmp_path, lineup=older)
    assert one.path != two.path and one.info.links != two.info.links


def test_labels_may_count_for_nothing(points, lineup, tmp_path, monkeypatch):
    """hard = 0: the student sees the teacher's outputs only, so another loss on labels changes nothing."""
    train(points, lineup["wide"], root=tmp_path)
    train(points, lineup["wide"], root=tmp_path / "b")
    soft = lineup["taught"].but(**{"recipe.hard": 0})
    one = weights(points, soft, tmp_path, lineup)
    monkeypatch.setattr(type(points), "loss", lambda self, outputs, batch, variant: {"x": -1e3 * outputs["logits"].sum()})
    two = weights(points, soft, tmp_path / "b", lineup)
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_hard_distillation_learns_the_teachers_answers(points, lineup, tmp_path, monkeypatch):
    seen = []
    original = type(points).batch

    def batch(self, variant, examples, folder):
        if variant.name == "relabelled":
            seen.extend(examples)
        return original(self, variant, examples, folder)

    monkeypatch.setattr(type(points), "batch", batch)
    monkeypatch.setattr(type(points), "augment", lambda self, variant, examples, rng: examples)
    train(points, lineup["relabelled"], root=tmp_path, lineup=lineup)
    wide = train(points, lineup["wide"], root=tmp_path, lineup=lineup)
    answers = eager_predictor(points, lineup["wide"], wide)([e.x for e in seen])
    assert len(seen) == 4 * 32 and [e.y for e in seen] == answers
    truth = {e.id: e.y for e in points.examples("synthetic", "train")}
    assert any(e.y != truth[e.id] for e in seen)


def test_a_composite_teaches_by_answers_only(points, lineup, tmp_path):
    with pytest.raises(RunError, match=r"is a composite and has no outputs to match.*recipe\.relabel"):
        train(points, lineup["taught"].but(**{"recipe.teacher": "both"}), root=tmp_path, lineup=lineup)


def test_an_output_that_nobody_has(points, lineup, tmp_path):
    wrong = lineup["taught"].but(**{"recipe.match": {"logit": {}}})
    with pytest.raises(ConfigError, match=r"No output of student and teacher is called 'logit'.*Did you mean 'logits'\?"):
        train(points, wrong, root=tmp_path, lineup=lineup)


def test_a_family_that_cannot_relabel_says_so(points, lineup, tmp_path, monkeypatch):
    monkeypatch.delattr(type(points), "relabel")
    with pytest.raises(ConfigError, match=r"points cannot learn from answers alone.*Use recipe\.match"):
        train(points, lineup["relabelled"], root=tmp_path, lineup=lineup)


def test_the_verb_takes_what_the_family_proposes(points, tmp_path, monkeypatch):
    monkeypatch.setattr(type(points), "match", {"logits": Match(distance="mse")})
    few = {"recipe.steps": 2}
    teacher = weighin.train("points/wide", settings=few)
    run = weighin.distill("points/nano", str(teacher.path), settings=few)
    assert run.info.recipe["match"]["logits"]["distance"] == "mse" and run.info.links["teacher"] == teacher.info.id
    assert weighin.distill("points/nano", teacher.info.id, settings=few).info.links["teacher"] == teacher.info.id
    assert weighin.distill("points/nano", "points/biased", settings=few).info.recipe["teacher"] == "biased"


def test_without_a_proposal_answers_are_learned(points):
    few = {"recipe.steps": 2}
    run = weighin.distill("points/nano", str(weighin.train("points/wide", settings=few).path), settings=few)
    assert run.info.recipe["relabel"] and not run.info.recipe["match"]


STUDENT, TEACHER = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[0.0, 1.0], [1.0, 1.0]])


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (Match(distance="mse"), 4 / 4),
        (Match(distance="cosine"), ((1 - 0) + (1 - 0.5**0.5)) / 2),
        (Match(distance="gram"), 0.25),
        (Match(distance="kl", temperature=1.0), None),
        (Match(distance="kl", temperature=3.0), None),
    ],
)
def test_distances_against_their_formulas(match, expected):
    if expected is None:
        t = match.temperature
        wanted, given = (torch.softmax(x / t, -1) for x in (TEACHER, STUDENT))
        expected = t * t * float((wanted * (wanted / given).log()).sum(-1).mean())
    assert float(distance(match, STUDENT, TEACHER)) == pytest.approx(expected, rel=1e-5)
    assert float(distance(match, STUDENT, STUDENT)) == pytest.approx(0, abs=1e-6)


def test_kl_over_a_sequence_is_the_mean_over_its_places():
    flat = distance(Match(), STUDENT, TEACHER)
    assert float(distance(Match(), STUDENT.view(1, 2, 2), TEACHER.view(1, 2, 2))) == pytest.approx(float(flat))


def test_only_gram_matches_other_widths():
    wide = nn.functional.pad(TEACHER, (0, 3))
    assert float(distance(Match(distance="gram"), STUDENT, wide)) == pytest.approx(0.25)
    for name in ("kl", "mse", "cosine"):
        with pytest.raises(ConfigError, match=r"shapes \(2, 2\) and \(2, 5\).*equal shapes.*gram"):
            distance(Match(distance=name), STUDENT, wide)
