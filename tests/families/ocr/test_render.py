"""Setting and hurting lines: conjuncts are set by the font's rules, damage keeps the writing in the picture."""

import numpy as np
import pytest

from weighin.core.errors import DataError
from weighin.families.ocr import damage, degrade, fonts
from weighin.families.ocr.alphabet import ODIA
from weighin.families.ocr.fonts import Face
from weighin.families.ocr.render import Type, set_line, trimmed
from weighin.families.ocr.typeset import Press

FACES = fonts.faces(ODIA)
OTHERS = fonts.companions(ODIA.extra)
needs_fonts = pytest.mark.skipif(not FACES, reason="no font of the system sets Odia; see benchmarks/fonts.sh")
pytestmark = needs_fonts


def line(text, face=None, **dials):
    return set_line(text, Type(face or FACES[0], OTHERS, **dials))


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.style)
def test_a_conjunct_is_narrower_than_its_letters(face):
    joined, apart = line("ନ୍ତ", face, size=60), line("ନ ତ", face, size=60, space=0.0)
    assert joined.shape[1] < 0.85 * apart.shape[1]


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.style)
def test_the_sign_e_stands_before_its_consonant(face):
    """It is written after it, so a layout that does not know the script sets it behind."""
    alone, with_sign = line("କ", face, size=60), line("କେ", face, size=60)
    tail = with_sign[:, -alone.shape[1] :]
    rows = min(len(tail), len(alone))
    assert with_sign.shape[1] > 1.2 * alone.shape[1]
    assert np.mean(abs(tail[-rows:].astype(int) - alone[-rows:])) < 40, "the consonant ends the syllable"


def test_fonts_that_show_halants_are_left_out():
    styles = [face.style for face in FACES]
    assert not any("FreeSerif" in style or "FreeSans" in style for style in styles)


def test_what_the_font_lacks_a_companion_draws():
    poor = next((face for face in FACES if "," not in face.coverage), None)
    if poor is None or not OTHERS:
        pytest.skip("every font here has a comma")
    assert Press(ODIA, (poor,), OTHERS).can("କ, 25%") and not Press(ODIA, (poor,), ()).can("କ, 25%")
    assert line("କ, ଖ", poor).shape[1] > line("କ ଖ", poor).shape[1]


def test_a_character_of_no_face_is_told():
    with pytest.raises(DataError, match=r"U\+4E2D"):
        set_line("କ中", Type(FACES[0], ()))


def test_ink_touches_every_side():
    pixels = line("ବ୍ରାହ୍ମଣ")
    assert pixels.dtype == np.uint8 and trimmed(pixels).shape == pixels.shape
    assert (pixels.min(1) < 255)[[0, -1]].all() and (pixels.min(0) < 255)[[0, -1]].all()


@pytest.mark.parametrize("hurt", [degrade.distort, damage.degraded, damage.clean])
def test_damage_is_a_function_of_the_generator_and_keeps_ink(hurt):
    pixels = line("ଗୋବରା ଜେନା ଚଉକିଦାର ।", size=36)
    for seed in range(40):
        first, again = (hurt(pixels, np.random.default_rng(seed)) for _ in range(2))
        assert first.dtype == np.uint8 and np.array_equal(first, again)
        assert np.percentile(first, 95) - first.min() > 25, f"seed {seed}: nothing can be seen"
        assert 0.3 < first.shape[1] / first.shape[0] / (pixels.shape[1] / pixels.shape[0]) < 2.5


def test_cuts_of_a_face():
    pixels = line("ଗୋବରା ଜେନା", size=48)
    narrow, slanted = damage.cut(pixels, "narrow"), damage.cut(pixels, "slanted")
    assert damage.cut(pixels, "upright") is pixels and len(narrow) == len(slanted) == len(pixels)
    assert narrow.shape[1] == int(pixels.shape[1] * damage.NARROW)
    ink = [np.average(np.arange(part.shape[1]), weights=255 - part.mean(0)) for part in (slanted[:15], slanted[-15:])]
    straight = [np.average(np.arange(part.shape[1]), weights=255 - part.mean(0)) for part in (pixels[:15], pixels[-15:])]
    assert ink[0] - ink[1] > straight[0] - straight[1] + 3, "an italic leans to the right"


def test_tiny_pictures_survive():
    for shape in ((1, 1), (1, 300), (300, 1), (2, 2)):
        for seed in range(6):
            assert degrade.distort(np.zeros(shape, np.uint8), np.random.default_rng(seed)).size
            assert damage.degraded(np.zeros(shape, np.uint8), np.random.default_rng(seed)).size


def test_designs_kept_from_training():
    def face(design, style):
        return Face(f"/{design}-{style}", design, style, frozenset())

    known = [face("lohit odia", "a"), face("noto sans oriya", "a"), face("noto sans oriya", "b"), face("samyak oriya", "a")]
    four = fonts.divided([*known, face("utkal", "a")])
    assert {f.design for f in four["train"]} == {"noto sans oriya", "utkal"} and len(four["test"]) == 5
    two = fonts.divided(known[:3])
    assert {f.design for f in two["train"]} == {"noto sans oriya"}
    assert fonts.divided(known[:1])["train"] == tuple(known[:1]), "one design alone is for all"
