"""From lines to tensors: one height, paper white, ink black, width padded to a step."""

from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

STEP = 32  # pixels; a line is padded to a multiple of it, whatever it is batched with
WIDEST = 8192  # pixels at the model's height; what is wider is no line of text and is squeezed
FAINTEST = 20  # grey levels between ink and paper, below which there is no writing
DOT = 8  # pixels that are a mark, if they are three times as dark as that


def levelled(pixels: np.ndarray) -> np.ndarray:
    """uint8 [h, w] with its darkest hundredth at 0 and its paper at 255; all 255 where there is no contrast."""
    counts = np.cumsum(np.bincount(pixels.ravel(), minlength=256))
    low, high = (int(np.searchsorted(counts, share * counts[-1])) for share in (0.01, 0.9))
    if high - low < FAINTEST:  # a full stop on a wide line is less than a hundredth of it
        low = int(np.searchsorted(counts, min(DOT, counts[-1])))
        if high - low < 3 * FAINTEST:
            return np.full_like(pixels, 255)
    table = np.clip((np.arange(256) - low) * (255 / (high - low)), 0, 255).astype(np.uint8)
    return table[pixels]


def scaled(pixels: np.ndarray, height: int) -> np.ndarray:
    """uint8 [h, w] -> [height, w'], aspect kept up to WIDEST."""
    width = min(WIDEST, max(1, round(pixels.shape[1] * height / pixels.shape[0])))
    if pixels.shape == (height, width):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))


def seen(pixels: np.ndarray, height: int) -> np.ndarray:
    """What a model sees of a line: uint8 [height, w']."""
    return levelled(scaled(pixels, height))


def padded_width(width: int) -> int:
    """The next multiple of STEP."""
    return -(-width // STEP) * STEP


def stacked(images: Sequence[np.ndarray]) -> np.ndarray:
    """Lines [height, w] -> uint8 [n, height, W], paper to the right of the shorter ones."""
    width = padded_width(max(image.shape[1] for image in images))
    out = np.full((len(images), images[0].shape[0], width), 255, np.uint8)
    for row, image in zip(out, images, strict=True):
        row[:, : image.shape[1]] = image
    return out


def buckets(images: Sequence[np.ndarray], most_pixels: int) -> Iterator[list[int]]:
    """Places of lines of one padded width, at most ``most_pixels`` columns together; so padding depends on the line alone."""
    by_width: dict[int, list[int]] = {}
    for place, image in enumerate(images):
        by_width.setdefault(padded_width(image.shape[1]), []).append(place)
    for width, places in by_width.items():
        count = max(1, most_pixels // width)
        yield from (places[start : start + count] for start in range(0, len(places), count))
