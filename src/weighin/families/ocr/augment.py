"""Training examples anew: other words of the same document, another face, size and fate, every time."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from weighin.core.family import Example
from weighin.families.ocr import degrade
from weighin.families.ocr.line import Line
from weighin.families.ocr.render import set_line
from weighin.families.ocr.typeset import SIZES, Press, Typeset, salad, span

LETTERS = (5, 10, 16, 24, 36, 60)  # a line, about; one value a batch, so that little of it is padding
SHARES = (0.15, 0.2, 0.2, 0.2, 0.15, 0.1)
SALAD = 0.25  # lines of words that do not belong together
STRANGE = 0.02  # lines with a word of another script
OLD_WA = "\u0b4d\u0b71"  # halant and WA; founts of older make know the same shape as halant and BA

TextExample = Example[Line, str]


def augment(examples: Sequence[TextExample], longest: int, wear: float, rng: np.random.Generator) -> list[TextExample]:
    """Set lines are set anew, of at most about ``longest`` letters; given pictures are distorted, two times in three."""
    letters = min(longest, int(rng.choice(LETTERS, p=SHARES)))
    return [_anew(e, e.x, letters, wear, rng) if isinstance(e.x, Typeset) else _worn(e, wear, rng) for e in examples]


def _worn(example: TextExample, wear: float, rng: np.random.Generator) -> TextExample:
    if rng.random() < 0.33:
        return example
    return replace(example, x=Line(degrade.distort(example.x.pixels, rng, 0.4 * wear, framed=True), example.x.source))


def _anew(example: TextExample, made: Typeset, letters: int, wear: float, rng: np.random.Generator) -> TextExample:
    press, wanted = made.press, max(1, int(letters * rng.uniform(0.75, 1.25)))
    text = salad(press, wanted, rng) if rng.random() < SALAD else span(made.sentence, wanted, rng)
    if rng.random() < STRANGE and press.strangers:
        text = _with_stranger(text, press, rng)
    face = press.any_face(rng)
    how = press.type(face, rng, int(rng.integers(*SIZES)))
    how = replace(how, space=float(np.exp(rng.normal(0.0, 0.3))), stroke=float(rng.random() < 0.08))
    shown = text.replace(OLD_WA, "\u0b4d\u0b35") if rng.random() < 0.3 else text
    pixels = degrade.distort(set_line(shown, how), rng, wear)
    letters_of = press.alphabet
    return replace(example, x=Line(pixels), y=letters_of.readable(letters_of.canonical(text)))


def _with_stranger(text: str, press: Press, rng: np.random.Generator) -> str:
    words = text.split()
    words[int(rng.integers(len(words)))] = press.stranger(rng)
    return " ".join(words)
