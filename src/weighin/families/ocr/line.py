"""The values of the family: a line of writing, what was read in it, and the scores between the two."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from weighin.core.errors import InputError

Scores = np.ndarray  # log-probabilities of one line, float32 [frames, classes]; class 0 is the blank of CTC


@dataclass(frozen=True, slots=True)
class Place:
    """Where a line comes from: a box (x0, y0, x1, y1) in pixels of a page; pages count from 1."""

    path: Path | None = None
    page: int = 1
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    dpi: float | None = None
    page_size: tuple[int, int] = (0, 0)  # width and height in pixels
    block: int = 0  # paragraph or column on the page, in reading order
    order: int = 0  # of the line on the page, in reading order
    angle: float = 0.0  # degrees, counter-clockwise, by which the page was turned to make the line level


@dataclass(frozen=True, eq=False)
class Line:
    """``pixels``: grey uint8 [h, w], dark ink on light paper, any height; ``source``: where on which page it stands."""

    pixels: np.ndarray
    source: Place | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.pixels.shape
        return height, width


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a reading; ``box`` is (x0, x1) in pixels of the line."""

    text: str
    confidence: float  # 0 to 1
    box: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a line says, in canonical form, and how sure that is."""

    text: str
    confidence: float = 1.0  # 0 to 1, of the whole line
    words: tuple[Word, ...] = ()
    alternatives: tuple[tuple[str, float], ...] = ()  # (text, score), best first, the reading itself among them
    source: Place | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """One character of a hypothesis, with the frames [first, last] that say so."""

    character: str
    probability: float  # 0 to 1
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One way to read the scores of a line; ``score`` is comparable within one list of hypotheses only."""

    text: str
    score: float
    letters: tuple[Letter, ...]


def checked(lines: Sequence[object]) -> list[Line]:
    """The same lines, if they are. Raises InputError: what came, and in which place."""
    found = []
    for place, line in enumerate(lines):
        if not isinstance(line, Line):
            hint = "weighin.families.ocr.images.from_array makes one of pixels"
            raise InputError(f"Input {place} is {type(line).__name__}", "ocr reads Line values", hint)
        pixels = line.pixels
        if not isinstance(pixels, np.ndarray) or pixels.ndim != 2 or pixels.dtype != np.uint8 or not pixels.size:
            came = f"{pixels.dtype} {pixels.shape}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
            raise InputError(f"Input {place} has pixels {came}", "They are uint8 [height, width], not empty")
        found.append(line)
    return found
