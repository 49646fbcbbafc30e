"""Pages with a known layout: where every line's ink is, and in which order it is read."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

FONTS = (
    "/usr/share/fonts/truetype/noto/NotoSansOriya-Regular.ttf",
    "/usr/share/fonts/truetype/lohit-oriya/Lohit-Odia.ttf",
    "/usr/share/fonts/truetype/fonts-orya-extra/utkal.ttf",
    "/usr/share/fonts/truetype/samyak-fonts/Samyak-Oriya.ttf",
)
TEXT = (
    "ଓଡ଼ିଶା ଭାରତର ପୂର୍ବ ଉପକୂଳରେ ଥିବା ଏକ ରାଜ୍ୟ ଅଟେ ଏହାର ରାଜଧାନୀ ଭୁବନେଶ୍ୱର ଜିଲ୍ଲା ମାନଙ୍କ ମଧ୍ୟରେ ପୁରୀ କଟକ ଗଞ୍ଜାମ "
    "ଶିକ୍ଷା କ୍ଷେତ୍ରରେ ବିଶ୍ୱବିଦ୍ୟାଳୟ ପ୍ରତିଷ୍ଠା ହୋଇଥିଲା ଲୋକଙ୍କ ସଂସ୍କୃତି ନୃତ୍ୟ ସଙ୍ଗୀତ କୃଷକ ବର୍ଷା ନଦୀ ସମୁଦ୍ର "
    "ମନ୍ଦିର ଶ୍ରୀଜଗନ୍ନାଥ ଗ୍ରାମ ସହର ମୂଲ୍ୟ ବଜାର ଦିନ ରାତି ସୂର୍ଯ୍ୟ ଚନ୍ଦ୍ର ପାଣି ଫୁଲ ଗଛ ପକ୍ଷୀ ଆକାଶ ଘର ମାଆ ବାପା ଭାଇ "
    "ଭଉଣୀ ଉତ୍ସବ ।"
)
WORDS = tuple(TEXT.split())


@dataclass(frozen=True)
class Look:
    """What a page looks like; lengths in pixels, angles in degrees counter-clockwise."""

    width: int = 1240
    height: int = 1754
    size: int = 30  # of the body's letters
    leading: float = 1.45  # pitch over size
    columns: int = 1
    heading: bool = True
    skew: float = 0.0
    rules: bool = False  # between columns, below the heading, and a frame
    specks: int = 0
    photo: bool = False  # uneven light, blur, a dark desk at two sides
    curve: float = 0.0  # how far the middle of the page sinks
    fonts: tuple[str, ...] = FONTS
    paragraphs: int = 6  # lines of a paragraph, about


@dataclass
class Page:
    """``pixels`` uint8 [h, w]; ``owner`` int [h, w]: 0, or 1 + the line whose ink it is; ``texts`` in reading order."""

    pixels: np.ndarray
    owner: np.ndarray
    texts: list[str] = field(default_factory=list)


def sentence(rng: np.random.Generator, words: Sequence[str], font: ImageFont.FreeTypeFont, room: float) -> str:
    """Words as many as fit into ``room`` pixels, at least one."""
    found: list[str] = []
    while not found or font.getlength(" ".join(found)) <= room:
        found.append(str(words[rng.integers(len(words))]))
    return " ".join(found[:-1] or found)


def page(look: Look, seed: int = 0, words: Sequence[str] = WORDS) -> Page:
    """A page as ``look`` says; the same seed makes the same page."""
    rng = np.random.default_rng(seed)
    name = look.fonts[rng.integers(len(look.fonts))]
    made = Page(np.full((look.height, look.width), 255, np.uint8), np.zeros((look.height, look.width), np.int32))
    top, margin = int(0.06 * look.height), int(0.07 * look.width)
    if look.heading:
        font = ImageFont.truetype(name, int(look.size * 1.9), layout_engine=ImageFont.Layout.RAQM)
        text = sentence(rng, words, font, look.width * 0.6)
        put(made, text, font, (look.width - font.getlength(text)) / 2, top)
        top += int(look.size * 1.9 * 1.9)
    gutter = int(look.size * 1.7)
    wide = (look.width - 2 * margin - gutter * (look.columns - 1)) // look.columns
    for column in range(look.columns):
        fill(made, look, name, rng, words, (margin + column * (wide + gutter), top, wide))
    if look.rules:
        rule(made, look, margin, top, gutter, wide)
    return spoiled(made, look, rng)


def fill(
    made: Page,
    look: Look,
    name: str,
    rng: np.random.Generator,
    words: Sequence[str],
    room: tuple[int, int, int],
) -> None:
    """One column of paragraphs, justified as in print; some with a heading of their own."""
    left, y, wide = room
    body = ImageFont.truetype(name, look.size, layout_engine=ImageFont.Layout.RAQM)
    bold = ImageFont.truetype(name, int(look.size * 1.35), layout_engine=ImageFont.Layout.RAQM)
    y += int(rng.integers(0, look.size // 2))
    pitch, bottom, number = look.leading * look.size, look.height * 0.94, 0
    left_over = 0
    while y + pitch < bottom:
        if left_over == 0:
            left_over, number = int(rng.integers(3, 2 * look.paragraphs)), number + 1
            if look.heading and number % 3 == 2 and y + 4 * pitch < bottom:
                put(made, sentence(rng, words, bold, wide * 0.7), bold, left, int(y))
                y += pitch * 1.5
            indent, first = look.size, True
        else:
            indent, first = 0, False
        left_over -= 1
        room_here = (wide - indent) * (1.0 if left_over else rng.uniform(0.3, 0.9))
        text = sentence(rng, words, body, room_here)
        justify(made, text, body, left + indent, int(y), room_here if left_over else 0)
        y += pitch + (0.4 * pitch if left_over == 0 and not first else 0)


def justify(made: Page, text: str, font: ImageFont.FreeTypeFont, left: float, y: int, room: float) -> None:
    """A line whose spaces are stretched to fill ``room``; as it is where room is 0."""
    parts = text.split(" ")
    gap = font.getlength(" ")
    if room and len(parts) > 1:
        gap = min(gap * 1.7, (room - sum(font.getlength(p) for p in parts)) / (len(parts) - 1))
    made.texts.append(text)
    for part in parts:
        put(made, part, font, left, y, len(made.texts))
        left += font.getlength(part) + gap


def put(made: Page, text: str, font: ImageFont.FreeTypeFont, left: float, y: int, owner: int = 0) -> None:
    """Draws text with its top at y; a new line of the page unless ``owner`` says whose it is."""
    if not owner:
        made.texts.append(text)
        owner = len(made.texts)
    high, wide = made.pixels.shape
    layer = Image.new("L", (min(int(font.getlength(text)) + 60, wide), font.size * 3), 0)
    ImageDraw.Draw(layer).text((20, font.size // 2), text, font=font, fill=255, language="or")
    ink = np.asarray(layer)
    y0, x0 = y - font.size // 2, int(left) - 20
    y1, x1 = min(high, y0 + ink.shape[0]), min(wide, x0 + ink.shape[1])
    ink = ink[max(0, -y0) : y1 - y0, max(0, -x0) : x1 - x0]
    box = np.s_[max(0, y0) : y1, max(0, x0) : x1]
    made.pixels[box] = np.minimum(made.pixels[box], 255 - ink)
    made.owner[box] = np.where(ink > 127, owner, made.owner[box])


def rule(made: Page, look: Look, margin: int, top: int, gutter: int, wide: int) -> None:
    """Lines between the columns, a line below the heading, and a frame around all."""
    bottom = int(look.height * 0.95)
    image = Image.fromarray(made.pixels)
    draw = ImageDraw.Draw(image)
    for column in range(1, look.columns):
        x = margin + column * (wide + gutter) - gutter // 2
        draw.line((x, top, x, bottom), fill=30, width=2)
    draw.line((margin, top - look.size // 2, look.width - margin, top - look.size // 2), fill=20, width=3)
    draw.rectangle(
        (margin // 2, int(0.03 * look.height), look.width - margin // 2, int(0.965 * look.height)), outline=40, width=3
    )
    made.pixels = np.array(image)


def spoiled(made: Page, look: Look, rng: np.random.Generator) -> Page:
    """Curved, skewed, photographed and dirty, as ``look`` says."""
    pixels, owner = made.pixels, made.owner
    if look.curve:
        pixels, owner = bent(pixels, look.curve), bent(owner, look.curve)
    if look.skew:
        pixels, owner = turned(pixels, look.skew, 255), turned(owner, look.skew, 0)
    if look.specks:
        ys, xs = rng.integers(0, pixels.shape[0] - 3, look.specks), rng.integers(0, pixels.shape[1] - 3, look.specks)
        pixels = pixels.copy()
        for y, x, side in zip(ys, xs, rng.integers(1, 4, look.specks)):
            pixels[y : y + side, x : x + side] = rng.integers(0, 120)
    if look.photo:
        pixels = photographed(pixels, rng)
    return replace(made, pixels=pixels, owner=owner)


def bent(values: np.ndarray, depth: float) -> np.ndarray:
    """Columns shifted down by a parabola that is ``depth`` pixels in the middle."""
    x = np.linspace(-1, 1, values.shape[1])
    shift = np.round(depth * (1 - x**2)).astype(int)
    rows = (np.arange(values.shape[0])[:, None] - shift[None, :]).clip(0, values.shape[0] - 1)
    return np.take_along_axis(values, rows, 0)


def turned(values: np.ndarray, angle: float, fill: int) -> np.ndarray:
    """Turned counter-clockwise, the page grown to hold it."""
    how = Image.Resampling.BICUBIC if values.dtype == np.uint8 else Image.Resampling.NEAREST
    return np.array(Image.fromarray(values).rotate(angle, how, expand=True, fillcolor=fill))


def photographed(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light that falls off to one side, a shadow, blur, sensor noise, JPEG, and a desk."""
    high, wide = pixels.shape
    y, x = np.mgrid[0:high, 0:wide].astype(np.float32)
    direction = rng.uniform(0, 2 * np.pi)
    slope = (np.cos(direction) * (x / wide - 0.5) + np.sin(direction) * (y / high - 0.5)).astype(np.float32)
    light = 0.72 + 0.35 * slope
    light *= 1 - 0.25 / (1 + np.exp(-(x - rng.uniform(0.3, 0.8) * wide + 0.3 * y) / (0.03 * wide)))
    shot = ndimage.gaussian_filter(pixels.astype(np.float32), 0.9) * light + 20
    shot += rng.normal(0, 5, shot.shape).astype(np.float32)
    desk = int(0.04 * wide)
    shot[:desk], shot[:, :desk] = rng.normal(45, 8, (desk, wide)), rng.normal(45, 8, (high, desk))
    return np.clip(shot, 0, 255).astype(np.uint8)


def installed() -> tuple[Path, ...]:
    """The fonts of ``FONTS`` that this machine has."""
    return tuple(path for path in map(Path, FONTS) if path.exists())
