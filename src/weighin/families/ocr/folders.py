"""People's own lines: ``lines:DIR`` (tesstrain's pairs of image and ``.gt.txt``) and ``imagefolder:DIR`` (a metadata table)."""

import csv
import json
import logging
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from weighin.core.errors import DataError, InputError
from weighin.core.family import Example, Split
from weighin.families.ocr.alphabet import Alphabet
from weighin.families.ocr.images import line_of
from weighin.families.ocr.line import Line, Place
from weighin.families.ocr.text import read_text, share_of

log = logging.getLogger("weighin.ocr")
IMAGES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif")
TRUTH = ".gt.txt"
TABLES = ("metadata.csv", "metadata.jsonl")

Labelled = tuple[Path, str]  # an image, and what it says as it was written down


class Picture(Line):
    """A line in a file; ``pixels`` reads it. Raises DataError."""

    def __init__(self, path: Path) -> None:
        self.__dict__.update(source=Place(path), path=path)

    path: Path

    @cached_property
    def pixels(self) -> np.ndarray:  # type: ignore[override]
        """Grey uint8 [h, w]."""
        try:
            return line_of(self.path.read_bytes()).pixels
        except (InputError, OSError) as error:
            raise DataError(f"{self.path}: {error}", hint="Repair the image or take it out of the folder") from error


def labelled_lines(folder: Path) -> list[Labelled]:
    """Images with a ``.gt.txt`` beside them, below ``folder``, sorted. Raises DataError: none, or one half missing."""
    images = _images(folder)
    bare = {path: path.with_name(path.name.split(".")[0] + TRUTH) for path in images}
    missing = [path for path, truth in bare.items() if not truth.is_file()]
    if missing:
        came = f"{len(missing)} of {len(images)} images have no ground truth: {missing[0].name} lacks {bare[missing[0]].name}"
        raise DataError(came, "Beside line.png stands line.gt.txt", "Add them, or move these images elsewhere")
    return [(path, read_text(truth)) for path, truth in bare.items()]


def labelled_table(folder: Path) -> list[Labelled]:
    """Rows ``file_name``, ``text`` of ``metadata.csv`` or ``metadata.jsonl``. Raises DataError."""
    table = next((folder / name for name in TABLES if (folder / name).is_file()), None)
    if table is None:
        raise DataError(f"{folder} has no metadata", " or ".join(TABLES) + ", with file_name and text", "Write one of them")
    found = []
    for number, row in _records(table):
        if not row.get("file_name") or row.get("text") is None:
            raise DataError(f"{table}, line {number} lacks file_name or text", "Every row has both", "Complete the row")
        path = folder / str(row["file_name"])
        if not path.resolve().is_relative_to(folder.resolve()):
            raise DataError(f"{table}, line {number} names {row['file_name']}, outside the folder", "Files below it")
        if not path.is_file():
            raise DataError(f"{table}, line {number}: there is no {path}", "Every file_name is there", "Correct the table")
        found.append((path, str(row["text"])))
    return found


def _records(table: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    text = read_text(table)
    if table.suffix == ".csv":
        yield from enumerate(map(dict, csv.DictReader(text.splitlines())), 2)
        return
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{table}, line {number} is not JSON: {error.msg}", "One object a line") from error
        if not isinstance(row, dict):
            raise DataError(f"{table}, line {number} is no object", '{"file_name": "a.png", "text": "..."}')
        yield number, row


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}", "lines:DIR or imagefolder:DIR", "Check the path")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGES)
    if not found:
        raise DataError(f"No image in {folder}", "Files ending in " + ", ".join(IMAGES), "Name another folder")
    return found


def examples_of(rows: Sequence[Labelled], folder: Path, alphabet: Alphabet, split: Split) -> list[Example[Line, str]]:
    """Examples of a split. A folder named ``train``, ``validation`` or ``test`` decides; else the name of the file's folder,
    or where all lie in one the file's own, is the group that a split is drawn by. Empty truths are left out and counted."""
    kept = [(path, alphabet.canonical(text), text.strip("\r\n")) for path, text in rows]
    changed = sum(text != raw for _, text, raw in kept)
    empty = sum(not text for _, text, _ in kept)
    if changed or empty:
        log.info("%s: %d truths brought to canonical form, %d empty ones left out", folder.name, changed, empty)
    named = [(path.relative_to(folder), text) for path, text, _ in kept if text]
    if not named:
        raise DataError(f"Every ground truth in {folder} is empty", "Text in UTF-8", "Write what the lines say")
    flat = len({path.parent for path, _ in named}) < 3
    found = []
    for path, text in named:
        given = next((word for word in path.parts[:-1] if word in ("train", "validation", "test")), None)
        group = str(path.with_suffix("")) if flat or given else str(path.parent)
        if (given or _drawn(group)) == split:
            found.append(Example(str(path), group, Picture(folder / path), text, "given"))
    return found


def _drawn(group: str) -> Split:
    """90 % train, 4 % validation, 6 % test, by the name of the group."""
    share = share_of(group, "folder")
    return "train" if share < 0.9 else "validation" if share < 0.94 else "test"
