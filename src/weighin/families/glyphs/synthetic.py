"""Letters that need no font: a table of strokes, drawn in made-up families, each with its own width, slant and manner."""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from weighin.core.family import Example, Split
from weighin.families.glyphs.glyph import Glyph
from weighin.families.glyphs.labels import CLASS_OF_CODE, LABELS, form_of
from weighin.families.glyphs.raster import SIDE, Box

FAMILIES = {"train": range(10), "validation": range(10, 13), "test": range(13, 16)}
WEIGHTS = (0.75, 1.0, 1.3)  # times the family's stroke width
PIXELS_AN_EM = 110
CELL = 0.09  # em, a step of the grid that the strokes are written on
MARGIN = 26  # pixels around the grid, for slant and width

# Points are two digits, x and y, on a grid of 9 x 9 with the baseline at 0 and capitals 8 high. "~" is rounded,
# "o" is rounded and closed, "." is a dot at every point; a plain stroke has corners.
_BOWL, _NOON, _DAL, _REH = "~06 03 22 62 83 86", "~05 02 20 40 62 65", "~17 47 54 20 00", "~56 53 20 00"
_HAH, _ALEF = "06 26 66;~66 14 12 30 60", "~38 35 44 40"
_STROKES = {
    "A": "00 38 60;13 53", "B": "00 08;~08 48 66 44 04;~04 54 62 50 00", "C": "~67 58 18 07 01 10 50 61",
    "D": "00 08;~08 48 66 62 40 00", "E": "68 08 00 60;04 44", "F": "68 08 00;04 44", "G": "~67 58 18 07 01 10 50 61 64;64 44",
    "H": "00 08;60 68;04 64", "I": "30 38", "J": "~58 52 40 20 02", "K": "00 08;68 04;14 60", "L": "08 00 60",
    "M": "00 08 34 68 60", "N": "00 08 60 68", "O": "o18 58 66 62 50 10 02 06", "P": "00 08;~08 58 66 54 04",
    "Q": "o18 58 66 62 50 10 02 06;42 60", "R": "00 08;~08 58 66 54 04;34 60", "S": "~67 58 18 06 05 14 54 63 62 50 10 01",
    "T": "08 68;38 30", "U": "~08 02 20 40 62 68", "V": "08 30 68", "W": "08 10 35 50 68", "X": "08 60;00 68",
    "Y": "08 34 68;34 30", "Z": "08 68 00 60", "0": "o28 38 47 41 30 20 11 17", "1": "16 38 30",
    "2": "~06 18 48 66 54 10 00;00 60", "3": "~07 28 58 66 44 24;~24 54 62 50 20 01", "4": "50 58 02 62",
    "5": "68 08 05;~05 45 63 50 10 01",
    "6": "~58 28 04 01 20 40 62 54 24 03", "7": "08 68 20", "8": "o28 48 56 44 24 16;o24 44 62 40 20 02",
    "9": "~10 40 64 67 48 28 06 14 44 65", "+": "04 64;37 31", "-": "04 64", "=": "03 63;05 65", "/": "00 68", "<": "67 04 61",
    ">": "07 64 01", "!": "38 33;.30", "?": "~07 28 58 66 34 33;.30", ":": ".31 36", "(": "~48 26 22 40", ")": "~28 46 42 20",
    "\u0627": _ALEF, "\ufe8d": _ALEF, "\u0628": _BOWL + ";.40", "\u062a": _BOWL + ";.37 57", "\u062b": _BOWL + ";.37 57 48",
    "\u067e": _BOWL + ";.31 51 40", "\u0646": _NOON + ";.37", "\u062f": _DAL, "\u0630": _DAL + ";.38", "\u0631": _REH,
    "\u0632": _REH + ";.58", "\u062d": _HAH, "\u062c": _HAH + ";.43", "\u062e": _HAH + ";.48", "\u0644": "~69 62 40 10 02",
    "\u0648": "o46 58 66 54;~65 52 20 00", "\u0661": "~17 36 30", "\u06f1": "~17 36 30",
}  # fmt: skip

_FIRST = {strokes: ord(character) for character, strokes in reversed(_STROKES.items())}  # strokes -> their first character


@lru_cache(maxsize=3)
def synthetic(split: Split) -> tuple[Example[Glyph, str], ...]:
    """Examples of a split, the same on every machine; a family of strokes is in one split only."""
    return tuple(
        _example(family, weight, character)
        for family in FAMILIES[split]
        for weight in range(len(WEIGHTS))
        for character in _STROKES
    )


def _example(family: int, weight: int, character: str) -> Example[Glyph, str]:
    style = np.random.default_rng((7, family))
    width = style.uniform(0.045, 0.12) * WEIGHTS[weight]  # em
    slant, aspect, height = style.uniform(-0.12, 0.28), style.uniform(0.65, 1.25), style.uniform(0.85, 1.15)
    rounding, serif = style.uniform(0.12, 0.33), style.choice([0.0, 0.0, 0.9])
    # The hand's freedom, the same in every weight; characters of the same strokes are drawn as one.
    own = np.random.default_rng((family, _FIRST[_STROKES[character]]))
    side = int(9 * CELL * PIXELS_AN_EM * 1.25) + 2 * MARGIN
    picture = Image.new("L", (side, side))
    pen = ImageDraw.Draw(picture)
    for stroke in _STROKES[character].split(";"):
        points = _points(stroke, own, rounding)
        points *= (aspect, height)
        points[:, 0] += slant * points[:, 1]
        pixels = MARGIN + points * CELL * PIXELS_AN_EM
        _draw(pen, [(x, side - y) for x, y in pixels.tolist()], width * PIXELS_AN_EM, stroke[0], serif)
    label = LABELS[CLASS_OF_CODE[ord(character)]]
    left, top, right, bottom = picture.getbbox() or (0, 0, side, side)
    glyph = Glyph.of(_tight(picture.crop((left, top, right, bottom))), _box(left, side - bottom, right, side - top))
    return Example(f"strokes-{family}-{weight}:{label}", f"strokes-{family}", glyph, label, form_of(label))


def _points(stroke: str, own: np.random.Generator, rounding: float) -> np.ndarray:
    """The stroke's points [n, 2] in grid steps, displaced a little, corners cut (Chaikin 1974) where it is rounded."""
    points = np.array([[int(pair[0]), int(pair[1])] for pair in stroke.lstrip("~o.").split()], float)
    points += own.normal(0, 0.18, points.shape)
    if stroke[0] == "o":
        points = np.concatenate((points, points[:1]))
    for _ in range(2 if stroke[0] in "~o" else 0):
        before, after = points[:-1], points[1:]
        cut = np.stack((before + rounding * (after - before), after - rounding * (after - before)), axis=1).reshape(-1, 2)
        points = np.concatenate((cut, cut[:1])) if stroke[0] == "o" else np.concatenate((points[:1], cut, points[-1:]))
    return points


def _draw(pen: ImageDraw.ImageDraw, points: list[tuple[float, float]], width: float, kind: str, serif: float) -> None:
    radius = width * (0.75 if kind == "." else 0.5)
    if kind != ".":
        pen.line(points, fill=255, width=round(width))
    for x, y in points:
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    if serif and kind.isdigit():
        for x, y in (points[0], points[-1]):
            pen.line((x - serif * width, y, x + serif * width, y), fill=255, width=max(1, round(width * 0.6)))


def _tight(ink: Image.Image) -> np.ndarray:
    """Cropped ink as a tight raster, uint8 [128, 128]."""
    scale = SIDE / max(ink.size)
    raster = np.zeros((SIDE, SIDE), np.uint8)
    width, height = (max(1, round(pixels * scale)) for pixels in ink.size)
    raster[:height, :width] = np.asarray(ink.resize((width, height), Image.Resampling.BILINEAR)) > 127
    return raster


def _box(left: int, bottom: int, right: int, top: int) -> Box:
    """Pixels of the picture as em, from the origin of the grid; half a grid step of bearing on the right."""
    x, y, end, height = ((pixels - MARGIN) / PIXELS_AN_EM for pixels in (left, bottom, right, top))
    return (x, y, end - x, height - y, max(end, 0.0) + CELL / 2)
