"""Several readings made into one: deterministic, and never stranger than its voters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_readings import said, spoken

from weighin.families.ocr import ensemble
from weighin.families.ocr.alphabet import ODIA
from weighin.families.ocr.decode import greedy

texts = st.lists(st.text("କଖଗ ", max_size=8), min_size=1, max_size=5)


@given(texts)
def test_votes_are_decided_the_same_way_every_time(given_texts):
    read = [said(text) for text in given_texts]
    for vote in ensemble.VOTES.values():
        assert vote(read) == vote(read)


@given(st.text("କଖଗ ", max_size=8), st.integers(1, 5))
def test_where_all_agree_so_does_the_vote(text, count):
    for vote in ensemble.VOTES.values():
        found = vote([said(text)] * count)
        assert found.text == text and "".join(letter.character for letter in found.letters) == text


@given(texts, st.text("କଖଗ ", max_size=8))
def test_what_most_say_wins_and_the_longest_may_not_be_it(given_texts, text):
    others = given_texts[:1]
    read = [said(other) for other in others] + [said(text)] * 2
    assert ensemble.medoid(read).text == ensemble.majority(read).text == ensemble.rover(read).text == text
    assert ensemble.longest(read).text == max([*others, text], key=len)


def test_rover_joins_what_no_reading_has_whole():
    read = [said("କଖଗଘ"), said("କଖଗଙ"), said("ଚଖଗଘ")]
    assert ensemble.rover(read).text == "କଖଗଘ"
    assert ensemble.rover([said("କଖଗଙ"), said("ଚଖଗଘ"), said("କଛଗଘ")]).text == "କଖଗଘ"
    assert ensemble.rover([said("କଗ"), said("କଖଗ"), said("କଖଗ ଘ")]).text == "କଖଗ"


def test_rover_takes_the_surest_voters_letter():
    found = ensemble.rover([said("କଖ", 0.5), said("କଖ", 0.9)])
    assert [letter.probability for letter in found.letters] == [0.9, 0.9]


def test_the_mean_of_one_is_itself_and_of_two_lies_between():
    one, other = spoken("କଖ", sure=0.99), spoken("କଖ", sure=0.9)
    assert ensemble.mean([one]) == pytest.approx(one, abs=1e-5)
    both = ensemble.mean([one, other])
    assert np.exp(both).sum(1) == pytest.approx(np.ones(len(both)), abs=1e-5)
    k = ODIA.index["କ"]
    assert other[0, k] < both[0, k] < one[0, k]


@pytest.mark.parametrize("frames", [16, 20, 37])
def test_a_stretched_line_says_the_same(frames):
    scores = spoken("କଖଗ")
    found = ensemble.stretched(scores, frames)
    assert found.shape == (frames, ODIA.classes) and greedy(found, ODIA).text == "କଖଗ"
    assert np.exp(found).sum(1) == pytest.approx(np.ones(frames), abs=1e-4)


def test_letters_are_placed_on_the_first_readings_frames():
    moved = ensemble.retimed(said("କଖଗଘ"), 4, 8)
    assert [(letter.first, letter.last) for letter in moved.letters] == [(0, 0), (2, 2), (4, 4), (6, 6)]
    assert ensemble.retimed(said("କଖ"), 2, 2) == said("କଖ")
    squeezed = ensemble.retimed(said("କଖଗଘ"), 4, 2)
    assert max(letter.last for letter in squeezed.letters) == 1
