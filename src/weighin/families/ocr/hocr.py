"""hOCR 1.2: what was read as an XHTML page that other programs take (http://kba.github.io/hocr-spec/1.2/)."""

from collections.abc import Iterable, Iterator
from html import escape

from weighin.families.ocr.transcript import Box, LineText, PageText

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="{language}" lang="{language}">
 <head>
  <title>{name}</title>
  <meta http-equiv="Content-Type" content="text/html;charset=utf-8"/>
  <meta name="ocr-system" content="weighin"/>
  <meta name="ocr-capabilities" content="ocr_page ocr_par ocr_line ocrx_word"/>
 </head>
 <body>
"""
TAIL = " </body>\n</html>\n"


def written(pages: Iterable[PageText], name: str, language: str) -> Iterator[str]:
    """The file piece by piece; ``name`` is the image's."""
    yield HEAD.format(name=clean(name), language=clean(language))
    for page in pages:
        yield _page(page, name)
    yield TAIL


def clean(text: str) -> str:
    """Text for XML: escaped, without the characters that XML cannot hold."""
    return escape("".join(c for c in text if c in "\t\n" or " " <= c < "\ud800" or "\ue000" <= c <= "\ufffd" or c > "\uffff"))


def _page(page: PageText, name: str) -> str:
    wide, high = page.size
    scanned = f"; scan_res {page.dpi:.0f} {page.dpi:.0f}" if page.dpi else ""
    quoted = name.replace("\\", "/").replace('"', "'")
    title = f'image "{quoted}"; bbox 0 0 {wide} {high}; ppageno {page.number - 1}{scanned}'
    place = f"page_{page.number}"
    blocks = "".join(_block(number, lines, page) for number, lines in page.blocks())
    return f'  <div class="ocr_page" id="{place}" title="{clean(title)}">\n{blocks}  </div>\n'


def _block(number: int, lines: list[LineText], page: PageText) -> str:
    place = f"{page.number}_{number + 1}"
    inside = "".join(_line(line, f"{place}_{at}", page.angle) for at, line in enumerate(lines, 1))
    return f'   <p class="ocr_par" id="par_{place}" title="{_bbox(around(lines))}">\n{inside}   </p>\n'


def around(lines: list[LineText]) -> Box:
    """The upright box around lines."""
    x0, y0, x1, y1 = zip(*(line.box for line in lines), strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def _line(line: LineText, place: str, angle: float) -> str:
    leaning = f"; textangle {angle:.2f}" if angle else ""
    words = " ".join(
        f'<span class="ocrx_word" id="word_{place}_{at}" title="{_bbox(word.box)}; x_wconf {100 * word.confidence:.0f}">'
        f"{clean(word.text)}</span>"
        for at, word in enumerate(line.words, 1)
    )
    return f'    <span class="ocr_line" id="line_{place}" title="{_bbox(line.box)}{leaning}">{words}</span>\n'


def _bbox(box: Box) -> str:
    return "bbox " + " ".join(f"{value:.0f}" for value in box)
