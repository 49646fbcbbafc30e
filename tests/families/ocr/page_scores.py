"""How well a page of known layout was taken apart."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from made_pages import Page, turned
from scipy import ndimage

from weighin.families.ocr.deskew import levelled
from weighin.families.ocr.segment import LineBox, Sheet

ENOUGH = 0.5  # intersection over union, from which on a line counts as found


@dataclass(frozen=True)
class Scored:
    """Lines of a page; how many were found; pairs of found neighbours read in the wrong order; lines that are none.

    ``own``: share of a line's ink that its picture shows, ``foreign``: share of a picture's ink that is of other lines.
    """

    lines: int
    found: int
    misplaced: int
    extra: int
    own: float
    foreign: float
    angle: float


def score(made: Page, seen: Sheet, straight: bool = True) -> Scored:
    """Boxes of ink on the levelled page against those found; ``straight``: pictures are parts of the page, unbent."""
    owner = level_owner(made, seen)
    count, matched = len(made.texts), {}
    for number in range(1, count + 1):
        ys, xs = np.nonzero(owner == number)
        if len(ys) and seen.lines:
            truth = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
            overlaps = [_iou(truth, np.array(line.box)) for line in seen.lines]
            if max(overlaps) >= ENOUGH:
                matched[number] = int(np.argmax(overlaps))
    sequence = [matched[number] for number in sorted(matched)]
    misplaced = sum(a > b for a, b in pairwise(sequence))
    shares = [_ink(owner, number, seen.lines[at]) for number, at in matched.items()] if straight else [(1.0, 0.0)]
    own, foreign = (float(np.mean(values)) for values in zip(*shares, strict=True)) if shares else (0.0, 0.0)
    extra = len(seen.lines) - len(set(matched.values()))
    return Scored(count, len(matched), misplaced, extra, own, foreign, seen.angle)


def level_owner(made: Page, seen: Sheet) -> np.ndarray:
    """Whose ink a pixel of the levelled page is."""
    quarters = round(seen.angle / 90)
    owner, lean = np.rot90(made.owner, -quarters), seen.angle - 90 * quarters
    found = turned(np.ascontiguousarray(owner), -lean, 0) if lean else owner
    assert found.shape == levelled(np.zeros(owner.shape, np.uint8), lean).shape == seen.level
    return found


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    inner = float((np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])).clip(0).prod())
    return inner / (float((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod()) - inner)


def _ink(owner: np.ndarray, number: int, line: LineBox) -> tuple[float, float]:
    """Share of the line's ink that its picture shows, and of what it shows that is other lines'."""
    x0, y0 = int(line.box[0]), int(line.box[1])
    part = owner[y0 : y0 + line.pixels.shape[0], x0 : x0 + line.pixels.shape[1]]
    dark = line.pixels[: part.shape[0], : part.shape[1]] < 180
    near = ndimage.binary_dilation(dark)  # whose ink it is was turned without smoothing: its edges are rough
    own = float((near & (part == number)).sum()) / max(1, int((owner == number).sum()))
    return own, float((dark & (part != number) & (part > 0)).sum()) / max(1, int(dark.sum()))
