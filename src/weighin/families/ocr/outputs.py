"""Files beside the answers for a file of pages: text, JSON, TSV, hOCR, ALTO, searchable PDF, and a page for people."""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from weighin.core.files import storing, write_atomic, write_json
from weighin.families.ocr import alto, hocr, page, searchable, sidebyside, transcript
from weighin.families.ocr.alphabet import ALPHABETS
from weighin.families.ocr.line import Reading
from weighin.families.ocr.transcript import Box, PageText, as_json, from_json

Pages = Callable[[], Iterator[PageText]]
COLUMNS = "level page_num block_num par_num line_num word_num left top width height conf text"  # of Tesseract's TSV


def save(path: Path, named: Sequence[tuple[str, Reading]], out: Path) -> list[Path]:
    """Keeps what was read on one page of ``path``; after the last page, writes every format into ``out``.

    They are ``NAME.ocr.txt``, ``.json``, ``.tsv``, ``.hocr``, ``.alto.xml``, ``.html`` and ``.pdf`` after the whole name
    of the file. Pages wait in a hidden folder beside them, so a run that was killed goes on. Nothing is written for a
    single line. Raises InputError, MissingError without pypdfium2, StorageError.
    """
    found = transcript.page_of(named)
    if found is None:
        return []
    folder = out / f".{path.name}.pages"
    write_json(folder / f".{found.number:06d}.json", as_json(found))
    if found.number < page.count(path):
        return []
    _recover(folder, _named(path, out, "json"), found.number)
    written = _assembled(path, lambda: _kept(folder), out)
    shutil.rmtree(folder)
    return written


def _named(path: Path, out: Path, suffix: str) -> Path:
    return out / f"{path.name}.ocr.{suffix}"


def _kept(folder: Path) -> Iterator[PageText]:
    """Pages that wait, one in memory at a time."""
    for file in sorted(folder.glob(".*.json")):
        yield from_json(json.loads(file.read_text(encoding="utf-8")))


def _recover(folder: Path, before: Path, count: int) -> None:
    """Pages that a run assembled before it was killed, where only its last page is done again."""
    waiting = {file.name for file in folder.glob(".*.json")}
    if len(waiting) == count or not before.exists():
        return
    for raw in json.loads(before.read_text(encoding="utf-8"))["pages"]:
        name = f".{raw['number']:06d}.json"
        if name not in waiting:
            write_json(folder / name, raw)


def _assembled(path: Path, pages: Pages, out: Path) -> list[Path]:
    """Every format of a document."""
    characters = "".join(sorted({c for found in pages() for line in found.lines for c in line.text}))
    language = language_of(characters)
    pieces = {
        "txt": plain(pages()),
        "json": as_one_json(pages(), path.name),
        "tsv": tsv(pages()),
        "hocr": hocr.written(pages(), path.name, language),
        "alto.xml": alto.written(pages(), path.name, language),
        "html": sidebyside.written(pages(), path, language),
    }
    written = []
    for suffix, text in pieces.items():
        written.append(_named(path, out, suffix))
        _write(written[-1], text)
    written.append(_named(path, out, "pdf"))
    write_atomic(written[-1], lambda temporary: searchable.save(path, pages(), characters, temporary))
    return written


def _write(path: Path, pieces: Iterable[str]) -> None:
    """Text piece by piece, whole or not at all."""

    def write(temporary: Path) -> None:
        with storing(path), temporary.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
            file.writelines(pieces)

    write_atomic(path, write)


def language_of(characters: str) -> str:
    """ISO 639 code of the alphabet that has most of these characters, beyond what all have; ``und`` where none has any."""
    counts = {a.language: len(set(characters) & set(a.consonants + a.vowels + a.signs)) for a in ALPHABETS.values()}
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] else "und"


def plain(pages: Iterable[PageText]) -> Iterator[str]:
    """Text as read, a form feed between pages."""
    for number, found in enumerate(pages):
        yield f"{chr(12) if number else ''}{found.text}\n"


def as_one_json(pages: Iterable[PageText], name: str) -> Iterator[str]:
    """Everything that is known of every page."""
    yield f'{{"file": {json.dumps(name, ensure_ascii=False)}, "pages": ['
    for number, found in enumerate(pages):
        yield f"{',' if number else ''}\n{json.dumps(as_json(found), ensure_ascii=False)}"
    yield "\n]}\n"


def tsv(pages: Iterable[PageText]) -> Iterator[str]:
    """The columns of Tesseract's TSV: a row for every page (level 1), block, paragraph, line and word (level 5)."""
    yield COLUMNS.replace(" ", "\t") + "\n"
    for found in pages:
        yield _row(1, (found.number, 0, 0, 0, 0), (0, 0, *found.size))
        for block, (_, lines) in enumerate(found.blocks(), 1):
            for level, paragraph in ((2, 0), (3, 1)):
                yield _row(level, (found.number, block, paragraph, 0, 0), hocr.around(lines))
            for at, line in enumerate(lines, 1):
                yield _row(4, (found.number, block, 1, at, 0), line.box)
                for place, word in enumerate(line.words, 1):
                    text = " ".join(word.text.split())
                    yield _row(5, (found.number, block, 1, at, place), word.box, 100 * word.confidence, text)


def _row(level: int, numbers: tuple[int, ...], box: Box, sure: float = -1.0, text: str = "") -> str:
    x0, y0, x1, y1 = (round(value) for value in box)
    cells = (level, *numbers, x0, y0, x1 - x0, y1 - y0, f"{sure:g}" if sure < 0 else f"{sure:.2f}", text)
    return "\t".join(map(str, cells)) + "\n"
