"""Images of every kind that people have: read alike, or refused with a reason."""

import io
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from weighin.core.errors import InputError
from weighin.families.ocr import images


@pytest.fixture(scope="module")
def writing():
    """Dark strokes on white, uint8 [60, 300]; not symmetric in any way."""
    pixels = np.full((60, 300), 255, np.uint8)
    pixels[10:14, 20:200] = 0
    pixels[10:50, 20:24] = 0
    pixels[30:40, 100:110] = 0
    return pixels


def saved(image, kind="PNG", **named):
    buffer = io.BytesIO()
    image.save(buffer, kind, **named)
    return buffer.getvalue()


def with_alpha(pixels, shade):
    layers = np.full((*pixels.shape, 4), shade, np.uint8)
    layers[..., 3] = 255 - pixels
    return Image.fromarray(layers)


def kinds(writing):
    grey = Image.fromarray(writing)
    sixteen = Image.fromarray(writing.astype(np.uint16) * 257)
    yield "png", saved(grey)
    yield "jpeg", saved(grey, "JPEG", quality=95)
    yield "tiff", saved(grey, "TIFF", compression="tiff_lzw")
    yield "bmp", saved(grey, "BMP")
    yield "webp", saved(grey.convert("RGB"), "WEBP", lossless=True)
    yield "gif of one frame", saved(grey, "GIF")
    yield "1 bit", saved(grey.convert("1"))
    yield "1 bit fax", saved(grey.convert("1"), "TIFF", compression="group4")
    yield "16 bit", saved(sixteen)
    yield "16 bit tiff", saved(sixteen, "TIFF")
    yield "12 of 16 bits", saved(Image.fromarray(writing.astype(np.uint16) * 16), "TIFF")
    yield "float tiff", saved(Image.fromarray((writing / np.float32(255)).astype(np.float32)), "TIFF")
    yield "cmyk jpeg", saved(grey.convert("RGB").convert("CMYK"), "JPEG", quality=95)
    yield "cmyk tiff", saved(grey.convert("RGB").convert("CMYK"), "TIFF")
    yield "palette", saved(grey.convert("RGB").convert("P"))
    yield "black on nothing", saved(with_alpha(writing, 0))
    yield "white on nothing", saved(with_alpha(writing, 255))
    yield "grey and alpha", saved(Image.merge("LA", (grey, Image.new("L", grey.size, 255))))
    yield "white on black", saved(Image.fromarray(255 - writing))


def test_every_kind_of_image_is_the_same_picture(writing):
    for name, raw in kinds(writing):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = images.grey(raw)
        assert found.dtype == np.uint8 and found.shape == writing.shape, name
        assert np.abs(found.astype(int) - writing).mean() < 4, name
        assert (found < 128).sum() == pytest.approx((writing < 128).sum(), rel=0.05), name


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_cameras_rotation_is_undone(writing, orientation):
    undo = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM}
    undo |= {5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE}
    undo |= {8: Image.Transpose.ROTATE_270}
    stored = Image.fromarray(writing).transpose(undo[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(images.grey(saved(stored, "PNG", exif=exif)), writing)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "An empty file"),
        (b"\0" * 64, "Not an image"),
        (b"not what you think", "Not an image"),
        (b"%PDF-1.7\n", "weighin predict"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "damaged|Not an image"),
    ],
)
def test_what_is_no_image_is_refused(raw, said):
    with pytest.raises(InputError, match=said):
        images.grey(raw)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "WEBP"])
def test_a_truncated_image_is_refused(kind):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8))
    raw = saved(noise, kind)
    for share in (0.02, 0.5, 0.9):
        with pytest.raises(InputError):
            images.grey(raw[: int(len(raw) * share)])


def test_films_and_pages_are_refused_in_place_of_one_picture(writing):
    frames = [Image.fromarray(writing), Image.fromarray(255 - writing)]
    for kind in ("GIF", "PNG", "WEBP"):
        with pytest.raises(InputError, match=r"film of 2 frames.*Save the frame"):
            images.grey(saved(frames[0], kind, save_all=True, append_images=frames[1:]))
    with pytest.raises(InputError, match=r"2 pages.*weighin predict"):
        images.grey(saved(frames[0], "TIFF", save_all=True, append_images=frames[1:]))


def test_a_bomb_is_refused_before_it_is_decoded():
    header = saved(Image.new("1", (8, 8)))
    for side, said in ((20_000, "400|178"), (11_000, "121 million")):
        bomb = header[:16] + side.to_bytes(4, "big") * 2 + header[24:29]
        bomb += zlib.crc32(bomb[12:29]).to_bytes(4, "big") + header[33:]
        with pytest.raises(InputError, match=said):
            images.grey(bomb)


def test_a_page_on_a_dark_desk_is_not_turned_round():
    page = np.full((1000, 800), 30, np.uint8)
    page[300:700, 200:600] = 220
    for row in range(320, 680, 20):
        page[row : row + 6, 220:580:9] = 60
        page[row : row + 6, 221:580:9] = 60
    np.testing.assert_array_equal(images.dark_on_light(page), page)
    np.testing.assert_array_equal(images.dark_on_light(255 - page), page)


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (1, 20_000), (48, 20_000)])
def test_odd_shapes_are_read(shape):
    pixels = np.random.default_rng(0).choice(np.array([0, 255, 255, 255], np.uint8), shape)
    found = images.grey(saved(Image.fromarray(pixels)))
    assert found.shape == shape


def test_arrays_become_lines(writing):
    for values in (writing, writing / 255, writing > 0, writing.astype(np.int64), np.stack([writing] * 3, 2), 255 - writing):
        np.testing.assert_array_equal(images.from_array(values).pixels, writing)


@pytest.mark.parametrize(
    "values",
    [np.zeros(3), np.zeros((0, 4)), np.full((2, 2), np.nan), np.full((2, 2), -1), np.array([["a"]]), np.zeros((2, 2, 7))],
)
def test_arrays_that_are_no_picture_are_refused(values):
    with pytest.raises(InputError):
        images.from_array(values)
