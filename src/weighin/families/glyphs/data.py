"""Examples of the family ``glyphs``: ``synthetic``, ``fonts``, ``fonts:DIR``, ``fonts:FILE``, ``images:DIR``."""

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, overload

import numpy as np

from weighin.core.errors import DataError
from weighin.core.family import Example, Split
from weighin.core.files import hash_json, hash_path
from weighin.families.glyphs.fonts import font_files
from weighin.families.glyphs.glyph import Glyph
from weighin.families.glyphs.labels import CLASS_OF, GROUPS, LABELS, form_of
from weighin.families.glyphs.pictures import TABLE, image_files, read_images
from weighin.families.glyphs.splits import SALT, SPLITS, divide
from weighin.families.glyphs.store import Progress, Store, cache_folder, drawn, load, save
from weighin.families.glyphs.synthetic import synthetic
from weighin.families.glyphs.worker import raster_keys

log = logging.getLogger("weighin.glyphs")
DRAWING = 3  # raised when drawing, labels or splits change, so that old caches are not read
STROKES = 2  # raised when the synthetic families change
KINDS = {
    "synthetic": "letters of made-up families of strokes; needs no font",
    "fonts": "all fonts of the system; fonts:DIR and fonts:FILE take others",
    "images": "images:DIR, pictures of one character, labelled by their folder or by labels.csv",
}
_FORMS = [form_of(label) for label in LABELS]


class Glyphs(Sequence[Example[Glyph, str]]):
    """Examples made from packed arrays when they are asked for; a slice is another ``Glyphs``."""

    def __init__(self, store: Store, indices: np.ndarray) -> None:
        self.store, self.indices = store, indices

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, at: int) -> Example[Glyph, str]: ...
    @overload
    def __getitem__(self, at: slice) -> "Glyphs": ...
    def __getitem__(self, at: int | slice) -> "Example[Glyph, str] | Glyphs":
        return Glyphs(self.store, self.indices[at]) if isinstance(at, slice) else self.take([at])[0]

    def __iter__(self) -> Iterator[Example[Glyph, str]]:
        for start in range(0, len(self), 1024):
            yield from self.take(range(start, min(start + 1024, len(self))))

    def take(self, at: Sequence[int] | np.ndarray) -> list[Example[Glyph, str]]:
        """The examples at these places, in one go."""
        chosen = self.indices[np.asarray(at, dtype=np.intp)]
        bits = self.store.bits[chosen]
        rows = self.store.rows[chosen]
        boxes = self.store.box[chosen].tolist()
        found = []
        for raster, box, label, face in zip(bits, boxes, rows["label"].tolist(), rows["face"].tolist(), strict=True):
            info, name = self.store.faces[face], LABELS[label]
            glyph = Glyph(raster, tuple(box) if box[0] == box[0] else None)  # NaN: no em
            found.append(Example(f"{info.id}:{name}", info.group, glyph, name, _FORMS[label]))
        return found

    @property
    def classes(self) -> np.ndarray:
        """The label index of every example, [n]."""
        return self.store.rows["label"][self.indices].astype(np.int64)

    @property
    def bits(self) -> np.ndarray:
        """The packed rasters, [n, 128, 16], copied."""
        return self.store.bits[self.indices]


def examples(data: str, split: Split) -> Sequence[Example[Glyph, str]]:
    """Examples of a split. Splits never share a font family. Raises DataError."""
    if data == "synthetic":
        return synthetic(split)
    store = store_of(data)
    indices = np.flatnonzero(store.rows["split"] == SPLITS.index(split))
    if not len(indices):
        raise DataError(
            f"{data} has no {split} examples: {store.counts['groups']} families cannot be divided",
            "At least three families for train, validation and test; fewer are all test",
            "Add fonts, or use it with weigh only",
        )
    return Glyphs(store, indices)


def fingerprint(data: str) -> str:
    """A hash of what ``data`` names: paths and sizes of the files, and the version of the drawing."""
    kind = _kind(data)
    if kind == "synthetic":
        return hash_json(["synthetic", STROKES])[:16]
    files = font_files(data) if kind == "fonts" else image_files(_folder(data))
    tables = [hash_path(path) for path in files if path.name == TABLE]  # a corrected label may leave the size as it was
    return hash_json([kind, DRAWING, SALT, [(str(path), path.stat().st_size) for path in files], *tables])[:16]


def store_of(data: str) -> Store:
    """Everything drawn for ``fonts...`` or read for ``images:DIR``; from the cache where it is there. Raises DataError."""
    kind, folder = _kind(data), cache_folder() / fingerprint(data)
    if not (folder / "index.json").is_file():
        with _progress(f"reading {data}") as progress:
            raw = drawn(font_files(data), progress) if kind == "fonts" else read_images(_folder(data), progress)
        save(divide(raw), folder)
    return _loaded(folder)


@lru_cache(maxsize=4)
def _loaded(folder: Path) -> Store:
    return load(folder)


def _kind(data: str) -> str:
    kind, colon, where = data.partition(":")
    if kind not in KINDS or (kind == "synthetic" and colon) or (kind == "images" and not where):
        allowed = "; ".join(f"{name}: {about}" for name, about in KINDS.items())
        raise DataError(f"The family glyphs has no data {data!r}", allowed, "Use one of them")
    return kind


def _folder(data: str) -> Path:
    return Path(data.partition(":")[2]).expanduser()


@contextmanager
def _progress(what: str) -> Iterator[Progress]:
    """A bar on a terminal; elsewhere a line in the log every tenth of the way."""
    if not sys.stderr.isatty():
        yield _logger(what)
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _logger(what: str) -> Callable[[int, int], None]:
    last = [-1]

    def tell(done: int, total: int) -> None:
        tenth = 10 * done // max(total, 1)
        if tenth > last[0]:
            last[0] = tenth
            log.info("%s: %d of %d files", what, done, total)

    return tell


def ceiling(examples: Sequence[Example[Glyph, str]]) -> dict[str, Any]:
    """The best top-1 that any reader of the raster alone can have on these examples, strict and merged.

    Where one raster stands under several labels, at most the most frequent of them can be right.
    """
    if isinstance(examples, Glyphs):
        keys, label = raster_keys(examples.bits), examples.classes
    else:
        keys = raster_keys(np.stack([e.x.bits for e in examples])) if examples else np.zeros(0, np.uint64)
        label = np.array([CLASS_OF[e.y] for e in examples], dtype=np.int64)
    merged = np.asarray(GROUPS)[label] if len(label) else label
    _, inverse, seen = np.unique(keys, return_inverse=True, return_counts=True)
    several = np.unique(np.stack((inverse.ravel(), label)), axis=1)
    ambiguous = np.bincount(several[0], minlength=len(seen))[inverse.ravel()] > 1
    n = max(len(label), 1)
    return {
        "ceiling_top1": _best(inverse.ravel(), label) / n,
        "ceiling_top1_merged": _best(inverse.ravel(), merged) / n,
        "share_under_several_labels": float(ambiguous.sum() / n),
        "distinct_rasters": len(seen),
    }


def _best(raster: np.ndarray, label: np.ndarray) -> int:
    """How many are right at most: for every raster its most frequent label."""
    pairs, counts = np.unique(np.stack((raster, label)), axis=1, return_counts=True)
    best = np.zeros(int(raster.max()) + 1 if len(raster) else 0, np.int64)
    np.maximum.at(best, pairs[0], counts)
    return int(best.sum())
