"""Outlines to packed rasters with FreeType: ``tight`` normalisation, straight into the packed bits."""

import ctypes
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import freetype
import numpy as np
from freetype import raw as freetype_raw

from weighin.families.glyphs.raster import SIDE, Box

ft: Any = freetype  # both make their names while they are imported, so no type checker sees them
raw: Any = freetype_raw
_LOAD = ft.FT_LOAD_NO_SCALE | ft.FT_LOAD_NO_HINTING | ft.FT_LOAD_NO_BITMAP
_UNIT = 64  # FreeType's 26.6 fixed point


def open_face(path: Path, index: int = 0, weight: float | None = None) -> freetype.Face:
    """A face at its default instance or at a weight of its ``wght`` axis. Raises freetype.FT_Exception."""
    face = freetype.Face(str(path), index)
    if weight is not None:
        axes = face.get_variation_info().axes
        face.set_var_design_coords([weight if axis.tag == "wght" else axis.default for axis in axes])
    return face


def weights(face: freetype.Face) -> Iterator[float | None]:
    """The default instance (None) and, of a variable font, the lightest and the boldest where they differ from it."""
    yield None
    if face.face_flags & ft.FT_FACE_FLAG_MULTIPLE_MASTERS:
        for axis in face.get_variation_info().axes:
            if axis.tag == "wght":
                yield from (value for value in (axis.minimum, axis.maximum) if value != axis.default)


def draw(face: freetype.Face, pieces: Sequence[tuple[int, int, int]], advance: int, bits: np.ndarray) -> Box | None:
    """Draws glyphs (id, x, y in font units) as one picture into ``bits`` (uint8 [128, 16], zero before).

    Returns the box in em; None where there is no outline or no ink.
    """
    extents = [extent for piece in pieces if (extent := _extent(face, *piece)) is not None]
    if not extents:
        return None
    left, bottom = min(e[0] for e in extents), min(e[1] for e in extents)
    right, top = max(e[2] for e in extents), max(e[3] for e in extents)
    longer = max(right - left, top - bottom)
    if longer <= 0:
        return None
    scale = SIDE * _UNIT / longer  # 26.6 pixels a unit
    buffer = bits.ctypes.data_as(ctypes.POINTER(ctypes.c_ubyte))
    bitmap = raw.FT_Bitmap(SIDE, SIDE, SIDE // 8, buffer, 2, raw.FT_PIXEL_MODE_MONO)
    for glyph, x, y in pieces:
        outline = _outline(face, glyph)
        if outline is not None:
            _place(outline, scale, (x - left) * scale, (y - top) * scale + SIDE * _UNIT)
            raw.FT_Outline_Get_Bitmap(ft.get_handle(), ctypes.byref(outline), ctypes.byref(bitmap))
    em = face.units_per_EM
    return (left / em, bottom / em, (right - left) / em, (top - bottom) / em, advance / em) if bits.any() else None


def _outline(face: freetype.Face, glyph: int) -> Any:
    """The outline of a glyph in font units; None for a bitmap, a damaged or an empty glyph."""
    if raw.FT_Load_Glyph(face._FT_Face, glyph, _LOAD):
        return None
    slot: Any = face._FT_Face.contents.glyph.contents  # type: ignore[union-attr]
    drawn = slot.format == raw.ft_glyph_format_outline and slot.outline.n_points > 2
    return slot.outline if drawn else None


def _extent(face: freetype.Face, glyph: int, x: int, y: int) -> tuple[float, float, float, float] | None:
    """Left, bottom, right, top in font units, true to 1/64 unit."""
    outline = _outline(face, glyph)
    if outline is None:
        return None
    _place(outline, _UNIT, 0, 0)
    box = raw.FT_BBox()
    raw.FT_Outline_Get_BBox(ctypes.byref(outline), ctypes.byref(box))
    return x + box.xMin / _UNIT, y + box.yMin / _UNIT, x + box.xMax / _UNIT, y + box.yMax / _UNIT


def _place(outline: Any, scale: float, x: float, y: float) -> None:
    """Scales the outline, then moves it by x and y (26.6 pixels)."""
    fixed = round(scale * 0x10000)
    raw.FT_Outline_Transform(ctypes.byref(outline), ctypes.byref(raw.FT_Matrix(fixed, 0, 0, fixed)))
    raw.FT_Outline_Translate(ctypes.byref(outline), round(x), round(y))


def advance_of(face: freetype.Face, glyph: int) -> int:
    """The advance width of a glyph in font units; 0 where it cannot be loaded."""
    if raw.FT_Load_Glyph(face._FT_Face, glyph, _LOAD):
        return 0
    slot: Any = face._FT_Face.contents.glyph.contents  # type: ignore[union-attr]
    return int(slot.metrics.horiAdvance)


def has_unicode(face: freetype.Face) -> bool:
    """Whether FreeType found a Unicode cmap, or made one of glyph names."""
    charmap = face._FT_Face.contents.charmap  # type: ignore[union-attr]
    return bool(charmap) and face.charmap.encoding == ft.FT_ENCODING_UNICODE
