"""A line as a chat: a turn with the image and the question, a turn with the answer, and the labels of the two.

Why "Image features and image tokens do not match" cannot come from here: the question goes through the base's own chat
template with an image part, the base's processor expands its placeholder to as many tokens as the image has features,
the answer is appended as tokens behind it, nothing is ever cut, and :func:`question` counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from weighin.core.errors import DataError, MissingError
from weighin.families.ocr.line import Line

IGNORED = -100  # of a label: no loss here
ASPECT = 100  # a longer line is given white above and below: Qwen's processor refuses beyond 200
WHITE = 255


@dataclass
class ChatBatch:
    """Chats of several lines, padded on the right."""

    input_ids: Tensor  # [B, T]
    attention_mask: Tensor  # [B, T]; 0 over padding
    labels: Tensor  # [B, T]; IGNORED over question, image and padding
    tail: int  # all labels stand in the last so many columns
    inputs: dict[str, Tensor]  # the rest of what the processor makes: pixel_values, image_grid_thw, mm_token_type_ids


@dataclass(frozen=True)
class Chat:
    """How a base is talked to: its processor, the question, and the tokens that matter."""

    processor: Any
    prompt: str
    most: int  # tokens of a whole chat
    image: int  # the placeholder's token
    stop: int  # the token that ends an answer
    pad: int  # any token: what stands there is neither attended to nor learned


def processor_of(folder: Path, sizes: Mapping[str, int | None]) -> Any:
    """The base's processor for images and text, with PIL; ``sizes``: least and most pixels of an image, None for its own.

    Videos are left out: their processors need torchvision, and a line is no film.
    """
    from transformers import AutoConfig, AutoImageProcessor
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

    try:
        found = PROCESSOR_MAPPING[type(AutoConfig.from_pretrained(folder, local_files_only=True))]
        eyes = AutoImageProcessor.from_pretrained(folder, backend="pil", local_files_only=True)
        made = _still(found).from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise MissingError(f"{folder} holds no processor of images and text: {_first_line(error)}") from error
    if "longest_edge" in eyes.size and "shortest_edge" in eyes.size:  # pixels, for Qwen's; others crop to one size
        given = {"shortest_edge": sizes["min_pixels"], "longest_edge": sizes["max_pixels"]}
        eyes.size = {key: value or eyes.size[key] for key, value in given.items()}
    made.image_processor = eyes
    return made


def _still(found: Any) -> Any:
    """The processor class without its part for videos."""
    parts = classmethod(lambda _: [name for name in found.get_attributes() if "video" not in name])
    return type(found.__name__, (found,), {"get_attributes": parts})


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


@lru_cache(maxsize=4)
def chat_of(folder: Path, prompt: str, most: int, min_pixels: int | None, max_pixels: int | None) -> Chat:
    """The chat of a base whose small files lie in ``folder``. Raises MissingError where it has no chat template."""
    processor = processor_of(folder, {"min_pixels": min_pixels, "max_pixels": max_pixels})
    words = processor.tokenizer
    if not processor.chat_template:
        raise MissingError(f"{folder} has no chat template", "A base for images and chats brings one", "Choose another base")
    if words.eos_token_id is None:
        raise MissingError(f"The tokenizer in {folder} has no token that ends an answer", hint="Choose an instruct model")
    pad = words.pad_token_id if words.pad_token_id is not None else words.eos_token_id  # masked by place, never by number
    return Chat(processor, prompt, most, int(processor.image_token_id), words.eos_token_id, pad)


def picture_of(line: Line) -> Image.Image:
    """RGB, with white above and below (or beside) where a line is too long (or high) for a processor."""
    height, width = line.shape
    least_height, least_width = -(-width // ASPECT), -(-height // ASPECT)
    if height < least_height or width < least_width:
        room = np.full((max(height, least_height), max(width, least_width)), WHITE, np.uint8)
        top, left = (room.shape[0] - height) // 2, (room.shape[1] - width) // 2
        room[top : top + height, left : left + width] = line.pixels
        return Image.fromarray(room).convert("RGB")
    return Image.fromarray(line.pixels).convert("RGB")


def question(chat: Chat, line: Line) -> dict[str, Tensor]:
    """What the model is given before it answers: ``input_ids`` [1, T] with expanded placeholders, and the image's tensors.

    Raises DataError when there is no placeholder, or not as many as the image has features.
    """
    asked = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": chat.prompt}]}]
    text = chat.processor.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
    try:
        made = dict(chat.processor(text=[text], images=[picture_of(line)], return_tensors="pt"))
    except ValueError as error:
        raise DataError(f"The processor refuses the line: {_first_line(error)}") from error
    tokens = int((made["input_ids"] == chat.image).sum())
    wanted = _features(chat, made)
    if not tokens or (wanted is not None and tokens != wanted):
        came = f"The question has {tokens} image tokens where the image has {wanted or 'some'} features"
        raise DataError(came, "They are equal", "The chat template needs an image part, and the prompt no special tokens")
    return made


def _features(chat: Chat, made: Mapping[str, Tensor]) -> int | None:
    """How many features the image has, where its processor says so: patches of the grid, merged."""
    if "image_grid_thw" not in made:
        return None
    return int(made["image_grid_thw"].prod(1).sum()) // chat.processor.image_processor.merge_size**2


def lesson(chat: Chat, line: Line, text: str) -> dict[str, Tensor]:
    """Question and answer, with ``labels`` [1, T]. Raises DataError for a sample that cannot be used."""
    if not text.strip():
        raise DataError("A line has no text", "Every training line has some", "Leave it out")
    asked = question(chat, line)
    ids, length = asked["input_ids"], asked["input_ids"].shape[1]
    answer = chat.processor.tokenizer(text, add_special_tokens=False)["input_ids"]
    if set(answer) & set(chat.processor.tokenizer.all_special_ids):
        raise DataError(f"The text {text[:40]!r} holds special tokens of the model", hint="Leave the line out")
    said = torch.tensor([[*answer, chat.stop]])  # [1, A]
    whole = torch.cat([ids, said], 1)  # [1, T]
    if whole.shape[1] > chat.most:
        came = f"A chat has {whole.shape[1]} tokens, {int((ids == chat.image).sum())} of them its image"
        raise DataError(came, f"At most {chat.most}, and nothing is cut", "Raise model.vlm.most or lower model.vlm.max_pixels")
    more = {key: _lengthened(x, length, whole.shape[1]) for key, x in asked.items()}
    labels = torch.cat([torch.full_like(ids, IGNORED), said], 1)
    return more | {"input_ids": whole, "attention_mask": torch.ones_like(whole), "labels": labels}


def _lengthened(x: Tensor, length: int, wanted: int, value: int = 0) -> Tensor:
    """Tensors along the tokens [1, length] -> [1, wanted]; all others as they are."""
    if x.shape != (1, length):
        return x
    return torch.nn.functional.pad(x, (0, wanted - length), value=value)


def collate(chat: Chat, lessons: Sequence[Mapping[str, Tensor]]) -> ChatBatch:
    """Lessons of single lines as one batch, padded on the right to the longest."""
    lengths = [one["input_ids"].shape[1] for one in lessons]
    longest = max(lengths)
    values = {"input_ids": chat.pad, "labels": IGNORED}
    joined = {
        key: torch.cat([_lengthened(one[key], n, longest, values.get(key, 0)) for one, n in zip(lessons, lengths)])
        for key in lessons[0]
    }
    first = int((joined["labels"] != IGNORED).int().argmax(1).min())
    tail = longest - first + 1  # the token before an answer predicts its first
    known = (joined.pop("input_ids"), joined.pop("attention_mask"), joined.pop("labels"))
    return ChatBatch(*known, tail=tail, inputs=joined)
