"""The family ``ocr``: what does this line say, how sure is that, and which way of reading is worth its price?"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import ctc_loss, log_softmax

from weighin.core.config import Match
from weighin.core.errors import RunError
from weighin.core.family import Bound, Example, Family, Json, Part, Predictor, Split, Tally
from weighin.core.tool import Tools
from weighin.families.ocr import (
    augment,
    bases,
    calibration,
    images,
    inputs,
    metrics,
    ngram,
    outputs,
    page,
    predict,
    reader,
    variants,
    vlm,
    vlm_tool,
)
from weighin.families.ocr import data as source
from weighin.families.ocr.chat import ChatBatch
from weighin.families.ocr.line import Line, Reading
from weighin.families.ocr.model import LineBatch, LineNet, parts_of
from weighin.families.ocr.predict import LinePredictor, Recogniser, frames_of

CALIBRATED = 300  # lines that the temperature is fitted to at most


class Ocr(Family[Line, str, Reading]):
    """Lines of Odia, and of any script whose alphabet is there."""

    name = "ocr"
    about = "what does this line say: Odia print, from a line, a page or a PDF"
    scores = metrics.SCORES
    datas = source.KINDS
    match: Mapping[str, Match] = {"logits": Match(distance="kl", temperature=1.0)}
    libraries = ("pillow", "uharfbuzz", "rapidfuzz", "transformers", "peft")

    def variants(self) -> Mapping[str, Recogniser]:
        """See ``variants.py``."""
        return variants.variants()

    def examples(self, data: str, split: Split) -> Sequence[Example[Line, str]]:
        """y is canonical text, group the document, kind the condition and the font."""
        return source.examples(data, split)

    def batch(self, variant: Recogniser, examples: Sequence[Example[Line, str]], folder: Path) -> LineBatch | ChatBatch:
        """See :class:`LineBatch`, :class:`ChatBatch`."""
        if variant.model.vlm:
            return vlm.batch(variant.model.vlm, examples, folder)
        pictures = [inputs.seen(e.x.pixels, variant.model.height) for e in examples]
        targets = [variant.model.letters.encode(e.y) for e in examples]
        target = torch.zeros(len(targets), max(1, *map(len, targets)), dtype=torch.int64)
        for row, classes in zip(target, targets, strict=True):
            row[: len(classes)] = torch.tensor(classes, dtype=torch.int64)
        frames = torch.tensor([frames_of(picture.shape[1]) for picture in pictures])
        return LineBatch(torch.from_numpy(inputs.stacked(pictures)), frames, target, torch.tensor([len(t) for t in targets]))

    def build(self, variant: Recogniser) -> nn.Module:
        """Channels last in memory: a quarter faster to train on a CPU. A base with adapters: see ``vlm.py``."""
        if variant.model.vlm:
            return vlm.build(variant.model.vlm)
        return LineNet(variant.model).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def loss(self, outputs: Mapping[str, Tensor], batch: LineBatch | ChatBatch, variant: Recogniser) -> Mapping[str, Tensor]:
        """Connectionist temporal classification (Graves et al. 2006), nats a character; 0 where a text does not fit."""
        if isinstance(batch, ChatBatch):
            return vlm.loss(outputs, batch)
        scores = log_softmax(outputs["logits"].float(), 2).transpose(0, 1)  # [T,B,classes]
        lost = ctc_loss(scores, batch.target, batch.frames, batch.length, reduction="none", zero_infinity=True)  # [B]
        return {"ctc": lost.sum() / batch.length.sum().clamp(min=1)}

    def parts(self, model: nn.Module, variant: Recogniser) -> Mapping[str, Part]:
        """``net``; ``image`` and ``decoder`` of a vision-language model."""
        if variant.model.vlm:
            return vlm.parts(model)
        assert isinstance(model, LineNet)
        return parts_of(model)

    def predictor(self, parts: Mapping[str, Bound], variant: Recogniser, folder: Path) -> Predictor[Line, Reading]:
        """See ``predict.py``, ``vlm_read.py``."""
        if variant.model.vlm:
            return vlm.reader(parts, variant, folder)
        return predict.make(parts, variant, folder, self.variants())

    def read(self, raw: bytes) -> Line:
        """One picture of one line. Raises InputError."""
        return images.line_of(raw)

    def show(self, y: Reading) -> Json:
        """Text, confidence and words with their place in the line."""
        words = [{"text": w.text, "confidence": round(w.confidence, 4), "x": [round(x, 1) for x in w.box]} for w in y.words]
        shown = {"text": y.text, "confidence": round(y.confidence, 4), "words": words}
        if y.alternatives:
            shown["alternatives"] = [{"text": text, "score": round(score, 4)} for text, score in y.alternatives]
        return shown

    def score(self, predicted: Sequence[Reading], examples: Sequence[Example[Line, str]]) -> Mapping[str, Tally]:
        """See ``metrics.py``."""
        return metrics.score(predicted, examples)

    def augment(
        self, variant: Recogniser, examples: Sequence[Example[Line, str]], rng: np.random.Generator
    ) -> Sequence[Example[Line, str]]:
        """See ``augment.py``."""
        return augment.augment(examples, variant.model.longest, variant.model.wear, rng)

    def prepare(self, model: nn.Module, variant: Recogniser, examples: Sequence[Example[Line, str]], folder: Path) -> None:
        """What the classes mean, the language model and the dictionary of the training text, beside the weights."""
        if variant.model.vlm:
            vlm.prepare(variant.model.vlm, folder)
            return
        predict.write_alphabet(variant.model.letters, folder)
        reader.prepare(source.texts(examples), variant.model.letters, folder)

    def finish(
        self,
        predict: Predictor[Line, Reading],
        variant: Recogniser,
        examples: Sequence[Example[Line, str]],
        folder: Path,
    ) -> None:
        """The temperature of confidences, through the predictor's own path, and the weight of the language model."""
        if variant.model.vlm:
            return  # its confidences are probabilities of tokens, as they are
        if not isinstance(predict, LinePredictor):
            raise RunError(f"finish got {type(predict).__name__}", "It needs what Ocr.predictor returns")
        chosen = examples[:CALIBRATED]
        language = folder / variant.of[0] if variant.of else folder
        fitted = predict.reader.fit(
            predict.scores([e.x for e in chosen]), [e.y for e in chosen], ngram.load(language / ngram.FILE)
        )
        calibration.save(folder, fitted)

    def relabel(self, example: Example[Line, str], y: Reading) -> Example[Line, str]:
        """The picture as it is, with what a teacher read in it."""
        return replace(example, x=Line(example.x.pixels, example.x.source), y=y.text)

    def brief(self, y: Reading) -> str:
        """The text."""
        return y.text

    def picture(self, x: Line) -> bytes:
        """The line as it came."""
        buffer = io.BytesIO()
        Image.fromarray(x.pixels).save(buffer, "PNG")
        return buffer.getvalue()

    def notes(self, examples: Sequence[Example[Line, str]]) -> Mapping[str, float | str]:
        """How much text there is, and of what kinds."""
        return {
            "characters": sum(len(e.y) for e in examples),
            "documents": len({e.group for e in examples}),
            "fonts": ", ".join(sorted({e.kind.split(", ", 1)[1] for e in examples if ", " in e.kind})),
        }

    def expand(self, path: Path) -> Sequence[Sequence[tuple[str, Line]]] | None:
        """The lines of every page of an image, a TIFF or a PDF, page by page; None for an image of one line."""
        return page.expand(path)

    def save_answers(self, path: Path, named: Sequence[tuple[str, Reading]], out: Path) -> Sequence[Path]:
        """After the last page of a file: text, JSON, TSV, hOCR, ALTO, searchable PDF, and a page for people."""
        return outputs.save(path, named, out)

    def tools(self) -> Tools:
        """See ``vlm_tool.py``."""
        return vlm_tool.TOOLS

    def why_not(self, variant: Recogniser) -> str | None:
        """Whether the weights of a base are here."""
        return bases.why_not(variant.model.vlm.base) if variant.model.vlm else None

    def fingerprint(self, data: str) -> str:
        """Files, fonts and the making of lines."""
        return source.fingerprint(data)
