"""Batches of rasters bent by a random affine map and a gentle wave, and set tight again, in one gather."""

import numpy as np
import torch
from torch import Tensor

from weighin.families.glyphs.raster import SIDE, unpack

SLANT, ROTATION = 0.22, 0.09  # widest, as tangent and in radians
STRETCH = 0.16  # spread of the logarithm of width against height
WAVE = 2.0  # pixels, widest
SHRUNK, SHIFTED = 0.25, 3.0  # share of rasters that miss the tight frame a little, and by how many pixels at most
_FINE = 6  # bits of a coordinate below a pixel: coordinates fit 16 bits, which is what makes this fast
_BLOCK = 32  # rasters gathered at a time: what they need stays in a core's cache
_LEADING = np.array([8 - byte.bit_length() for byte in range(256)])  # zeros before the first bit of a byte
_TRAILING = np.array([(byte & -byte).bit_length() - 1 if byte else 8 for byte in range(256)])  # and after the last


def warped(bits: np.ndarray, boxes: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Packed rasters [n, 128, 16] and boxes [n, 5], each bent by a map of its own.

    The map is slant, rotation and stretch; the bounding box of the bent ink is known exactly beforehand (its
    extremes are among the ends of the rows), so the inverse map that sets it tight is too.
    """
    matrix = _matrices(len(bits), rng)  # [n, 2, 2], from pixels to bent pixels
    low, high = _extremes(bits, matrix)  # [n, 2]
    scale = SIDE / np.maximum((high - low).max(1), 1.0)  # [n]
    inverse = np.linalg.inv(matrix) / scale[:, None, None]  # [n, 2, 2]
    origin = np.linalg.solve(matrix, low[:, :, None])[:, :, 0]
    miss = (rng.random(len(bits)) < SHRUNK)[:, None] * rng.uniform(-SHIFTED, SHIFTED, (len(bits), 2))
    wave = _waves(len(bits), rng)
    shift = origin - np.einsum("nij,nj->ni", inverse, miss)
    parts = [slice(start, start + _BLOCK) for start in range(0, len(bits), _BLOCK)]
    return np.concatenate([_gathered(bits[p], inverse[p], shift[p], wave[p]) for p in parts]), _boxes(boxes, low, high)


def _matrices(n: int, rng: np.random.Generator) -> np.ndarray:
    """Random maps [n, 2, 2] of (x, y): stretch after slant after rotation."""
    turn, slant = rng.uniform(-ROTATION, ROTATION, n), rng.uniform(-SLANT, SLANT, n)
    stretch = np.exp(rng.normal(0, STRETCH, n) / 2)
    cos, sin = np.cos(turn), np.sin(turn)
    rows = [[stretch * (cos + slant * sin), stretch * (slant * cos - sin)], [sin / stretch, cos / stretch]]
    return np.array(rows).transpose(2, 0, 1)


def _extremes(bits: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest x and y [n, 2] of the bent ink of packed rasters [n, 128, 16]."""
    inked = bits != 0
    first_byte, last_byte = inked.argmax(2), 15 - inked[:, :, ::-1].argmax(2)  # [n, 128]
    first = first_byte * 8 + _LEADING[np.take_along_axis(bits, first_byte[:, :, None], 2)[:, :, 0]]
    last = last_byte * 8 + 8 - _TRAILING[np.take_along_axis(bits, last_byte[:, :, None], 2)[:, :, 0]]
    rows = inked.any(2)  # [n, 128]
    ends = np.stack((first, first, last, last), axis=1)  # [n, 4, 128]: every inked row has four corners
    line = np.arange(SIDE) + np.array([0, 1, 0, 1])[:, None]
    low, high = np.zeros((len(bits), 2)), np.full((len(bits), 2), float(SIDE))
    some = rows.any(1)
    for axis in (0, 1):
        bent = matrix[:, axis, 0, None, None] * ends + matrix[:, axis, 1, None, None] * line  # [n, 4, 128]
        low[some, axis] = np.where(rows[:, None], bent, np.inf).min((1, 2))[some]
        high[some, axis] = np.where(rows[:, None], bent, -np.inf).max((1, 2))[some]
    return low, high


def _gathered(bits: np.ndarray, inverse: np.ndarray, origin: np.ndarray, wave: np.ndarray) -> np.ndarray:
    """Nearest source pixels under the inverse map, paper outside: packed [n, 128, 16]."""
    n, wide = len(bits), SIDE + 2
    padded = torch.zeros((n, wide, wide), dtype=torch.uint8)
    padded[:, 1:-1, 1:-1] = torch.from_numpy(unpack(bits))
    middle = np.arange(SIDE) + 0.5
    x = _sum(inverse[:, 0, 1, None] * middle + wave[:, 0] + origin[:, 0, None], inverse[:, 0, 0, None] * middle)
    y = _sum(inverse[:, 1, 1, None] * middle + origin[:, 1, None], inverse[:, 1, 0, None] * middle + wave[:, 1])
    flat = y.to(torch.int32).mul_(wide).add_(x).add_((torch.arange(n, dtype=torch.int32) * wide**2 + wide + 1)[:, None, None])
    return np.packbits(padded.view(-1).index_select(0, flat.view(-1)).view(n, SIDE, SIDE).numpy(), axis=2)


def _sum(down: np.ndarray, across: np.ndarray) -> Tensor:
    """Source pixels int16 [n, 128, 128], -1 and 128 outside, from what rows [n, 128] and columns [n, 128] give in pixels."""
    return (_fine(down)[:, :, None] + _fine(across)[:, None, :]).bitwise_right_shift_(_FINE).clamp_(-1, SIDE)


def _fine(coordinates: np.ndarray) -> Tensor:
    """Coordinates in 1/64 pixel, up to 250 pixels away: half the range of 16 bits, so that two may be added."""
    return torch.from_numpy(np.clip(np.round(coordinates * 2**_FINE), -16000, 16000).astype(np.int16))


def _waves(n: int, rng: np.random.Generator) -> np.ndarray:
    """Displacements [n, 2, 128] in pixels: half to one and a half periods over the raster."""
    period, phase = rng.uniform(0.5, 1.5, (n, 2, 1)), rng.uniform(0, 2 * np.pi, (n, 2, 1))
    return rng.uniform(0, WAVE, (n, 2, 1)) * np.sin(np.arange(SIDE) / SIDE * 2 * np.pi * period + phase)


def _boxes(boxes: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Boxes with the width and height of the bent ink; the advance grows with the width."""
    em = boxes[:, 2:4].max(1, keepdims=True) / SIDE  # em a pixel
    size = (high - low) * em
    new = boxes.copy()
    new[:, 4] += size[:, 0] - boxes[:, 2]
    new[:, 2:4] = size
    return new
