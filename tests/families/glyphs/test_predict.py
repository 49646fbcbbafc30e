"""Predictors on parts made by hand: readings, ensembles, cascades, abstention, context, repaired fonts."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont
from torch import Tensor

from weighin.core.errors import ConfigError, InputError, RunError
from weighin.families.glyphs import calibration, context, inputs, predict, repair
from weighin.families.glyphs.calibration import Calibration
from weighin.families.glyphs.context import FontGlyph
from weighin.families.glyphs.glyph import Glyph
from weighin.families.glyphs.labels import CLASS_OF, LABELS, MEMBERS
from weighin.families.glyphs.predict import Glyphic, Reading, make, merged, readings
from weighin.families.glyphs.variants import variants

NANO = variants()["nano"]
A, B = CLASS_OF["65_latin"], CLASS_OF["66_latin"]


def glyph(seed: int) -> Glyph:
    return Glyph.of(np.random.default_rng(seed).random((128, 128)) < 0.3, (0.0, 0.0, 0.5, 0.7, 0.6))


def part(scores: Callable[[int], Tensor]) -> Callable[..., tuple[Tensor, ...]]:
    """A net whose scores depend on how many pixels are ink."""
    return lambda grid, *rest: (torch.stack([scores(int(g.sum())) for g in grid]),)


def peaked(label: int, height: float) -> Tensor:
    scores = torch.zeros(len(LABELS))
    scores[label] = height
    return scores


def simple(folder: Path, variant: Glyphic = NANO, label: int = A, height: float = 10.0) -> predict.GlyphPredictor:
    return make({"net": part(lambda ink: peaked(label, height))}, variant, folder, {})


def test_reading_holds_labels_classes_and_probabilities(tmp_path: Path) -> None:
    (reading,) = simple(tmp_path)([glyph(0)])
    expected = math.exp(10) / (math.exp(10) + len(LABELS) - 1)
    assert reading.label == LABELS[A] and len(reading.labels) == 5
    assert reading.probabilities[0] == pytest.approx(expected, rel=1e-5)
    assert reading.members == MEMBERS[reading.groups[0]] and LABELS[A] in reading.members
    assert sorted(reading.probabilities, reverse=True) == list(reading.probabilities)
    assert not reading.abstain


def test_merged_adds_up_members() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(len(LABELS)), 3)
    sums = merged(probabilities)
    for group, labels in enumerate(MEMBERS):
        np.testing.assert_allclose(sums[:, group], probabilities[:, [CLASS_OF[label] for label in labels]].sum(1))


def test_nothing_in_nothing_out_and_wrong_inputs_are_named(tmp_path: Path) -> None:
    predictor = simple(tmp_path)
    assert predictor([]) == []
    with pytest.raises(InputError, match="Input 1 is ndarray"):
        predictor([glyph(0), np.zeros((128, 128))])  # type: ignore[list-item]
    with pytest.raises(InputError, match=r"uint8 \(128, 128\)"):
        predictor([Glyph(np.zeros((128, 128), np.uint8))])


def test_many_glyphs_go_in_chunks_and_in_order(tmp_path: Path) -> None:
    sizes: list[int] = []

    def net(grid: Tensor) -> tuple[Tensor, ...]:
        sizes.append(len(grid))
        return (torch.stack([peaked(int(g.sum()) % 7, 5.0) for g in grid]),)

    glyphs = [glyph(seed) for seed in range(600)]
    found = make({"net": net}, NANO, tmp_path, {})(glyphs)
    assert sizes == [256, 256, 88]
    assert [r.label for r in found] == [LABELS[int(g.raster().sum()) % 7] for g in glyphs]


def test_blank_raster_abstains(tmp_path: Path) -> None:
    blank = Glyph(np.zeros((128, 16), np.uint8))
    assert [r.abstain for r in simple(tmp_path)([glyph(0), blank])] == [False, True]


def test_patches_are_the_rasters_own_squares() -> None:
    one = glyph(3)
    for patch in (4, 8, 16):
        grid = inputs.pixels(one.bits[None], patch)
        side = 128 // patch
        assert grid.shape == (1, patch * patch, side, side)
        square = one.raster()[2 * patch : 3 * patch, patch : 2 * patch]
        np.testing.assert_array_equal(grid[0, :, 2, 1].reshape(patch, patch), square)


def test_boxes_say_when_they_are_missing() -> None:
    found = inputs.boxes([glyph(0), Glyph(glyph(0).bits), Glyph(glyph(0).bits, (9.0, 0.0, 1.0, 1.0, 1.0))])
    np.testing.assert_allclose(found[0], [0, 0, 0.5, 0.7, 0.6, 1])
    assert not found[1].any() and found[2, 0] == inputs.FARTHEST


def test_temperature_is_fitted_and_used(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, len(LABELS), 4000)
    scores = rng.gumbel(size=(4000, len(LABELS)))
    scores[np.arange(4000), truth] += 6
    fitted = calibration.temperature((3 * scores).astype(np.float32), truth)
    plain = calibration.temperature(scores.astype(np.float32), truth)
    assert fitted / plain == pytest.approx(3, rel=0.02)
    calibration.save(tmp_path, Calibration(2.0, {"0.99": 0.5}))
    warm, cold = simple(tmp_path), simple(tmp_path, NANO.but(predict__temperature=1.0))
    assert warm.temperature == 2 and cold.temperature == 1
    assert warm([glyph(0)])[0].confidence < cold([glyph(0)])[0].confidence


def test_thresholds_are_the_least_confidence_with_the_precision() -> None:
    confidence = np.array([0.9, 0.8, 0.8, 0.7, 0.6])
    found = calibration.thresholds(confidence, np.array([True, True, True, True, False]))
    assert found["0.99"] == 0.7 and found["0.9"] == 0.7
    tied = calibration.thresholds(np.array([0.9, 0.8, 0.8]), np.array([True, True, False]))
    assert tied["0.99"] == 0.9
    assert calibration.thresholds(np.array([0.9]), np.array([False]))["0.9"] is None
    assert Calibration(1.0, {"0.9": None}).threshold(0.9) == math.inf


def test_abstains_below_the_threshold(tmp_path: Path) -> None:
    variant = NANO.but(predict__precision=0.99)
    assert not simple(tmp_path, variant, height=3.0)([glyph(0)])[0].abstain  # nothing is fitted yet
    calibration.save(tmp_path, Calibration(1.0, {"0.99": 0.5}))
    assert simple(tmp_path, variant, height=3.0)([glyph(0)])[0].abstain
    assert not simple(tmp_path, variant, height=12.0)([glyph(0)])[0].abstain


@pytest.mark.parametrize("raw", ["", "{}", '{"temperature": "x", "thresholds": {}}', '{"temperature": -1, "thresholds": {}}'])
def test_damaged_calibration_is_refused(raw: str, tmp_path: Path) -> None:
    (tmp_path / calibration.FILE).write_text(raw)
    with pytest.raises(RunError, match=r"calibration\.json"):
        simple(tmp_path)


def composite(folder: Path, combine: str, first: Callable[..., tuple[Tensor, ...]], last: Callable[..., tuple[Tensor, ...]]):
    variant = NANO.but("both", of=("one", "two"), predict__combine=combine, predict__unsure=0.5)
    return make({"one/net": first, "two/net": last}, variant, folder, {"one": NANO.but("one"), "two": NANO.but("two")})


def test_ensemble_is_the_mean_of_log_probabilities(tmp_path: Path) -> None:
    one, two = torch.randn(2, len(LABELS), generator=torch.Generator().manual_seed(0))
    both = composite(tmp_path, "mean", part(lambda ink: one), part(lambda ink: two))
    wanted = torch.log_softmax((torch.log_softmax(one, 0) + torch.log_softmax(two, 0)) / 2, 0)
    np.testing.assert_allclose(both.log_probabilities([glyph(0)])[0], wanted, rtol=1e-5)


def test_members_are_cooled_by_their_own_temperature(tmp_path: Path) -> None:
    calibration.save(tmp_path / "one", Calibration(4.0))
    both = composite(tmp_path, "mean", part(lambda ink: peaked(A, 8.0)), part(lambda ink: peaked(B, 8.0)))
    assert both([glyph(0)])[0].label == LABELS[B]


def test_cascade_asks_the_last_only_where_the_first_is_unsure(tmp_path: Path) -> None:
    asked: list[int] = []
    dark = int(glyph(0).raster().sum())

    def last(grid: Tensor) -> tuple[Tensor, ...]:
        asked.append(len(grid))
        return (torch.stack([peaked(B, 9.0)] * len(grid)),)

    first = part(lambda ink: peaked(A, 12.0 if ink == dark else 0.0))
    found = composite(tmp_path, "cascade", first, last)([glyph(0), glyph(1), glyph(0), glyph(2)])
    assert [r.label for r in found] == [LABELS[A], LABELS[B], LABELS[A], LABELS[B]]
    assert asked == [2]
    assert composite(tmp_path, "cascade", first, last)([glyph(0)])[0].label == LABELS[A] and asked == [2]


def test_composite_without_a_members_part_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="made of two"):
        make({"one/net": part(lambda ink: peaked(A, 1))}, NANO.but("both", of=("one", "two")), tmp_path, {"one": NANO})


def spread(*likely: tuple[int, float]) -> np.ndarray:
    """Log-probabilities with some mass on named labels, the rest even."""
    row = np.full(len(LABELS), (1 - sum(p for _, p in likely)) / len(LABELS))
    for label, probability in likely:
        row[label] += probability
    return np.log(row)


def test_context_shares_out_labels() -> None:
    both = np.stack([spread((A, 0.5), (B, 0.45)), spread((A, 0.9), (B, 0.05))])
    assert context.assign(both).tolist() == [B, A]


def test_context_lets_an_alternate_repeat_a_label() -> None:
    sure = np.stack([spread((A, 0.99)), spread((A, 0.98))])
    assert context.assign(sure).tolist() == [A, A]


def test_context_is_by_font_and_keeps_distributions(tmp_path: Path) -> None:
    rows = np.stack([spread((A, 0.5), (B, 0.45)), spread((A, 0.9), (B, 0.05))])
    bits = glyph(0).bits
    same = context.share_out(rows, [FontGlyph(bits, font="f"), FontGlyph(bits, font="f")])
    assert same.argmax(1).tolist() == [B, A]
    np.testing.assert_allclose(np.sort(same, 1), np.sort(rows, 1))
    for others in ([FontGlyph(bits, font="f"), FontGlyph(bits, font="g")], [Glyph(bits), Glyph(bits)]):
        np.testing.assert_array_equal(context.share_out(rows, others), rows)


def test_context_is_the_best_of_all_ways(tmp_path: Path) -> None:
    """Against brute force over three glyphs and three labels."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        rows = np.log(np.concatenate([rng.dirichlet(np.ones(3), 3), np.full((3, len(LABELS) - 3), 1e-9)], 1))
        found = context.assign(rows)

        def cost(labels: tuple[int, ...], rows: np.ndarray = rows) -> float:
            chosen = rows[np.arange(3), list(labels)].sum()
            return float(-chosen + context.AGAIN * (3 - len(set(labels))))

        ways = [(a, b, c) for a in range(3) for b in range(3) for c in range(3)]
        assert cost(tuple(found)) == pytest.approx(min(map(cost, ways)))


def square_font(path: Path, names: list[str]) -> None:
    """A font whose glyphs are squares and whose cmap is empty of anything useful."""
    builder = FontBuilder(1000)
    builder.setupGlyphOrder([".notdef", *names])
    pen = TTGlyphPen(None)
    for point, draw in (((0, 0), pen.moveTo), ((0, 500), pen.lineTo), ((500, 500), pen.lineTo), ((500, 0), pen.lineTo)):
        draw(point)
    pen.closePath()
    shape = pen.glyph()
    builder.setupGlyf(dict.fromkeys([".notdef", *names], shape))
    builder.setupHorizontalMetrics(dict.fromkeys([".notdef", *names], (600, 0)))
    builder.setupHorizontalHeader()
    builder.setupCharacterMap({0xE000: names[0]})
    builder.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)


def one(label: int, sure: float, blank: bool = False) -> Reading:
    return readings(spread((label, sure))[None], 5, 0.0, [blank])[0]


def test_repaired_font_has_the_cmap_that_was_read(tmp_path: Path) -> None:
    path = tmp_path / "broken.ttf"
    square_font(path, ["g1", "g2", "g3", "g4"])
    named = [("g1", one(A, 0.9)), ("g2", one(A, 0.6)), ("g3", one(B, 0.8)), ("g4", one(B, 0.99, blank=True))]
    as_json, repaired = repair.save(path, named, tmp_path / "out")
    assert TTFont(repaired).getBestCmap() == {65: "g1", 66: "g3"}
    written = json.loads(as_json.read_text())
    assert written["cmap"] == {"U+0041": "g1", "U+0042": "g3"}
    assert written["glyphs"]["g2"]["codepoints"] == [] and written["glyphs"]["g2"]["text"] == "A"
    assert written["glyphs"]["g4"]["abstain"] is True


def test_lookalikes_of_a_reading_are_mapped_unless_read_as_themselves() -> None:
    alef, isolated = CLASS_OF["1575_isol"], CLASS_OF["65165_isol"]
    assert repair.cmap_of([("g1", one(alef, 0.9))])[0xFE8D] == "g1"
    two = repair.cmap_of([("g1", one(alef, 0.9)), ("g2", one(isolated, 0.7))])
    assert (two[0x0627], two[0xFE8D]) == ("g1", "g2")


def test_not_a_font_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.ttf"
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"x\.ttf cannot be read"):
        repair.save(path, [], tmp_path)
