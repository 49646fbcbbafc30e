"""Every glyph of a font, with and without a cmap; and the fonts of the system where there are some."""

from pathlib import Path

import pytest
from fontTools.ttLib import TTFont
from toyfonts import ARABIC, FORMS, LATIN, save

from weighin.core.errors import InputError
from weighin.families.glyphs.fontfile import font_glyphs
from weighin.families.glyphs.worker import faces_of

DEJAVU = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")


@pytest.fixture
def font(tmp_path):
    return save(tmp_path / "toy.ttf", "Toy", joined=True)


def without_cmap(path: Path) -> Path:
    with TTFont(path) as font:
        font["cmap"].tables = []
        font["post"].formatType = 3.0  # names would give the codepoints away
        font.save(path.with_name("bare.ttf"))
    return path.with_name("bare.ttf")


def test_glyphs_with_names_codes_and_labels(font):
    found = {glyph.name: glyph for glyph in font_glyphs(font)}
    assert len(found) == len(LATIN) + len(ARABIC) + len(FORMS) + 1
    assert found["uni0041"].codes == (0x41,) and found["uni0041"].labels == ("65_latin",)
    assert found["beh.init"].codes == () and found["beh.init"].labels == ("65169_init",)
    assert found["lam_alef"].labels == ("65275_liga",)
    assert found[".notdef"].labels == ()
    assert all(glyph.glyph.bits.any() and glyph.glyph.box for glyph in found.values())


def test_a_font_without_a_cmap_has_the_same_glyphs_and_says_nothing_of_them(font):
    whole, bare = font_glyphs(font), font_glyphs(without_cmap(font))
    assert len(whole) == len(bare)
    assert all((one.glyph.bits == other.glyph.bits).all() for one, other in zip(whole, bare, strict=True))
    assert all(glyph.codes == () and glyph.labels == () for glyph in bare)


def test_names_are_those_of_fonttools(font):
    bare = without_cmap(font)
    with TTFont(bare) as opened:
        assert [glyph.name for glyph in font_glyphs(bare)] == opened.getGlyphOrder()


def test_not_a_font(tmp_path, font):
    (tmp_path / "no.ttf").write_text("nothing")
    (tmp_path / "cut.ttf").write_bytes(font.read_bytes()[:900])
    for name in ("no.ttf", "cut.ttf", "missing.ttf"):
        with pytest.raises(InputError, match=name):
            font_glyphs(tmp_path / name)


def test_a_font_of_blanks(tmp_path):
    path = save(tmp_path / "blank.ttf", "Blank", characters="AB")
    with TTFont(path) as font:
        for name in font.getGlyphOrder():
            font["glyf"][name].numberOfContours = 0
            font["glyf"][name].coordinates = []
        font["glyf"].glyphs = {name: type(font["glyf"][name])() for name in font.getGlyphOrder()}
        font.save(tmp_path / "empty.ttf")
    with pytest.raises(InputError, match="no outline"):
        font_glyphs(tmp_path / "empty.ttf")


@pytest.mark.skipif(not DEJAVU.is_file(), reason="DejaVu Sans is not installed")
def test_dejavu():
    found = font_glyphs(DEJAVU)
    labels = {label for glyph in found for label in glyph.labels}
    assert {"65_latin", "1576_isol", "65169_init", "65276_liga", "64608_diacritic"} <= labels
    (info, drawn), *others = faces_of(DEJAVU)
    assert not others and info.family == "DejaVu Sans" and len(drawn.rows) > 900
