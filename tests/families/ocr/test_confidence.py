"""Confidences: words, temperature, calibration error, how well right and wrong are told apart."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_readings import said, spoken
from scipy.stats import mannwhitneyu

from weighin.core.errors import RunError
from weighin.families.ocr import calibration, confidence, kneser_ney
from weighin.families.ocr.alphabet import ODIA
from weighin.families.ocr.calibration import Fitted
from weighin.families.ocr.decode import greedy


@given(st.text("କଖ ", max_size=20))
def test_words_are_what_stands_between_spaces(text):
    words = ["".join(letter.character for letter in word) for word in confidence.grouped(said(text).letters)]
    assert words == text.split()


def test_a_word_is_as_sure_as_its_letters_together():
    assert confidence.of_word(said("କଖଗ", 0.9).letters) == pytest.approx(0.9**3)
    assert confidence.of_word(()) == 1.0


def test_heat_makes_less_sure_and_changes_no_letter():
    scores = spoken("କଖ", doubts=[(1, "ଗ", 0.3)])
    letters = greedy(scores, ODIA).letters
    sure = [[x.probability for x in confidence.tempered(scores, letters, ODIA, t)] for t in (0.5, 1.0, 2.0)]
    assert all(cold > plain > hot for cold, plain, hot in zip(*sure, strict=True))
    assert sure[1] == pytest.approx([letter.probability for letter in letters])
    assert confidence.tempered(scores, (), ODIA, 2.0) == ()
    exact = np.exp(scores / 2) / np.exp(scores / 2).sum(1, keepdims=True)
    assert sure[2] == pytest.approx([exact[letter.first, ODIA.index[letter.character]] for letter in letters], rel=1e-5)


def test_right_words_are_found_whatever_is_lost_before_them():
    assert confidence.hits(["a", "b", "c"], ["a", "b", "c"]) == [True] * 3
    assert confidence.hits(["b", "c"], ["a", "b", "c"]) == [True, True]
    assert confidence.hits(["a", "x", "c"], ["a", "b", "c"]) == [True, False, True]
    assert confidence.hits([], ["a"]) == [] and confidence.hits(["a"], []) == [False]


@pytest.mark.parametrize("temperature", [0.6, 1.0, 2.5])
def test_the_temperature_that_was_applied_is_found(temperature):
    """Letters drawn from known probabilities, shown too hot or too cold: fitting finds by how much."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2.5, (6000, 12))
    drawn = (logits + rng.gumbel(size=logits.shape)).argmax(1)
    best = logits.argmax(1)
    owner = np.repeat(np.arange(3000), 2)
    right = (drawn == best).reshape(-1, 2).all(1)
    found = confidence.best_temperature(logits * temperature, best, owner, right)
    assert found == pytest.approx(temperature, rel=0.06)


def test_fitting_reads_hypotheses_and_truths():
    scores = [spoken("କଖ ଗଘ", doubts=[(0, "ଚ", 0.1)]) for _ in range(4)]
    read = [greedy(each, ODIA) for each in scores]
    sure, unsure = (confidence.fit(scores, read, truth, ODIA) for truth in (["କଖ ଗଘ"] * 4, ["ଚଖ ଗଘ"] * 4))
    assert sure < 1 < unsure
    assert confidence.fit([], [], [], ODIA) == 1.0
    assert confidence.fit([spoken("")], [greedy(spoken(""), ODIA)], ["କ"], ODIA) == 1.0


def test_written_and_read_it_is_the_same_and_damage_is_told(tmp_path):
    assert calibration.load(tmp_path) == Fitted()
    calibration.save(tmp_path, Fitted(1.7, 0.3, 2.0))
    assert calibration.load(tmp_path) == Fitted(1.7, 0.3, 2.0)
    for damaged in ("", "[]", '{"temperature": 0}', '{"temperature": "warm"}', '{"heat": 1}', '{"weight": -1}'):
        (tmp_path / calibration.FILE).write_text(damaged, encoding="utf-8")
        with pytest.raises(RunError, match=r"calibration\.json"):
            calibration.load(tmp_path)


def test_weight_and_bonus_are_those_with_the_fewest_edits():
    model = kneser_ney.train(["କଖ ଗଘ", "କଖ"] * 5, ODIA.characters)
    doubtful = [spoken("କଖ ଗଘ", doubts=[(1, "ଙ", p)], frames=1) for p in (0.7, 0.9, 0.97, 0.99, 0.997)]
    trusting, _ = calibration.weights(doubtful, ["କଖ ଗଘ"] * 5, ODIA, model)
    wary, _ = calibration.weights(doubtful, ["କଙ ଗଘ"] * 5, ODIA, model)
    assert wary < trusting
    assert calibration.weights([], [], ODIA, model) == (Fitted().weight, Fitted().bonus), "of equals the usual ones"


@given(st.lists(st.tuples(st.integers(0, confidence.BINS - 1), st.booleans()), min_size=1, max_size=60))
def test_area_under_the_curve_is_that_of_mann_and_whitney(pairs):
    sure = [(place + 0.5) / confidence.BINS for place, _ in pairs]
    right = [hit for _, hit in pairs]
    found = confidence.auroc(confidence.binned(sure, right))
    if all(right) or not any(right):
        assert found == 0.5
        return
    good, bad = (np.array([s for s, hit in zip(sure, right, strict=True) if hit is wanted]) for wanted in (True, False))
    assert found == pytest.approx(mannwhitneyu(good, bad).statistic / (len(good) * len(bad)))


def test_calibration_error_is_the_distance_to_the_share_that_is_right():
    even = confidence.binned([0.75] * 4, [True, True, True, False])
    assert confidence.ece(even) == pytest.approx(0.0)
    assert confidence.ece(confidence.binned([0.95] * 4, [True, True, False, False])) == pytest.approx(0.45)
    assert confidence.ece(even + confidence.binned([1.0], [True])) == pytest.approx(0.0), "sums of lines add up"
    assert math.isnan(confidence.ece(confidence.binned([], [])))


def test_a_letter_is_as_sure_as_the_texts_that_have_it():
    found = [
        replace(said("କଖ"), score=0.0),
        replace(said("କଗ"), score=math.log(0.5)),
        replace(said("କଖଘ"), score=math.log(0.5)),
    ]
    sure = [letter.probability for letter in confidence.supported(found, 1.0)]
    assert sure == pytest.approx([1.0, 0.75])
    hot = [letter.probability for letter in confidence.supported(found, 50.0)]
    assert hot == pytest.approx([1.0, 2 / 3], abs=0.01)


def test_the_spread_follows_how_often_the_best_text_is_right():
    found = [[replace(said("କଖ"), score=0.0), replace(said("କଗ"), score=-3.0)]] * 10
    assert calibration.spread(found, ["କଖ"] * 10) < calibration.spread(found, ["କଖ", "କଗ"] * 5)
