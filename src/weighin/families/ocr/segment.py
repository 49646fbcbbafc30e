"""A page taken apart: its lines as level pictures of their own, in the order in which they are read."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from weighin.families.ocr import deskew, layout, ridges

WORKING = 2200  # pixels of the longer side on which lines are looked for
MANY = 60  # pieces of ink: fewer do not say which way lines run
MARGIN = 0.12  # of a letter's height, left around a line


@dataclass(frozen=True, eq=False)
class LineBox:
    """One line: ``pixels`` uint8 [h, w] level and without its neighbours; ``box`` (x0, y0, x1, y1) on the levelled page."""

    pixels: np.ndarray
    box: layout.Box
    letter: float  # height of its letters, pixels
    block: int = 0


@dataclass(frozen=True, eq=False)
class Sheet:
    """A page taken apart: ``shape`` of the page as it came, ``level`` of the page as it was turned, lines as read.

    ``angle``: degrees by which its lines lean, counter-clockwise; near 180 upside down, near 90 on its side.
    """

    shape: tuple[int, int]
    level: tuple[int, int]
    angle: float
    lines: list[LineBox]

    def box_on_page(self, box: layout.Box) -> layout.Box:
        """The upright box around ``box`` (of the levelled page) on the page as it came."""
        x0, y0, x1, y1 = box
        corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], dtype=np.float64)
        found = deskew.onto_page(corners, self.angle, self.level, self.shape)
        limit = np.array(self.shape[::-1])
        low, high = found.min(0).clip(0, limit), found.max(0).clip(0, limit)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def segment(grey: np.ndarray) -> list[LineBox]:
    """Lines of a page uint8 [h, w], dark on light, in reading order; empty for a blank page."""
    return sheet(grey).lines


def sheet(grey: np.ndarray) -> Sheet:
    """The same with what was done to the page."""
    flat = deskew.flattened(grey)
    step = max(1, -(-max(grey.shape) // WORKING))
    ink, pieces = _letters_only(deskew.ink_of(deskew.reduced(flat, step)))
    lean = 0.0
    if pieces >= MANY and deskew.on_its_side(ink):
        flat, ink, lean = np.rot90(flat), np.rot90(ink), -90.0
    angle = deskew.angle_of(ink)
    level, lean = deskew.levelled(flat, angle), lean + angle
    ink = deskew.ink_of(deskew.reduced(level, step))
    if _upside_down(ink):
        level, lean = np.rot90(level, 2), lean + 180
        ink = deskew.ink_of(deskew.reduced(level, step))
    return Sheet(grey.shape[:2], level.shape[:2], lean, _lines(np.ascontiguousarray(level), ink, step))


def _upside_down(ink: np.ndarray) -> bool:
    found = layout.components(ink)
    letter = layout.letter_height(found, ink.shape)
    width, height = found.size[:, 0], found.size[:, 1]
    letters = (height > 0.7 * letter) & (height < 1.3 * letter) & (width > 0.4 * letter) & (width < 3 * letter)
    return deskew.upside_down(found.label, found.box[letters])


def _letters_only(ink: np.ndarray) -> tuple[np.ndarray, int]:
    """Ink without what would mislead (dirt, pictures, a desk), and of how many pieces it is."""
    found = layout.components(ink)
    letter = layout.letter_height(found, ink.shape)
    keep = layout.writing(found, letter, ink.shape) & (letter > 0)
    return np.concatenate(([False], keep))[found.label], int(keep.sum())


def _lines(level: np.ndarray, ink: np.ndarray, step: int) -> list[LineBox]:
    """Lines of a levelled page, from its ink [h / step, w / step]."""
    letter = layout.letter_height(layout.components(ink), ink.shape)
    if not letter:
        return []
    ruled = layout.rules(ink, letter)
    found = layout.components(ink & ~ruled)
    keep = layout.writing(found, letter, ink.shape)
    owned = ridges.owned(found, keep, letter, ruled)
    whole = ndimage.find_objects(owned.owner)
    boxes = [(s[1].start, s[0].start, s[1].stop, s[0].stop) for s in whole]
    order = layout.reading_order(boxes)
    letters = [owned.ridges[i].letter for i in order]
    blocks = layout.paragraphs([boxes[i] for i in order], letters)
    page = _Page(level, owned.owner, ink & (owned.owner == 0), step)
    return [_cut(page, i + 1, boxes[i], owned.ridges[i], block) for i, block in zip(order, blocks)]


@dataclass(frozen=True, eq=False)
class _Page:
    """A levelled page [h, w], who owns its ink and what ink is nobody's [h / step, w / step]."""

    level: np.ndarray
    owner: np.ndarray
    dirt: np.ndarray
    step: int


def _cut(page: _Page, number: int, box: tuple[int, int, int, int], ridge: ridges.Ridge, block: int) -> LineBox:
    """One line with a margin; ink of other lines and of nobody becomes paper, a bend is straightened."""
    pad = max(1, round(MARGIN * ridge.letter))
    bend = ridge.bend(box[0] - pad, box[2] + pad)
    lean = int(np.ceil(np.abs(bend).max())) if len(bend) else 0
    y0, y1 = max(0, box[1] - pad - lean), min(page.owner.shape[0], box[3] + pad + lean)
    x0, x1 = max(0, box[0] - pad), min(page.owner.shape[1], box[2] + pad)
    mine = page.owner[y0:y1, x0:x1] == number
    theirs = (page.owner[y0:y1, x0:x1] > 0) & ~mine | page.dirt[y0:y1, x0:x1]
    hide = ndimage.binary_dilation(theirs, iterations=2) & np.logical_not(ndimage.binary_dilation(mine))
    pixels = page.level[y0 * page.step : y1 * page.step, x0 * page.step : x1 * page.step]
    large = np.repeat(np.repeat(hide, page.step, 0), page.step, 1)[: pixels.shape[0], : pixels.shape[1]]
    pixels = np.where(large, 255, pixels).astype(np.uint8)
    if lean:
        shift = np.repeat(ridge.bend(x0, x1) * page.step, page.step)[: pixels.shape[1]]
        pixels, (top, bottom) = _straight(pixels, shift), _inked(mine, ridge.bend(x0, x1), pad)
        pixels, y0, y1 = pixels[top * page.step : bottom * page.step], y0 + top, y0 + bottom
    scaled = tuple(float(v * page.step) for v in (x0, y0, x1, y1))
    return LineBox(pixels, (scaled[0], scaled[1], scaled[2], scaled[3]), ridge.letter * page.step, block)


def _straight(pixels: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Columns moved up by ``shift`` [w] pixels; paper comes in at the ends."""
    rows = np.arange(pixels.shape[0])[:, None] + np.round(shift).astype(int)[None, :]
    inside = (rows >= 0) & (rows < pixels.shape[0])
    return np.where(inside, np.take_along_axis(pixels, rows.clip(0, pixels.shape[0] - 1), 0), 255).astype(np.uint8)


def _inked(mine: np.ndarray, bend: np.ndarray, pad: int) -> tuple[int, int]:
    """First and last row of a line's ink [h, w] after its columns were moved, with the margin."""
    ys, xs = np.nonzero(mine)
    rows = ys - bend[xs]
    return max(0, int(rows.min()) - pad), min(mine.shape[0], int(np.ceil(rows.max())) + 1 + pad)
