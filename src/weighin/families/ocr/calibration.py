"""What is fitted after training, on validation lines: the temperature of confidences, and how much a language model weighs."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from weighin.core.errors import RunError
from weighin.core.files import write_json
from weighin.families.ocr import beam, confidence
from weighin.families.ocr.alphabet import Alphabet
from weighin.families.ocr.beam import Fusion, Pruning
from weighin.families.ocr.line import Hypothesis, Scores
from weighin.families.ocr.ngram import Ngrams

FILE = "calibration.json"
WEIGHED = 40  # lines that weight and bonus are fitted to at most
READABLE = 0.4  # edits a character: beyond it nothing is weighed
WEIGHTS = (0.3, 0.8, 1.1)  # tried beside the usual one
BONUSES = (0.0, 0.5, 1.5, 2.0)
SPREADS = (0.7, 1.0, 1.5, 3.0, 4.5, 7.0, 10.0)


@dataclass(frozen=True)
class Fitted:
    """``temperature`` divides scores; ``weight`` and ``bonus`` are those of ``beam.py``, ``spread`` divides
    the scores of texts that a language model has seen. The values are for before fitting."""

    temperature: float = 1.0
    weight: float = 0.5
    bonus: float = 1.0
    spread: float = 2.0


def readable(texts: Sequence[str], truth: Sequence[str]) -> bool:
    """Whether lines are read well enough to weigh a language model on them."""
    from rapidfuzz.distance import Levenshtein

    edits = sum(Levenshtein.distance(text, wanted) for text, wanted in zip(texts, truth, strict=True))
    return edits <= READABLE * sum(map(len, truth)) and bool(truth)


def weights(scores: Sequence[Scores], truth: Sequence[str], alphabet: Alphabet, model: Ngrams) -> tuple[float, float]:
    """Weight and bonus with the fewest edits of characters: first the bonus, then both at that ratio, which changes little."""
    from rapidfuzz.distance import Levenshtein

    lines = list(zip(scores, truth, strict=True))[:WEIGHED]

    def edits(weight: float, bonus: float) -> int:
        fusion = Fusion(model, weight, bonus)
        read = (alphabet.decode(beam.search(each, Pruning(), fusion)[0][0]) for each, _ in lines)
        return sum(Levenshtein.distance(text, wanted) for text, (_, wanted) in zip(read, lines, strict=True))

    usual = Fitted()
    bonus = min((usual.bonus, *BONUSES), key=lambda bonus: edits(usual.weight, bonus))  # of equals the first
    ratio = bonus / usual.weight
    weight = min((usual.weight, *WEIGHTS), key=lambda weight: edits(weight, weight * ratio))
    return weight, weight * ratio


def spread(lists: Sequence[Sequence[Hypothesis]], truth: Sequence[str]) -> float:
    """The temperature of whole texts at which their shares say best which words are right (least log-loss); of SPREADS."""

    def loss(temperature: float) -> float:
        total = 0.0
        for found, wanted in zip(lists, truth, strict=True):
            words = confidence.grouped(confidence.supported(found, temperature))
            right = confidence.hits(["".join(letter.character for letter in word) for word in words], wanted.split())
            for word, hit in zip(words, right, strict=True):
                sure = min(max(confidence.of_word(word), 1e-6), 1 - 1e-6)
                total -= math.log(sure if hit else 1 - sure)
        return total

    return min((Fitted().spread, *SPREADS), key=loss)


def save(folder: Path, fitted: Fitted) -> None:
    """Writes ``calibration.json``, atomically."""
    write_json(folder / FILE, asdict(fitted))


def load(folder: Path) -> Fitted:
    """What ``save`` wrote; the usual values before it did. Raises RunError when damaged."""
    path = folder / FILE
    if not path.exists():
        return Fitted()
    try:
        fitted = Fitted(**{name: float(value) for name, value in json.loads(path.read_text(encoding="utf-8")).items()})
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise RunError(f"{path} cannot be read: {error}", hint="Delete the run folder and train again") from None
    if not (math.isfinite(fitted.temperature) and fitted.temperature > 0 and fitted.weight >= 0 and fitted.spread > 0):
        raise RunError(f"{path} holds {fitted}", "Temperature and spread are above 0, the weight not below")
    return fitted
