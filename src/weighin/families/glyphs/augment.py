"""Training glyphs changed at random, a whole batch at once: another hand, another weight, another scanner.

Rasters stay packed where they can: growing and shrinking strokes or fraying their edges is a handful of shifts of
64-bit words. Only the part of a batch that is bent or scanned is ever unpacked. Every draw comes from ``rng``.
"""

import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import interpolate

from weighin.core.family import Example
from weighin.families.glyphs.glyph import Glyph
from weighin.families.glyphs.raster import SIDE, unpack
from weighin.families.glyphs.warp import warped

BENT, HEAVIER, FRAYED, SCANNED, JPEG = 0.5, 0.4, 0.25, 0.15, 0.02  # shares of a batch; each is drawn on its own
MOST_GROWTH, LEAST_LEFT = 1.6, 0.6  # of the ink; a heavier or lighter weight beyond these is taken back
SCAN_SIDES = (32, 40, 48, 64)  # pixels of a side of the scan: what 8 to 16 points at 300 dpi give
BOX_SCALE, BOX_SHIFT = 0.06, 0.02  # spread of the size, as a share, and of the place, in em


def augment(examples: Sequence[Example[Glyph, str]], rng: np.random.Generator) -> list[Example[Glyph, str]]:
    """The examples with changed glyphs; labels, groups and ids stay, and a glyph with no box keeps none."""
    if not examples:
        return []
    bits = np.stack([example.x.bits for example in examples])
    unknown = (np.nan,) * 5
    boxes = np.array([example.x.box or unknown for example in examples], np.float32)
    bits, boxes = changed(bits, boxes, rng)
    found = []
    for example, raster, box in zip(examples, bits, boxes.tolist(), strict=True):
        found.append(replace(example, x=replace(example.x, bits=raster, box=tuple(box) if example.x.box else None)))
    return found


def changed(bits: np.ndarray, boxes: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Packed rasters [n, 128, 16] and boxes [n, 5] (NaN where there is none), changed; inputs are left as they are."""
    bits, boxes = bits.copy(), boxes.copy()
    for share, change in ((BENT, None), (HEAVIER, reweighted), (FRAYED, frayed), (SCANNED, scanned), (JPEG, compressed)):
        chosen = np.flatnonzero(rng.random(len(bits)) < share)
        if not len(chosen):
            continue
        if change is None:
            bits[chosen], boxes[chosen] = warped(bits[chosen], boxes[chosen], rng)
        else:
            new = change(bits[chosen], rng)
            inked = new.any(axis=(1, 2))  # what would vanish stays as it was
            bits[chosen[inked]] = new[inked]
    size = np.exp(rng.normal(0, BOX_SCALE, (len(boxes), 1)))
    boxes = boxes * size
    boxes[:, [0, 1, 4]] += rng.normal(0, BOX_SHIFT, (len(boxes), 3))
    return bits, boxes.astype(np.float32)


def _words(bits: np.ndarray) -> np.ndarray:
    """Packed rasters as 64-bit words [n, 128, 2], leftmost pixel in the highest bit."""
    return np.ascontiguousarray(bits).view(">u8").astype(np.uint64)


def _bits(words: np.ndarray) -> np.ndarray:
    return words.astype(">u8").view(np.uint8)


def _sideways(words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rasters moved one pixel right and one left; what leaves is lost, what comes in is paper."""
    one, top = np.uint64(1), np.uint64(63)
    right, left = words >> one, words << one
    right[..., 1] |= words[..., 0] << top
    left[..., 0] |= words[..., 1] >> top
    return right, left


def grown(words: np.ndarray, across: bool = True, along: bool = True) -> np.ndarray:
    """Ink grown by a pixel to each side (across) and up and down (along)."""
    if across:
        right, left = _sideways(words)
        words = words | right | left
    if along:
        taller = words.copy()
        taller[:, 1:] |= words[:, :-1]
        taller[:, :-1] |= words[:, 1:]
        words = taller
    return words


def shrunk(words: np.ndarray, across: bool = True, along: bool = True) -> np.ndarray:
    """Ink shrunk by a pixel on each side: the paper grown; beyond the raster's edge nothing wears it away."""
    return ~grown(~words, across, along)


def _ink(words: np.ndarray) -> np.ndarray:
    """Pixels of ink [n]."""
    return _COUNT[words.view(np.uint8).reshape(len(words), -1)].sum(1, dtype=np.int64)


_COUNT = np.array([byte.bit_count() for byte in range(256)], np.uint8)


def reweighted(bits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Strokes heavier or lighter by up to three pixels a side, in one direction or both."""
    words = _words(bits)
    before = _ink(words)
    steps = rng.integers(1, 4, len(words))
    heavier = rng.random(len(words)) < 0.5
    manner = rng.integers(0, 4, len(words))  # 0, 1: both directions; 2: across; 3: along
    new = words.copy()
    for step in range(3):
        for kind, (across, along) in enumerate(((True, True), (True, False), (False, True))):
            mine = (steps > step) & (np.maximum(manner, 1) - 1 == kind)
            for grows, change in ((True, grown), (False, shrunk)):
                chosen = np.flatnonzero(mine & (heavier == grows))
                if len(chosen):
                    new[chosen] = change(new[chosen], across, along)
        left = _ink(new)
        wrong = (left > MOST_GROWTH * before) | (left < LEAST_LEFT * before)
        steps[wrong] = 0
        new[wrong] = words[wrong]
    return _bits(new)


def frayed(bits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Edges gnawed and blotted: a quarter of the pixels on either side of an edge change, then specks of one are filled."""
    words = _words(bits)
    edge = grown(words) & ~shrunk(words)
    draws = rng.integers(0, 2**64, (2, *words.shape), dtype=np.uint64)
    noisy = words ^ (edge & draws[0] & draws[1])
    smooth = rng.random(len(words)) < 0.5
    noisy[smooth] = grown(shrunk(noisy[smooth], along=False), along=False)
    return _bits(noisy)


def scanned(bits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Read by a coarse scanner: averaged over large pixels, grey noise, enlarged smoothly, cut anew."""
    out = np.empty_like(bits)
    for part in np.array_split(rng.permutation(len(bits)), 3):
        side = int(rng.choice(SCAN_SIDES))
        ink = torch.from_numpy(unpack(bits[part])).unsqueeze(1).float()  # [k, 1, 128, 128]
        coarse = interpolate(ink, size=(side, side), mode="area")
        noise = torch.from_numpy(rng.normal(0, rng.uniform(0, 0.18), coarse.shape).astype(np.float32))
        grey = interpolate(coarse + noise, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
        cut = torch.from_numpy(rng.uniform(0.36, 0.62, (len(part), 1, 1, 1)).astype(np.float32))
        out[part] = np.packbits((grey > cut).squeeze(1).numpy(), axis=2)
    return out


def compressed(bits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Saved as a JPEG of poor quality at half size, and cut anew."""
    out = np.empty_like(bits)
    for number, raster in enumerate(unpack(bits)):
        small = Image.fromarray(255 - raster * np.uint8(255)).resize((SIDE // 2, SIDE // 2), Image.Resampling.BOX)
        file = io.BytesIO()
        small.save(file, "JPEG", quality=int(rng.integers(8, 40)))
        with Image.open(file) as image:
            grey = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
        out[number] = np.packbits(grey < 128, axis=1)
    return out
