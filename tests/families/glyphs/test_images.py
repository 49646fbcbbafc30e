"""Pictures of any kind become tight rasters, or a clear error."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw

from weighin.core.errors import InputError
from weighin.families.glyphs.glyph import SIDE, Glyph, em_rasters, from_array, from_bytes, from_image, from_path

INK, PAPER = 20, 235


def picture(ink: int = INK, paper: int = PAPER) -> Image.Image:
    """A thick F, 20 to 70 across and 15 to 75 down of 90."""
    image = Image.new("L", (90, 90), paper)
    pen = ImageDraw.Draw(image)
    for box in ((20, 15, 32, 75), (20, 15, 70, 27), (20, 40, 56, 52)):
        pen.rectangle(box, fill=ink)
    return image


def raw(image: Image.Image, kind: str = "PNG", **more: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **more)
    return file.getvalue()


EXPECTED = from_image(picture()).raster()


def alike(glyph: Glyph, share: float = 0.02) -> bool:
    return bool((glyph.raster() != EXPECTED).mean() < share)


def test_tight_means_the_longer_side_is_full_and_the_ink_at_the_top_left():
    assert EXPECTED.shape == (SIDE, SIDE) and EXPECTED.dtype == np.uint8
    rows, columns = np.flatnonzero(EXPECTED.any(1)), np.flatnonzero(EXPECTED.any(0))
    assert (rows[0], columns[0], rows[-1]) == (0, 0, SIDE - 1)
    assert columns[-1] + 1 == round(51 / 61 * SIDE)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "CMYK", "YCbCr", "1", "I;16", "I", "F"])
def test_every_mode_reads_the_same(mode):
    image = picture()
    if mode == "1":
        image = image.point(lambda level: 255 * (level > 128))
    image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257) if mode == "I;16" else image.convert(mode)
    assert alike(from_image(image))


@pytest.mark.parametrize(("ink", "paper"), [(0, 255), (255, 0), (90, 160), (160, 90)])
def test_dark_on_light_and_light_on_dark(ink, paper):
    assert alike(from_image(picture(ink, paper)))


@pytest.mark.parametrize("level", [0, 255])
def test_transparent_paper(level):
    shape = np.asarray(picture()) == INK
    layers = np.stack((*(np.full(shape.shape, level) for _ in "RGB"), shape * 255), axis=-1)
    assert alike(from_image(Image.fromarray(layers.astype(np.uint8))))


def test_uneven_light_and_noise():
    grey = np.asarray(picture(60, 190), float) + np.linspace(60, -90, 90)[None] + np.linspace(20, -20, 90)[:, None]
    noisy = np.clip(grey + np.random.default_rng(0).normal(0, 5, grey.shape), 0, 255).astype(np.uint8)
    assert alike(from_image(Image.fromarray(noisy)), 0.05)


def test_a_cameras_rotation_is_undone():
    turned = picture().transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned a quarter clockwise
    assert alike(from_bytes(raw(turned, "JPEG", exif=exif, quality=95)), 0.04)


@pytest.mark.parametrize("size", [28, 45, 300, 1500])
def test_any_size(size):
    assert alike(from_image(picture().resize((size, size), Image.Resampling.BICUBIC)), 0.04)


def test_arrays_of_nought_and_one_are_paper_and_ink_whatever_stands_at_the_border():
    ink = np.ones((40, 20), bool)
    ink[10:30, 5:15] = False
    for values in (ink, ink.astype(np.uint8), ink.astype(np.float32)):
        raster = from_array(values).raster()
        assert raster[0, 0] == 1 and raster[64, 32] == 0 and raster[:, 64:].sum() == 0
    assert (from_array(EXPECTED).raster() == EXPECTED).all()


def test_specks_are_dropped_and_dots_kept():
    ink = np.zeros((100, 100), np.uint8)
    ink[40:60, 10:90] = 1
    ink[70:78, 46:54] = 1  # a dot below
    ink[5, 5] = ink[95, 95] = 1
    raster = from_array(ink).raster()
    assert raster[:, 0].any() and raster[0].all() and raster[40:].any()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.zeros((20, 20)), "blank"),
        (np.full((20, 20), 200, np.uint8), "blank"),
        (np.full((20, 20), np.nan), "not finite"),
        (np.zeros((20, 20, 3)), "shape"),
        (np.zeros((0, 5)), "shape"),
        (np.array([["a"]]), "type"),
    ],
)
def test_wrong_arrays(values, said):
    with pytest.raises(InputError, match=said):
        from_array(values)


def animated() -> bytes:
    return raw(picture(), "GIF", save_all=True, append_images=[picture(60, 200)])


def huge(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"no image at all", "Not an image"),
        (raw(picture())[:-60], "damaged"),
        (raw(picture(), "JPEG")[:300], "damaged|Not an image"),
        (animated(), "2 frames"),
        (huge(10_000, 9_000), "90 million"),
        (huge(60_000, 60_000), "178 million"),
        (raw(Image.new("L", (50, 50), 255)), "blank"),
    ],
)
def test_wrong_files(content, said, tmp_path):
    with pytest.raises(InputError, match=said):
        from_bytes(content)
    path = tmp_path / "wrong.png"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"wrong\.png"):
        from_path(path)


def test_a_raster_of_another_size_is_refused():
    with pytest.raises(InputError, match="128"):
        Glyph.of(np.zeros((64, 64)))


def test_em_keeps_size_and_place():
    step = 2.0 / SIDE  # em a pixel of the window
    box = (0.1, -0.2, 0.5, 0.7, 0.6)
    seen = em_rasters(np.stack([Glyph.of(EXPECTED).bits] * 2), [box, (box[0] + 3 * step, box[1] + 5 * step, *box[2:])])
    rows, columns = np.flatnonzero(seen[0].any(1)), np.flatnonzero(seen[0].any(0))
    assert abs(len(rows) * step - 0.7) <= step
    assert abs(columns[0] * step - 0.5 - box[0]) <= step
    assert abs((1.25 - (rows[-1] + 1) * step) - box[1]) <= step
    assert (np.roll(seen[0], (-5, 3), (0, 1)) == seen[1]).all()


def test_em_of_a_dot_and_of_an_image_is_not_empty():
    dot = Glyph.of(np.ones((SIDE, SIDE)), (0.2, 0.1, 0.004, 0.004, 0.3))
    assert dot.em_raster().sum() >= 1
    assert Glyph.of(EXPECTED).em_raster().sum() > 100
