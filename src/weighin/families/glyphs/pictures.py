"""``images:DIR``: pictures of one character, labelled by the folder they lie in or by a CSV file."""

import csv
import re
from pathlib import Path

import numpy as np

from weighin.core.errors import DataError, InputError
from weighin.families.glyphs.glyph import from_path
from weighin.families.glyphs.labels import CLASS_OF, CLASS_OF_CODE
from weighin.families.glyphs.store import Progress, Store
from weighin.families.glyphs.worker import ROW, FaceInfo

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".pgm", ".ppm", ".pbm"))
TABLE = "labels.csv"  # columns: file, label, and optionally group (a writer, a font, a page)


def image_files(folder: Path) -> list[Path]:
    """The pictures below a folder, and its table where it has one, sorted. Raises DataError where there is none."""
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}", "images:DIR", "Check the path")
    found = sorted(p for p in folder.rglob("*") if p.is_file() and (p.suffix.lower() in SUFFIXES or p == folder / TABLE))
    if not any(path.suffix.lower() in SUFFIXES for path in found):
        raise DataError(f"No picture in {folder}", "Files ending in " + ", ".join(sorted(SUFFIXES)), "Name another folder")
    return found


def label_of(text: str) -> int | None:
    """The label index that a name stands for: ``1575_isol``, ``U+0627``, ``uni0627`` or the character itself."""
    text = text.strip()
    if text in CLASS_OF:
        return CLASS_OF[text]
    code = re.fullmatch(r"(?:U\+|uni|u)([0-9A-Fa-f]{4,6})", text)
    if code:
        return CLASS_OF_CODE.get(int(code.group(1), 16))
    return CLASS_OF_CODE.get(ord(text)) if len(text) == 1 else None


def read_images(folder: Path, progress: Progress) -> Store:
    """Every labelled picture below a folder as rows with no em. Raises DataError: no label is known, none can be read.

    Without a table the nearest folder whose name is a label gives it, and the folder below that, if there is one,
    is the group (``65_latin/writer3/a.png``); a picture with no group stands for itself.
    """
    named, unknown = _from_table(folder) if (folder / TABLE).is_file() else _from_folders(folder)
    skipped = [[name, "its label is not one of the 1,197"] for name in unknown]
    bits, labels, faces = [], [], []
    for number, (path, label, group) in enumerate(named):
        try:
            bits.append(from_path(path).bits)
            labels.append(label)
            faces.append(FaceInfo(path.relative_to(folder).as_posix(), str(path), 0, None, group, "", group))
        except InputError as error:
            skipped.append([path.relative_to(folder).as_posix(), str(error)])
        progress(number + 1, len(named))
    if not bits:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in skipped[:3])
        raise DataError(
            f"No picture in {folder} can be used ({reasons})", "Labels such as 1575_isol, U+0627 or A", "Rename them"
        )
    rows = np.zeros(len(bits), ROW)
    rows["label"], rows["face"], rows["glyph"] = labels, np.arange(len(bits)), -1
    return Store(np.stack(bits), np.full((len(bits), 5), np.nan, np.float32), rows, faces, {}, skipped)


def _from_folders(folder: Path) -> tuple[list[tuple[Path, int, str]], list[str]]:
    named, unknown = [], []
    for path in image_files(folder):
        parts = path.relative_to(folder).parts
        places = [place for place, part in enumerate(parts[:-1]) if label_of(part) is not None]
        if not places:
            unknown.append("/".join(parts))
            continue
        below = parts[places[-1] + 1 : -1]
        named.append((path, label_of(parts[places[-1]]) or 0, below[0] if below else "/".join(parts)))
    return named, unknown


def _from_table(folder: Path) -> tuple[list[tuple[Path, int, str]], list[str]]:
    try:
        with (folder / TABLE).open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file)
            columns, rows = table.fieldnames or (), list(table)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{folder / TABLE} cannot be read: {error}", "A CSV table in UTF-8", "Save it again") from error
    if not {"file", "label"} <= set(columns):
        raise DataError(f"{folder / TABLE} has the columns {columns}", "file, label and optionally group", "Name them so")
    entries = [(row["file"] or "", row["label"] or "", row.get("group") or row["file"] or "") for row in rows]
    outside = next((name for name, _, _ in entries if Path(name).is_absolute()), None)
    if outside:
        raise DataError(f"{folder / TABLE} names {outside}", "Files are named from the folder of the table", "Shorten it")
    named = [(folder / name, label, group) for name, text, group in entries if (label := label_of(text)) is not None]
    return named, [name for name, text, _ in entries if label_of(text) is None]
