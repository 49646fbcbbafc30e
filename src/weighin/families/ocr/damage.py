"""Two conditions of the test, clean and degraded; not the damages that training is hardened against.

Shared with training in kind: skew, blur, grain, JPEG. Only here: motion blur, specks and holes, strokes worn or thickened
by whole pixels, a keystone, gamma, a halftone. Only there (``degrade.py``): wavy baselines, uneven ink, clouds, show-through,
slivers of neighbours, rules. The generator is another one as well.
"""

import io

import numpy as np
from PIL import Image, ImageFilter

Grey = np.ndarray  # uint8 [h, w], black ink on white
SLANT = 0.2  # of an italic
NARROW = 0.78  # of a condensed face
CUTS = {"upright": 0.7, "slanted": 0.15, "narrow": 0.15}  # shares of test lines


def cut(pixels: Grey, how: str) -> Grey:
    """``slanted`` as an italic, ``narrow`` as a condensed face, or ``upright`` as it is. -> uint8 [h, w']"""
    if how == "upright":
        return pixels
    height, width = pixels.shape
    terms = (1.0, SLANT, -SLANT * height, 0.0, 1.0, 0.0) if how == "slanted" else (1 / NARROW, 0.0, 0.0, 0.0, 1.0, 0.0)
    out = width + int(SLANT * height) + 1 if how == "slanted" else max(1, int(width * NARROW))
    image = Image.fromarray(pixels)
    return np.asarray(image.transform((out, height), Image.Transform.AFFINE, terms, Image.Resampling.BICUBIC, fillcolor=255))


def clean(pixels: Grey, rng: np.random.Generator) -> Grey:
    """Even margins, nothing else."""
    margin = max(3, int(0.12 * len(pixels)) + int(rng.integers(0, 3)))
    return np.pad(pixels, margin, constant_values=255)


def degraded(pixels: Grey, rng: np.random.Generator) -> Grey:
    """Three to six damages of the ten, after each other. -> uint8 [h', w']"""
    image = Image.fromarray(clean(pixels, rng))
    names = rng.permutation(len(_DAMAGES))[: int(rng.integers(3, 7))]
    for name in sorted(names):
        image = _DAMAGES[name](image, rng)
    return np.asarray(image)


def _wear(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Strokes thicker or thinner by about a pixel of a line 56 pixels high."""
    change = ImageFilter.MinFilter(3) if rng.random() < 0.6 else ImageFilter.MaxFilter(3)
    return Image.blend(image, image.filter(change), float(rng.uniform(0.3, 0.8)) * min(1.0, image.height / 56))


def _keystone(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    width, height = image.size
    a, b, c, d = (float(v) for v in rng.uniform(-0.06, 0.06, 4) * height)
    corners = (a, b, -c, height - d, width + c, height + d, width - a, -b)
    return image.transform(image.size, Image.Transform.QUAD, corners, Image.Resampling.BICUBIC, fillcolor=255)


def _skew(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    most = min(1.2, np.degrees(0.25 * image.height / image.width))
    return image.rotate(float(rng.uniform(-most, most)), Image.Resampling.BICUBIC, expand=True, fillcolor=255)


def _specks(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Dots of dirt and holes in the ink, one or two pixels wide."""
    values = np.array(image)
    for value, share in ((0, rng.uniform(0, 0.004)), (255, rng.uniform(0, 0.02))):
        count = int(values.size * share)
        y, x = rng.integers(0, values.shape[0], count), rng.integers(0, values.shape[1], count)
        values[y, x] = value
        values[y, np.minimum(x + 1, values.shape[1] - 1)] = value
    return Image.fromarray(values)


def _light(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A shadow that rises along the line, and faded ink."""
    values = np.asarray(image, np.float64)
    shadow = np.linspace(1, float(rng.uniform(0.45, 1)), values.shape[1])[:: 1 if rng.random() < 0.5 else -1]
    fade = float(rng.uniform(0, 90))
    return Image.fromarray(((fade + values * (255 - fade) / 255) * shadow).astype(np.uint8))


def _gamma(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    power = float(rng.uniform(0.6, 1.8))
    return image.point([round(255 * (level / 255) ** power) for level in range(256)])


def _focus(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.4, 1.3)) * image.height / 56))


def _motion(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A hand that moves: the mean of the line and itself one to three pixels further."""
    values = np.asarray(image, np.float64)
    far = max(1, round(float(rng.uniform(1, 3)) * len(values) / 56))
    axis = int(rng.random() < 0.7)
    return Image.fromarray(np.mean([np.roll(values, step, axis) for step in range(far + 1)], 0).astype(np.uint8))


def _grain(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    values = np.asarray(image, np.float64)
    return Image.fromarray(np.clip(values + rng.normal(0, rng.uniform(4, 22), values.shape), 0, 255).astype(np.uint8))


def _coarse(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Few pixels: a line 22 to 36 high, packed as JPEG; or a halftone of two levels."""
    scale = float(rng.uniform(22, 36)) / image.height
    if rng.random() < 0.2:
        return image.resize((image.width * 3 // 2, image.height * 3 // 2), Image.Resampling.BICUBIC).convert("1").convert("L")
    if scale < 1:
        image = image.resize((max(8, int(image.width * scale)), max(8, int(image.height * scale))), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=int(rng.integers(25, 70)))
    return Image.open(buffer).convert("L")


_DAMAGES = (_wear, _keystone, _skew, _specks, _light, _gamma, _focus, _motion, _grain, _coarse)
