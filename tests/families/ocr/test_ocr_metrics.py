"""Scores: edits by alignment, in canonical form, spaces counted; not the source's way of counting."""

import numpy as np
import pytest

from weighin.core.family import Example
from weighin.families.ocr import metrics
from weighin.families.ocr.line import Line, Reading, Word

LINE = Line(np.zeros((2, 2), np.uint8))


def value(name, pairs, kinds=None):
    examples = [Example(str(n), str(n), LINE, truth, (kinds or [""] * len(pairs))[n]) for n, (_, truth) in enumerate(pairs)]
    tally = metrics.score([Reading(read) for read, _ in pairs], examples)[name]
    score = next(s for s in metrics.SCORES if s.name == name)
    return score.transform(tally.value.reshape(len(pairs), -1).sum(0), float(tally.weight.sum()))


def test_one_missing_letter_is_one_edit():
    assert value("cer", [("ଖଗଘଙ", "କଖଗଘଙ")]) == pytest.approx(1 / 5)


def test_a_perfect_reading_has_no_edits_however_it_is_spelled():
    read, truth = "ବାକ\u0b4d\u0b2f  ଶେଷ\u0b64", "ବାକ\u0b4d\u0b5f ଶେଷ\u0964"
    assert value("cer", [(read, truth)]) == 0 and value("wer", [(read, truth)]) == 0 and value("exact", [(read, truth)]) == 1


def test_a_lost_space_and_a_lost_danda_are_edits():
    assert value("cer", [("କଖ", "କ ଖ")]) == pytest.approx(1 / 3)
    assert value("cer", [("କ ଖ", "କ ଖ ।")]) == pytest.approx(2 / 5)
    assert value("wer", [("କଖ ଗ", "କ ଖ ଗ")]) == pytest.approx(2 / 3)


def test_invented_text_can_cost_more_than_everything():
    assert value("cer", [("କଖଗଘ", "ମ")]) == 4


def test_rates_weigh_lines_by_their_length():
    assert value("cer", [("କ", "ଖ"), ("କଖଗଘଙଚଛଜଝ", "କଖଗଘଙଚଛଜଝ")]) == pytest.approx(1 / 10)


def test_conditions_are_taken_from_the_kind():
    pairs, kinds = [("କ", "ଖ"), ("କ", "କ"), ("ଗଘ", "ଗମ")], ["clean, A", "degraded, A", "degraded, B, unseen"]
    assert value("cer_clean", pairs, kinds) == 1
    assert value("cer_degraded", pairs, kinds) == pytest.approx(1 / 3)
    assert value("cer_unseen", pairs, kinds) == pytest.approx(1 / 2)


def test_confidence_is_compared_with_words_that_an_alignment_finds():
    assert metrics.right_words(["କ", "ଖ", "ଗ"], ["କ", "ଗ"]) == [True, False, True]
    words = (Word("କ", 0.9, (0, 1)), Word("ଖ", 0.9, (1, 2)))
    tally = metrics.score([Reading("କ ଖ", 0.81, words)], [Example("0", "g", LINE, "କ ମ")])["word_ece"]
    assert metrics.ece(tally.value.sum(0), float(tally.weight.sum())) == pytest.approx(abs(0.9 - 1 + 0.9) / 2)
