"""Pictures of one character as tight rasters: any size and mode, dark on light or light on dark."""

import io
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy import ndimage

from weighin.core.errors import InputError
from weighin.families.glyphs.raster import SIDE

MOST_PIXELS = 64_000_000  # checked before decoding
LEAST_CONTRAST = 0.06  # of full scale, between paper and ink
SPECK = 0.004  # of the largest piece of ink; the dot of a letter is larger in every font measured
CLEAR = 0.8  # share of the variance that two levels explain, from which on the light is taken as even
WORKING_SIDE = 512  # pixels; larger images are reduced to this before anything else
_HINT = "Give one image of one character"


def decoded(raw: bytes) -> np.ndarray:
    """The grey levels [h, w] of one image file. Raises InputError: empty, not an image, truncated, animated, over 64 Mpx."""
    if not raw:
        raise InputError("An empty file", "An image has at least one byte", _HINT)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is lower
            with Image.open(io.BytesIO(raw)) as image:
                return grey_of(image)
    except Image.DecompressionBombError as error:
        raise _too_large("more than 178") from error
    except UnidentifiedImageError as error:
        raise InputError("Not an image that can be read", "PNG, JPEG, TIFF, BMP, WebP, GIF and the like", _HINT) from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise InputError(f"A damaged image: {error}", "The file must be complete", "Fetch or save it again") from error


def _too_large(pixels: str) -> InputError:
    return InputError(f"An image of {pixels} million pixels", f"At most {MOST_PIXELS // 1_000_000} million", _HINT)


def grey_of(image: Image.Image) -> np.ndarray:
    """The grey levels [h, w] of an image in any mode: transparency, palette, CMYK, 16 bits, a camera's rotation.

    Raises InputError: more than one frame, over 64 Mpx.
    """
    if getattr(image, "n_frames", 1) > 1:
        raise InputError(f"An image of {image.n_frames} frames", "One frame only", "Save the frame you mean")  # type: ignore[attr-defined]
    if image.width * image.height > MOST_PIXELS:
        raise _too_large(f"{image.width * image.height / 1e6:.0f}")
    if image.format == "JPEG":
        image.draft("L", (WORKING_SIDE, WORKING_SIDE))
    return _grey(ImageOps.exif_transpose(image))


def _grey(image: Image.Image) -> np.ndarray:
    """Grey levels [h, w], 0 to 1; transparent parts become paper."""
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image, dtype=np.float64)
        top = 65535.0 if image.mode.startswith("I;16") or values.max() > 255 else 255.0
        return values / max(top, values.max()) if image.mode.startswith("I") else values
    if "A" in image.getbands() or "transparency" in image.info:
        colours = image.convert("RGBA")
        alpha = np.asarray(colours, dtype=np.float64)[..., 3] / 255
        grey = np.asarray(colours.convert("L"), dtype=np.float64) / 255
        light_ink = (grey * alpha).sum() > 0.5 * max(alpha.sum(), 1e-9) and alpha.min() < 0.5
        return grey * alpha + (0.0 if light_ink else 1.0) * (1 - alpha)
    return np.asarray(image.convert("L"), dtype=np.float64) / 255


def raster_of_grey(grey: np.ndarray) -> np.ndarray:
    """Grey levels [h, w], 0 to 1, as a tight raster uint8 [128, 128]; the border is taken as paper.

    The threshold is Otsu's (IEEE Trans. SMC 9, 1979), after uneven light is taken off; specks are dropped.
    Raises InputError: blank.
    """
    return _tight(_ink(_reduced(grey)))


def raster_of_array(values: np.ndarray) -> np.ndarray:
    """Any array [h, w] as a tight raster uint8 [128, 128]; 0 and 1 alone are paper and ink, else as ``raster_of_grey``.

    Raises InputError: not two axes, empty, not numbers, not finite, blank.
    """
    grey = np.asarray(values)
    if grey.ndim != 2 or grey.size == 0 or grey.dtype.kind not in "bufi":
        raise InputError(f"An array of shape {grey.shape} and type {grey.dtype}", "Numbers of shape [height, width]", _HINT)
    if grey.dtype.kind == "f" and not np.isfinite(grey).all():
        raise InputError("An array with values that are not finite", "Finite numbers only", _HINT)
    if grey.dtype == bool or np.isin(grey, (0, 1)).all():
        return _tight(_reduced(grey.astype(np.float64)))
    return raster_of_grey(grey.astype(np.float64) / _full_scale(grey))


def _full_scale(grey: np.ndarray) -> float:
    """What white is: 1 for fractions, else the top of the integer range that the values need."""
    top = float(np.abs(grey).max())
    return next(full for full in (1.0, 255.0, 65535.0, max(top, 1.0)) if top <= full and (full > 1 or grey.dtype.kind == "f"))


def _reduced(grey: np.ndarray) -> np.ndarray:
    """Grey levels with the longer side at most 512."""
    longer = max(grey.shape)
    if longer <= WORKING_SIDE:
        return grey
    height, width = (max(1, round(side * WORKING_SIDE / longer)) for side in grey.shape)
    return _resized(grey, width, height)


def _resized(grey: np.ndarray, width: int, height: int) -> np.ndarray:
    """Area mean where it shrinks, bicubic where it grows. -> [height, width]"""
    kind = Image.Resampling.BOX if max(height, width) < max(grey.shape) else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(grey.astype(np.float32)).resize((width, height), kind))


def _ink(grey: np.ndarray) -> np.ndarray:
    """Grey levels [h, w] as ink, 0 to 1 with one half at the threshold."""
    cut, clear = _otsu(grey)
    flat = grey if clear >= CLEAR else grey - _light(grey)
    cut = cut if clear >= CLEAR else _otsu(flat)[0]
    border = np.concatenate((flat[0], flat[-1], flat[:, 0], flat[:, -1]))
    share = float((border > cut).mean())
    if 0.4 < share < 0.6:  # the border does not say: paper is what there is more of
        share = float((flat > cut).mean())
    high, low = flat[flat > cut], flat[flat <= cut]
    contrast = float(high.mean() - low.mean()) if len(high) and len(low) else 0.0
    if contrast < LEAST_CONTRAST:
        raise InputError("A blank image", "There must be ink", _HINT)
    darker = (cut - flat) / contrast
    return np.clip((darker if share >= 0.5 else -darker) + 0.5, 0, 1)


def _light(grey: np.ndarray) -> np.ndarray:
    """The paper's brightness [h, w]: a quadratic surface, fitted to the border, then to all that lies near it."""
    y, x = np.meshgrid(np.linspace(-1, 1, grey.shape[0]), np.linspace(-1, 1, grey.shape[1]), indexing="ij")
    terms = np.stack([term.ravel() for term in (np.ones_like(x), x, y, x * x, x * y, y * y)], axis=1)  # [pixels, 6]
    keep = (np.maximum(abs(x), abs(y)) > 0.85).ravel()
    values = grey.ravel()
    weights = np.zeros(6)
    for _ in range(5):
        weights = np.linalg.lstsq(terms[keep], values[keep], rcond=None)[0]
        left = abs(values - terms @ weights)
        keep = left <= max(3 * float(np.median(left[keep])), LEAST_CONTRAST / 2)
    return (terms @ weights).reshape(grey.shape)


def _otsu(grey: np.ndarray) -> tuple[float, float]:
    """The threshold with the largest variance between the classes, and that variance as a share of all."""
    counts, edges = np.histogram(grey, bins=256)
    middle = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)
    mass = np.cumsum(counts * middle)
    above = below[-1] - below
    means = mass / np.maximum(below, 1) - (mass[-1] - mass) / np.maximum(above, 1)
    between = below * above * means**2 / below[-1] ** 2
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))
    # the middle of a flat top: between two levels, not at one of them
    return float(edges[1:][best].mean()), float(between.max() / max(grey.var(), 1e-12))


def _tight(soft: np.ndarray) -> np.ndarray:
    """Ink [h, w], 0 to 1, cropped to its box and scaled: uint8 [128, 128]. Raises InputError where there is none."""
    ink = soft >= 0.5
    pieces, count = ndimage.label(ink, structure=np.ones((3, 3)))  # type: ignore[misc]
    if not count:
        raise InputError("A blank image", "There must be ink", _HINT)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    kept = (sizes >= max(SPECK * sizes.max(), 1))[pieces] & ink
    rows, columns = np.flatnonzero(kept.any(1)), np.flatnonzero(kept.any(0))
    soft = np.where(ink & ~kept, 0, soft)[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = SIDE / max(soft.shape)
    height, width = (max(1, round(side * scale)) for side in soft.shape)
    raster = np.zeros((SIDE, SIDE), np.uint8)
    raster[:height, :width] = _resized(soft, width, height) >= 0.5
    if not raster.any():
        raster[:height, :width] = 1
    return raster
