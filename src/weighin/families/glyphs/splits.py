"""Which drawings are kept, and in which split: by font family, with no outline on both sides."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from weighin.families.glyphs.fonts import share_of
from weighin.families.glyphs.labels import CODES, LABELS, script_of
from weighin.families.glyphs.raster import SIDE
from weighin.families.glyphs.shaping import COMPOSED
from weighin.families.glyphs.store import Store
from weighin.families.glyphs.worker import raster_keys

SPLITS = ("train", "validation", "test")
TRAIN, VALIDATION, TEST = range(3)
TEST_SHARE, VALIDATION_SHARE = 0.15, 0.10  # of the families
# Of 400 salts the one that spreads Debian's fonts best: Arabic families, drawings and labels; chosen before any training.
SALT = "glyphs-204"

COPIED = 0.02  # of the pixels: two rasters of a label that differ in fewer may be one outline, saved twice
TWINS = 0.3  # of the labels that two families share: from here on one is a copy of the other
COUSINS = 0.1  # from here on they share some outlines, as digits and punctuation often are
LEAST_SHARED = 15  # labels, below which two families are not compared
LIAR = 0.03  # likeness to what others draw, below which a face draws something else than its cmap says
LEAST_WITNESSES = 20  # faces, below which nobody is called a liar
_CELLS = 16  # a side of the grid that likeness is measured on

_SCRIPT = np.array([script_of(label) == "latin" for label in LABELS])  # label -> 1 latin, 0 arabic
# Stretches that a font may fill wrongly as a whole: Arabic, ASCII, the signs of Latin-1 and its letters.
_STRETCHES = ("arabic", "ascii", "latin-1 signs", "latin-1 letters")
_STRETCH = np.array([0 if code >= 0x100 else 1 if code < 0x80 else 2 if code < 0xC0 else 3 for code in CODES])
_EVIDENCE = np.array([code in range(0xA1, 0x100) or (chr(code).isascii() and chr(code).isalpha()) for code in CODES])
_EVIDENCE |= np.array([0x0621 <= code <= 0x064A for code in CODES])  # label -> whether a liar is known by it


def divide(store: Store) -> Store:
    """The store with the split of every row; liars, duplicates and copies of held-out families left out."""
    counts: dict[str, Any] = {"drawn": len(store.rows), "faces": len(store.faces)}
    rows = store.rows.copy()
    groups, face_group = np.unique([face.group for face in store.faces], return_inverse=True)
    group = face_group.ravel()[rows["face"]]
    rows["split"] = _split_of(groups.tolist())[group]
    liars = _liars(store)
    keep = ~liars[_STRETCH[rows["label"]], rows["face"]]
    told = [[store.faces[face].id, _STRETCHES[stretch]] for stretch, face in np.argwhere(liars)]
    counts["liars"], counts["drawings_of_liars"] = told, int((~keep).sum())
    held = keep & ~((rows["source"] == COMPOSED) & (rows["split"] != TRAIN))
    counts["composed_not_held_out"] = int(keep.sum() - held.sum())
    first = _firsts(store.bits, rows, held)
    counts["duplicates"] = int(held.sum() - first.sum())
    copied = _copies(store.bits, rows, group, first, len(groups))
    counts["copies_of_held_out"] = int(copied.sum())
    kept = np.flatnonzero(first & ~copied)
    counts |= {f"{name}_rows": int((rows["split"][kept] == number).sum()) for number, name in enumerate(SPLITS)}
    counts |= {"groups": len(groups), "labels": len(np.unique(rows["label"][kept]))}
    return Store(store.bits[kept], store.box[kept], rows[kept], store.faces, counts, store.skipped)


def _split_of(groups: Sequence[str]) -> np.ndarray:
    """The split of every group, by its name alone. Fewer than three groups are all test, since none may be divided;
    a split that would be empty takes the group nearest to it."""
    if len(groups) < 3:
        return np.full(len(groups), TEST, np.uint8)
    share = np.array([share_of(group, SALT) for group in groups])
    split = np.where(share < TEST_SHARE, TEST, np.where(share < TEST_SHARE + VALIDATION_SHARE, VALIDATION, TRAIN))
    order = np.argsort(share)
    for wanted, place in ((TEST, 0), (VALIDATION, 1), (TRAIN, -1)):
        if wanted not in split:
            split[order[place]] = wanted
    if len(set(split.tolist())) < 3:
        split[order[0]], split[order[1]], split[order[2:]] = TEST, VALIDATION, TRAIN
    return split.astype(np.uint8)


def _liars(store: Store) -> np.ndarray:
    """[4, faces]: faces whose characters of a stretch look like nobody else's: symbols on Latin slots, letters cut out of
    boxes, another code page's accents. Who lies about ASCII is believed in nothing Latin."""
    found = np.zeros((len(_STRETCHES), len(store.faces)), bool)
    for stretch in range(len(_STRETCHES)):
        chosen = np.flatnonzero((_EVIDENCE & (stretch == _STRETCH))[store.rows["label"]])
        label, face = store.rows["label"][chosen], store.rows["face"][chosen]
        if len(np.unique(face)) < LEAST_WITNESSES:
            continue
        seen = _coarse(store.bits, chosen)  # [k, 256], unit length
        total = np.zeros((len(LABELS), seen.shape[1]))
        np.add.at(total, label, seen)
        others = total[label] - seen
        like = (others * seen).sum(1) / np.maximum(np.linalg.norm(others, axis=1), 1e-9)
        for number in np.unique(face):
            found[stretch, number] = np.median(like[face == number]) < LIAR
    found[2:] |= found[1]
    return found


def _coarse(bits: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Ink in 16 x 16 cells of the box, stretched to a square, less the mean over all, as unit vectors [k, 256]."""
    place = (np.arange(3 * _CELLS) + 0.5) / (3 * _CELLS)  # nine points a cell
    seen = []
    for part in np.array_split(chosen, len(chosen) // 2048 + 1):
        pixels = np.unpackbits(bits[part], axis=2)
        height = SIDE - pixels.max(2)[:, ::-1].argmax(1)
        width = SIDE - pixels.max(1)[:, ::-1].argmax(1)
        rows, columns = (place * height[:, None]).astype(int), (place * width[:, None]).astype(int)
        points = pixels[np.arange(len(part))[:, None, None], rows[:, :, None], columns[:, None, :]]  # [k, 48, 48]
        seen.append(points.reshape(-1, _CELLS, 3, _CELLS, 3).mean((2, 4)).reshape(len(part), -1))
    cells = np.concatenate(seen)
    cells -= cells.mean(0)
    return cells / np.maximum(np.linalg.norm(cells, axis=1, keepdims=True), 1e-9)


def _firsts(bits: np.ndarray, rows: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Of the rows marked in ``among``: the first of every raster with a label in a split; glyphs go before composed."""
    chosen = np.flatnonzero(among)
    chosen = chosen[np.argsort(rows["source"][chosen] == COMPOSED, kind="stable")]
    keys = np.concatenate([raster_keys(bits[part]) for part in np.array_split(chosen, len(chosen) // 4096 + 1)])
    whole = np.stack((keys, rows["label"][chosen].astype(np.uint64), rows["split"][chosen].astype(np.uint64)), axis=1)
    _, where = np.unique(whole, axis=0, return_index=True)
    first = np.zeros(len(rows), bool)
    first[chosen[where]] = True
    return first


def _copies(bits: np.ndarray, rows: np.ndarray, group: np.ndarray, among: np.ndarray, groups: int) -> np.ndarray:
    """Rows whose outlines a held-out family has too: for train those of validation and test, for validation those of test.

    Families are compared script by script over the labels they share. A twin's whole script goes; of a cousin, the
    rasters that are near a held-out one. Chance likeness (every font's full stop is a square) takes nothing away.
    """
    shared, near = np.zeros((2, groups, groups)), np.zeros((2, groups, groups))
    pairs: list[np.ndarray] = []  # row, group it is near to
    glyphs = among & (rows["source"] != COMPOSED)
    for label in range(len(LABELS)):
        here = np.flatnonzero(glyphs & (rows["label"] == label))
        held = here[rows["split"][here] != TRAIN]
        if not len(held):
            continue
        script = int(_SCRIPT[label])
        earlier = np.less.outer(rows["split"][here], rows["split"][held])
        shared[script][np.ix_(np.unique(group[here]), np.unique(group[held]))] += 1
        one, other = np.nonzero(earlier & (_apart(bits, here, held) <= COPIED))
        found = np.unique(np.stack((here[one], group[held[other]]), axis=1), axis=0)
        twice = np.unique(np.stack((group[found[:, 0]], found[:, 1]), axis=1), axis=0)
        near[script][twice[:, 0], twice[:, 1]] += 1
        pairs.append(found)
    share = np.where(shared >= LEAST_SHARED, near / np.maximum(shared, 1), 0)
    copied = (share >= TWINS).max(2)[_SCRIPT[rows["label"]].astype(int), group]
    row, other = np.concatenate(pairs or [np.zeros((0, 2), np.int64)]).T
    cousin = share[_SCRIPT[rows["label"][row]].astype(int), group[row], other] >= COUSINS
    copied[row[cousin]] = True
    return copied & among


def _apart(bits: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The share of pixels in which rasters differ, [one, other]; every second row and column is looked at."""

    def pixels(which: np.ndarray) -> np.ndarray:
        return np.unpackbits(bits[which][:, ::2], axis=2)[:, :, ::2].reshape(len(which), -1).astype(np.float32)

    a, b = pixels(one), pixels(other)
    return (a.sum(1)[:, None] + b.sum(1)[None, :] - 2 * a @ b.T) / a.shape[1]
