"""Pages of a PDF as grey pixels, one at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from weighin.core.errors import InputError, MissingError
from weighin.families.ocr.images import MOST_PIXELS

DPI = 300.0  # pages are rendered at
POINTS = 72.0  # an inch


@contextmanager
def document(path: Path) -> Iterator[Any]:
    """The open PDF. Raises InputError: locked, damaged, without pages; MissingError without pypdfium2."""
    pypdfium2 = _library()
    try:
        found = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        raise _refusal(path, str(error)) from error
    except FileNotFoundError:
        raise InputError(f"{path} cannot be read: No such file or directory") from None
    try:
        if not len(found):
            raise InputError(f"{path} has no pages", "A PDF with at least one", "Save it again")
        yield found
    finally:
        found.close()


def _refusal(path: Path, reason: str) -> InputError:
    if "password" in reason.lower():
        return InputError(
            f"{path} is locked with a password", "A PDF that opens without one", "Unlock it: qpdf --decrypt IN OUT"
        )
    return InputError(f"{path} is a damaged PDF: {reason}", "The file must be complete", "Fetch or save it again")


def count(path: Path) -> int:
    """Pages of a PDF. Raises InputError."""
    with document(path) as found:
        return len(found)


def pixels(path: Path, number: int) -> tuple[np.ndarray, float]:
    """Page ``number`` (from 0) as uint8 [h, w] and its dots an inch: 300, or fewer on a very large page. Raises InputError."""
    pypdfium2 = _library()
    with document(path) as found:
        try:
            page = found[number]
            wide, high = page.get_size()
            dpi = min(DPI, POINTS * (MOST_PIXELS / max(wide * high, 1.0)) ** 0.5)
            drawn = page.render(scale=dpi / POINTS, grayscale=True).to_numpy()
            return np.array(drawn.reshape(drawn.shape[:2])), dpi
        except pypdfium2.PdfiumError as error:
            raise _refusal(path, f"page {number + 1}: {error}") from error


@contextmanager
def new() -> Iterator[Any]:
    """A PDF without pages. Raises MissingError without pypdfium2."""
    found = _library().PdfDocument.new()
    try:
        yield found
    finally:
        found.close()


def _library() -> Any:
    try:
        import pypdfium2
    except ImportError as error:
        raise MissingError("pypdfium2 is not installed", hint="pip install 'weighin[ocr]'") from error
    return pypdfium2
