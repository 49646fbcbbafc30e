"""What stands where on a page: letters and what is none, gutters between columns, the order in which lines are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import ndimage

LONG_RULE, TALL_RULE = 15.0, 6.0  # heights of a letter: no stroke of a word is longer than that
# White parts columns that is as wide in letters' heights, as wide in spaces between words, and as high in letters' heights.
GUTTERS = ((1.1, 1.0, 30.0), (1.1, 1.25, 20.0), (1.1, 1.4, 12.0), (2.2, 2.2, 8.0), (4.5, 4.5, 4.0))
SPECK = 0.12  # of a letter's height: what is smaller both ways is dirt
BREAK = 1.45  # of the usual distance between lines: more of it starts a paragraph

Box = tuple[float, float, float, float]  # x0, y0, x1, y1


@dataclass(frozen=True, eq=False)
class Components:
    """Connected pieces of ink: ``label`` int [h, w], 0 is paper; box [n, 4] (x0, y0, x1, y1) and area [n] of piece i + 1."""

    label: np.ndarray
    box: np.ndarray
    area: np.ndarray

    @property
    def size(self) -> np.ndarray:
        """Width and height [n, 2]."""
        return self.box[:, 2:] - self.box[:, :2]


def components(ink: np.ndarray) -> Components:
    """Pieces of ink bool [h, w] that touch, corners included."""
    label, count = ndimage.label(ink, structure=np.ones((3, 3)))  # type: ignore[misc]
    slices = ndimage.find_objects(label)
    box = np.array([(s[1].start, s[0].start, s[1].stop, s[0].stop) for s in slices], dtype=np.int64).reshape(-1, 4)
    return Components(label, box, np.bincount(label.ravel(), minlength=count + 1)[1:])


def letter_height(found: Components, shape: tuple[int, int]) -> float:
    """Pixels that a letter of the page's usual size is high; 0 for a page without any.

    The median over ink, not over pieces: dirt has many pieces and little ink; pictures and rules are left out by form.
    """
    width, height = found.size[:, 0], found.size[:, 1]
    likely = (height < max(shape[0] / 4, 24)) & (height >= 4) & (width < 8 * height) & (height < 8 * width)
    if not likely.any():
        return 0.0
    heights, areas = height[likely], found.area[likely]
    order = np.argsort(heights)
    return float(heights[order][np.searchsorted(np.cumsum(areas[order]), areas.sum() / 2)])


def rules(ink: np.ndarray, letter: float) -> np.ndarray:
    """Ink of ruled lines: runs across or down that are longer than any stroke; bool [h, w]."""
    found = np.zeros_like(ink)
    for axis, longest in ((1, LONG_RULE), (0, TALL_RULE)):
        length = 2 * (int(longest * letter) // 2) + 1
        thick = ndimage.maximum_filter1d(ink.astype(np.uint8), 3, axis=1 - axis)  # a rule is seldom quite level
        core = ndimage.minimum_filter1d(thick, length, axis=axis, mode="constant")
        found |= (ndimage.maximum_filter1d(core, length, axis=axis, mode="constant") > 0) & ink
    return found


def writing(found: Components, letter: float, shape: tuple[int, int]) -> np.ndarray:
    """Which pieces may be letters, marks or points: bool [n]; not dirt, not pictures, not the shadow at an edge."""
    width, height = found.size[:, 0], found.size[:, 1]
    speck = (np.maximum(width, height) < max(SPECK * letter, 2)) | (found.area < max(4, (SPECK * letter) ** 2))
    rule = ((width > 6 * letter) & (height < 0.5 * letter)) | (height > 10 * letter)
    x0, y0, x1, y1 = found.box.T
    edge = (x0 <= 1) | (y0 <= 1) | (x1 >= shape[1] - 1) | (y1 >= shape[0] - 1)
    return ~speck & ~rule & ~(edge & ((height > 3 * letter) | (width > LONG_RULE * letter)))


def gutters(ink: np.ndarray, letter: float) -> np.ndarray:
    """White that parts columns: all upright white rectangles of at least a column gap's size; bool [h, w].

    The narrower it is the higher it must be: spaces of a few lines stand above each other by chance.
    """
    cell = max(1, int(letter / 8))
    rows, columns = (-(-side // cell) for side in ink.shape)
    padded = np.zeros((rows * cell, columns * cell), bool)
    padded[: ink.shape[0], : ink.shape[1]] = ink
    white = ~np.asarray(padded.reshape(rows, cell, columns, cell).any((1, 3)))
    opened, space = np.zeros(white.shape, bool), word_space(ink, letter)
    for letters, spaces, height in GUTTERS:
        width = max(letters * letter, spaces * space)
        opened |= _opened(white, (round(height * letter / cell), max(2, round(width / cell) - 1)))
    return np.repeat(np.repeat(opened, cell, 0), cell, 1)[: ink.shape[0], : ink.shape[1]]


def word_space(ink: np.ndarray, letter: float) -> float:
    """Pixels of white between two words, as a rule: the median of what is wider than the white between letters."""
    tall = max(1, int(letter / 2))
    rows = ink.shape[0] // tall
    bands = ink[: rows * tall].reshape(rows, tall, ink.shape[1]).any(1)
    at, xs = np.nonzero(bands)
    gaps = np.diff(xs)[np.diff(at) == 0]
    spaces = gaps[(gaps > 0.35 * letter) & (gaps < 4 * letter)]
    return float(np.median(spaces)) if len(spaces) else 0.0


def _opened(white: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """All rectangles of ``size`` (rows, columns) that fit into white bool [h, w]."""
    if size[0] > white.shape[0] or size[1] > white.shape[1]:
        return np.zeros_like(white)
    rows, columns = size
    core = _sums(_sums(white, rows, 0) == rows, columns, 1) == columns  # [h - rows + 1, w - columns + 1], by upper left corner
    core = np.pad(core, [(rows - 1, rows - 1), (columns - 1, columns - 1)])
    return _sums(_sums(core, rows, 0) > 0, columns, 1) > 0


def _sums(values: np.ndarray, length: int, axis: int) -> np.ndarray:
    """Sums of every ``length`` neighbours along an axis; shorter by ``length`` - 1."""
    total = np.cumsum(np.insert(values.astype(np.int32), 0, 0, axis=axis), axis=axis)
    return np.take(total, range(length, total.shape[axis]), axis) - np.take(total, range(total.shape[axis] - length), axis)


def reading_order(boxes: Sequence[Box]) -> list[int]:
    """Indices of boxes in the order in which they are read, columns one after the other.

    Breuel, High performance document layout analysis (2003): a line goes before another below it that it overlaps
    across the page, and before one to its right unless a third, between the two in height, spans both.
    """
    if not boxes:
        return []
    x0, y0, x1, y1 = np.array(boxes, dtype=np.float64).T
    middle = (y0 + y1) / 2
    shared = np.minimum(x1[:, None], x1) - np.maximum(x0[:, None], x0)
    across = shared > 0.05 * np.minimum((x1 - x0)[:, None], x1 - x0)  # [n,n]
    before = across & (middle[:, None] < middle)
    left = ~across & ((x0 + x1)[:, None] < x0 + x1)
    for third in range(len(boxes)):
        spans = across[third][:, None] & across[third]
        between = (np.minimum(middle[:, None], middle) < middle[third]) & (middle[third] < np.maximum(middle[:, None], middle))
        left &= ~(spans & between)
    above = ~across & ~left & ~left.T & (middle[:, None] < middle)
    return _sorted(before | left | above, np.lexsort((x0, middle)))


def _sorted(before: np.ndarray, by_height: np.ndarray) -> list[int]:
    """Topological order of a relation [n, n]; where it runs in a circle, the topmost goes first."""
    waiting, order = before.sum(0), []
    left = list(by_height)
    while left:
        free = next((i for i in left if waiting[i] == 0), left[0])
        left.remove(free)
        order.append(int(free))
        waiting = waiting - before[free]
    return order


def paragraphs(boxes: Sequence[Box], heights: Sequence[float]) -> list[int]:
    """Number of the paragraph of each line, lines in reading order: a new one where the column, the size, the
    distance or the indent changes."""
    if not boxes:
        return []
    steps = [b[3] - a[3] for a, b in pairwise(boxes) if b[3] > a[3] and _overlap(a, b)]
    pitch = float(np.median(steps)) if steps else 0.0
    numbers = [0]
    for (a, b), (tall, taller) in zip(pairwise(boxes), pairwise(heights), strict=True):
        size = max(tall, taller) / max(min(tall, taller), 1e-6) > 1.3
        far = not _overlap(a, b) or not 0 < b[3] - a[3] < BREAK * pitch
        indent = b[0] - a[0] > 0.6 * taller and a[2] - b[2] < 8 * taller
        numbers.append(numbers[-1] + (size or far or indent))
    return numbers


def _overlap(a: Box, b: Box) -> bool:
    return min(a[2], b[2]) > max(a[0], b[0])
