"""From lines to readings with a vision-language model: the question, the loop over tokens, the words and how sure they are."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from weighin.core.errors import DataError, InputError
from weighin.core.family import Bound
from weighin.core.files import hash_bytes
from weighin.families.ocr.alphabet import Alphabet
from weighin.families.ocr.chat import Chat, question
from weighin.families.ocr.generate import Answer, answers
from weighin.families.ocr.line import Line, Reading, Word, checked
from weighin.families.ocr.vlm_parts import START
from weighin.families.ocr.vlm_use import Generation

ENDLESS = 2**20  # patches; wider than any image


@dataclass(frozen=True)
class Shape:
    """What the loop must know of a base: merge and window of its eyes in patches, its cache, its tokens."""

    merge: int
    window: int
    layers: int
    heads: int  # of keys and values
    width: int  # of a head
    hidden: int
    stops: frozenset[int]

    @classmethod
    def of(cls, config: Any, more_stops: Sequence[int]) -> "Shape":
        """From the base's configuration (Qwen's names)."""
        text, eyes = config.text_config, config.vision_config
        width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        stops = text.eos_token_id if isinstance(text.eos_token_id, list) else [text.eos_token_id]
        size = getattr(eyes, "window_size", None)  # pixels; Qwen2-VL has none, and looks everywhere
        window = size // eyes.spatial_merge_size // eyes.patch_size * eyes.spatial_merge_size if size else ENDLESS
        known = frozenset(int(token) for token in (*stops, *more_stops) if token is not None)
        return cls(
            eyes.spatial_merge_size,
            window,
            text.num_hidden_layers,
            text.num_key_value_heads,
            width,
            text.hidden_size,
            known,
        )


def places(rows: int, columns: int, merge: int) -> Tensor:
    """Row and column of every patch [F, merge * merge, 2] of a grid, in the processor's order: merged patches one by one."""
    grid = torch.stack(torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij"), -1)  # [rows, columns, 2]
    blocks = grid.view(rows // merge, merge, columns // merge, merge, 2).transpose(1, 2)
    return blocks.reshape(-1, merge * merge, 2)


def windows(where: Tensor, columns: int, window: int) -> Tensor:
    """The window [F, 4] of every patch; windows are squares of ``window`` patches, cut at the right and the lower edge."""
    across = -(-columns // window)
    return where[..., 0] // window * across + where[..., 1] // window


def positions(ids: Tensor, image: int, rows: int, columns: int) -> Tensor:
    """Time, height and width [3, 1, T] of every token (multimodal rotary positions, https://arxiv.org/abs/2409.12191).

    Text counts on in all three; the merged patches of the one image, ``rows`` by ``columns``, share a time and have their
    row and column; what follows starts behind the largest of these.
    """
    start = int((ids[0] == image).int().argmax())
    before = torch.arange(start).expand(3, -1)
    seen = places(rows, columns, 1).view(-1, 2).T  # [2, F]
    shown = torch.cat([torch.zeros_like(seen[:1]), seen]) + start  # [3, F]
    rest = ids.shape[1] - start - rows * columns
    after = (torch.arange(rest) + start + max(rows, columns)).expand(3, -1)
    return torch.cat([before, shown, after], 1)[:, None]


class CachedDecoder:
    """The decoder on one line: it keeps the cache of every beam, and where the next token stands."""

    def __init__(self, parts: Mapping[str, Bound], shape: Shape) -> None:
        self.parts, self.shape = parts, shape
        empty = torch.zeros(shape.layers, 1, shape.heads, START, shape.width)
        self.keys, self.values = empty, empty
        self.next = 0

    def ask(self, asked: Mapping[str, Tensor], image: int) -> Tensor:
        """The question's own tensors -> logits [1, V] of the first token of the answer."""
        shape, ids = self.shape, asked["input_ids"]
        _, rows, columns = asked["image_grid_thw"][0].tolist()
        where = places(rows, columns, shape.merge)
        patches = asked["pixel_values"].reshape(len(where), -1)  # [F, merge * merge * pixels]
        features = self.parts["image"](patches, where, windows(where, columns, shape.window))[0]
        found = positions(ids, image, rows // shape.merge, columns // shape.merge)
        self.next = int(found.max()) + 1
        return self._run(ids, features, found)

    def step(self, tokens: Tensor, picks: Tensor) -> Tensor:
        """Tokens [B] behind beams ``picks`` [B] -> logits [B, V]."""
        self.keys, self.values = self.keys.index_select(1, picks), self.values.index_select(1, picks)
        found = torch.full((3, len(tokens), 1), self.next)
        self.next += 1
        return self._run(tokens[:, None], torch.zeros(1, self.shape.hidden), found)

    def _run(self, ids: Tensor, features: Tensor, found: Tensor) -> Tensor:
        logits, self.keys, self.values = self.parts["decoder"](ids, features, found.contiguous(), self.keys, self.values)
        return logits


class VlmReader:
    """``list[Line] -> list[Reading]``; one line after the other, so that no line's answer depends on another's."""

    def __init__(self, parts: Mapping[str, Bound], chat: Chat, shape: Shape, dials: Generation, alphabet: Alphabet) -> None:
        self.parts, self.chat, self.shape, self.dials, self.alphabet = parts, chat, shape, dials, alphabet

    def __call__(self, lines: Sequence[Line]) -> list[Reading]:
        """A reading a line. Raises InputError for anything that is not a Line, or that the base cannot take."""
        return [self._read(line, place) for place, line in enumerate(checked(lines))]

    def _read(self, line: Line, place: int) -> Reading:
        try:
            asked = question(self.chat, line)
        except DataError as error:
            raise InputError(f"Input {place}: {error}") from error
        decoder = CachedDecoder(self.parts, self.shape)
        first = decoder.ask(asked, self.chat.image)
        seed = int(hash_bytes(line.pixels.tobytes())[:12], 16) + self.dials.seed
        found = answers(first, decoder.step, self.shape.stops, self.dials, seed)
        return self.reading(found, line)

    def reading(self, found: Sequence[Answer], line: Line) -> Reading:
        """The best answer as text, with its words; all answers as alternatives."""
        best, penalty = found[0], self.dials.length_penalty
        scored = [(self.text_of(answer.tokens), answer.score(penalty)) for answer in found]
        alternatives = tuple({text: (text, score) for text, score in reversed(scored)}.values())[::-1]
        sure = math.exp(sum(best.logs) + (best.log_end or 0.0))
        return Reading(scored[0][0], sure, self._words(best, line.shape[1]), alternatives, line.source)

    def text_of(self, tokens: Sequence[int]) -> str:
        """Canonical text of an answer's tokens."""
        return self.alphabet.canonical(self._plain(tokens))

    def _plain(self, tokens: Sequence[int]) -> str:
        return self.chat.processor.tokenizer.decode(list(tokens), skip_special_tokens=True)

    def _words(self, answer: Answer, width: int) -> tuple[Word, ...]:
        """Words with the product of their tokens' probabilities. The model says nothing of places: boxes share the line's
        width by the number of characters."""
        logs: dict[int, float] = {}
        for end, log in enumerate(answer.logs, 1):
            word = max(len(self._plain(answer.tokens[:end]).split()) - 1, 0)
            logs[word] = logs.get(word, 0.0) + log
        spoken = [self.alphabet.canonical(word) for word in self._plain(answer.tokens).split()]
        kept = [(word, math.exp(logs.get(number, 0.0))) for number, word in enumerate(spoken) if word]
        scale = width / max(1, len(" ".join(word for word, _ in kept)))
        made, at = [], 0
        for word, sure in kept:
            made.append(Word(word, sure, (at * scale, (at + len(word)) * scale)))
            at += len(word) + 1
        return tuple(made)


def reader_of(parts: Mapping[str, Bound], chat: Chat, folder: Path, dials: Generation, alphabet: Alphabet) -> VlmReader:
    """The predictor on bound parts; ``folder`` holds the base's configuration."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    return VlmReader(parts, chat, Shape.of(config, [chat.stop]), dials, alphabet)
