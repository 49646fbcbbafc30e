"""The dictionary: what it changes, what it must leave alone, which files it takes."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_readings import spoken

from weighin.core.errors import DataError, RunError
from weighin.families.ocr import dictionary
from weighin.families.ocr.alphabet import ODIA
from weighin.families.ocr.decode import greedy
from weighin.families.ocr.use import Use

TEXTS = ["ଓଡ଼ିଆ ଭାଷା,", "ଭାଷା ଓ ସାହିତ୍ୟ", "(ଓଡ଼ିଶା) ରାଜ୍ୟ ୨୦୨୪ abc"]
WORDS = dictionary.of_texts([ODIA.canonical(text) for text in TEXTS], ODIA)
UNSURE, ALWAYS = Use(dictionary="unsure"), Use(dictionary="always")


def corrected(text, dials, **how):
    scores = spoken(text, **how)
    return WORDS.correct(greedy(scores, ODIA), scores, dials)


def test_words_are_counted_without_signs_digits_and_other_scripts():
    assert WORDS.counts["ଭାଷା"] == 2 and ODIA.canonical("ଓଡ଼ିଶା") in WORDS
    assert "abc" not in WORDS and "୨୦୨୪" not in WORDS and len(WORDS) == 6


def test_the_nearest_word_is_one_syllable_away():
    assert WORDS.nearest("ଭାଷି", 1) == ["ଭାଷା"]
    assert WORDS.nearest("ଭିଷି", 1) == [] and WORDS.nearest("ଭିଷି", 2)[0] == "ଭାଷା"


@given(st.text("".join(sorted({c for text in TEXTS for c in ODIA.canonical(text)})), max_size=12))
def test_words_that_are_sure_are_never_changed(text):
    text = ODIA.canonical(text)
    scores = spoken(text)
    best = greedy(scores, ODIA)
    assert WORDS.correct(best, scores, UNSURE) == best


def test_an_unsure_word_becomes_the_one_that_the_frames_allow():
    found = corrected("ଏହା ଭାଷି,", UNSURE, doubts=[(7, "ା", 0.4)])
    assert found.text == "ଏହା ଭାଷା,"
    assert "".join(letter.character for letter in found.letters) == found.text
    assert all(0 <= letter.first <= letter.last < len(spoken("ଏହା ଭାଷି,")) for letter in found.letters)
    frames = [letter.first for letter in found.letters]
    assert frames == sorted(frames)


def test_an_unsure_word_stays_where_the_frames_say_otherwise():
    assert corrected("ଏହା ଭାଷି", UNSURE, doubts=[(7, "କ", 0.4)]).text == "ଏହା ଭାଷି"


def test_always_is_the_sources_way_and_changes_sure_words_too():
    assert corrected("ଭାଷି", ALWAYS).text == "ଭାଷା"
    assert corrected("ଭାଷା", ALWAYS).text == "ଭାଷା" and corrected("କଖଗଘଙ", ALWAYS).text == "କଖଗଘଙ"


def test_off_and_nothing_stay_as_they_are():
    assert corrected("ଭାଷି", Use()).text == "ଭାଷି"
    assert corrected("", ALWAYS).text == "" and corrected("୨୦ !", ALWAYS).text == "୨୦ !"


def test_written_and_read_it_is_the_same_and_damage_is_told(tmp_path):
    WORDS.save(tmp_path)
    assert dictionary.load(tmp_path, ODIA).counts == WORDS.counts
    (tmp_path / dictionary.FILE).write_text("word without a count\n", encoding="utf-8")
    with pytest.raises(RunError, match="damaged"):
        dictionary.load(tmp_path, ODIA)
    with pytest.raises(RunError, match="missing"):
        dictionary.load(tmp_path / "none", ODIA)


def test_foreign_words_of_a_users_file_are_left_out_and_counted(tmp_path, caplog):
    path = tmp_path / "words.txt"
    path.write_text("ଭାଷା\nপানি\nଓଡ଼ିଆ भाषा\n\n", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        found = dictionary.read(path, ODIA)
    assert set(found.counts) == {"ଭାଷା", ODIA.canonical("ଓଡ଼ିଆ")} and "left out 2 of 4 words" in caplog.text


@pytest.mark.parametrize(("raw", "told"), [("পানি".encode(), "1 of its 1"), (b"", "0 of its 0"), (b"\xff\xfe", "UTF-8")])
def test_a_file_without_a_word_of_ours_is_refused(tmp_path, raw, told):
    path = tmp_path / "words.txt"
    path.write_bytes(raw)
    with pytest.raises(DataError, match=told):
        dictionary.read(path, ODIA)
    with pytest.raises(DataError, match="No dictionary"):
        dictionary.read(tmp_path / "none.txt", ODIA)
