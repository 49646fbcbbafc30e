"""A PDF in which the text can be found and copied: the pages as they came, the words invisible above them."""

import ctypes
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from PIL import Image

from weighin.families.ocr import images, pdf
from weighin.families.ocr.page import pixels
from weighin.families.ocr.transcript import PageText, WordText

EM = 1000  # units
ADVANCE = 500  # of every character: a word is stretched to its place anyway
QUALITY = 80  # of the JPEG of a page that came as an image
USUAL_DPI = 200.0  # of an image that does not say
_SIZE = 10.0  # points, before stretching


def save(path: Path, pages: Iterable[PageText], characters: str, out: Path) -> None:
    """Writes the document at ``path`` with a layer of words to ``out``. A PDF keeps its pages, an image becomes one.

    ``characters`` are all that the words hold. Raises InputError, MissingError.
    """
    with pdf.document(path) if images.is_pdf(images.start_of(path)) else pdf.new() as document:
        font = _loaded(document, invisible_font(characters))
        for page in pages:
            sheet = _sheet(document, path, page)
            for line in page.lines:
                for at, word in enumerate(line.words):
                    _put(document, sheet, font, word, page, "\n" if at == len(line.words) - 1 else " ")
            _raw().FPDFPage_GenerateContent(sheet.raw)
            sheet.close()
        document.save(out)


def invisible_font(characters: str) -> bytes:
    """A TrueType font with a box for every character, so that a reader of the PDF knows what stands where.

    As text that is not painted needs no shapes, it needs no font of the script on this machine, and every code point is
    a glyph of its own, so that what is copied is what was read, in its order.
    """
    names = {ord(c): f"u{ord(c):04X}" for c in sorted(set(characters) | {" "}) if c.isprintable()}
    pen = TTGlyphPen(None)
    pen.moveTo((0, -200))
    for corner in ((0, 800), (ADVANCE, 800), (ADVANCE, -200)):
        pen.lineTo(corner)
    pen.closePath()
    box, glyphs = pen.glyph(), [".notdef", *names.values()]
    font = FontBuilder(EM, isTTF=True)
    font.setupGlyphOrder(glyphs)
    font.setupCharacterMap(names)
    font.setupGlyf(dict.fromkeys(glyphs, box))
    font.setupHorizontalMetrics(dict.fromkeys(glyphs, (ADVANCE, 0)))
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": "Invisible", "styleName": "Regular"})
    font.setupOS2()
    font.setupPost()
    buffer = io.BytesIO()
    font.save(buffer)
    return buffer.getvalue()


def _raw() -> Any:
    import pypdfium2.raw

    return pypdfium2.raw


def _loaded(document: Any, font: bytes) -> Any:
    raw = _raw()
    return raw.FPDFText_LoadFont(
        document.raw, (ctypes.c_uint8 * len(font)).from_buffer_copy(font), len(font), raw.FPDF_FONT_TRUETYPE, 1
    )


def _sheet(document: Any, path: Path, page: PageText) -> Any:
    """The page to write on: of a PDF its own, of an image a new one with the image on it."""
    if images.is_pdf(images.start_of(path)):
        return document[page.number - 1]
    import pypdfium2

    grey, _ = pixels(path, page.number - 1)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "JPEG", quality=QUALITY)
    buffer.seek(0)
    wide, high = (side * pdf.POINTS / (page.dpi or USUAL_DPI) for side in grey.shape[::-1])
    sheet = document.new_page(wide, high)
    picture = pypdfium2.PdfImage.new(document)
    picture.load_jpeg(buffer, inline=True)
    picture.set_matrix(pypdfium2.PdfMatrix().scale(wide, high))
    sheet.insert_obj(picture)
    return sheet


def _put(document: Any, sheet: Any, font: Any, word: WordText, page: PageText, after: str) -> None:
    """One word, unpainted, over its corners; ``after`` it a space."""
    raw = _raw()
    corners = np.array([_on_sheet(sheet, page, x, y) for x, y in np.array(word.corners).reshape(4, 2)])  # [4,2] in points
    text = "".join(c for c in word.text if c.isprintable())
    across, up = corners[2] - corners[3], corners[0] - corners[3]
    if not text or not across.any() or not up.any():
        return
    item = raw.FPDFPageObj_CreateTextObj(document.raw, font, ctypes.c_float(_SIZE))
    coded = (text + after.replace("\n", " ")).encode("utf-16-le") + b"\0\0"
    raw.FPDFText_SetText(item, (ctypes.c_ushort * (len(coded) // 2)).from_buffer_copy(coded))
    raw.FPDFTextObj_SetTextRenderMode(item, raw.FPDF_TEXTRENDERMODE_INVISIBLE)
    stretch = across / (_SIZE * ADVANCE / EM * len(text.encode("utf-16-le")) / 2)
    rise = up / _SIZE
    start = corners[3] + 0.2 * up  # the font's boxes reach a fifth below the baseline
    raw.FPDFPageObj_Transform(item, *stretch.tolist(), *rise.tolist(), *start.tolist())
    raw.FPDFPage_InsertObject(sheet.raw, item)


def _on_sheet(sheet: Any, page: PageText, x: float, y: float) -> tuple[float, float]:
    """Pixels of the page as drawn in points of the sheet, whatever its rotation and crop."""
    found = ctypes.c_double(), ctypes.c_double()
    _raw().FPDF_DeviceToPage(sheet.raw, 0, 0, *page.size, 0, round(x), round(y), *map(ctypes.byref, found))
    return found[0].value, found[1].value
