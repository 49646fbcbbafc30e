"""A page for people: the image and the text side by side, words that the reader was not sure of marked in both."""

import base64
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from weighin.families.ocr.deskew import reduced
from weighin.families.ocr.hocr import clean
from weighin.families.ocr.page import pixels
from weighin.families.ocr.transcript import LineText, PageText, WordText

UNSURE, VERY_UNSURE = 0.9, 0.6  # below these a word is marked
MOST_PICTURES = 40  # pages of a document that get a picture: with more of them a browser no longer opens the file
LONGER_SIDE = 1600  # pixels of a picture
QUALITY = 60

STYLE = """
body { margin: 0; font: 16px/1.6 "Noto Sans Oriya", "Noto Sans", sans-serif; color: #1a1a1a; background: #f3f3f0; }
header { padding: .7em 1.2em; background: #fff; border-bottom: 1px solid #ccc; position: sticky; top: 0; z-index: 1; }
header b { margin-right: 1em; } mark { padding: 0 .15em; border-radius: .2em; color: inherit; }
.key { margin-right: 1em; } .some { background: #ffe9a8; } .much { background: #ffc2b3; }
section { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 1.2em; padding: 1.2em; }
figure { margin: 0; position: sticky; top: 4em; align-self: start; } figure svg { width: 100%; height: auto; display: block;
 background: #fff; box-shadow: 0 1px 4px #0003; }
article { background: #fff; padding: 1em 1.6em; box-shadow: 0 1px 4px #0003; } article p { margin: 0 0 1em; }
h2 { font-size: 1em; color: #666; margin: 0 0 .6em; } polygon { fill: transparent; stroke: none; }
polygon.some { fill: #ffd24d55; } polygon.much { fill: #ff5a3655; } .on { outline: 2px solid #1673c5; }
polygon.on { stroke: #1673c5; stroke-width: 4; } .none { color: #888; }
@media (max-width: 50em) { section { grid-template-columns: 1fr; } }
"""
SCRIPT = """
for (const kind of ["mouseover", "mouseout", "focusin", "focusout"]) document.addEventListener(kind, event => {
  const word = event.target.closest && event.target.closest("[data-w]");
  if (word) for (const twin of document.querySelectorAll('[data-w="' + word.dataset.w + '"]'))
    twin.classList.toggle("on", kind === "mouseover" || kind === "focusin");
});
"""


def written(pages: Iterable[PageText], path: Path, language: str) -> Iterator[str]:
    """One self-contained HTML file, piece by piece; pictures are drawn from ``path`` again. Raises InputError."""
    yield f'<!doctype html>\n<html lang="{clean(language)}"><head><meta charset="utf-8"><title>{clean(path.name)}</title>'
    yield f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>\n'
    yield f'<header><b>{clean(path.name)}</b><span class="key"><mark class="some">below {UNSURE:.0%} sure</mark></span>'
    yield f'<span class="key"><mark class="much">below {VERY_UNSURE:.0%} sure</mark></span></header>\n'
    for count, page in enumerate(pages):
        yield f'<section id="page-{page.number}">\n{_picture(page, path) if count < MOST_PICTURES else _no_picture(page)}'
        yield f"<article><h2>{_heading(page)}</h2>\n{_text(page)}</article></section>\n"
    yield f"<script>{SCRIPT}</script></body></html>\n"


def _heading(page: PageText) -> str:
    words = [word for line in page.lines for word in line.words]
    unsure = sum(word.confidence < UNSURE for word in words)
    return f"Page {page.number}: {len(words)} words, {unsure} unsure"


def _picture(page: PageText, path: Path) -> str:
    grey, _ = pixels(path, page.number - 1)
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(reduced(grey, max(1, round(max(grey.shape) / LONGER_SIDE))))).save(
        buffer, "JPEG", quality=QUALITY
    )
    coded = base64.b64encode(buffer.getvalue()).decode()
    wide, high = grey.shape[1], grey.shape[0]
    shapes = "".join(_shape(word, name) for word, name in _words(page))
    image = f'<image href="data:image/jpeg;base64,{coded}" width="{wide}" height="{high}"/>'
    return (
        f'<figure><svg viewBox="0 0 {wide} {high}" role="img" aria-label="Page {page.number}">{image}{shapes}</svg></figure>\n'
    )


def _no_picture(page: PageText) -> str:
    return f'<figure class="none">Pictures of the first {MOST_PICTURES} pages only; this is page {page.number}.</figure>\n'


def _words(page: PageText) -> Iterator[tuple[WordText, str]]:
    """Words with the name that their two appearances share."""
    for at, line in enumerate(page.lines):
        yield from ((word, f"{page.number}-{at}-{place}") for place, word in enumerate(line.words))


def _shape(word: WordText, name: str) -> str:
    marked = f' class="{_kind(word)}"' if _kind(word) else ""
    points = " ".join(f"{x:.0f},{y:.0f}" for x, y in zip(word.corners[0::2], word.corners[1::2], strict=True))
    title = f"<title>{clean(word.text)} {word.confidence:.0%}</title>"
    return f'<polygon data-w="{name}"{marked} points="{points}">{title}</polygon>'


def _kind(word: WordText) -> str:
    return "much" if word.confidence < VERY_UNSURE else "some" if word.confidence < UNSURE else ""


def _text(page: PageText) -> str:
    """Paragraphs with the lines of the page; why there are none, where there are none."""
    if not page.lines:
        return f'<p class="none">{clean(page.note or "Nothing was read on this page.")}</p>\n'
    numbers = {id(line): at for at, line in enumerate(page.lines)}
    blocks = ("<br>\n".join(_line(line, f"{page.number}-{numbers[id(line)]}") for line in lines) for _, lines in page.blocks())
    return "".join(f"<p>{block}</p>\n" for block in blocks)


def _line(line: LineText, name: str) -> str:
    return " ".join(_word(word, f"{name}-{place}") for place, word in enumerate(line.words))


def _word(word: WordText, name: str) -> str:
    kind = _kind(word)
    if not kind:
        return f'<span data-w="{name}">{clean(word.text)}</span>'
    return f'<mark data-w="{name}" class="{kind}" tabindex="0" title="{word.confidence:.0%} sure">{clean(word.text)}</mark>'
