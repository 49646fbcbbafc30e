"""Which line ink belongs to: lines are ridges of ink blurred along the writing, and every mark goes to its letter."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from weighin.families.ocr import layout
from weighin.families.ocr.layout import Components

HEADING = 1.4  # times the page's usual letters, from which on writing is looked for at its own size
ALONG, ACROSS = 2.0, 0.35  # blur, in heights of a letter
NEAR = 0.75  # heights of a letter within which a line has one ridge
FAINT = 0.25  # of the strongest ridge within two letters' height: a row of marks is weaker than that
GAP = 6.0  # heights of a letter that a line may leave white
CORE = 0.22  # heights of a letter from the ridge: what reaches in there is a letter of the line
SPACE = 1.3  # heights of a large letter between two words of a heading, at most
FIRM = 0.35  # heights of a letter: smaller pieces are points, marks or dirt, and show no line
SPLIT = 0.15  # of a piece's ink in a second line: two lines touch in it
CLOSE = 0.35  # heights of a letter between a mark and its letter
END = 0.6  # heights of a letter between a line's last letter and a point behind it
REACH = 1.2  # heights of a letter between a ridge and a mark that no letter is near
FORMED = 0.4  # of a line's ink must be in pieces of a letter's size
BENT = 0.1  # heights of a letter that a line may bend without being straightened


@dataclass(frozen=True, eq=False)
class Ridge:
    """The middle of a line: rows y [n] at columns x0, x0 + 1, ..., and the height of its letters, all in pixels."""

    x0: int
    y: np.ndarray
    letter: float

    @property
    def x1(self) -> int:
        """The column after the last."""
        return self.x0 + len(self.y)

    def bend(self, x0: int, x1: int) -> np.ndarray:
        """Rows by which columns x0 to x1 lie below the line's middle row: float [x1 - x0], zeros where it is straight."""
        columns = np.arange(x0, x1, dtype=np.float64)
        if len(self.y) < 15 * self.letter:
            return np.zeros(len(columns))
        x = np.linspace(-1, 1, len(self.y))
        fit = np.polynomial.Polynomial.fit(np.arange(self.x0, self.x1), self.y, 2 if np.ptp(x) else 0)
        found = fit(columns.clip(self.x0, self.x1))
        found = found - found.mean()
        return found if np.abs(found).max() > BENT * self.letter else np.zeros(len(columns))


@dataclass(frozen=True, eq=False)
class Owned:
    """``owner`` int [h, w]: 0, or 1 + the line that a pixel of ink belongs to; one ridge a line."""

    owner: np.ndarray
    ridges: list[Ridge]


def owned(found: Components, keep: np.ndarray, letter: float, ruled: np.ndarray) -> Owned:
    """Lines of a page from its pieces of ink, those that may be writing (bool [n]), and its ruled lines (bool [h, w])."""
    kept = np.concatenate(([False], keep))[found.label]
    firm = keep & (found.size.max(1) > FIRM * letter)
    large = _large(found, keep, letter)
    walls = layout.gutters(_blocks(found, firm, firm & large) | ruled, letter) | ruled
    ridges: list[Ridge] = []
    for chosen, usual in ((firm & ~large, True), (firm & large, False)):
        tall = found.size[chosen & (found.size[:, 1] > HEADING / 2 * letter), 1]
        if len(tall):
            ink = np.concatenate(([False], chosen))[found.label]
            ridges += ridges_of(ink, letter if usual else float(np.median(tall)), walls)
    ridges = _without_twins(ridges)
    return _without_empty(found, _owner(found, kept, ridges), ridges)


def _blocks(found: Components, firm: np.ndarray, large: np.ndarray) -> np.ndarray:
    """Where no gutter can be: firm ink, and the spaces between large letters, wider than those of others; bool [h, w]."""
    blocks = np.concatenate(([False], firm))[found.label]
    if not large.any():
        return blocks
    words = np.zeros(found.label.shape, np.uint8)
    for x0, y0, x1, y1 in found.box[large]:
        words[y0:y1, x0:x1] = 1
    space = 2 * int(SPACE / 2 * np.percentile(found.size[large, 1], 80)) + 1
    joined = ndimage.minimum_filter1d(ndimage.maximum_filter1d(words, space, axis=1), space, axis=1)
    return blocks | (joined > 0)


def _large(found: Components, keep: np.ndarray, letter: float) -> np.ndarray:
    """Pieces [n] that stand in writing clearly larger than the page's usual, by the mean size around them in their row."""
    height = found.size[:, 1]
    voting = keep & (height > 0.4 * letter) & (height < 6 * letter)
    cell = max(1.0, letter / 4)
    shape = tuple(int(side / cell) + 1 for side in found.label.shape)
    rows = ((found.box[:, 1] + found.box[:, 3]) / 2 / cell).astype(int)
    columns = ((found.box[:, 0] + found.box[:, 2]) / 2 / cell).astype(int)
    weight, total = np.zeros(shape), np.zeros(shape)
    np.add.at(weight, (rows[voting], columns[voting]), found.area[voting])
    np.add.at(total, (rows[voting], columns[voting]), (found.area * np.log(np.maximum(height, 1) / letter))[voting])
    blur = (1.6, 24.0)
    mean = ndimage.gaussian_filter(total, blur) / np.maximum(ndimage.gaussian_filter(weight, blur), 1e-9)
    return mean[rows, columns] > np.log(HEADING)


def ridges_of(ink: np.ndarray, letter: float, walls: np.ndarray) -> list[Ridge]:
    """Middles of lines of ink bool [h, w] whose letters are ``letter`` high; none crosses a wall bool [h, w]."""
    density = _blurred(_blurred(ink.astype(np.float32), ACROSS * letter, 0), ALONG * letter, 1)
    density[walls] = 0
    near = 2 * int(NEAR * letter) + 1
    top = ndimage.maximum_filter1d(density, near, axis=0)
    strong = ndimage.maximum_filter1d(density, 4 * int(letter) + 1, axis=0)
    ridge = (density == top) & (density > FAINT * strong) & (density > 0.03)
    joined = ndimage.maximum_filter1d(ridge.astype(np.uint8), 2 * max(1, int(0.12 * letter)) + 1, axis=0)
    label, count = ndimage.label(joined, structure=np.ones((3, 3)))  # type: ignore[misc]
    ys, xs = np.nonzero(ridge)
    numbers = label[ys, xs]
    pieces = [(xs[numbers == n], ys[numbers == n]) for n in range(1, count + 1)]
    lines = _linked([p for p in pieces if len(p[0]) > 0.5 * letter], letter, walls)
    return [_smooth(x, y, letter, ink.shape[1]) for x, y in lines]


def _blurred(values: np.ndarray, sigma: float, axis: int) -> np.ndarray:
    """Two boxes of the variance of a Gaussian: nearly its shape, at a cost that does not grow with it."""
    side = max(1, 2 * round((6 * sigma * sigma + 1) ** 0.5 / 2 - 0.5) + 1)
    once = ndimage.uniform_filter1d(values, side, axis=axis, mode="constant")
    return ndimage.uniform_filter1d(once, side, axis=axis, mode="constant")


def _linked(
    pieces: list[tuple[np.ndarray, np.ndarray]], letter: float, walls: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pieces of ridges joined where one goes on at the height at which another ended; x and y of their pixels."""
    left = sorted(pieces, key=lambda piece: piece[0].min())
    lines: list[tuple[np.ndarray, np.ndarray]] = []
    for x, y in left:
        start = (float(x.min()), float(y[x <= x.min() + letter].mean()))
        best = None
        for number, (before, rows) in enumerate(lines):
            end = (float(before.max()), float(rows[before >= before.max() - letter].mean()))
            gap = start[0] - end[0]
            near = -letter < gap < GAP * letter and abs(start[1] - end[1]) < 0.5 * letter
            if near and not _walled(walls, end, start) and (best is None or gap < best[0]):
                best = (gap, number)
        if best is None:
            lines.append((x, y))
        else:
            before, rows = lines[best[1]]
            lines[best[1]] = (np.concatenate((before, x)), np.concatenate((rows, y)))
    return lines


def _walled(walls: np.ndarray, a: tuple[float, float], b: tuple[float, float]) -> bool:
    """Whether a wall stands between two points."""
    count = max(2, int(abs(b[0] - a[0])) + 1)
    xs, ys = np.linspace(a[0], b[0], count).astype(int), np.linspace(a[1], b[1], count).astype(int)
    return bool(walls[ys, xs].any())


def _smooth(x: np.ndarray, y: np.ndarray, letter: float, wide: int) -> Ridge:
    """A ridge from pixels of it: the mean row of every column, gaps bridged, a letter longer at either end."""
    first, last = int(x.min()), int(x.max())
    count = np.bincount(x - first)
    rows = np.bincount(x - first, weights=y)[count > 0] / count[count > 0]
    columns = np.arange(max(0, first - int(letter)), min(wide, last + int(letter) + 1))
    filled = np.interp(columns, np.flatnonzero(count) + first, rows)
    return Ridge(int(columns[0]), ndimage.uniform_filter1d(filled, max(1, int(2 * letter)), mode="nearest"), letter)


def _without_twins(ridges: list[Ridge]) -> list[Ridge]:
    """Of two ridges through the same letters only the longer."""
    kept: list[Ridge] = []
    for ridge in sorted(ridges, key=lambda r: -len(r.y)):
        if not any(_through_the_same(ridge, other) for other in kept):
            kept.append(ridge)
    return kept


def _through_the_same(ridge: Ridge, other: Ridge) -> bool:
    """Whether the shorter ridge runs less than a letter's height beside the longer one."""
    x0, x1 = max(ridge.x0, other.x0), min(ridge.x1, other.x1)
    if x1 - x0 < 0.6 * len(ridge.y):
        return False
    apart = np.abs(ridge.y[x0 - ridge.x0 : x1 - ridge.x0] - other.y[x0 - other.x0 : x1 - other.x0])
    return float(np.median(apart)) < NEAR * max(ridge.letter, other.letter) * (1 if ridge.letter != other.letter else 0.8)


def _owner(found: Components, kept: np.ndarray, ridges: list[Ridge]) -> np.ndarray:
    """Each pixel of kept ink to a line: int [h, w], 0 or 1 + line."""
    owner = np.zeros(found.label.shape, np.int32)
    ys, xs = np.nonzero(kept)
    if not len(ys) or not ridges:
        return owner
    nearest, distance = _nearest_ridge(found.label.shape, ridges, ys, xs)
    piece = found.label[ys, xs] - 1
    reach = np.array([CORE * r.letter for r in ridges])
    core = (nearest >= 0) & (distance <= reach[nearest])
    votes = np.zeros((len(found.area), len(ridges) + 1), np.int32)
    np.add.at(votes, (piece[core], nearest[core]), 1)
    ranked = np.sort(votes, axis=1)
    best = np.where(ranked[:, -1] > 0, votes.argmax(1), -1)
    touching = ranked[:, -2] > SPLIT * found.area
    chosen = np.where(touching[piece], nearest, best[piece])
    owner[ys, xs] = chosen + 1
    return _with_marks(owner, (ys, xs, piece, nearest, distance), np.array([r.letter for r in ridges]))


def _nearest_ridge(
    shape: tuple[int, ...], ridges: list[Ridge], ys: np.ndarray, xs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of pixels (ys, xs) [n]: the line whose ridge is nearest in the same column (-1: none), and how far that is."""
    drawn = np.zeros(shape, np.int32)
    for number, ridge in enumerate(ridges):
        rows = np.round(ridge.y).astype(int).clip(0, shape[0] - 1)
        drawn[rows, np.arange(ridge.x0, ridge.x1)] = number + 1
    above, below = _neighbours(drawn)
    return _nearer(above, below, drawn, ys, xs)


def _neighbours(marked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows [h, w] of the nearest marked pixel at or above, and at or below; far away where there is none."""
    high = marked.shape[0]
    rows = np.arange(high, dtype=np.int32)[:, None]
    above = np.maximum.accumulate(np.where(marked > 0, rows, np.int32(-10 * high)), axis=0)
    below = np.minimum.accumulate(np.where(marked > 0, rows, np.int32(10 * high))[::-1], axis=0)[::-1]
    return above, below


def _nearer(
    above: np.ndarray, below: np.ndarray, marked: np.ndarray, ys: np.ndarray, xs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What is marked at the nearer of two rows, less 1, and the distance, for pixels (ys, xs) [n]."""
    up, down = ys - above[ys, xs], below[ys, xs] - ys
    rows = np.where(up <= down, above[ys, xs], below[ys, xs])
    there = (rows >= 0) & (rows < marked.shape[0])
    return np.where(there, marked[rows.clip(0, marked.shape[0] - 1), xs] - 1, -1), np.minimum(up, down)


def _with_marks(
    owner: np.ndarray,
    pixels: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    letters: np.ndarray,
) -> np.ndarray:
    """Marks without a line go to the letter right above or below them, else to the nearest ridge within a letter."""
    ys, xs, piece, nearest, distance = pixels
    for _ in range(2):  # a mark may sit on a mark
        loose = owner[ys, xs] == 0
        if not loose.any():
            return owner
        y, x, number = ys[loose], xs[loose], piece[loose]
        line, gap = _nearer(*_neighbours(owner), owner, y, x)
        _settle(owner, (y, x, number), line, gap, CLOSE * letters)
    loose = (owner[ys, xs] == 0) & _beside(owner, ys, xs, nearest, END * letters)
    _settle(owner, (ys[loose], xs[loose], piece[loose]), nearest[loose], distance[loose], REACH * letters)
    return owner


def _beside(owner: np.ndarray, ys: np.ndarray, xs: np.ndarray, line: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Whether pixels [n] stand between the ends of their lines, or at most so far [lines] beyond."""
    first, last = np.full(len(most), owner.shape[1]), np.zeros(len(most), int)
    mine = owner[ys, xs] > 0
    np.minimum.at(first, owner[ys, xs][mine] - 1, xs[mine])
    np.maximum.at(last, owner[ys, xs][mine] - 1, xs[mine])
    return (line >= 0) & (xs >= (first - most)[line]) & (xs <= (last + most)[line])


def _settle(
    owner: np.ndarray,
    loose: tuple[np.ndarray, np.ndarray, np.ndarray],
    line: np.ndarray,
    gap: np.ndarray,
    most: np.ndarray,
) -> None:
    """Whole pieces go to the line that the nearest of their pixels names, if it is within ``most`` [lines]."""
    y, x, number = loose
    order = np.lexsort((gap, number))
    first = order[np.unique(number[order], return_index=True)[1]]
    winner = np.full(int(number.max(initial=0)) + 1, -1)
    near = (line[first] >= 0) & (gap[first] <= most[line[first]])
    winner[number[first][near]] = line[first][near]
    owner[y, x] = winner[number] + 1


def _without_empty(found: Components, owner: np.ndarray, ridges: list[Ridge]) -> Owned:
    """Lines with too little ink to be writing, or too little in the form of letters, are dropped; others numbered anew."""
    ink = np.bincount(owner.ravel(), minlength=len(ridges) + 1)[1:]
    size = np.array([ridge.letter for ridge in ridges] or [1.0])
    ys, xs = np.nonzero(owner)
    piece, line = found.label[ys, xs] - 1, owner[ys, xs] - 1
    width, height = found.size[piece, 0], found.size[piece, 1]
    formed = (height > 0.4 * size[line]) & (height < 4 * size[line]) & (width < 8 * size[line])
    letters = np.bincount(line[formed], minlength=len(ridges))
    real = np.array(
        [count > 0.12 * r.letter**2 and of > FORMED * count for count, of, r in zip(ink, letters, ridges, strict=True)],
        dtype=bool,
    )
    number = np.concatenate(([0], np.where(real, np.cumsum(real), 0))).astype(np.int32)
    return Owned(number[owner], [ridge for ridge, there in zip(ridges, real, strict=True) if there])
