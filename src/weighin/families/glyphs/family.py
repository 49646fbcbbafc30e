"""The family ``glyphs``: which character is this outline, and how small may the model be?"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from weighin.core.config import Match
from weighin.core.errors import RunError
from weighin.core.family import Bound, Check, Example, Family, Json, Part, Predictor, Split, Tally, shifted
from weighin.families.glyphs import augment, calibration, checks, codebook, inputs, metrics, predict, repair, variants
from weighin.families.glyphs import data as source
from weighin.families.glyphs.context import FontGlyph
from weighin.families.glyphs.fontfile import SUFFIXES, font_glyphs
from weighin.families.glyphs.glyph import Glyph, from_bytes
from weighin.families.glyphs.labels import CLASS_OF, GROUPS, LABELS, base_of
from weighin.families.glyphs.model import GlyphBatch, GlyphModel, GlyphNet, parts_of
from weighin.families.glyphs.predict import Glyphic, GlyphPredictor, Reading

NO_BOX = 0.2  # share of training glyphs whose box is hidden, so that a model with boxes also reads images
SEEN = 20_000  # glyphs that the codebook is fitted to


class Glyphs(Family[Glyph, str, Reading]):
    """Outlines of Arabic and Latin characters in 1,197 classes."""

    name = "glyphs"
    about = "which character is this outline: Arabic and Latin glyphs in 1,197 classes"
    scores = metrics.SCORES
    datas = source.KINDS
    match: Mapping[str, Match] = {"logits": Match(distance="kl", temperature=2.0)}
    compared = ("tiny", "light", "patch-tiny", "swift", "swift-box")
    peers = ("full", "tiny-phase1")  # the original's largest, and its whole chain with the network that names cells

    def variants(self) -> Mapping[str, Glyphic]:
        """See ``variants.py``."""
        return variants.variants()

    def examples(self, data: str, split: Split) -> Sequence[Example[Glyph, str]]:
        """y is a label such as ``1576_init``, kind its form, group the family of the font."""
        return source.examples(data, split)

    def batch(self, variant: Glyphic, examples: Sequence[Example[Glyph, str]], folder: Path) -> GlyphBatch:
        """See :class:`GlyphBatch`."""
        return inputs.batch_of([e.x for e in examples], [e.y for e in examples], variant.model, folder)

    def build(self, variant: Glyphic) -> nn.Module:
        """Channels last in memory: twice as fast to train on a CPU."""
        return GlyphNet(variant.model).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def loss(self, outputs: Mapping[str, Tensor], batch: GlyphBatch, variant: Glyphic) -> Mapping[str, Tensor]:
        """Cross-entropy of labels, and for phase1 of primitives."""
        losses = {"label": cross_entropy(outputs["logits"].float(), batch.label, label_smoothing=variant.model.smooth)}
        if batch.primitives is not None:
            losses["primitive"] = cross_entropy(outputs["primitives"].float(), batch.primitives)
        return losses

    def parts(self, model: nn.Module, variant: Glyphic) -> Mapping[str, Part]:
        """``net``; phase1 has ``cells`` beside it."""
        assert isinstance(model, GlyphNet)
        return parts_of(model, variant.model)

    def predictor(self, parts: Mapping[str, Bound], variant: Glyphic, folder: Path) -> GlyphPredictor:
        """Members of a composite keep the models that ``variants`` gives them."""
        return predict.make(parts, variant, folder, self.variants())

    def read(self, raw: bytes) -> Glyph:
        """One picture of one character. Raises InputError."""
        return from_bytes(raw)

    def show(self, y: Reading) -> Json:
        """The fields of the original's JSONL, and the merged class."""
        ranked = zip(y.labels, y.probabilities, strict=True)
        return {
            "topk": [
                {"rank": rank, "label": label, "base": base_of(label), "prob": round(prob, 6)}
                for rank, (label, prob) in enumerate(ranked, 1)
            ],
            "group": y.members[0],
            "group_prob": round(y.confidence, 6),
            "members": list(y.members),
            "abstain": y.abstain,
        }

    def score(self, predicted: Sequence[Reading], examples: Sequence[Example[Glyph, str]]) -> Mapping[str, Tally]:
        """See ``metrics.py``."""
        return metrics.score(predicted, examples)

    def augment(
        self, variant: Glyphic, examples: Sequence[Example[Glyph, str]], rng: np.random.Generator
    ) -> Sequence[Example[Glyph, str]]:
        """Changed rasters where the model asks for it; a fifth of the boxes hidden where it reads them."""
        model: GlyphModel = variant.model
        if model.augment:
            examples = augment.augment(examples, rng)
        if model.normalise == "tight":
            return examples
        hidden = rng.random(len(examples)) < NO_BOX
        return [replace(e, x=replace(e.x, box=None)) if hide else e for e, hide in zip(examples, hidden, strict=True)]

    def prepare(
        self,
        model: nn.Module,
        variant: Glyphic,
        examples: Sequence[Example[Glyph, str]],
        folder: Path,
    ) -> None:
        """The codebook, of the variant's own training glyphs."""
        if variant.model.stem == "patch":
            return
        rng = np.random.default_rng([variant.recipe.seed, 5])
        picked = rng.permutation(len(examples))[:SEEN]
        bits = inputs.bits_of([examples[int(i)].x for i in picked], variant.model)
        codebook.fit(bits, variant.recipe.seed).save(folder)

    def finish(
        self,
        predict: Predictor[Glyph, Reading],
        variant: Glyphic,
        examples: Sequence[Example[Glyph, str]],
        folder: Path,
    ) -> None:
        """Temperature and thresholds, through the predictor's own path."""
        if not isinstance(predict, GlyphPredictor):
            raise RunError(f"finish got {type(predict).__name__}", "It needs what Glyphs.predictor returns")
        if not len(examples):
            calibration.save(folder, calibration.Calibration())
            return
        scores = predict.scores([e.x for e in examples])
        calibration.save(folder, fitted(scores, np.array([CLASS_OF[e.y] for e in examples])))

    def relabel(self, example: Example[Glyph, str], y: Reading) -> Example[Glyph, str]:
        """The teacher's likeliest label as the truth."""
        return shifted(example, y.label)

    def checks(self, predict: Predictor[Glyph, Reading], examples: Sequence[Example[Glyph, str]]) -> Sequence[Check]:
        """See ``checks.py``."""
        return checks.run(predict, examples)

    def brief(self, y: Reading) -> str:
        """The likeliest label."""
        return y.label

    def picture(self, x: Glyph) -> bytes:
        """The tight raster, black on white."""
        buffer = io.BytesIO()
        Image.fromarray((1 - x.raster()) * np.uint8(255)).save(buffer, "PNG")
        return buffer.getvalue()

    def notes(self, examples: Sequence[Example[Glyph, str]]) -> Mapping[str, float | str]:
        """The ceiling of strict top-1 on these very rasters, and what there is of what."""
        return {
            **source.ceiling(examples),
            "labels": len({e.y for e in examples}),
            "labels_of_all": len(LABELS),
            "merged_classes": len({GROUPS[CLASS_OF[e.y]] for e in examples}),
            "families": len({e.group for e in examples}),
        }

    def expand(self, path: Path) -> Sequence[Sequence[tuple[str, Glyph]]] | None:
        """Every glyph of a font by its name, in one group; None for any other file."""
        if path.suffix.lower() not in SUFFIXES:
            return None
        return [[(g.name, FontGlyph(g.glyph.bits, g.glyph.box, font=str(path))) for g in font_glyphs(path)]]

    def save_answers(self, path: Path, named: Sequence[tuple[str, Reading]], out: Path) -> Sequence[Path]:
        """For a font: its new cmap as JSON and in a copy of the font."""
        return repair.save(path, named, out) if path.suffix.lower() in SUFFIXES else ()

    def fingerprint(self, data: str) -> str:
        """Names and sizes of the fonts that ``data`` means."""
        return source.fingerprint(data)


def fitted(scores: np.ndarray, truth: np.ndarray) -> calibration.Calibration:
    """Calibration from scores [n,classes] and labels [n]: temperature on labels, thresholds on merged classes."""
    warmth = calibration.temperature(scores, truth)
    probabilities = predict.merged(torch.softmax(torch.from_numpy(scores) / warmth, 1).numpy())
    right = probabilities.argmax(1) == np.array(GROUPS)[truth]
    return calibration.Calibration(warmth, calibration.thresholds(probabilities.max(1), right))
