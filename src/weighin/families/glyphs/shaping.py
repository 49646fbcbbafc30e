"""Which glyphs of a font draw which label: by its cmap, and by shaping with HarfBuzz."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uharfbuzz

from weighin.families.glyphs.labels import CODES, LABELS, form_of, joining_of, letters_of

hb: Any = uharfbuzz  # compiled, without types
JOINER = 0x200D  # zero width joiner: as context it makes a letter join without drawing anything
CMAP, SHAPED, COMPOSED = 0, 1, 2  # how a drawing was found: in the cmap, one glyph by shaping, several joined glyphs
_FEATURES = {"dlig": True, "liga": True, "rlig": True}  # discretionary ligatures are where fonts keep the rare ones


@dataclass(frozen=True, slots=True)
class Drawing:
    """One label in one font: its glyphs, each with x and y in font units, and the whole advance in font units."""

    label: int
    source: int
    pieces: tuple[tuple[int, int, int], ...]
    advance: int


def open_font(path: Path, index: int, weight: float | None) -> Any:
    """A font at its default instance, or at a weight of its ``wght`` axis."""
    font = hb.Font(hb.Face(hb.Blob.from_file_path(str(path)), index))
    if weight is not None:
        font.set_variations({"wght": weight})
    return font


def drawings(font: Any) -> Iterator[Drawing]:
    """Every label that the font can draw, once.

    The cmap goes first. Joined forms and ligatures that it lacks are shaped; a form counts only when shaping changed the
    glyph, since a font without the feature shows the isolated letter. What comes out as several joined glyphs (most
    ligatures, and letters whose dots are glyphs of their own) is COMPOSED: a picture of the label, no glyph of the font.
    """
    for label, code in enumerate(CODES):
        glyph = font.get_nominal_glyph(code)
        if glyph:
            yield Drawing(label, CMAP, ((glyph, 0, 0),), font.get_glyph_h_advance(glyph))
        elif joining_of(code):
            drawing = _shaped(font, label, code)
            if drawing is not None:
                yield drawing


def _shaped(font: Any, label: int, code: int) -> Drawing | None:
    form, joining = form_of(LABELS[label]), joining_of(code)
    letters = [ord(letter) for letter in letters_of(code) if letter != " "]
    if form == "isol" or 0x0640 in letters:
        return None  # isolated letters are in the cmap or nowhere; a mark on a tatweel is two glyphs
    nominal = [font.get_nominal_glyph(letter) for letter in letters]
    if not all(nominal):
        return None
    pieces, advance = _shape(font, letters, joining in ("final", "medi"), joining in ("init", "medi"))
    if len(pieces) == 1 and pieces[0][0] not in (0, *nominal):
        return Drawing(label, SHAPED, pieces, advance)
    whole = form != "diacritic" and len(pieces) > 1 and all(piece[0] for piece in pieces)
    joined = [glyph for glyph, _, _ in pieces] != nominal[::-1]
    return Drawing(label, COMPOSED, pieces, advance) if whole and joined else None


def _shape(font: Any, letters: list[int], before: bool, after: bool) -> tuple[tuple[tuple[int, int, int], ...], int]:
    """Glyphs with positions, and the advance, of letters that join what stands before and after them."""
    buffer = hb.Buffer()
    text = [JOINER] * before + letters + [JOINER] * after
    buffer.add_codepoints(text, item_offset=int(before), item_length=len(letters))
    buffer.direction, buffer.script, buffer.language = "rtl", "Arab", "ar"
    hb.shape(font, buffer, _FEATURES)
    pieces, x = [], 0
    for info, place in zip(buffer.glyph_infos, buffer.glyph_positions or (), strict=True):
        pieces.append((info.codepoint, x + place.x_offset, place.y_offset))
        x += place.x_advance
    return tuple(pieces), x
