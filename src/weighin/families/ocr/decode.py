"""From scores of frames to text."""

import itertools

import numpy as np

from weighin.families.ocr.alphabet import Alphabet
from weighin.families.ocr.line import Hypothesis, Letter, Scores
from weighin.families.ocr.use import Use


def decode(log_probabilities: Scores, alphabet: Alphabet, dials: Use) -> list[Hypothesis]:
    """Hypotheses, best first; never none."""
    return [greedy(log_probabilities, alphabet)]


def greedy(log_probabilities: Scores, alphabet: Alphabet) -> Hypothesis:
    """The likeliest class of every frame, runs collapsed, blanks dropped (Graves et al. 2006, best path decoding)."""
    best = log_probabilities.argmax(1)  # [t]
    peak = log_probabilities.max(1)  # [t]
    edges = np.flatnonzero(np.diff(best, prepend=-1, append=-1))
    letters = [
        Letter(alphabet.characters[best[first] - 1], float(np.exp(peak[first:end].max())), int(first), int(end - 1))
        for first, end in itertools.pairwise(edges)
        if best[first]
    ]
    return Hypothesis("".join(letter.character for letter in letters), float(peak.sum()), tuple(letters))
