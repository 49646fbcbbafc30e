"""Changed training glyphs are still the same characters, and the same draws give the same changes."""

import numpy as np
import pytest
from scipy import ndimage

from weighin.families.glyphs import augment, warp
from weighin.families.glyphs.glyph import SIDE, Glyph
from weighin.families.glyphs.raster import unpack
from weighin.families.glyphs.synthetic import synthetic

EXAMPLES = synthetic("test")[:65]
BITS = np.stack([example.x.bits for example in EXAMPLES])
BOXES = np.array([example.x.box for example in EXAMPLES], np.float32)


def test_the_same_draws_give_the_same_glyphs_and_the_input_stays():
    before = BITS.copy()
    one, same, other = (augment.augment(EXAMPLES, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert all((a.x.bits == b.x.bits).all() and a.x.box == b.x.box for a, b in zip(one, same, strict=True))
    assert any((a.x.bits != b.x.bits).any() for a, b in zip(one, other, strict=True))
    assert (np.stack([example.x.bits for example in EXAMPLES]) == before).all()


def test_labels_stay_and_no_glyph_vanishes():
    for seed in range(5):
        changed = augment.augment(EXAMPLES, np.random.default_rng(seed))
        assert [(e.id, e.group, e.y, e.kind) for e in changed] == [(e.id, e.group, e.y, e.kind) for e in EXAMPLES]
        assert all(e.x.bits.shape == (SIDE, SIDE // 8) and e.x.bits.dtype == np.uint8 and e.x.bits.any() for e in changed)
        moved = np.mean([(a.x.bits != b.x.bits).any() for a, b in zip(changed, EXAMPLES, strict=True)])
        assert moved > 0.5


def test_no_examples_and_no_boxes():
    rng = np.random.default_rng(0)
    assert augment.augment([], rng) == []
    plain = [type(e)(e.id, e.group, Glyph(e.x.bits), e.y, e.kind) for e in EXAMPLES]
    assert all(e.x.box is None for e in augment.augment(plain, rng))
    assert all(e.x.box is not None and np.isfinite(e.x.box).all() for e in augment.augment(EXAMPLES, rng))


@pytest.mark.parametrize(("across", "along"), [(True, True), (True, False), (False, True)])
def test_growing_and_shrinking_words_is_growing_and_shrinking_pixels(across, along):
    pixels = unpack(BITS).astype(bool)
    words = augment._words(BITS)
    line = np.zeros((1, 3, 3), bool)
    line[0, 1, :], line[0, :, 1] = (across, True, across), (along, True, along)
    if across and along:
        line[:] = True
    grown = ndimage.binary_dilation(pixels, line)
    shrunk = ndimage.binary_erosion(pixels, line, border_value=1)
    assert (unpack(augment._bits(augment.grown(words, across, along))) == grown).all()
    assert (unpack(augment._bits(augment.shrunk(words, across, along))) == shrunk).all()


def test_words_and_back():
    assert (augment._bits(augment._words(BITS)) == BITS).all()


def test_weights_change_the_ink_within_bounds():
    changed = augment.reweighted(BITS, np.random.default_rng(0))
    share = unpack(changed).sum((1, 2)) / unpack(BITS).sum((1, 2))
    assert share.max() <= augment.MOST_GROWTH and share.min() >= augment.LEAST_LEFT
    assert (share > 1.02).any() and (share < 0.98).any()


@pytest.mark.parametrize("change", [augment.frayed, augment.scanned, augment.compressed])
def test_a_worse_print_is_still_the_same_picture(change):
    changed = change(BITS, np.random.default_rng(0))
    apart = (unpack(changed) != unpack(BITS)).mean((1, 2))
    assert 0 < apart.mean() < 0.05 and apart.max() < 0.15


def test_bent_glyphs_are_tight_again(monkeypatch):
    monkeypatch.setattr(warp, "SHRUNK", 0.0)
    monkeypatch.setattr(warp, "WAVE", 0.0)
    bits, boxes = warp.warped(BITS, BOXES, np.random.default_rng(0))
    pixels = unpack(bits)
    rows, columns = pixels.any(2), pixels.any(1)
    assert (rows.argmax(1) <= 1).all() and (columns.argmax(1) <= 1).all()
    seen = SIDE - np.stack((columns[:, ::-1].argmax(1), rows[:, ::-1].argmax(1)), axis=1)  # width and height, pixels
    assert (seen.max(1) >= SIDE - 2).all()
    assert np.abs(boxes[:, 2:4] * (SIDE / boxes[:, 2:4].max(1, keepdims=True)) - seen).max() <= 3


def test_a_map_that_moves_nothing_changes_nothing(monkeypatch):
    for name in ("SLANT", "ROTATION", "STRETCH", "WAVE", "SHRUNK"):
        monkeypatch.setattr(warp, name, 0.0)
    bits, boxes = warp.warped(BITS, BOXES, np.random.default_rng(0))
    assert (unpack(bits) != unpack(BITS)).mean() < 0.004  # a box that is not quite 128 long is scaled by a hair
    assert np.allclose(boxes, BOXES, atol=0.01)


def test_an_empty_raster_is_left_empty():
    bits, _ = warp.warped(np.zeros((2, SIDE, SIDE // 8), np.uint8), BOXES[:2], np.random.default_rng(0))
    assert not bits.any()
