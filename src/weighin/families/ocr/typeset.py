"""Lines that are set when they are looked at: an example of made text costs nothing until its pixels are asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from weighin.families.ocr import damage
from weighin.families.ocr.alphabet import Alphabet
from weighin.families.ocr.fonts import Face
from weighin.families.ocr.line import Line
from weighin.families.ocr.render import SILENT, Type, set_line
from weighin.families.ocr.text import latin_word, made_word, marked, number

CONDITIONS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "clean": damage.clean,
    "degraded": damage.degraded,
}
SIZES = (26, 54)  # pixels an em


@dataclass(frozen=True, eq=False)
class Press:
    """What lines are made with: the alphabet, faces for it, faces for the rest, and words beside the sentence's own."""

    alphabet: Alphabet
    faces: tuple[Face, ...]
    others: tuple[Face, ...]
    words: tuple[str, ...] = ()
    strangers: tuple[tuple[Face, str], ...] = ()  # faces of other scripts, and letters of them

    def type(self, face: Face, rng: np.random.Generator, size: int) -> Type:
        """How a line is set; faces for what the first one lacks in an order of chance."""
        others = tuple(self.others[int(k)] for k in rng.permutation(len(self.others)))
        return Type(face, others + tuple(face for face, _ in self.strangers), size, language=self.alphabet.language)

    def any_face(self, rng: np.random.Generator) -> Face:
        """A face of chance; every design as often, however many weights it has."""
        designs = sorted({face.design for face in self.faces})
        design = designs[int(rng.integers(len(designs)))]
        found = [face for face in self.faces if face.design == design]
        return found[int(rng.integers(len(found)))]

    def stranger(self, rng: np.random.Generator) -> str:
        """A made-up word of another script."""
        _, letters = self.strangers[int(rng.integers(len(self.strangers)))]
        return "".join(letters[int(k)] for k in rng.integers(0, len(letters), int(rng.integers(2, 9))))

    def can(self, text: str) -> bool:
        """Whether every character of a text can be set in every face."""
        return self._drawable.issuperset(text)

    @cached_property
    def _drawable(self) -> frozenset[str]:
        """Characters that every face has, or a companion for it."""
        helped = SILENT.union(" ", *(face.coverage for face in self.others))
        return frozenset.intersection(*(helped | face.coverage for face in self.faces))


class Typeset(Line):
    """A line of made text; ``pixels`` sets it, always the same. ``sentence`` is what the text was taken from."""

    def __init__(
        self,
        text: str,
        face: Face,
        seed: Sequence[int],
        press: Press,
        condition: str = "clean",
        cut: str = "upright",
        sentence: str = "",
    ) -> None:
        known = {"text": text, "face": face, "seed": tuple(seed), "press": press, "condition": condition, "cut": cut}
        self.__dict__.update(known, source=None, sentence=sentence or text)

    text: str
    face: Face
    seed: tuple[int, ...]
    press: Press
    condition: str
    cut: str
    sentence: str

    @cached_property
    def pixels(self) -> np.ndarray:  # type: ignore[override]
        """Grey uint8 [h, w]."""
        rng = np.random.default_rng(self.seed)
        how = self.press.type(self.face, rng, int(rng.integers(*SIZES)))
        return CONDITIONS[self.condition](damage.cut(set_line(self.text, how), self.cut), rng)


def span(text: str, letters: int, rng: np.random.Generator) -> str:
    """Words of a text that stand together, from a place of chance, of at most about so many letters, one at least."""
    words = text.split()
    first = int(rng.integers(len(words)))
    while first > 0 and sum(map(len, words[first:])) < letters // 2:
        first -= 1
    last, seen = first + 1, len(words[first])
    while last < len(words) and seen + 1 + len(words[last]) <= letters:
        seen += 1 + len(words[last])
        last += 1
    return " ".join(words[first:last])


def salad(press: Press, letters: int, rng: np.random.Generator) -> str:
    """Words that do not belong together, numbers and made-up words: what sentences have too little of."""
    found: list[str] = []
    while sum(map(len, found)) < letters * 0.7 or not found:
        draw = rng.random()
        if draw < 0.6 and press.words:
            # frequent words first (the list is sorted), rare ones not never: log-uniform rank
            word = press.words[int(len(press.words) ** rng.random()) - 1]
        elif draw < 0.75:
            word = number(press.alphabet, rng) if draw < 0.7 else latin_word(rng)
        else:
            word = made_word(press.alphabet, rng)
        found.append(marked(word, rng))
    return " ".join(found)
