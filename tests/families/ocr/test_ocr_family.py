"""The family: what training sees, what a teacher's answers become, what a reader is told."""

import json

import numpy as np
import pytest

from weighin.core.errors import InputError, RunError
from weighin.families.ocr import fonts, predict
from weighin.families.ocr.alphabet import BENGALI, ODIA, UNREADABLE
from weighin.families.ocr.family import Ocr
from weighin.families.ocr.line import Line, Place, Reading, Word, checked

FAMILY = Ocr()
NANO = FAMILY.variant("nano")
needs_fonts = pytest.mark.skipif(not fonts.faces(ODIA), reason="no font of the system sets Odia; see benchmarks/fonts.sh")


@pytest.fixture(scope="module")
def learned():
    found = FAMILY.examples("synthetic", "train")
    return [found[i] for i in range(0, len(found), len(found) // 300)]


@needs_fonts
def test_training_lines_are_set_anew_every_time(learned):
    first, again, other = (FAMILY.augment(NANO, learned[:8], np.random.default_rng(seed)) for seed in (1, 1, 2))
    for one, same, new in zip(first, again, other, strict=True):
        assert one.y == same.y and np.array_equal(one.x.pixels, same.x.pixels)
        assert one.y != new.y or not np.array_equal(one.x.pixels, new.x.pixels)


@needs_fonts
def test_training_lines_keep_their_group_and_say_what_can_be_written(learned):
    for seed in range(3):
        for before, after in zip(learned, FAMILY.augment(NANO, learned, np.random.default_rng(seed)), strict=True):
            assert (after.id, after.group) == (before.id, before.group)
            assert after.y == ODIA.canonical(after.y) and not ODIA.foreign(after.y) and after.y


@needs_fonts
def test_some_training_lines_have_a_word_of_another_script(learned):
    if not fonts.strangers("orya"):
        pytest.skip("no font of another script is installed")
    seen = [e.y for seed in range(6) for e in FAMILY.augment(NANO, learned, np.random.default_rng(seed))]
    assert 0.005 < np.mean([UNREADABLE in y for y in seen]) < 0.05


@needs_fonts
def test_lines_are_as_long_as_asked(learned):
    short = NANO.but(**{"model.longest": 5})
    for seed in range(3):
        texts = [e.y for e in FAMILY.augment(short, learned, np.random.default_rng(seed))]
        assert np.median([len(text) for text in texts]) <= 9


def test_given_pictures_keep_their_text():
    pixels = np.full((40, 200), 255, np.uint8)
    pixels[10:30, 20:180:6] = 0
    given = [FAMILY.relabel(example("କ"), Reading("ଖ"))] * 12
    changed = FAMILY.augment(NANO, given, np.random.default_rng(0))
    assert {e.y for e in changed} == {"ଖ"} and any(e.x.pixels.shape != given[0].x.pixels.shape for e in changed)


def example(text):
    from weighin.core.family import Example

    pixels = np.full((40, 200), 255, np.uint8)
    pixels[10:30, 20:180:6] = 0
    return Example("1", "g", Line(pixels), text)


@needs_fonts
def test_a_teachers_answer_belongs_to_the_picture_that_it_saw(learned):
    told = FAMILY.relabel(learned[0], Reading("ଖ"))
    assert told.y == "ଖ" and np.array_equal(told.x.pixels, learned[0].x.pixels)
    assert FAMILY.augment(NANO, [told], np.random.default_rng(0))[0].y == "ଖ", "not set anew with other words"


def test_an_answer_is_plain_json():
    words = (Word("କ", 0.98765, (0.0, 10.4)), Word("ଖ", 0.5, (12.0, 20.0)))
    shown = FAMILY.show(Reading("କ ଖ", 0.49, words, (("କ ଖ", -0.1), ("କଖ", -2.0)), Place()))
    assert json.loads(json.dumps(shown)) == shown
    assert shown["text"] == "କ ଖ" and shown["words"][0]["confidence"] == 0.9877
    assert FAMILY.brief(Reading("କ ଖ")) == "କ ଖ"


@pytest.mark.parametrize("wrong", [np.zeros((0, 5), np.uint8), np.zeros((5, 5)), np.zeros((5, 5, 3), np.uint8), "x"])
def test_lines_of_other_shapes_are_refused(wrong):
    with pytest.raises(InputError, match="Input 1 has pixels"):
        checked([Line(np.zeros((2, 2), np.uint8)), Line(wrong)])


def test_a_run_of_another_alphabet_is_refused(tmp_path):
    predict.write_alphabet(BENGALI, tmp_path)
    predict.check_alphabet(BENGALI, tmp_path)
    with pytest.raises(RunError, match=r"characters of bengali.*odia has \d+, not the same ones"):
        predict.check_alphabet(ODIA, tmp_path)


@needs_fonts
def test_notes_say_how_much_text_there_is():
    found = FAMILY.examples("synthetic", "test")
    notes = FAMILY.notes([found[i] for i in range(40)])
    assert int(notes["characters"]) == sum(len(found[i].y) for i in range(40)) and "Oriya" in str(notes["fonts"])
