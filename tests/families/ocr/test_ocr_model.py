"""The recognisers: shapes, lengths, padding, and that a line can be learned."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from weighin.core.family import Example
from weighin.core.recording import eager
from weighin.families.ocr import inputs
from weighin.families.ocr.family import Ocr
from weighin.families.ocr.line import Line
from weighin.families.ocr.model import FRAME, LineNet, OcrModel

FAMILY = Ocr()
SMALL = {"height": 16, "stem": (4, 4, 8, 8), "blocks": (0, 0, 0, 0), "width": 16}


def variant(**model):
    changes = {f"model.{name}": value for name, value in {**SMALL, **model}.items()}
    return FAMILY.variant("nano").but("small", **changes)


def example(width, text, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (16, width)).astype(np.uint8)
    return Example(f"{width}", "g", Line(pixels), text)


@pytest.mark.parametrize("trunk", ["lstm", "conv"])
@pytest.mark.parametrize("height", [16, 32, 40, 48])
def test_two_frames_for_four_pixels(trunk, height):
    net = LineNet(OcrModel(**{**SMALL, "trunk": trunk, "height": height})).net.eval()
    (logits,) = net(torch.zeros(2, height, 64, dtype=torch.uint8))
    assert logits.shape == (2, 64 // FRAME, OcrModel().letters.classes)


def test_a_batch_knows_how_long_its_lines_are(tmp_path):
    batch = FAMILY.batch(variant(), [example(50, "କଖ"), example(91, "ଗ")], tmp_path)
    assert batch.pixels.shape == (2, 16, 96) and batch.frames.tolist() == [25, 46]
    assert batch.length.tolist() == [2, 1] and (batch.pixels[0, :, 50:] == 255).all()


def test_a_line_is_padded_by_its_own_width_alone():
    widths = [3, 32, 33, 64, 64, 500]
    images = [np.zeros((16, width), np.uint8) for width in widths]
    found = list(inputs.buckets(images, 128))
    assert sorted(place for places in found for place in places) == list(range(6))
    for places in found:
        padded = {inputs.padded_width(widths[place]) for place in places}
        assert len(padded) == 1 and (len(places) == 1 or len(places) * padded.pop() <= 128)


def test_contrast_is_levelled_and_emptiness_stays_empty():
    faint = np.full((20, 60), 180, np.uint8)
    faint[5:15, 10:20] = 120
    seen = inputs.levelled(faint)
    assert seen.min() == 0 and seen.max() == 255
    assert (inputs.levelled(np.full((20, 60), 7, np.uint8)) == 255).all(), "black alone is no writing"
    assert (inputs.levelled(np.random.default_rng(0).integers(200, 212, (20, 60)).astype(np.uint8)) == 255).all()
    dot = np.full((40, 4000), 240, np.uint8)
    dot[20:24, 2000:2006] = 10
    assert inputs.levelled(dot).min() == 0, "one full stop on a long line"


def test_extreme_shapes_become_lines():
    for shape in ((1, 1), (1, 20_000), (3, 20_000), (4000, 2)):
        assert inputs.seen(np.zeros(shape, np.uint8), 40).shape[0] == 40
    assert inputs.seen(np.zeros((1, 20_000), np.uint8), 40).shape[1] == inputs.WIDEST


def test_a_line_too_short_for_its_text_costs_nothing(tmp_path):
    found = variant()
    batch = FAMILY.batch(found, [example(4, "କଖଗଘଙଚଛ")], tmp_path)
    losses = FAMILY.loss(FAMILY.build(found)(batch), batch, found)
    assert float(losses["ctc"].detach()) == 0


@pytest.mark.parametrize("trunk", ["lstm", "conv"])
def test_two_lines_are_learned_by_heart(trunk, tmp_path):
    torch.manual_seed(0)
    found = variant(trunk=trunk, drop=0.0, width=32)
    examples = [example(64, "କଖଗ", 1), example(60, "ଘ ଙ", 2)]
    model, batch = FAMILY.build(found), FAMILY.batch(found, examples, tmp_path)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        FAMILY.loss(model(batch), batch, found)["ctc"].backward()
        optimizer.step()
    # batch norm sees the very batch that it was trained on
    scores = torch.log_softmax(model(batch)["logits"], 2).detach().numpy()
    texts = []
    for row, frames in zip(scores, batch.frames.tolist(), strict=True):
        best = row[:frames].argmax(1)
        texts.append(found.model.letters.decode(k for k, last in zip(best, [0, *best[:-1]], strict=True) if k != last))
    assert texts == [e.y for e in examples]


def test_frames_of_the_padding_are_cut_off(tmp_path):
    found = variant()
    predict = FAMILY.predictor(eager(FAMILY.parts(FAMILY.build(found).eval(), found)), found, tmp_path)
    rows = predict.scores([example(50, "").x, example(91, "").x])
    assert [len(row[0]) for row in rows] == [25, 46]
    assert np.allclose(np.exp(rows[0][0]).sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("wrong", [{"alphabet": "klingon"}, {"width": 33}, {"kernel": 4}, {"height": 8}])
def test_settings_that_cannot_be_built_are_refused(wrong):
    with pytest.raises(ValidationError):
        OcrModel(**wrong)
