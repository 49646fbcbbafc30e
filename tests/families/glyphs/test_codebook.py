"""The table of primitives against comparing with all of them, and its file."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighin.core.errors import RunError
from weighin.families.glyphs import codebook
from weighin.families.glyphs.codebook import Codebook, cells_of, fit, load, pixels_of

WORDS = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=40)


def rasters(count: int, seed: int) -> np.ndarray:
    """Packed pictures [count,128,16] of a few thick strokes each."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:128, :128]
    drawn = np.zeros((count, 128, 128), bool)
    for picture in drawn:
        for _ in range(4):
            angle, shift, width = rng.uniform(0, np.pi), rng.uniform(-60, 60), rng.uniform(3, 12)
            picture |= np.abs((x - 64) * np.cos(angle) + (y - 64) * np.sin(angle) - shift) < width
    return np.packbits(drawn, axis=2)


@pytest.fixture(scope="module")
def book() -> Codebook:
    return fit(rasters(150, 0), seed=0)


def brute_force(book: Codebook, cells: np.ndarray) -> np.ndarray:
    """Nearest centroid in whole numbers; the empty cell is primitive 0 and no other is."""
    pixels, centroids = 255 * pixels_of(cells).astype(np.int64), book.centroids.astype(np.int64)
    distance = np.stack([np.square(pixels - centroid).sum(1) for centroid in centroids], 1)
    distance[:, 0] = np.where(cells == 0, -1, np.iinfo(np.int64).max)
    return distance.argmin(1)


def test_cells_are_the_rasters_own_squares() -> None:
    bits = rasters(3, 1)
    pixels = np.unpackbits(bits, axis=2)
    cells = cells_of(bits)
    assert cells.shape == (3, 16, 16)
    for glyph, row, column in ((0, 0, 0), (1, 3, 5), (2, 15, 15)):
        square = pixels[glyph, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
        np.testing.assert_array_equal(pixels_of(cells[glyph, row, column : column + 1]).reshape(8, 8), square)


def test_table_is_exact_on_rasters_it_never_saw(book: Codebook) -> None:
    bits = rasters(3, 2)
    np.testing.assert_array_equal(book.ids(bits).ravel(), brute_force(book, cells_of(bits).ravel()))


@settings(max_examples=40, deadline=None)
@given(words=WORDS)
def test_table_is_exact_on_any_cells_alone_or_together(words: list[int]) -> None:
    small = fit(rasters(12, 3), seed=0)
    cells = np.array([0, *words, *words[:3]], np.uint64)
    found = small.lookup(cells)
    np.testing.assert_array_equal(found, brute_force(small, cells))
    assert [int(small.lookup(cells[i : i + 1])[0]) for i in range(len(cells))] == found.tolist()


def test_empty_cell_is_the_first_primitive(book: Codebook) -> None:
    assert book.lookup(np.zeros(2, np.uint64)).tolist() == [0, 0]
    assert book.lookup(np.array([2**64 - 1], np.uint64))[0] != 0


def test_primitives_are_nearer_than_random_cells(book: Codebook) -> None:
    cells = cells_of(rasters(30, 4)).ravel()
    cells = cells[cells != 0][::8]
    pixels = pixels_of(cells).astype(np.float64)
    error = np.square(pixels - book.centroids[book.lookup(cells)] / 255).sum(1).mean()
    rng = np.random.default_rng(0)
    others = pixels_of(rng.choice(cells, 1023)).astype(np.float64)
    by_chance = np.square(pixels[:, None] - others[None, :256]).sum(2).min(1).mean()
    assert error < 0.5 * by_chance


def test_table_starts_anew_when_it_has_grown(book: Codebook, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = cells_of(rasters(6, 5)).ravel()
    fresh = Codebook(book.centroids, *book.table)
    monkeypatch.setattr(codebook, "HELD", len(fresh.table[0]) + 10)
    for start in range(0, len(cells), 64):
        part = cells[start : start + 64]
        np.testing.assert_array_equal(fresh.lookup(part), brute_force(book, part))


def test_same_seed_same_codebook_and_file(book: Codebook, tmp_path: Path) -> None:
    again = fit(rasters(150, 0), seed=0)
    np.testing.assert_array_equal(again.centroids, book.centroids)
    again.save(tmp_path)
    kept = load(tmp_path)
    np.testing.assert_array_equal(kept.centroids, book.centroids)
    bits = rasters(4, 6)
    np.testing.assert_array_equal(kept.ids(bits), book.ids(bits))
    assert (tmp_path / codebook.FILE).stat().st_size < 6e6
    assert load(tmp_path) is kept


def test_few_distinct_cells_are_their_own_primitives() -> None:
    bits = np.zeros((2, 128, 16), np.uint8)
    bits[0, :8] = 0xF0
    small = fit(bits, seed=0)
    np.testing.assert_array_equal(small.centroids[small.ids(bits)[0, 0, 0]] // 255, np.tile([1] * 4 + [0] * 4, 8))


@pytest.mark.parametrize("raw", [b"", b"not a codebook", b"\xff" * 100])
def test_damaged_file_is_refused(raw: bytes, tmp_path: Path) -> None:
    (tmp_path / codebook.FILE).write_bytes(raw)
    with pytest.raises(RunError, match="not a codebook"):
        load(tmp_path)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="train again"):
        load(tmp_path)
