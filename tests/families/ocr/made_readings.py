"""Scores and hypotheses made by hand."""

import numpy as np

from weighin.families.ocr.alphabet import ODIA
from weighin.families.ocr.line import Hypothesis, Letter


def spoken(text, sure=0.999, doubts=(), frames=3):
    """Scores that say ``text``: a letter ``frames`` frames, then a blank; ``doubts``: (place, other character, how likely)."""
    rows = []
    doubted = {place: (other, p) for place, other, p in doubts}
    for place, character in enumerate(text):
        row = np.full(ODIA.classes, (1 - sure) / (ODIA.classes - 1))
        if place in doubted:
            other, p = doubted[place]
            row[ODIA.index[other]] = p
            row[ODIA.index[character]] = 1 - p
        else:
            row[ODIA.index[character]] = sure
        blank = np.full(ODIA.classes, (1 - sure) / (ODIA.classes - 1))
        blank[0] = sure
        rows += [row] * frames + [blank]
    scores = np.log(np.array(rows).reshape(-1, ODIA.classes).clip(1e-9))
    return (scores - np.log(np.exp(scores).sum(1, keepdims=True))).astype(np.float32)


def said(text, probability=0.9):
    """A hypothesis with a frame a letter."""
    letters = tuple(Letter(character, probability, place, place) for place, character in enumerate(text))
    return Hypothesis(text, 0.0, letters)
