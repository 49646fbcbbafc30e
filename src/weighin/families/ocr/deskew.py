"""A page made even: light divided out, ink told from paper, turned until its lines are level."""

from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

MOST_TURN = 10.0  # degrees looked at to either side
LEAST_TURN = 0.1  # degrees that are worth resampling a page for
DARK = 0.4  # of the page's brightest paper: what is darker over a wide area is no paper (a desk, a picture)
BLACK = 96  # of 255: what is darker is ink, however even the dark around it is
COARSE = 400  # pixels of the longer side of the map of light
POINTS = 60_000  # of ink that vote on the angle
STRIPS = 6  # upright, summed apart: lines of columns beside each other need not be level, nor quite straight
ASIDE = 1.4  # times clearer the best angle must stand out across the page than along it for it to lie on its side
LETTERS = 600  # that vote on which way is up
LEAST_LETTERS = 30
SURE = 4.0  # standard errors of the letters' mean; upright pages of four founts had -10 to -20
WINDOW, STEEPNESS, FULL_SPREAD = 41, 0.2, 128.0  # of Sauvola's threshold


def flattened(grey: np.ndarray) -> np.ndarray:
    """Pixels uint8 [h, w] divided by the local brightness of paper: paper is near 255 wherever light fell.

    What is no paper (a desk, a picture) is divided by the brightness of the paper next to it, and stays dark.
    """
    step = max(1, max(grey.shape) // COARSE)
    small = reduced(grey, step)
    paper = ndimage.maximum_filter(ndimage.median_filter(small, 3), 11)
    dark = paper < DARK * float(np.percentile(paper, 95))
    if dark.any() and not dark.all():
        nearest: Any = ndimage.distance_transform_edt(dark, return_distances=False, return_indices=True)
        paper = paper[nearest[0], nearest[1]]
    paper = np.maximum(ndimage.gaussian_filter(paper.astype(np.float32), 5), 1.0)
    found = _resized(255.0 / paper, grey.shape)
    found = np.multiply(found, grey, out=np.empty(grey.shape, np.float32))
    return np.minimum(found, 255.0, out=found).astype(np.uint8)


def reduced(grey: np.ndarray, step: int) -> np.ndarray:
    """Mean of squares of ``step`` pixels: uint8 [ceil(h / step), ceil(w / step)]."""
    return np.asarray(Image.fromarray(grey).reduce(step)) if step > 1 else grey


def _resized(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.asarray(Image.fromarray(values).resize((shape[1], shape[0]), Image.Resampling.BILINEAR))


def ink_of(flat: np.ndarray) -> np.ndarray:
    """Where there is ink: bool [h, w]. Threshold of Sauvola and Pietikainen (Pattern Recognition 33, 2000)."""
    values = ndimage.gaussian_filter(flat.astype(np.float32), 0.6)
    mean = ndimage.uniform_filter(values, WINDOW)
    square = ndimage.uniform_filter(values * values, WINDOW)
    spread = np.sqrt(np.maximum(square - mean * mean, 0))
    return (values < mean * (1 + STEEPNESS * (spread / FULL_SPREAD - 1))) | (values < BLACK)


def angle_of(ink: np.ndarray) -> float:
    """Degrees by which a page leans, counter-clockwise; 0 where nothing says so.

    The angle whose sheared row sums change most from row to row (Postl, US 4723297, 1988), first over +-10 degrees in
    steps of a half, then around the best in steps of a twentieth.
    """
    ys, xs = np.nonzero(ink)
    if len(ys) < 50:
        return 0.0
    every = max(1, len(ys) // POINTS)
    ys, xs = ys[::every].astype(np.float64), xs[::every].astype(np.float64)
    coarse = np.arange(-MOST_TURN, MOST_TURN + 0.01, 0.5)
    first = coarse[int(np.argmax([_sharpness(ys, xs, a) for a in coarse]))]
    fine = np.arange(first - 0.5, first + 0.501, 0.05)
    values = np.array([_sharpness(ys, xs, a) for a in fine])
    best = float(fine[int(values.argmax())])
    clear = values.max() > 1.02 * _sharpness(ys, xs, 0.0) and abs(best) <= MOST_TURN
    return best if clear and abs(best) >= LEAST_TURN else 0.0


def on_its_side(ink: np.ndarray) -> bool:
    """Whether the lines of a page run up or down."""
    ys, xs = np.nonzero(ink)
    if len(ys) < 50:
        return False
    every = max(1, len(ys) // POINTS)
    ys, xs = ys[::every].astype(np.float64), xs[::every].astype(np.float64)
    turns = np.arange(-MOST_TURN, MOST_TURN + 0.01, 1.0)
    along, across = (np.array([_sharpness(*pair, turn) for turn in turns]) for pair in ((ys, xs), (xs, ys)))
    return bool(across.max() / np.median(across) > ASIDE * along.max() / np.median(along))


def upside_down(label: np.ndarray, box: np.ndarray) -> bool:
    """Whether letters stand on their heads, from pieces of ink ``label`` [h, w] and boxes [n, 4] of those that are letters.

    The letters of Odia, as of Devanagari and Bengali, are closed above, by an arch or a line, and open below: from below
    one sees further into them. Latin and its like are so too, but less. False where too few letters agree.
    """
    if len(box) < LEAST_LETTERS:
        return False
    every = max(1, len(box) // LETTERS)
    seen = np.array([_openness(label[y0:y1, x0:x1] > 0) for x0, y0, x1, y1 in box[::every]])
    return bool(seen.mean() > SURE * seen.std() / len(seen) ** 0.5)


def _openness(ink: np.ndarray) -> float:
    """How much further one sees into a letter bool [h, w] from above than from below, in heights; its sides left out."""
    cut = int(0.15 * ink.shape[1])
    inner = ink[:, cut : ink.shape[1] - cut]
    return float((inner.argmax(0) - inner[::-1].argmax(0)).mean() / len(ink))


def _sharpness(ys: np.ndarray, xs: np.ndarray, angle: float) -> float:
    """Sum of squared differences between each three rows of a page turned back by ``angle`` and the next three.

    Three, because of single rows the chance in which points were drawn says more than the lines do.
    """
    slope = np.deg2rad(angle)
    rows = np.round(ys * np.cos(slope) + xs * np.sin(slope)).astype(np.int64)
    rows -= rows.min()
    strips = (xs * (STRIPS / (xs.max() + 1))).astype(np.int64)
    sums = np.bincount(rows + strips * (int(rows.max()) + 6)).astype(np.float64)
    three = sums[:-2] + sums[1:-1] + sums[2:]
    return float(np.square(three[3:] - three[:-3]).sum())


def levelled(flat: np.ndarray, angle: float) -> np.ndarray:
    """The page turned back by ``angle`` degrees, grown to hold it, paper in its corners: uint8 [h, w]."""
    if not angle:
        return flat
    image = Image.fromarray(flat).rotate(-angle, Image.Resampling.BICUBIC, expand=True, fillcolor=255)
    return np.asarray(image)


def onto_page(points: np.ndarray, angle: float, flat: tuple[int, int], page: tuple[int, int]) -> np.ndarray:
    """Points (x, y) [n, 2] of a levelled page of shape ``flat`` as points of the page of shape ``page``."""
    slope = np.deg2rad(angle)
    turn = np.array([[np.cos(slope), -np.sin(slope)], [np.sin(slope), np.cos(slope)]])
    middle, centre = np.array(flat[::-1]) / 2, np.array(page[::-1]) / 2
    return (points - middle) @ turn + centre
