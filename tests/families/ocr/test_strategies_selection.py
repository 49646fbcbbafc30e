"""Choosing lines to label, and readings to learn from."""

from hypothesis import given
from hypothesis import strategies as st

from weighin.families.ocr.line import Reading, Word
from weighin.families.ocr.selection import confident, least_confident, sureness


def reading(text, sure):
    words = tuple(Word(word, sure ** (1 / len(text.split())), (0.0, 1.0)) for word in text.split())
    return Reading(text, sure, words)


def test_the_least_sure_come_first_however_long_they_are():
    read = [reading("କଖ", 0.9), reading("କଖ" * 20, 0.5), reading("କଖ", 0.5), reading("", 1.0)]
    assert least_confident(read, 2) == [2, 0] and least_confident(read, 9) == [2, 0, 1, 3]
    assert least_confident(read, 0) == [] and least_confident([], 3) == []


@given(st.lists(st.floats(0, 1), max_size=20), st.integers(0, 25))
def test_nobody_left_out_is_less_sure_than_somebody_chosen(sures, count):
    read = [reading("କଖଗ", sure) for sure in sures]
    chosen = least_confident(read, count)
    assert len(chosen) == len(set(chosen)) == min(count, len(read))
    others = set(range(len(read))) - set(chosen)
    assert all(sureness(read[a]) <= sureness(read[b]) for a in chosen for b in others)


@given(st.lists(st.floats(0, 1), max_size=20), st.floats(0, 1))
def test_readings_below_the_threshold_are_not_learnt_from(sures, threshold):
    read = [reading("କଖଗ", sure) for sure in sures]
    assert [sures[place] for place in confident(read, threshold)] == [sure for sure in sures if sure >= threshold]


def test_an_empty_reading_is_no_label():
    assert confident([Reading("", 1.0)], 0.5) == []
