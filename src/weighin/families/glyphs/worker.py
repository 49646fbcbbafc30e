"""Draws every known label of some font files; runs as a process of its own, since a damaged font may crash FreeType.

``python -m weighin.families.glyphs.worker OUT`` reads a JSON list of paths from standard input, writes ``bits.npy``,
``box.npy`` and ``rows.npy`` to the folder OUT and prints a JSON object: the faces, and what was skipped and why.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import freetype
import numpy as np

from weighin.families.glyphs.fonts import family_group
from weighin.families.glyphs.labels import CODES, GROUPS
from weighin.families.glyphs.raster import SIDE
from weighin.families.glyphs.rendering import draw, open_face, weights
from weighin.families.glyphs.shaping import COMPOSED, drawings, open_font

ROW = np.dtype([("label", "<i2"), ("face", "<i4"), ("glyph", "<i4"), ("source", "u1"), ("split", "u1")])
NOTHING_KNOWN = "no known character"
PLACEHOLDER = 6  # a picture that stands for this many different characters of one face is a box for "missing"


@dataclass(frozen=True, slots=True)
class FaceInfo:
    """One face that gave drawings."""

    id: str
    path: str
    index: int
    weight: float | None
    family: str
    style: str
    group: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a face gave: packed rasters [n, 128, 16], boxes [n, 5] in em, rows [n]."""

    bits: np.ndarray
    box: np.ndarray
    rows: np.ndarray


def faces_of(path: Path) -> Iterator[tuple[FaceInfo, Drawn]]:
    """Every face of a file, and its extreme weights where it is variable. Raises freetype.FT_Exception, OSError."""
    for index in range(open_face(path).num_faces):
        for weight in weights(open_face(path, index)):
            yield _face(path, index, weight)


def _face(path: Path, index: int, weight: float | None) -> tuple[FaceInfo, Drawn]:
    face = open_face(path, index, weight)
    family = (face.family_name or b"").decode("utf-8", "replace") or path.stem
    style = (face.style_name or b"").decode("utf-8", "replace")
    name = path.name + (f"#{index}" if index else "") + (f"@{weight:g}" if weight is not None else "")
    info = FaceInfo(name, str(path), index, weight, family, style, family_group(family))
    return info, _without_placeholders(_drawn(face, path, index, weight))


def _drawn(face: freetype.Face, path: Path, index: int, weight: float | None) -> Drawn:
    bits = np.zeros((len(CODES), SIDE, SIDE // 8), np.uint8)
    box = np.zeros((len(CODES), 5), np.float32)
    rows = np.zeros(len(CODES), ROW)
    count = 0
    for drawing in drawings(open_font(path, index, weight)):
        where = draw(face, drawing.pieces, drawing.advance, bits[count])
        if where is not None:
            box[count] = where
            glyph = -1 if drawing.source == COMPOSED else drawing.pieces[0][0]
            rows[count] = (drawing.label, 0, glyph, drawing.source, 0)
            count += 1
    return Drawn(bits[:count], box[:count], rows[:count])


def _without_placeholders(drawn: Drawn) -> Drawn:
    """Drops a picture that stands for many different characters: a font's box for what it does not have."""
    _, inverse = np.unique(raster_keys(drawn.bits), return_inverse=True)
    group = np.asarray(GROUPS)[drawn.rows["label"]]
    pairs = np.unique(np.stack((inverse.ravel(), group)), axis=1)
    keep = np.bincount(pairs[0], minlength=1)[inverse.ravel()] < PLACEHOLDER if len(group) else np.zeros(0, bool)
    return Drawn(drawn.bits[keep], drawn.box[keep], drawn.rows[keep])


def raster_keys(bits: np.ndarray) -> np.ndarray:
    """64-bit keys [n] of packed rasters [n, 128, 16]; equal rasters have equal keys, others almost surely not."""
    words = np.ascontiguousarray(bits).reshape(len(bits), SIDE * SIDE // 8).view(np.uint64)  # [n, 256]
    odd = np.random.default_rng(0).integers(0, 2**63, words.shape[1], dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    mixed = (words ^ (words >> np.uint64(29))) * odd
    return (mixed ^ (mixed >> np.uint64(32))).sum(axis=1, dtype=np.uint64)


def render(paths: list[Path], out: Path) -> dict[str, list[object]]:
    """Draws the files into the folder; a file that cannot be read is named in ``skipped`` with the reason."""
    faces: list[FaceInfo] = []
    drawn: list[Drawn] = []
    skipped: list[object] = []
    for path in paths:
        try:
            for info, found in faces_of(path):
                if len(found.rows):
                    found.rows["face"] = len(faces)
                    faces.append(info)
                    drawn.append(found)
                else:
                    skipped.append([info.id, NOTHING_KNOWN])
        except Exception as error:  # FreeType, HarfBuzz and ctypes each have their own
            skipped.append([path.name, f"{type(error).__name__}: {error}"])
    for name in ("bits", "box", "rows"):
        np.save(out / f"{name}.npy", np.concatenate([getattr(d, name) for d in drawn] or [np.zeros(0)]))
    return {"faces": [asdict(face) for face in faces], "skipped": skipped}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(render([Path(path) for path in json.load(sys.stdin)], Path(sys.argv[1]))))
