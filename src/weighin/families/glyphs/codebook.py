"""Primitives: 1,023 typical 8x8 cells and the empty one, and the nearest of them for any cell, from a table.

A raster [128,16] of packed bits is 16x16 cells of 64 bits. Few of the 2^64 cells occur, so the nearest primitive is
computed once a distinct cell and looked up ever after. Centroids are whole numbers of 1/255, which makes every
distance exact in float32: the table, a batch and a single cell give the same answer whatever the order of sums.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from weighin.core.errors import RunError
from weighin.core.files import write_atomic

FILE = "codebook.safetensors"
SIZE = 1024  # primitives, with the empty one
KEPT = 200_000  # distinct cells written to the file, the commonest: 2 MB
HELD = 2_000_000  # distinct cells held in memory before the table starts anew from the file's
ROUNDS = 12  # of Lloyd's algorithm
SAMPLE = 100_000  # distinct cells that the centroids are fitted to


def cells_of(bits: np.ndarray) -> np.ndarray:
    """Packed rasters [n,128,16] uint8 -> cells [n,16,16] uint64; a byte of a cell is one of its rows."""
    rows = np.ascontiguousarray(bits).reshape(-1, 16, 8, 16)  # [n, cell row, row, cell column]
    return np.ascontiguousarray(rows.transpose(0, 1, 3, 2)).view(np.uint64)[..., 0]


def pixels_of(cells: np.ndarray) -> np.ndarray:
    """Cells [n] uint64 -> pixels [n,64] uint8, row by row."""
    return np.unpackbits(cells.reshape(-1, 1).view(np.uint8), axis=1)


class Codebook:
    """``centroids`` [1024,64] uint8 in 1/255, the first all zero; ``ids(bits)`` names every cell of a raster."""

    def __init__(self, centroids: np.ndarray, keys: np.ndarray, values: np.ndarray) -> None:
        self.centroids = centroids
        self._transposed = centroids[1:].T.astype(np.float32) * 510.0  # [64,1023]
        self._norms = np.square(centroids[1:].astype(np.float32)).sum(1)  # [1023]
        # sorted distinct cells [m] uint64 and their primitives [m] uint16; one tuple, so that threads never see half a change
        self.table = self._first = (keys, values)

    def ids(self, bits: np.ndarray) -> np.ndarray:
        """Packed rasters [n,128,16] uint8 -> primitives [n,16,16] int64."""
        cells = cells_of(bits)
        return self.lookup(cells.ravel()).reshape(cells.shape)

    def lookup(self, cells: np.ndarray) -> np.ndarray:
        """Cells [n] uint64 -> primitives [n] int64, by the table; cells it does not hold are computed and added."""
        found = np.zeros(len(cells), np.int64)
        places = np.flatnonzero(cells)  # most cells are empty
        wanted = cells[places]
        keys, values = self.table
        rows = _rows(keys, wanted)
        if (rows < 0).any():
            keys, values = self._learn(wanted, rows < 0)
            rows = _rows(keys, wanted)
        found[places] = values[rows]
        return found

    def nearest(self, cells: np.ndarray) -> np.ndarray:
        """Cells [n] uint64 -> primitives [n] uint16 by comparing all of them; of two equally near ones the first."""
        found = np.empty(len(cells), np.uint16)
        for start in range(0, len(cells), 8192):
            pixels = pixels_of(cells[start : start + 8192]).astype(np.float32)  # [m,64]
            # |255 x - c|^2 = 255^2 |x|^2 - 510 x.c + |c|^2; the first term is the same for all; all sums stay below 2^24
            found[start : start + 8192] = (self._norms - pixels @ self._transposed).argmin(1) + 1
        found[cells == 0] = 0
        return found

    def _learn(self, wanted: np.ndarray, missing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The table with all of ``wanted`` in it; it starts anew from the file's when it has grown too large."""
        keys, values = self.table
        new = np.unique(wanted[missing])
        if len(keys) + len(new) > HELD:
            keys, values = self._first
            new = np.setdiff1d(wanted, keys)
        keys, values = np.concatenate([keys, new]), np.concatenate([values, self.nearest(new)])
        order = np.argsort(keys)
        self.table = keys[order], values[order]
        return self.table

    def save(self, folder: Path) -> None:
        """Writes ``codebook.safetensors``, atomically. Raises StorageError."""
        keys, values = self._first
        tensors = {"centroids": self.centroids, "keys": keys.view(np.int64), "values": values}
        write_atomic(folder / FILE, lambda path: save_file(tensors, path))


def _rows(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where each cell stands in sorted ``keys``; -1 where it does not."""
    if not len(keys):
        return np.full(len(wanted), -1)
    rows = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    rows[keys[rows] != wanted] = -1
    return rows


def fit(bits: np.ndarray, seed: int) -> Codebook:
    """k-means (Lloyd 1982) over the distinct cells of rasters [n,128,16], each counting as often as it occurs.

    Fewer distinct cells than primitives are their own centroids; the rest of the codebook then stays empty.
    """
    cells, counts = np.unique(cells_of(bits), return_counts=True)
    cells, counts = cells[cells != 0], counts[cells != 0]
    common = np.argsort(-counts, kind="stable")
    sample = cells[common[:SAMPLE]]
    weights = counts[common[:SAMPLE]].astype(np.float32)
    centroids = _lloyd(pixels_of(sample).astype(np.float32), weights, np.random.default_rng([seed, 7]))
    rounded = np.zeros((SIZE, 64), np.uint8)
    rounded[1 : len(centroids) + 1] = np.rint(255 * centroids)
    codebook = Codebook(rounded, cells[:0], np.empty(0, np.uint16))
    kept = np.sort(cells[common[:KEPT]])
    return Codebook(rounded, kept, codebook.nearest(kept))


def _lloyd(points: np.ndarray, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Centroids [at most 1023,64] of weighted points [n,64]; starts are drawn by the root of their weight."""
    if len(points) < SIZE:
        return points
    chance = np.sqrt(weights, dtype=np.float64)
    centroids = points[rng.choice(len(points), SIZE - 1, replace=False, p=chance / chance.sum())]
    for _ in range(ROUNDS):
        owner = _owners(points, centroids)
        mass = np.bincount(owner, weights, SIZE - 1)
        sums = np.zeros_like(centroids)
        np.add.at(sums, owner, points * weights[:, None])
        lost = mass == 0
        centroids = sums / np.maximum(mass, 1e-9)[:, None].astype(np.float32)
        centroids[lost] = points[rng.choice(len(points), int(lost.sum()), replace=False)]
    return centroids


def _owners(points: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    norms = np.square(centroids).sum(1)
    chunks = (points[start : start + 8192] for start in range(0, len(points), 8192))
    return np.concatenate([(norms - 2 * chunk @ centroids.T).argmin(1) for chunk in chunks])


def load(folder: Path) -> Codebook:
    """The codebook that ``save`` wrote; held in memory as long as the file does not change. Raises RunError."""
    path = folder / FILE
    try:
        return _load(str(path), path.stat().st_mtime_ns)
    except FileNotFoundError:
        raise RunError(f"{path} is missing", hint="Delete the run folder and train again") from None


@lru_cache(maxsize=8)
def _load(path: str, changed: int) -> Codebook:
    del changed  # only tells one file from another of the same name
    try:
        tensors = load_file(path)
        centroids, keys, values = tensors["centroids"], tensors["keys"].view(np.uint64), tensors["values"]
    except (SafetensorError, KeyError, ValueError) as error:
        raise RunError(f"{path} is not a codebook: {error}") from None
    if centroids.shape != (SIZE, 64) or len(keys) != len(values):
        raise RunError(f"{path} is not a codebook: centroids {centroids.shape}", f"They are {(SIZE, 64)}")
    return Codebook(centroids, keys, values)
