"""Pictures of writing as grey pixels: any format and mode, dark ink on light paper whatever came."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from weighin.core.errors import InputError
from weighin.families.ocr.line import Line, Place

MOST_PIXELS = 120_000_000  # of one page, checked before decoding: A3 at 800 dpi
PAGED = ("TIFF", "MPO")  # formats whose frames are pages, or one picture and its preview; elsewhere frames are a film
FORMATS = "PNG, JPEG, TIFF, BMP, WebP and the like"
TILE = 96  # pixels at most a side of the squares that vote on what is paper, in an image reduced to about SMALL
SMALL = 768
SEEN = 0.35  # of the strongest contrast on the page: squares below it show paper or ink alone and do not vote


def line_of(raw: bytes) -> Line:
    """One line from the bytes of an image file. Raises InputError: see :func:`grey`."""
    return Line(grey(raw), Place())


def from_array(values: np.ndarray) -> Line:
    """A line from grey levels [h, w] or colours [h, w, 3]: integers, or fractions from 0 (black) to 1. Raises InputError."""
    found = np.asarray(values)
    if found.ndim not in (2, 3) or not found.size or found.dtype.kind not in "bufi" or found.shape[2:] not in ((), (3,)):
        came = f"An array of shape {found.shape} and type {found.dtype}"
        raise InputError(came, "Numbers of shape [height, width] or [height, width, 3]")
    found = found * np.uint8(255) if found.dtype == bool else found
    found = found if found.dtype == np.uint8 else _levels(found)
    return Line(dark_on_light(found if found.ndim == 2 else np.asarray(Image.fromarray(found).convert("L"))))


def grey(raw: bytes) -> np.ndarray:
    """The pixels of one image file: uint8 [h, w], dark ink on light paper.

    Transparent parts are paper, a camera's rotation is undone, white on black is turned round. Raises InputError: empty,
    not an image, truncated, a film, several pages, over 120 million pixels.
    """
    with opened(raw) as image:
        if frames(image) > 1:
            raise InputError(f"An image of {frames(image)} pages", "One page here", "Give the file to `weighin predict`")
        return upright(image)


@contextmanager
def opened(source: bytes | Path) -> Iterator[Image.Image]:
    """An image in bytes or in a file, not decoded yet; what goes wrong inside is an InputError.

    Raises InputError: empty, a PDF, no image, a film, damaged, too large.
    """
    head = start_of(source)
    if not head:
        raise InputError("An empty file", "An image has at least one byte", f"Give {FORMATS}")
    if is_pdf(head):
        raise InputError("A PDF", "One image here", "Give the file to `weighin predict`")
    with _reading(), Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
        if frames(image) > 1 and image.format not in PAGED:
            raise InputError(f"A film of {frames(image)} frames ({image.format})", "One picture", "Save the frame you mean")
        yield image


def start_of(source: bytes | Path) -> bytes:
    """The first kilobyte. Raises InputError: the file cannot be read."""
    if isinstance(source, bytes):
        return source[:1024]
    try:
        with source.open("rb") as file:
            return file.read(1024)
    except OSError as error:
        raise InputError(f"{source} cannot be read: {error.strerror}") from None


def is_pdf(head: bytes) -> bool:
    """Whether a file begins as a PDF does; some have a few bytes of another program before that."""
    return b"%PDF-" in head[:1024]


@contextmanager
def _reading() -> Iterator[None]:
    """Turns what Pillow raises for bad files into one InputError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of sizes, which are checked below, and of odd tags that do no harm
            yield
    except Image.DecompressionBombError as error:
        raise _too_large("more than 178") from error
    except UnidentifiedImageError as error:
        raise InputError("Not an image that can be read", FORMATS, "Convert it") from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, MemoryError) as error:
        raise InputError(f"A damaged image: {error}", "The file must be complete", "Fetch or save it again") from error


def frames(image: Image.Image) -> int:
    """How many pages a file has; the preview beside a camera's picture is none."""
    return 1 if image.format == "MPO" else getattr(image, "n_frames", 1)


def upright(image: Image.Image) -> np.ndarray:
    """The current frame as uint8 [h, w], dark on light, rotated as the camera says. Raises InputError: too large."""
    if image.width * image.height > MOST_PIXELS:
        raise _too_large(f"{image.width * image.height / 1e6:.0f}")
    return dark_on_light(levels(ImageOps.exif_transpose(image)))


def levels(image: Image.Image) -> np.ndarray:
    """Grey levels uint8 [h, w] of an image in any mode; what is transparent is paper."""
    if image.mode.startswith(("I", "F")):
        return _levels(np.asarray(image))
    if image.mode == "LAB":
        return np.asarray(image.getchannel(0))
    if image.mode in ("LA", "La", "RGBA", "RGBa", "PA") or "transparency" in image.info:
        return _on_paper(image.convert("RGBA"))
    if image.mode in ("CMYK", "YCbCr", "HSV"):
        image = image.convert("RGB")
    return np.asarray(image.convert("L"))


def _on_paper(image: Image.Image) -> np.ndarray:
    """Light ink on nothing stands on black, anything else on white; -> uint8 [h, w]"""
    alpha = np.asarray(image.getchannel("A"), dtype=np.uint16)
    shade = np.asarray(image.convert("RGB").convert("L"), dtype=np.uint16)
    inked = alpha > 127
    light = inked.any() and not inked.all() and float(shade[inked].mean()) > 127
    under = np.uint16(0 if light else 255)
    return ((shade * alpha + under * (255 - alpha) + 127) // 255).astype(np.uint8)


def _levels(values: np.ndarray) -> np.ndarray:
    """Numbers as uint8: white is 1 for fractions, else the top of the range of bits that the values need."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise InputError("An image with values that are not finite", "Finite numbers only")
    low, high = float(values.min()), float(values.max())
    if low < 0:
        raise InputError(f"An image with the value {low:g}", "Grey levels from 0 up")
    tops = ((1.0,) if values.dtype.kind == "f" else ()) + (255.0, 1023.0, 4095.0, 16383.0, 65535.0, max(high, 1.0))
    return np.round(values * (255.0 / next(top for top in tops if high <= top))).astype(np.uint8)


def dark_on_light(pixels: np.ndarray) -> np.ndarray:
    """The same pixels uint8 [h, w], turned round where the ink is the lighter side.

    Ink is what there is less of wherever both are seen, so a dark desk around a page does not count.
    """
    step = max(1, min(max(pixels.shape) // SMALL, min(pixels.shape) // 32))
    tiles = _tiles(pixels[::step, ::step])
    low, high = np.percentile(tiles, (2, 98), axis=1)  # [n]
    seen = high - low >= max(SEEN * float((high - low).max()), 8.0)
    mostly_dark = (tiles < ((low + high) / 2)[:, None]).mean(1) > 0.5
    return 255 - pixels if mostly_dark[seen].sum() > seen.sum() / 2 else pixels


def _tiles(small: np.ndarray) -> np.ndarray:
    """Squares that tile an image, uint8 [n, pixels]; what is left over at its edges is left out unless it is all there is."""
    tall, wide = (min(TILE, side) for side in small.shape)
    rows, columns = small.shape[0] // tall, small.shape[1] // wide
    tiles = small[: rows * tall, : columns * wide].reshape(rows, tall, columns, wide)
    return tiles.transpose(0, 2, 1, 3).reshape(rows * columns, tall * wide)


def _too_large(pixels: str) -> InputError:
    allowed = f"At most {MOST_PIXELS // 1_000_000} million a page"
    return InputError(f"An image of {pixels} million pixels", allowed, "Scan at 300 dpi, or cut it")
