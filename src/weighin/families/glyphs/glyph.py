"""A glyph: a packed 128 x 128 raster in ``tight`` normalisation, and where its box stood in the em."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from weighin.core.errors import InputError
from weighin.families.glyphs.images import decoded, grey_of, raster_of_array, raster_of_grey
from weighin.families.glyphs.raster import SIDE, Box, em_rasters, unpack


@dataclass(frozen=True, slots=True, eq=False)
class Glyph:
    """What the family reads.

    ``bits`` uint8 [128, 16] is the binary raster (1 = ink), packed along rows, most significant bit leftmost. It is in
    ``tight`` normalisation: the ink's bounding box, scaled so that its longer side is 128, at the top left.
    ``box`` is that bounding box in em (left and bottom from the origin on the baseline) and the advance width;
    None for an image, which has no em.
    """

    bits: np.ndarray
    box: Box | None = None

    @classmethod
    def of(cls, raster: np.ndarray, box: Box | None = None) -> "Glyph":
        """From a raster [128, 128] that is tight already; anything above 0 is ink."""
        if raster.shape != (SIDE, SIDE):
            raise InputError(f"A raster of shape {raster.shape}", f"It must be ({SIDE}, {SIDE})", "Use from_array")
        return cls(np.packbits(raster > 0, axis=1), box)

    def raster(self) -> np.ndarray:
        """uint8 [128, 128], 1 = ink, tight."""
        return unpack(self.bits[None])[0]

    def em_raster(self) -> np.ndarray:
        """uint8 [128, 128], 1 = ink: size, baseline and bearings kept in a window of 2 x 2 em."""
        return em_rasters(self.bits[None], [self.box])[0]


def from_array(values: np.ndarray) -> Glyph:
    """Any array [h, w] of bool or numbers; 0 and 1 alone are paper and ink, otherwise the border is paper.

    Raises InputError: another shape, not finite, blank.
    """
    return Glyph.of(raster_of_array(values))


def from_image(image: Image.Image) -> Glyph:
    """An image of any mode and size, dark on light or light on dark. Raises InputError: animated, over 64 Mpx, blank."""
    return Glyph.of(raster_of_grey(grey_of(image)))


def from_bytes(raw: bytes) -> Glyph:
    """One image file. Raises InputError: empty, not an image, truncated, animated, over 64 Mpx, blank."""
    return Glyph.of(raster_of_grey(decoded(raw)))


def from_path(path: Path) -> Glyph:
    """One image file on disk. Raises InputError naming it."""
    try:
        return from_bytes(path.read_bytes())
    except (InputError, OSError) as error:
        raise InputError(f"{path}: {error}", hint="Leave it out or replace it") from error
