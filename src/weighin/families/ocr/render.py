"""Setting a line of text in a font: raqm orders vowel signs and makes conjuncts; what the font lacks, a companion draws."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from weighin.core.errors import DataError
from weighin.families.ocr.fonts import Face

SILENT = frozenset("\u200c\u200d")  # drawn by no font, kept beside the character they change
PAPER = 255


@dataclass(frozen=True, slots=True)
class Type:
    """How a line is set: the face, others for characters it lacks, pixels an em, and dials of the typesetter."""

    face: Face
    others: tuple[Face, ...]
    size: int = 40
    space: float = 1.0  # width of a space, of the font's own
    stroke: float = 0.0  # pixels added around every stroke
    language: str = "or"


def set_line(text: str, how: Type) -> np.ndarray:
    """Grey uint8 [h, w], black on white, cropped to its ink. Raises DataError for characters that no face has."""
    pieces = list(_pieces(text, how))
    fonts = [face.font(how.size) for _, face in pieces]
    gap = how.face.font(how.size).getlength(" ", language=how.language) * how.space
    widths = [
        gap if piece == " " else font.getlength(piece, language=how.language)
        for (piece, _), font in zip(pieces, fonts, strict=True)
    ]
    room = 2 * how.size  # Odia has forms that reach far below and above the em
    image = Image.new("L", (int(sum(widths)) + room, 3 * how.size), PAPER)
    draw = ImageDraw.Draw(image)
    x = room / 2
    for (piece, _), font, width in zip(pieces, fonts, widths, strict=True):
        if piece != " ":
            draw.text((x, 1.9 * how.size), piece, 0, font, "ls", language=how.language, stroke_width=how.stroke)
        x += width
    return trimmed(np.asarray(image))


def trimmed(pixels: np.ndarray) -> np.ndarray:
    """The box of all that is not paper; the whole where there is nothing."""
    ink = pixels < PAPER
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    if not len(rows):
        return pixels
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _pieces(text: str, how: Type) -> Iterator[tuple[str, Face]]:
    """Runs of one face between spaces; every space is a piece of its own."""
    for number, word in enumerate(text.split(" ")):
        if number:
            yield " ", how.face
        run, current = "", how.face
        for character in word:
            face = current if character in SILENT else _face_for(character, how)
            if run and face is not current:
                yield run, current
                run = ""
            run, current = run + character, face
        if run:
            yield run, current


def _face_for(character: str, how: Type) -> Face:
    for face in (how.face, *how.others):
        if character in face.coverage:
            return face
    came = f"No face at hand has {character!r} (U+{ord(character):04X})"
    raise DataError(came, f"{how.face.style} and {len(how.others)} others", "Leave the text out, or install a font with it")
