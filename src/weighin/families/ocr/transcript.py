"""What was read on a page, with its place: the one form from which every file format is written."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

import numpy as np

from weighin.families.ocr.line import Place, Reading

Box = tuple[float, float, float, float]  # x0, y0, x1, y1
Corners = tuple[
    float, float, float, float, float, float, float, float
]  # x, y of top left, top right, bottom right, bottom left


@dataclass(frozen=True)
class WordText:
    """A word; ``corners`` in pixels of the page, as the writing stands, so the first is where the word's top begins."""

    text: str
    confidence: float
    corners: Corners

    @property
    def box(self) -> Box:
        """The upright box around it."""
        xs, ys = self.corners[0::2], self.corners[1::2]
        return min(xs), min(ys), max(xs), max(ys)


@dataclass(frozen=True)
class LineText:
    """A line of a paragraph ``block``; ``box`` upright, in pixels of the page."""

    text: str
    confidence: float
    box: Box
    block: int
    words: tuple[WordText, ...]


@dataclass(frozen=True)
class PageText:
    """One page: ``number`` from 1, ``size`` in pixels, ``angle`` by which its lines lean (degrees, counter-clockwise)."""

    number: int
    size: tuple[int, int]  # width, height
    dpi: float | None
    angle: float
    note: str  # why there are no lines; empty where there are
    lines: tuple[LineText, ...]

    def blocks(self) -> Iterator[tuple[int, list[LineText]]]:
        """Paragraphs in reading order."""
        return ((number, list(lines)) for number, lines in groupby(self.lines, key=lambda line: line.block))

    @property
    def text(self) -> str:
        """Lines of a paragraph below each other, an empty line between paragraphs."""
        return "\n\n".join("\n".join(line.text for line in lines) for _, lines in self.blocks())


def page_of(named: Sequence[tuple[str, Reading]]) -> PageText | None:
    """The page whose lines these are, in reading order; None for readings that come from no page."""
    first = named[0][1].source if named else None
    if first is None or not named[0][0]:
        return None
    found = [(reading, reading.source) for _, reading in named if reading.source is not None and any(reading.source.box)]
    lines = tuple(_line(reading, place) for reading, place in found if reading.text)
    angle = -found[0][1].angle if found else 0.0
    note = "" if found else named[0][0]
    return PageText(first.page, first.page_size, first.dpi, angle, note, lines)


def _line(reading: Reading, place: Place) -> LineText:
    x0, y0, x1, y1 = place.box
    wide, high = place.page_size
    box = (max(0.0, x0), max(0.0, y0), min(float(wide), x1), min(float(high), y1))
    words = tuple(WordText(_writable(text), sure, _corners(place, ends)) for text, sure, ends in _words(reading, place))
    return LineText(_writable(reading.text), reading.confidence, box, place.block, words)


def _writable(text: str) -> str:
    """Text without the halves of characters that no file can hold."""
    return text.encode(errors="replace").decode()


def _words(reading: Reading, place: Place) -> Iterator[tuple[str, float, tuple[float, float]]]:
    """Words with their ends in pixels of the level line; spread by their length where the reader does not say."""
    if reading.words:
        yield from ((word.text, word.confidence, word.box) for word in reading.words)
        return
    a_character, start = line_size(place)[0] / max(1, len(reading.text)), 0
    for text in reading.text.split(" "):
        yield text, reading.confidence, (start * a_character, (start + len(text)) * a_character)
        start += len(text) + 1


def line_size(place: Place) -> tuple[float, float]:
    """Width and height of a level line from the upright box around it on a page that leans."""
    x0, y0, x1, y1 = place.box
    cosine, sine = abs(np.cos(np.deg2rad(place.angle))), abs(np.sin(np.deg2rad(place.angle)))
    both = cosine**2 - sine**2  # not 0: no page leans by 45 degrees
    return float((x1 - x0) * cosine - (y1 - y0) * sine) / both, float((y1 - y0) * cosine - (x1 - x0) * sine) / both


def _corners(place: Place, ends: tuple[float, float]) -> Corners:
    """Corners on the page of a word that reaches from ``ends[0]`` to ``ends[1]`` on the level line."""
    wide, high = line_size(place)
    slope = np.deg2rad(-place.angle)  # what was turned back
    turn = np.array([[np.cos(slope), -np.sin(slope)], [np.sin(slope), np.cos(slope)]])
    x0, x1 = (min(max(x, 0.0), wide) - wide / 2 for x in ends)
    points = np.array([(x0, -high / 2), (x1, -high / 2), (x1, high / 2), (x0, high / 2)])
    centre = np.array([(place.box[0] + place.box[2]) / 2, (place.box[1] + place.box[3]) / 2])
    found = ((points @ turn) + centre).clip(0, place.page_size).round(1).ravel().tolist()
    return found[0], found[1], found[2], found[3], found[4], found[5], found[6], found[7]


def as_json(page: PageText) -> dict[str, Any]:
    """Plain data that ``from_json`` reads back."""
    return asdict(page)


def from_json(raw: Mapping[str, Any]) -> PageText:
    """A page from what ``as_json`` wrote."""
    lines = tuple(
        LineText(
            line["text"],
            line["confidence"],
            tuple(line["box"]),
            line["block"],
            tuple(WordText(word["text"], word["confidence"], tuple(word["corners"])) for word in line["words"]),
        )
        for line in raw["lines"]
    )
    wide, high = raw["size"]
    return PageText(raw["number"], (wide, high), raw["dpi"], raw["angle"], raw["note"], lines)
