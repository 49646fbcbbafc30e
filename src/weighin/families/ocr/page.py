"""Files of pages as named lines: an image of a page, a TIFF or PDF of many, each page made when it is asked for."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np
from PIL import Image

from weighin.core.errors import InputError
from weighin.families.ocr import images, pdf
from weighin.families.ocr.line import Line, Place
from weighin.families.ocr.segment import Sheet, sheet

Named = list[tuple[str, Line]]
WIDE = 8.0  # times as wide as high: one line, without looking
FILLED = 0.4  # of an image's height, that its only line must take for the image to be of a line
WHITE = np.full((48, 48), 255, np.uint8)  # stands for a page on which nothing is written


class Pages(Sequence[Named]):
    """The lines of every page of a file; a slice is a list."""

    def __init__(self, path: Path, count: int) -> None:
        self.path, self.pages = path, count

    def __len__(self) -> int:
        return self.pages

    @overload
    def __getitem__(self, at: int) -> Named: ...
    @overload
    def __getitem__(self, at: slice) -> list[Named]: ...
    def __getitem__(self, at: int | slice) -> Named | list[Named]:
        if isinstance(at, slice):
            return [self[place] for place in range(*at.indices(self.pages))]
        if not 0 <= at < self.pages:
            raise IndexError(at)
        try:
            grey, dpi = pixels(self.path, at)
        except InputError as error:
            if self.pages == 1:
                raise
            return [(f"page {at + 1} cannot be read: {error}", Line(WHITE, Place(self.path, at + 1)))]
        return named(sheet(grey), self.path, at + 1, dpi)

    def __iter__(self) -> Iterator[Named]:
        return (self[place] for place in range(self.pages))


def expand(path: Path) -> Sequence[Named] | None:
    """Pages of a PDF, of a TIFF of several, or of an image that shows more than a line; None for one line and for no image.

    Lines are named ``page 1 line 3``, a page without any ``page 1 is blank``. Raises InputError: see ``pages``.
    """
    if images.is_pdf(images.start_of(path)):
        return Pages(path, pdf.count(path))
    try:
        with images.opened(path) as image:
            count, (wide, high) = images.frames(image), image.size
    except InputError:
        return None  # ``read`` says what is wrong with it
    if count > 1:
        return Pages(path, count)
    if wide > WIDE * high:
        return None
    grey, dpi = pixels(path, 0)
    return _one(sheet(grey), grey, path, dpi)


def _one(found: Sheet, grey: np.ndarray, path: Path, dpi: float | None) -> Sequence[Named] | None:
    """The only page of a file; None where it is no more than a line."""
    if len(found.lines) == 1:
        x0, y0, x1, y1 = found.lines[0].box
        if y1 - y0 >= FILLED * grey.shape[0] or x1 - x0 > WIDE * grey.shape[0]:
            return None
    return [named(found, path, 1, dpi)]


def pixels(path: Path, number: int) -> tuple[np.ndarray, float | None]:
    """Page ``number`` (from 0) of a file: uint8 [h, w], dark on light, and its dots an inch if it says. Raises InputError."""
    if images.is_pdf(images.start_of(path)):
        drawn, dpi = pdf.pixels(path, number)
        return images.dark_on_light(drawn), dpi
    with images.opened(path) as image:
        if number:
            image.seek(number)
        return images.upright(image), _dpi(image)


def count(path: Path) -> int:
    """Pages of a file that ``expand`` takes. Raises InputError."""
    if images.is_pdf(images.start_of(path)):
        return pdf.count(path)
    with images.opened(path) as image:
        return images.frames(image)


def _dpi(image: Image.Image) -> float | None:
    """Dots an inch across; None where the file does not say, or says what cannot be."""
    said = image.info.get("dpi", (0, 0))
    across = float(said[0]) if isinstance(said, tuple) and said else 0.0
    return across if 50 <= across <= 2400 else None


def named(found: Sheet, path: Path, page: int, dpi: float | None) -> Named:
    """The lines of one page with their names and places; one white line for a page without any."""
    high, wide = found.shape
    if not found.lines:
        return [(f"page {page} is blank", Line(WHITE, Place(path, page, dpi=dpi, page_size=(wide, high))))]
    lines = []
    for order, line in enumerate(found.lines):
        place = Place(path, page, found.box_on_page(line.box), dpi, (wide, high), line.block, order, -found.angle)
        lines.append((f"page {page} line {order + 1}", Line(line.pixels, place)))
    return lines
