"""Whether a reading can be believed: probabilities at a fitted temperature, and how good they are as confidences."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.optimize import minimize_scalar

from weighin.families.ocr.alphabet import Alphabet
from weighin.families.ocr.line import Hypothesis, Letter, Scores

SPACE = " "
BINS = 50  # of confidence, where figures are made of sums


def grouped(letters: Sequence[Letter]) -> list[tuple[Letter, ...]]:
    """Letters of each word; spaces are left out."""
    words: list[list[Letter]] = [[]]
    for letter in letters:
        if letter.character == SPACE:
            words.append([])
        else:
            words[-1].append(letter)
    return [tuple(word) for word in words if word]


def of_word(letters: Sequence[Letter]) -> float:
    """The product of the letters' probabilities: the probability of the word, were letters independent. 1 for none."""
    return math.prod(letter.probability for letter in letters)


def peaks(log_probabilities: Scores, letters: Sequence[Letter], alphabet: Alphabet) -> tuple[np.ndarray, np.ndarray]:
    """Rows float32 [n,classes] of the frames in which letters are likeliest, and the letters' classes int64 [n]."""
    classes = np.array([alphabet.index[letter.character] for letter in letters], np.int64)
    frames = [
        letter.first + int(log_probabilities[letter.first : letter.last + 1, label].argmax())
        for letter, label in zip(letters, classes.tolist(), strict=True)
    ]
    return log_probabilities[np.array(frames, np.int64)], classes


def tempered(
    log_probabilities: Scores, letters: Sequence[Letter], alphabet: Alphabet, temperature: float
) -> tuple[Letter, ...]:
    """The letters with their probabilities at a temperature (Guo et al. 2017)."""
    if temperature == 1 or not letters:
        return tuple(letters)
    rows, classes = peaks(log_probabilities, letters, alphabet)
    found = np.exp(_at(rows, classes, temperature)).tolist()
    return tuple(replace(letter, probability=min(1.0, p)) for letter, p in zip(letters, found, strict=True))


def supported(found: Sequence[Hypothesis], temperature: float) -> tuple[Letter, ...]:
    """The best hypothesis's letters, each as probable as all hypotheses together that have it.

    Their probabilities are those of their scores at a temperature. Where a language model overrules the frames, these say
    how sure that is, and the frames do not.
    """
    from rapidfuzz.distance import Levenshtein

    best = found[0]
    share = np.exp((np.array([each.score for each in found]) - best.score) / temperature)  # scores fall: at most 1
    support = np.zeros(len(best.letters))
    for each, mass in zip(found, (share / share.sum()).tolist(), strict=True):
        for step in Levenshtein.opcodes(best.text, each.text):
            if step.tag == "equal":
                support[step.src_start : step.src_end] += mass
    return tuple(replace(letter, probability=min(1.0, p)) for letter, p in zip(best.letters, support.tolist(), strict=True))


def _at(rows: np.ndarray, classes: np.ndarray, temperature: float) -> np.ndarray:
    """Log-probability [n] of each row's class at a temperature."""
    scaled = rows.astype(np.float64) / temperature
    top = scaled.max(1)
    return scaled[np.arange(len(rows)), classes] - top - np.log(np.exp(scaled - top[:, None]).sum(1))


def hits(words: Sequence[str], truth: Sequence[str]) -> list[bool]:
    """Which words of a reading are right, by the alignment of the words of both with the fewest edits."""
    from rapidfuzz.distance import Levenshtein

    right = [False] * len(words)
    for step in Levenshtein.opcodes(list(words), list(truth)):
        if step.tag == "equal":
            right[step.src_start : step.src_end] = [True] * (step.src_end - step.src_start)
    return right


def fit(scores: Sequence[Scores], read: Sequence[Hypothesis], truth: Sequence[str], alphabet: Alphabet) -> float:
    """The temperature at which products of letters' probabilities say best which words are right (least log-loss)."""
    rows, classes, owner, right = [], [], [], []
    for log_probabilities, hypothesis, wanted in zip(scores, read, truth, strict=True):
        words = grouped(hypothesis.letters)
        right += hits(["".join(letter.character for letter in word) for word in words], wanted.split())
        for number, word in enumerate(words, len(right) - len(words)):
            some, labels = peaks(log_probabilities, word, alphabet)
            rows.append(some)
            classes.append(labels)
            owner += [number] * len(word)
    if not owner:
        return 1.0
    return best_temperature(np.concatenate(rows), np.concatenate(classes), np.array(owner), np.array(right))


def best_temperature(rows: np.ndarray, classes: np.ndarray, owner: np.ndarray, right: np.ndarray) -> float:
    """The same from rows [n,classes], classes [n], the word of each letter [n] and which words are right [words]."""

    def loss(log_temperature: float) -> float:
        log_words = np.bincount(owner, _at(rows, classes, math.exp(log_temperature)), len(right))
        probability = np.exp(log_words).clip(1e-9, 1 - 1e-9)
        return float(-np.log(np.where(right, probability, 1 - probability)).mean())

    return math.exp(float(minimize_scalar(loss, bounds=(-1.5, 1.5), method="bounded").x))  # type: ignore[attr-defined]


def binned(confidence: Sequence[float], right: Sequence[bool]) -> np.ndarray:
    """Sums float64 [3,BINS] by bin of confidence: right ones, wrong ones, confidences. Sums of lines add up."""
    sums = np.zeros((3, BINS))
    for sure, hit in zip(confidence, right, strict=True):
        place = min(int(sure * BINS), BINS - 1)
        sums[0 if hit else 1, place] += 1
        sums[2, place] += sure
    return sums


def ece(sums: np.ndarray) -> float:
    """Expected calibration error (Naeini et al. 2015) of sums [3,BINS] or flat: mean distance of confidence and share right."""
    right, wrong, sure = sums.reshape(3, BINS)
    count = (right + wrong).sum()
    return float(np.abs(sure - right).sum() / count) if count else math.nan


def auroc(sums: np.ndarray) -> float:
    """Chance that a right word is surer than a wrong one, ties half (Mann and Whitney 1947), from sums [3,BINS] or flat.

    0.5 where all words are right or all are wrong: nothing can be told apart.
    """
    right, wrong, _ = sums.reshape(3, BINS)
    pairs = right.sum() * wrong.sum()
    below = np.cumsum(wrong) - wrong
    return float((right * (below + wrong / 2)).sum() / pairs) if pairs else 0.5
