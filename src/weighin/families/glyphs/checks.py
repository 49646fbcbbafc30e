"""What must hold of any trained glyph predictor."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from weighin.core.family import Check, Example
from weighin.families.glyphs import codebook, inputs
from weighin.families.glyphs.glyph import SIDE, Glyph
from weighin.families.glyphs.predict import GlyphPredictor, Reading

SEEN = 64  # examples at most
STEP = 4 / 64  # em: four pixels of the em window


def run(predict: Callable[[Sequence[Glyph]], list[Reading]], examples: Sequence[Example[Glyph, str]]) -> list[Check]:
    """All checks; those of the inside only where ``predict`` is the family's own predictor."""
    glyphs = [example.x for example in examples[:SEEN]]
    found = [_blank(predict), _one_by_one(predict, glyphs), _moved(predict, glyphs)]
    if isinstance(predict, GlyphPredictor):
        found += [_sums(predict, glyphs), *_chain(predict, glyphs)]
    return found


def _blank(predict: Callable[[Sequence[Glyph]], list[Reading]]) -> Check:
    reading = predict([Glyph(np.zeros((SIDE, SIDE // 8), np.uint8))])[0]
    return Check("an empty raster", reading.abstain, "abstains" if reading.abstain else f"answers {reading.label}", "abstains")


def _one_by_one(predict: Callable[[Sequence[Glyph]], list[Reading]], glyphs: Sequence[Glyph]) -> Check:
    """Precision below float32 may move a probability, so confidences are compared, not labels that may tie."""
    glyphs = glyphs[:8]
    together, apart = predict(glyphs), [predict([glyph])[0] for glyph in glyphs]
    worst = max((abs(a.confidence - b.confidence) for a, b in zip(together, apart, strict=True)), default=0.0)
    return Check("one glyph at a time or all at once", worst <= 0.02, f"confidence differs by {worst:.2g}", "at most 0.02")


def _moved(predict: Callable[[Sequence[Glyph]], list[Reading]], glyphs: Sequence[Glyph]) -> Check:
    """The same outline a little further right in its em is the same character."""
    known = [glyph for glyph in glyphs if glyph.box]
    moved = [replace(g, box=(g.box[0] + STEP, *g.box[1:3], g.box[3], g.box[4] + STEP)) for g in known if g.box]
    pairs = list(zip(predict(known), predict(moved), strict=True))
    share = sum(a.groups[0] == b.groups[0] for a, b in pairs) / max(1, len(pairs))
    if not pairs:
        return Check("moved by 1/16 em", True, "no glyph has a box", "at least 0.7 stay the same")
    return Check("moved by 1/16 em", share >= 0.7, f"{share:.2f} of {len(pairs)} stay the same", "at least 0.7")


def _sums(predict: GlyphPredictor, glyphs: Sequence[Glyph]) -> Check:
    sums = np.exp(predict.log_probabilities(glyphs).astype(np.float64)).sum(1)
    worst = float(np.abs(sums - 1).max(initial=0))
    return Check("probabilities sum to one", worst <= 1e-4, f"off by {worst:.1g}", "at most 1e-4")


def _chain(predict: GlyphPredictor, glyphs: Sequence[Glyph]) -> list[Check]:
    """The table of cells answers what comparing with all 1,024 primitives would."""
    found = []
    for member in predict.members:
        if member.model.stem == "codebook":
            bits = inputs.bits_of(glyphs, member.model)
            book = codebook.load(member.folder)
            wrong = int((book.ids(bits).ravel() != book.nearest(codebook.cells_of(bits).ravel())).sum())
            found.append(Check("table of primitives", wrong == 0, f"{wrong} cells differ from the nearest primitive", "none"))
    return found
