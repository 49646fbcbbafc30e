"""Every glyph of one font file, whether or not its cmap says what it is."""

from pathlib import Path
from typing import NamedTuple

import freetype
import numpy as np
from fontTools.ttLib import TTFont, TTLibError

from weighin.core.errors import InputError
from weighin.families.glyphs.glyph import Glyph
from weighin.families.glyphs.labels import CLASS_OF_CODE, LABELS
from weighin.families.glyphs.raster import SIDE
from weighin.families.glyphs.rendering import advance_of, draw, has_unicode, open_face
from weighin.families.glyphs.shaping import COMPOSED, drawings, open_font

SUFFIXES = frozenset((".ttf", ".otf", ".ttc", ".otc", ".pfb", ".pfa", ".cff", ".woff"))  # what FreeType opens here


class NamedGlyph(NamedTuple):
    """One glyph of a font: its name, its drawing, the codepoints its cmap gives it, and the labels that this makes true."""

    name: str
    glyph: Glyph
    codes: tuple[int, ...]  # empty for a font with no usable cmap, and for a glyph that only GSUB reaches
    labels: tuple[str, ...]  # by cmap and by shaping; empty where the font does not say


def font_glyphs(path: Path) -> list[NamedGlyph]:
    """The glyphs of a font that have an outline, in the font's order; of a collection, those of its first face.

    The names are those that fontTools writes. Raises InputError: not a font, damaged, no outline at all.
    """
    try:
        face = open_face(path)
    except (freetype.FT_Exception, OSError) as error:
        allowed = "A font file: " + ", ".join(sorted(SUFFIXES))
        raise InputError(f"{path} cannot be read as a font: {error}", allowed, "Fetch or save it again") from error
    names, codes, labels = _names(path, face), _codes(face), _labels(path)
    bits = np.zeros((face.num_glyphs, SIDE, SIDE // 8), np.uint8)
    found = []
    for number in range(face.num_glyphs):
        box = draw(face, ((number, 0, 0),), advance_of(face, number), bits[number])
        if box is not None:
            known = tuple(
                dict.fromkeys(
                    (*(LABELS[CLASS_OF_CODE[c]] for c in codes.get(number, ()) if c in CLASS_OF_CODE), *labels.get(number, ()))
                )
            )
            found.append(NamedGlyph(names[number], Glyph(bits[number], box), codes.get(number, ()), known))
    if not found:
        raise InputError(f"{path} has no outline", "A font of outlines, not of bitmaps alone", "Convert it or name another")
    return found


def _names(path: Path, face: freetype.Face) -> list[str]:
    """Glyph names as fontTools has them; as FreeType has them for files that fontTools does not read."""
    try:
        with TTFont(path, lazy=True, fontNumber=0) as font:
            names = font.getGlyphOrder()
    except (TTLibError, OSError, ValueError, KeyError, AssertionError):
        names = []
    if len(names) == face.num_glyphs:
        return names
    own = [face.get_glyph_name(number).decode("latin-1") if face.has_glyph_names else "" for number in range(face.num_glyphs)]
    return [name or f"glyph{number:05d}" for number, name in enumerate(own)]


def _codes(face: freetype.Face) -> dict[int, tuple[int, ...]]:
    """Glyph -> codepoints of the Unicode cmap or, without one, of telling glyph names; empty where there is neither."""
    if not has_unicode(face):
        return {}
    codes: dict[int, tuple[int, ...]] = {}
    for code, glyph in face.get_chars():
        codes[glyph] = (*codes.get(glyph, ()), code)
    return codes


def _labels(path: Path) -> dict[int, tuple[str, ...]]:
    """Glyph -> labels that shaping gives it; empty for fonts that HarfBuzz does not read."""
    labels: dict[int, tuple[str, ...]] = {}
    for drawing in drawings(open_font(path, 0, None)):
        if drawing.source != COMPOSED:
            glyph = drawing.pieces[0][0]
            labels[glyph] = (*labels.get(glyph, ()), LABELS[drawing.label])
    return labels
