"""Scores of readings: edits of characters and words, exact lines, and whether the confidence can be believed."""

from collections.abc import Mapping, Sequence

import numpy as np
from rapidfuzz.distance import Levenshtein

from weighin.core.family import Example, Score, Tally
from weighin.families.ocr.alphabet import ALPHABETS
from weighin.families.ocr.line import Line, Reading

BINS = 15


def ece(value: np.ndarray, weight: float) -> float:
    """Expected calibration error (Naeini et al. 2015): value [15] sums of confidence - hit by bin of confidence."""
    return float(np.abs(value).sum() / weight) if weight else float("nan")


_EDITS = "edits (insertions, deletions, substitutions) over {} of the truth, both in canonical form"
SCORES = (
    Score("cer", "share", "lower", about=_EDITS.format("characters")),
    Score("wer", "share", "lower", about=_EDITS.format("words")),
    Score("exact", "share", "higher", binary=True, about="the whole line is right"),
    Score("cer_clean", "share", "lower", about="cer of rendered lines that were left clean"),
    Score("cer_degraded", "share", "lower", about="cer of rendered lines that were damaged"),
    Score("cer_unseen", "share", "lower", about="cer of rendered lines in fonts that training had not"),
    Score("word_ece", "share", "lower", ece, about="how far confidence and share of right words lie apart, 15 bins"),
)


def score(predicted: Sequence[Reading], examples: Sequence[Example[Line, str]]) -> Mapping[str, Tally]:
    """A tally a score, one entry an example; ``kind`` says condition and font (see ``data.py``)."""
    pairs = [(canonical(y.text), canonical(e.y)) for y, e in zip(predicted, examples, strict=True)]
    edits = np.array([Levenshtein.distance(read, truth) for read, truth in pairs], np.float64)
    letters = np.array([len(truth) for _, truth in pairs], np.float64)
    words = [(read.split(), truth.split()) for read, truth in pairs]
    found: dict[str, Tally] = {
        "cer": Tally(edits, letters),
        "wer": Tally.of([Levenshtein.distance(*pair) for pair in words], [len(truth) for _, truth in words]),
        "exact": Tally.of([read == truth for read, truth in pairs]),
    }
    for name, marker in (("cer_clean", "clean"), ("cer_degraded", "degraded"), ("cer_unseen", "unseen")):
        inside = np.array([marker in example.kind.split(", ") for example in examples], np.float64)
        found[name] = Tally(edits * inside, letters * inside)
    rows = [_believed(reading, truth) for reading, (_, truth) in zip(predicted, pairs, strict=True)]
    found["word_ece"] = Tally(np.array([value for value, _ in rows]).reshape(-1, BINS), np.array([count for _, count in rows]))
    return found


def _believed(reading: Reading, truth: str) -> tuple[np.ndarray, float]:
    """Sums of confidence - hit by bin [15], and words, of one line; a word hits where an alignment finds it in the truth."""
    value = np.zeros(BINS)
    if not reading.words:
        return value, 0.0
    hits = right_words([word.text for word in reading.words], truth.split())
    for word, hit in zip(reading.words, hits, strict=True):
        value[min(BINS - 1, int(word.confidence * BINS))] += word.confidence - hit
    return value, float(len(reading.words))


def right_words(read: Sequence[str], truth: Sequence[str]) -> list[bool]:
    """Which words of a reading an alignment by least edits finds in the truth."""
    hits = [False] * len(read)
    for block in Levenshtein.opcodes(read, truth):
        if block.tag == "equal":
            hits[block.src_start : block.src_end] = [True] * (block.src_end - block.src_start)
    return hits


def canonical(text: str) -> str:
    """The form in which texts are compared: that of every alphabet after the other, which touch different code points."""
    for alphabet in ALPHABETS.values():
        text = alphabet.canonical(text)
    return text
