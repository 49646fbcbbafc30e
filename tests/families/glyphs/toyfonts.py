"""Fonts made for the tests: boxes and wedges on Latin and Arabic codepoints, so that no test needs an installed font."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from fontTools.feaLib.builder import addOpenTypeFeaturesFromString
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

LATIN = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
ARABIC = ("\u0627", "\u0628", "\u062c", "\u0644")  # alef, beh, jeem, lam
JOINED = """
languagesystem DFLT dflt; languagesystem arab dflt;
feature init { sub uni0628 by beh.init; sub uni0644 by lam.init; } init;
feature medi { sub uni0628 by beh.medi; sub uni062C by jeem.medi; } medi;
feature fina { sub uni0627 by alef.fina; sub uni062C by jeem.fina; } fina;
feature rlig { sub lam.init alef.fina by lam_alef; } rlig;
"""
FORMS = ("beh.init", "beh.medi", "jeem.medi", "jeem.fina", "lam.init", "alef.fina", "lam_alef")


def save(
    path: Path, family: str, characters: Iterable[str] = LATIN, hand: int | None = None, joined: bool = False, shapes: str = ""
) -> Path:
    """Writes a TrueType font. Glyphs are drawn from their own name, a little changed by ``hand`` (default: the family's
    name); ``shapes`` are characters whose outlines the others take, in turn."""
    own = sum(map(ord, family)) if hand is None else hand
    named = {name_of(character): character for character in characters}
    extra = [*map(name_of, ARABIC), *FORMS] if joined else []
    order = [".notdef", *named, *extra]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(order)
    cmap = {ord(character): name for name, character in named.items()}
    builder.setupCharacterMap(cmap | ({ord(c): name_of(c) for c in ARABIC} if joined else {}))
    drawn = {name: shapes[number % len(shapes)] if shapes else name for number, name in enumerate(order)}
    builder.setupGlyf({name: outline(drawn[name], own) for name in order})
    builder.setupHorizontalMetrics(dict.fromkeys(order, (700, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": family, "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    if joined:
        addOpenTypeFeaturesFromString(builder.font, JOINED)
    path.parent.mkdir(parents=True, exist_ok=True)
    builder.save(path)
    return path


def name_of(character: str) -> str:
    """``uni0628``, as fontTools would name it."""
    return f"uni{ord(character):04X}"


def outline(name: str, hand: int) -> object:
    """Five bars whose places come from the name and move a little with the hand."""
    shape, style = np.random.default_rng([ord(c) for c in name]), np.random.default_rng([hand, *map(ord, name)])
    pen = TTGlyphPen(None)
    for _ in range(5):
        x, y, width, height = shape.integers((0, -150, 60, 60), (450, 550, 350, 350)) + style.integers(-12, 13, 4)
        corners: Sequence[tuple[int, int]] = [(x, y), (x, y + height), (x + width, y + height), (x + width // 2, y)]
        pen.moveTo(corners[0])
        for corner in corners[1:]:
            pen.lineTo(corner)
        pen.closePath()
    return pen.glyph()


def families(folder: Path, count: int, joined: bool = False) -> Path:
    """A folder of fonts, one a family."""
    for number in range(count):
        save(folder / f"toy{number:02d}.ttf", f"Toy {chr(65 + number)}", joined=joined)
    return folder
