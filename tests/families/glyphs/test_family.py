"""The family as a whole: every kind of variant from prepare to checks, on made-up glyphs and untrained networks."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from weighin.core.errors import InputError, RunError
from weighin.core.recording import eager
from weighin.families.glyphs import calibration, codebook
from weighin.families.glyphs.context import FontGlyph
from weighin.families.glyphs.family import Glyphs
from weighin.families.glyphs.glyph import Glyph
from weighin.families.glyphs.labels import LABELS
from weighin.families.glyphs.predict import Glyphic, GlyphPredictor, readings

FAMILY = Glyphs()
KINDS = ("nano", "tiny", "tiny-phase1", "tiny-em", "swift-box", "transformer", "mlp")


def predictor(variant: Glyphic, folder: Path) -> GlyphPredictor:
    torch.manual_seed(0)
    return FAMILY.predictor(eager(FAMILY.parts(FAMILY.build(variant).eval(), variant)), variant, folder)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_learns_and_keeps_the_checks(name: str, tmp_path: Path) -> None:
    variant = FAMILY.variant(name)
    examples = FAMILY.examples("synthetic", "train")[:48]
    torch.manual_seed(0)
    model = FAMILY.build(variant)
    FAMILY.prepare(model, variant, examples, tmp_path)
    changed = FAMILY.augment(variant, examples, np.random.default_rng(0))
    assert [e.y for e in changed] == [e.y for e in examples]
    batch = FAMILY.batch(variant, examples[:16], tmp_path)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    totals = []
    for _ in range(6):
        losses = FAMILY.loss(model(batch), batch, variant)
        total = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(float(total.detach()))
    assert totals[-1] < totals[0]
    predict = FAMILY.predictor(eager(FAMILY.parts(model, variant)), variant, tmp_path)
    found = {check.name: check for check in FAMILY.checks(predict, examples)}
    assert ("table of primitives" in found) == (variant.model.stem == "codebook")
    failed = [check for key, check in found.items() if not check.passed and key != "moved by 1/16 em"]  # that needs training
    assert failed == []


def test_boxes_are_hidden_from_models_that_read_them() -> None:
    examples = FAMILY.examples("synthetic", "train")[:400]
    seen = FAMILY.augment(FAMILY.variant("swift-box"), examples, np.random.default_rng(0))
    assert 0.1 < sum(e.x.box is None for e in seen) / len(seen) < 0.3
    nano = FAMILY.augment(FAMILY.variant("nano"), examples, np.random.default_rng(0))
    assert all(a is b for a, b in zip(nano, examples, strict=True))


def test_finish_fits_what_predictors_then_read(tmp_path: Path) -> None:
    variant = FAMILY.variant("nano")
    examples = FAMILY.examples("synthetic", "validation")[:200]
    before = predictor(variant, tmp_path)
    FAMILY.finish(before, variant, examples, tmp_path)
    fitted = calibration.load(tmp_path)
    assert predictor(variant, tmp_path).temperature == fitted.temperature != 1.0
    FAMILY.finish(predictor(variant, tmp_path), variant, examples, tmp_path)  # a second time changes nothing
    assert calibration.load(tmp_path) == fitted
    FAMILY.finish(before, variant, [], tmp_path)
    assert calibration.load(tmp_path).temperature == 1.0
    with pytest.raises(RunError, match=r"Glyphs\.predictor"):
        FAMILY.finish(lambda glyphs: [], variant, examples, tmp_path)


def test_show_has_the_originals_fields() -> None:
    row = np.full((1, len(LABELS)), -9.0)
    row[0, 0] = -0.01
    shown = FAMILY.show(readings(row, 3, 0.0, [False])[0])
    assert json.loads(json.dumps(shown)) == shown
    assert [entry["rank"] for entry in shown["topk"]] == [1, 2, 3]
    assert shown["topk"][0] == {"rank": 1, "label": LABELS[0], "base": "!", "prob": 0.99005}
    assert set(shown) == {"topk", "group", "group_prob", "members", "abstain"}


def test_relabel_takes_the_teachers_word() -> None:
    example = FAMILY.examples("synthetic", "train")[0]
    row = np.full((1, len(LABELS)), -9.0)
    row[0, 7] = -0.01
    assert FAMILY.relabel(example, readings(row, 3, 0.0, [False])[0]).y == LABELS[7]


def test_picture_can_be_read_back() -> None:
    glyph = FAMILY.examples("synthetic", "test")[0].x
    with Image.open(io.BytesIO(FAMILY.picture(glyph))) as image:
        np.testing.assert_array_equal(np.asarray(image) == 0, glyph.raster() == 1)
    assert isinstance(FAMILY.read(FAMILY.picture(glyph)), Glyph)
    with pytest.raises(InputError):
        FAMILY.read(b"")


def test_notes_give_the_ceiling() -> None:
    examples = FAMILY.examples("synthetic", "test")
    notes = FAMILY.notes(examples)
    assert 0.9 < float(notes["ceiling_top1"]) < 1  # some characters are drawn as one
    assert notes["families"] == len({example.group for example in examples})


def test_only_fonts_hold_many_glyphs(tmp_path: Path) -> None:
    assert FAMILY.expand(tmp_path / "a.png") is None
    assert FAMILY.save_answers(tmp_path / "a.png", [], tmp_path) == ()
    with pytest.raises(InputError):
        FAMILY.expand(tmp_path / "missing.ttf")


def test_context_changes_readings_of_font_glyphs_only(tmp_path: Path) -> None:
    variant = FAMILY.variant("nano")
    glyphs = [e.x for e in FAMILY.examples("synthetic", "test")[:40]]
    plain, shared = predictor(variant.but(predict__context=False), tmp_path), predictor(variant, tmp_path)
    assert [r.label for r in shared(glyphs)] == [r.label for r in plain(glyphs)]
    font = [FontGlyph(g.bits, g.box, font="one") for g in glyphs]
    assert len({r.label for r in shared(font)}) > len({r.label for r in plain(font)})


def test_codebook_is_of_the_variants_own_normalisation(tmp_path: Path) -> None:
    examples = FAMILY.examples("synthetic", "train")[:40]
    variant = FAMILY.variant("tiny")
    model = FAMILY.build(variant)
    for name, chosen in (("tight", variant), ("em", variant.but(model__normalise="em"))):
        FAMILY.prepare(model, chosen, examples, tmp_path / name)
    tight, em = (codebook.load(tmp_path / name).centroids for name in ("tight", "em"))
    assert not np.array_equal(tight, em)
