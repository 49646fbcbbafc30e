"""What the family does where a variant reads with a vision-language model: see ``model.vlm`` and ``predict.vlm``."""

import shutil
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from weighin.core.config import Variant
from weighin.core.errors import DataError
from weighin.core.family import Bound, Example, Part
from weighin.core.files import storing, write_json
from weighin.families.ocr import bases, chat, lora, vlm_parts, vlm_read
from weighin.families.ocr.chat import Chat, ChatBatch
from weighin.families.ocr.line import Line
from weighin.families.ocr.lora import Vlm
from weighin.families.ocr.vlm_read import VlmReader
from weighin.families.ocr.vlm_use import Generation, VlmModel

SMALL = ("*.json", "*.jinja", "merges.txt", "tokenizer.model")  # of a base; what is large is in the parts


def build(model: VlmModel) -> Vlm:
    """The frozen base with adapters; on the meta device without weights. Raises MissingError where they are not to be had."""
    if torch.get_default_device().type == "meta":
        return _counted(model.model_dump_json())
    folder = bases.fetched(model.base)
    bases.check_kind(model.base, vlm_parts.KINDS)
    return Vlm(bases.load(folder, getattr(torch, model.dtype)), bases.hash_of(folder), model.lora)


@lru_cache(maxsize=4)
def _counted(settings: str) -> Vlm:
    """Without weights, from the model's JSON; kept, as nobody can change what is not there."""
    model = VlmModel.model_validate_json(settings)
    bases.check_kind(model.base, vlm_parts.KINDS)
    return Vlm(bases.skeleton(model.base), "00" * 32, model.lora)


def prepare(model: VlmModel, folder: Path) -> None:
    """Copies the base's small files beside the weights, so that a run is used without the base; names the base."""
    base, kept = bases.fetched(model.base), folder / lora.KEPT
    with storing(kept):
        kept.mkdir(parents=True, exist_ok=True)
        for path in sorted(found for pattern in SMALL for found in base.glob(pattern)):
            if path.name != bases.INDEX:
                shutil.copyfile(path, kept / path.name)
    write_json(folder / "base.json", {"base": model.base, "sha256": bases.hash_of(base)})


def _chat(model: VlmModel, folder: Path) -> Chat:
    return chat.chat_of(folder / lora.KEPT, model.prompt, model.most, model.min_pixels, model.max_pixels)


def batch(model: VlmModel, examples: Sequence[Example[Line, str]], folder: Path) -> ChatBatch:
    """See :class:`ChatBatch`. Raises DataError, with the example's id, for one that cannot be used."""
    spoken, lessons = _chat(model, folder), []
    for example in examples:
        try:
            lessons.append(chat.lesson(spoken, example.x, example.y))
        except DataError as error:
            raise DataError(f"{example.id}: {error.came}", error.allowed, error.hint) from error
    return chat.collate(spoken, lessons)


def loss(outputs: Mapping[str, Tensor], given: ChatBatch) -> Mapping[str, Tensor]:
    """Mean cross-entropy of an answer's tokens."""
    return {"token": lora.loss(outputs["logits"], given)}


def parts(model: nn.Module) -> Mapping[str, Part]:
    """``image`` and ``decoder``, in float32 with the adapters merged: the model itself is changed so, its state is not."""
    assert isinstance(model, Vlm)
    model.base.float()
    lora.merge(model)
    return vlm_parts.parts_of(model.base)


def reader(bound: Mapping[str, Bound], variant: Variant[Any, Any], folder: Path) -> VlmReader:
    """The predictor; greedy where ``predict.vlm`` says nothing."""
    model, dials = variant.model.vlm, variant.predict.vlm or Generation()
    return vlm_read.reader_of(bound, _chat(model, folder), folder / lora.KEPT, dials, variant.model.letters)
