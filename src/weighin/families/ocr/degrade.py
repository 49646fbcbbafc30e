"""What printing, age, cameras and careless cropping do to a line, at random: the augmentation of training.

Order is that of the world: type is set and warped, ink spreads or thins, paper ages, light falls, a camera blurs and
packs, somebody crops. The test has damages of its own (``damage.py``), from another generator.
"""

import io
from functools import cache

import numpy as np
from PIL import Image, ImageFilter

Grey = np.ndarray  # uint8 [h, w], black ink on white
Ink = np.ndarray  # float32 [h, w], 0 paper to 1 ink
STRIPS = 6  # of a warped line
NOISE = (256, 4096)  # of the stored field that every noise is cut from


def distort(pixels: Grey, rng: np.random.Generator, wear: float = 1.0, framed: bool = False) -> Grey:
    """A line as it may look in the world; every draw from ``rng``. -> uint8 [h', w']

    ``wear`` scales all damage; ``framed`` pictures were cropped by somebody already.
    """
    strength = float(rng.beta(1.1, 1.8)) * wear  # most lines are mildly hurt, a few badly
    warped = warp(pixels if framed else frame(pixels, rng), strength, rng)
    ink = (255 - warped.astype(np.float32)) / 255
    if rng.random() < (0.15 + 0.7 * strength) * min(1, wear):
        ink = press(ink, strength, rng)
    return camera(paper(ink, strength, rng), strength, rng)


def frame(pixels: Grey, rng: np.random.Generator) -> Grey:
    """Margins wide, narrow or cutting into the ink; sometimes slivers of the lines above and below."""
    height, width = pixels.shape
    top, bottom = (int(height * share) for share in rng.normal(0.12, 0.14, 2).clip(-0.05, 0.6))
    left, right = (int(height * share) for share in rng.exponential(0.25, 2).clip(0, 3))
    slivers = rng.random() < 0.25
    if slivers:
        top, bottom = max(top, height // 6), max(bottom, height // 6)
    canvas = np.full((max(8, height + top + bottom), width + left + right), 255, np.uint8)
    source = pixels[max(0, -top) : height + min(0, bottom)]
    at = max(0, top)
    canvas[at : at + len(source), left : left + width] = source[: len(canvas) - at]
    if slivers:
        _slivers(canvas, pixels, top, bottom, rng)
    if rng.random() < 0.05:
        _rule(canvas, rng)
    return canvas


def _slivers(canvas: Grey, pixels: Grey, top: int, bottom: int, rng: np.random.Generator) -> None:
    """Feet of the line above and heads of the line below: the line's own, moved sideways, so that they are of its font."""
    other = np.roll(pixels, int(rng.integers(pixels.shape[1])), 1)[:, ::1]
    width = min(other.shape[1], canvas.shape[1])
    at = int(rng.integers(canvas.shape[1] - width + 1))
    if rng.random() < 0.7:
        rows = int(rng.integers(1, max(2, top)))
        canvas[:rows, at : at + width] = np.minimum(canvas[:rows, at : at + width], other[-rows:, :width][:rows])
    if rng.random() < 0.7:
        rows = int(rng.integers(1, max(2, bottom)))
        part = canvas[len(canvas) - rows :, at : at + width]
        part[:] = np.minimum(part, other[:rows, :width])


def _rule(canvas: Grey, rng: np.random.Generator) -> None:
    """A ruled line above or below the writing, or the side of a box."""
    height, width = canvas.shape
    thick = int(rng.integers(1, 3))
    if rng.random() < 0.75:
        at = (
            int(rng.integers(0, height // 8 + 1))
            if rng.random() < 0.4
            else height - thick - int(rng.integers(0, height // 8 + 1))
        )
        canvas[at : at + thick] = int(rng.integers(0, 120))
    else:
        at = int(rng.choice([1, width - thick - 1]))
        canvas[:, at : at + thick] = int(rng.integers(0, 120))


def warp(pixels: Grey, strength: float, rng: np.random.Generator) -> Grey:
    """Stretch, slant and skew in one resampling; now and then a wavy baseline."""
    height, width = pixels.shape
    stretch = float(np.exp(rng.normal(0.0, 0.13)))
    slant = float(rng.normal(0, 0.05)) + (float(rng.uniform(0.1, 0.32)) if rng.random() < 0.12 else 0.0)
    skew = float(rng.normal(0, 0.012 * (0.3 + strength)))
    skew = float(np.clip(skew, -0.35 * height / width, 0.35 * height / width))  # never more than a third of the height
    out = max(8, int(width * stretch))
    image = Image.fromarray(pixels)
    if rng.random() < 0.3 * strength:
        return _waved(image, out, (slant, skew), float(rng.normal(0, 0.045)) * height, rng)
    terms = (1 / stretch, slant, -slant * height / 2, skew / stretch, 1.0, -skew * width / 2)
    return np.asarray(image.transform((out, height), Image.Transform.AFFINE, terms, Image.Resampling.BILINEAR, fillcolor=255))


def _waved(image: Image.Image, out: int, lean: tuple[float, float], wave: float, rng: np.random.Generator) -> Grey:
    """The same in strips along a sine, so many pixels high. -> uint8 [h, out]"""
    width, height = image.size
    slant, skew = lean[0] * height / 2, lean[1]
    edges = np.linspace(0, out, STRIPS + 1).astype(int)
    phase, turns = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 2.0)
    x = edges * width / out
    drop = skew * (x - width / 2) + wave * np.sin(phase + turns * 2 * np.pi * edges / out)
    mesh = []
    for k in range(STRIPS):  # a quad names its corners in the source: upper left, lower left, lower right, upper right
        left, right, high, low = x[k], x[k + 1], drop[k], drop[k + 1]
        quad = (left - slant, high, left + slant, high + height, right + slant, low + height, right - slant, low)
        mesh.append(((int(edges[k]), 0, int(edges[k + 1]), height), quad))
    return np.asarray(image.transform((out, height), Image.Transform.MESH, mesh, Image.Resampling.BILINEAR, fillcolor=255))


def press(ink: Ink, strength: float, rng: np.random.Generator) -> Ink:
    """Ink that spreads, thins, breaks and blots: blurred, offset by an uneven field, and cut again softly."""
    spread = float(rng.uniform(0.5, 0.8 + 0.7 * strength)) * ink.shape[0] / 56
    soft = blurred(ink, spread)
    offset = float(rng.normal(0, 0.13))
    uneven = strength * float(rng.uniform(0, 0.22)) * clouds(ink.shape, float(rng.uniform(3, 14)), rng)
    grain = strength * float(rng.uniform(0, 0.16)) * noise(ink.shape, rng)
    sharp = float(rng.uniform(2.0, 6.0))
    return np.clip((soft - 0.45 + offset + uneven + grain) * sharp + 0.5, 0, 1).astype(np.float32)


def paper(ink: Ink, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Ink on aged paper under uneven light. -> float32 [h, w], 0 to 255"""
    height, width = ink.shape
    light = float(rng.uniform(255 - 110 * strength, 256))
    dark = float(rng.uniform(0, 30 + 90 * strength)) * light / 255
    if rng.random() < 0.12 * (0.5 + strength):  # the other side of the leaf
        back = blurred(np.roll(ink[:, ::-1], int(rng.integers(width)), 1), 1.0)
        ink = np.maximum(ink, back * float(rng.uniform(0.05, 0.3)))
    grey = light - (light - dark) * ink
    if rng.random() < 0.6 * strength + 0.1:
        slope = rng.normal(0, 0.22 * strength, 2)
        across = np.linspace(-1, 1, width, dtype=np.float32) * slope[0]
        down = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * slope[1] * 0.5
        grey = grey * (1 + across + down)
    if rng.random() < 0.5 * strength:
        grey = grey * (1 + 0.1 * strength * clouds(ink.shape, float(rng.uniform(8, 40)), rng))
    return np.clip(grey, 0, 255).astype(np.float32)


def camera(grey: np.ndarray, strength: float, rng: np.random.Generator) -> Grey:
    """Resolution, focus, grain, JPEG; now and then a bilevel scan."""
    height, width = grey.shape
    image = Image.fromarray(grey.astype(np.uint8))
    if rng.random() < 0.55 * strength + 0.05:
        small = float(rng.uniform(max(0.32, 0.8 - strength), 1.0))
        kind = Image.Resampling.BILINEAR if rng.random() < 0.7 else Image.Resampling.BOX
        image = image.resize((max(8, int(width * small)), max(8, int(height * small))), kind)
    if rng.random() < 0.7 * strength + 0.1:
        image = image.filter(ImageFilter.BoxBlur(float(rng.uniform(0.2, 0.4 + 1.6 * strength)) * image.height / 56))
    if rng.random() < 0.8 * strength + 0.1:
        grain = float(rng.uniform(1, 4 + 22 * strength))
        values = np.asarray(image, np.float32)
        image = Image.fromarray(np.clip(values + grain * noise(values.shape, rng), 0, 255).astype(np.uint8))
    if rng.random() < 0.12:
        return binary(np.asarray(image), rng)
    if rng.random() < 0.5:
        image = packed(image, int(rng.uniform(25 + 40 * (1 - strength), 92)))
    return np.asarray(image)


def binary(grey: Grey, rng: np.random.Generator) -> Grey:
    """A scanner's two levels, with a threshold somewhere between ink and paper."""
    low, high = np.percentile(grey, (2, 90))
    cut = low + (high - low) * float(rng.uniform(0.4, 0.72))
    return np.where(grey > cut, np.uint8(255), np.uint8(0))


def packed(image: Image.Image, quality: int) -> Image.Image:
    """Through JPEG and back."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("L")


def blurred(ink: Ink, radius: float) -> Ink:
    """Out of focus by so many pixels (a box: a third of a Gaussian's price); in 256 levels, which is enough for ink."""
    image = Image.fromarray((ink * 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.BoxBlur(radius * 1.4)), np.float32) / 255


@cache
def _field() -> np.ndarray:
    return np.random.default_rng(20).standard_normal(NOISE, dtype=np.float32)


def noise(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """White noise of variance 1, cut from one stored field at a random place. -> float32 [h, w]"""
    height, width = shape
    if height > NOISE[0] or width > NOISE[1]:
        return rng.standard_normal(shape, dtype=np.float32)
    y, x = int(rng.integers(NOISE[0] - height + 1)), int(rng.integers(NOISE[1] - width + 1))
    return _field()[y : y + height, x : x + width]


def clouds(shape: tuple[int, ...], size: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise with blots of about ``size`` pixels. -> float32 [h, w]"""
    height, width = shape
    coarse = rng.standard_normal((max(2, int(height / size) + 1), max(2, int(width / size) + 1)), dtype=np.float32)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
