"""A character n-gram language model: a back-off table (Katz 1987) in five arrays, read from training text or ARPA."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from weighin.core.errors import ConfigError, DataError, RunError
from weighin.core.run import load_tensors, save_tensors

FILE = "language.safetensors"
ORDERS = 6  # most characters of an n-gram: five of context fit into 60 bits
BITS = 12  # of a symbol in a context
KEPT = 20_000  # distributions that stay in memory
MASKS = tuple((1 << BITS * length) - 1 for length in range(ORDERS))


@dataclass(frozen=True, eq=False)
class Ngrams:
    """Symbols 1 to len(characters) are characters; two more begin and end a text, unless the space does.

    A context is an integer: its newest symbol in the lowest 12 bits, the next older above it, and so on.
    """

    characters: str
    order: int
    begin: int  # symbol before a text
    end: int  # symbol after it
    contexts: np.ndarray  # int64 [m], rising
    starts: np.ndarray  # int64 [m + 1]: where in the two arrays below a context's continuations are
    symbols: np.ndarray  # int16 [k], rising within a context
    log_probabilities: np.ndarray  # float32 [k], natural logarithm
    backoffs: np.ndarray  # float32 [m], natural logarithm of the weight of the lower order

    @property
    def size(self) -> int:
        """Length of a distribution: symbol 0 (never predicted), the characters, begin and end."""
        return len(self.characters) + 3

    @cached_property
    def index(self) -> dict[str, int]:
        """Character -> symbol."""
        return {character: place for place, character in enumerate(self.characters, 1)}

    @cached_property
    def _known(self) -> dict[int, np.ndarray]:
        return {}

    def follow(self, context: int, symbol: int) -> int:
        """The context after one more symbol."""
        return (context << BITS | symbol) & MASKS[self.order - 1]

    def distribution(self, context: int) -> np.ndarray:
        """Log-probabilities float32 [size] of what follows; a context never seen is as its newest part."""
        known = self._known.get(context)
        if known is not None:
            return known
        if len(self._known) > KEPT:
            self._known.clear()
        found = self._known[context] = self._made(context)
        return found

    def _made(self, context: int) -> np.ndarray:
        row = int(np.searchsorted(self.contexts, context))
        present = row < len(self.contexts) and self.contexts[row] == context
        if not context:
            base = np.full(self.size, -math.inf, np.float32)
        else:
            length = (context.bit_length() + BITS - 1) // BITS
            base = self.distribution(context & MASKS[length - 1])
        if not present:
            return base
        base = base + self.backoffs[row]
        span = slice(self.starts[row], self.starts[row + 1])
        base[self.symbols[span]] = self.log_probabilities[span]
        return base

    def score(self, text: str) -> float:
        """Log-probability of a text and of its end. Characters that the model has not are left out."""
        return self.measured(text)[0]

    def measured(self, text: str) -> tuple[float, int]:
        """Log-probability, and the number of symbols that it is of."""
        total, context, count = 0.0, self.begin, 0
        for character in text:
            symbol = self.index.get(character)
            if symbol is None:
                continue
            total += float(self.distribution(context)[symbol])
            context = self.follow(context, symbol)
            count += 1
        return total + float(self.distribution(context)[self.end]), count + 1

    def perplexity(self, texts: Iterable[str]) -> float:
        """exp of the mean negative log-probability a symbol, ends of texts included. Raises DataError without texts."""
        measured = [self.measured(text) for text in texts]
        if not measured:
            raise DataError("Perplexity of no text", hint="Give at least one")
        return math.exp(-sum(total for total, _ in measured) / sum(count for _, count in measured))

    def fits(self, characters: str) -> "Ngrams":
        """Itself, if its symbols are the classes of ``characters``. Raises ConfigError."""
        if self.characters != characters:
            came = f"A language model of {len(self.characters)} characters for an alphabet of {len(characters)}"
            raise ConfigError(came, "Both must have the same characters in the same order", "Build it for this alphabet")
        return self


_TABLES = ("contexts", "starts", "symbols", "log_probabilities", "backoffs")


def save(model: Ngrams, path: Path) -> None:
    """Writes safetensors, atomically."""
    tensors = {name: torch.from_numpy(np.ascontiguousarray(getattr(model, name))) for name in _TABLES}
    tensors["characters"] = torch.tensor([ord(character) for character in model.characters], dtype=torch.int32)
    tensors["shape"] = torch.tensor([model.order, model.begin, model.end], dtype=torch.int32)
    save_tensors(path, tensors)


def load(path: Path) -> Ngrams:
    """What ``save`` wrote. Raises RunError when it is missing or damaged."""
    if not path.exists():
        raise RunError(f"{path} is missing", hint="Train the run again: its language model is made before training")
    tensors = {name: tensor.numpy() for name, tensor in load_tensors(path).items()}
    try:
        order, begin, end = tensors["shape"].tolist()
        characters = "".join(map(chr, tensors["characters"].tolist()))
        model = Ngrams(characters, order, begin, end, *(tensors[name] for name in _TABLES))
    except (KeyError, ValueError) as error:
        raise RunError(f"{path} is not a language model: {error}", hint="Train the run again") from None
    if len(model.starts) != len(model.contexts) + 1 or model.starts[-1] != len(model.symbols):
        raise RunError(f"{path} is damaged: its tables do not fit together", hint="Train the run again")
    return model
