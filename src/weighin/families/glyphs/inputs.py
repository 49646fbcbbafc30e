"""From glyphs to the tensors of a network's part."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from weighin.families.glyphs import codebook
from weighin.families.glyphs.glyph import Glyph, em_rasters
from weighin.families.glyphs.labels import CLASS_OF
from weighin.families.glyphs.model import GlyphBatch, GlyphModel

FARTHEST = 4.0  # em; a box beyond it is a font's mistake, and no reason for a network's


def bits_of(glyphs: Sequence[Glyph], model: GlyphModel) -> np.ndarray:
    """Packed rasters uint8 [B,128,16] in the model's normalisation."""
    bits = np.stack([glyph.bits for glyph in glyphs])
    if model.normalise != "em":
        return bits
    return np.packbits(em_rasters(bits, [glyph.box for glyph in glyphs]), axis=2)


def pixels(bits: np.ndarray, patch: int) -> np.ndarray:
    """Packed rasters [B,128,16] -> patches uint8 [B,patch*patch,side,side]; a channel is a place in the patch, row by row."""
    side = bits.shape[1] // patch
    grid = np.unpackbits(bits, axis=2).reshape(-1, side, patch, side, patch).transpose(0, 2, 4, 1, 3)
    return np.ascontiguousarray(grid).reshape(-1, patch * patch, side, side)


def boxes(glyphs: Sequence[Glyph]) -> np.ndarray:
    """float32 [B,6]: left, bottom, width, height, advance in em, and 1; all 0 where the box is not known."""
    known = np.array([(*glyph.box, 1.0) if glyph.box else (0.0,) * 6 for glyph in glyphs], np.float32)
    return np.clip(known, -FARTHEST, FARTHEST)


def batch_of(glyphs: Sequence[Glyph], labels: Sequence[str], model: GlyphModel, folder: Path) -> GlyphBatch:
    """A batch for training; ``folder`` holds the codebook where the stem needs one."""
    bits = bits_of(glyphs, model)
    box = torch.from_numpy(boxes(glyphs)) if model.normalise == "tight+box" else None
    label = torch.tensor([CLASS_OF[label] for label in labels])
    if model.stem == "patch":
        return GlyphBatch(torch.from_numpy(pixels(bits, model.patch)), label, box)
    book = codebook.load(folder)
    grid = torch.from_numpy(book.ids(bits))
    if model.stem == "codebook":
        return GlyphBatch(grid, label, box)
    cells = np.unique(codebook.cells_of(bits))[:: max(1, len(bits) // 16)]  # about as many as the net's own work allows
    return GlyphBatch(grid, label, box, cell_images(cells), torch.from_numpy(book.lookup(cells)))


def cell_images(cells: np.ndarray) -> Tensor:
    """Cells [n] uint64 -> uint8 [n,1,8,8]."""
    return torch.from_numpy(codebook.pixels_of(cells)).view(-1, 1, 8, 8)
