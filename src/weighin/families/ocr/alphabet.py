"""Alphabets as data: the characters that a model can write, and the form in which two texts are compared."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from weighin.core.errors import unknown

UNREADABLE = "\ufffd"  # a word that is not of this script: written for it, and never believed
_JOINERS = re.compile("[\u200c\u200d]")
_SPACES = re.compile(r"\s+")
_ASCII = "".join(chr(code) for code in range(0x21, 0x7F))
_MARKS = "‘’“”–—…•°×·₹"  # beside ASCII, in print of any Indian script


@dataclass(frozen=True)
class Alphabet:
    """Characters in the order of their classes: class 0 is the blank, class k is ``characters[k - 1]``.

    ``folds`` are spellings of one thing, replaced one after the other: (what, by what).
    """

    name: str
    script: str  # ISO 15924, lower case, as OpenType and HarfBuzz know it
    language: str  # ISO 639, for CLDR and message catalogues
    consonants: str
    vowels: str
    signs: str  # vowel signs, which follow a consonant
    finals: str  # nasals and the like, which end a syllable
    halant: str
    digits: str
    others: str = ""
    conjuncts: tuple[str, ...] = ()  # a font that sets these without a visible halant knows the script
    folds: tuple[tuple[str, str], ...] = ()
    extra: str = field(default=" " + _ASCII + _MARKS + "।॥")

    @cached_property
    def characters(self) -> str:
        """Every character, sorted by code point, the sign for what cannot be read at the end."""
        own = self.consonants + self.vowels + self.signs + self.finals + self.halant + self.digits + self.others
        return "".join(sorted(set(own + self.extra))) + UNREADABLE

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Character -> class."""
        return {character: place for place, character in enumerate(self.characters, 1)}

    @property
    def classes(self) -> int:
        """Characters and the blank."""
        return len(self.characters) + 1

    def canonical(self, text: str) -> str:
        """NFC, no joiners, one spelling of each thing, single spaces, none at the ends. Twice is once."""
        text = unicodedata.normalize("NFC", _JOINERS.sub("", unicodedata.normalize("NFC", text)))
        for what, by in self.folds:
            text = text.replace(what, by)
        return _SPACES.sub(" ", text).strip()

    def encode(self, text: str) -> list[int]:
        """Classes of a canonical text; a word with any character of another script is one UNREADABLE."""
        return [self.index[character] for character in self.readable(text)]

    def readable(self, text: str) -> str:
        """The text with every word that has a character of another script replaced by UNREADABLE."""
        if not self.foreign(text):
            return text
        return " ".join(UNREADABLE if self.foreign(word) else word for word in text.split(" "))

    def foreign(self, text: str) -> set[str]:
        """Characters of a text that are not in the alphabet."""
        return set(text).difference(self.index)

    def decode(self, classes: Iterable[int]) -> str:
        """Text of classes, blanks left out; it does not collapse repetitions."""
        return "".join(self.characters[k - 1] for k in classes if k)

    def syllables(self, text: str) -> list[str]:
        """Orthographic syllables (aksharas): a consonant cluster with its signs, or any other single character."""
        return self._syllable.findall(text)

    @cached_property
    def _syllable(self) -> re.Pattern[str]:
        nukta = "[\u093c\u09bc\u0b3c]?"
        consonant = f"[{self.consonants}]{nukta}"
        cluster = f"{consonant}(?:{self.halant}{consonant})*{self.halant}?"
        return re.compile(f"(?:{cluster}|[{self.vowels}])[{self.signs}]*[{self.finals}]*|.", re.DOTALL)


def _span(*ranges: tuple[int, int]) -> str:
    return "".join(chr(code) for first, last in ranges for code in range(first, last + 1))


ODIA = Alphabet(
    name="odia",
    script="orya",
    language="or",
    consonants=_span(
        (0x0B15, 0x0B28), (0x0B2A, 0x0B30), (0x0B32, 0x0B33), (0x0B35, 0x0B39), (0x0B5F, 0x0B5F), (0x0B71, 0x0B71)
    ),
    vowels=_span((0x0B05, 0x0B0C), (0x0B0F, 0x0B10), (0x0B13, 0x0B14), (0x0B60, 0x0B61)),
    signs=_span((0x0B3E, 0x0B44), (0x0B47, 0x0B48), (0x0B4B, 0x0B4C), (0x0B56, 0x0B57), (0x0B62, 0x0B63)),
    finals=_span((0x0B01, 0x0B03)),
    halant="\u0b4d",
    digits=_span((0x0B66, 0x0B6F)),
    others="\u0b3c\u0b3d\u0b70",
    conjuncts=("କ୍ଷ", "ଷ୍ଟ", "ନ୍ତ", "ସ୍ତ"),
    folds=(("\u0b64", "।"), ("\u0b65", "॥"), ("\u0b4d\u0b2f", "\u0b4d\u0b5f")),
)
BENGALI = Alphabet(
    name="bengali",
    script="beng",
    language="bn",
    consonants=_span(
        (0x0995, 0x09A8), (0x09AA, 0x09B0), (0x09B2, 0x09B2), (0x09B6, 0x09B9), (0x09CE, 0x09CE), (0x09F0, 0x09F1)
    ),
    vowels=_span((0x0985, 0x098C), (0x098F, 0x0990), (0x0993, 0x0994), (0x09E0, 0x09E1)),
    signs=_span((0x09BE, 0x09C4), (0x09C7, 0x09C8), (0x09CB, 0x09CC), (0x09D7, 0x09D7), (0x09E2, 0x09E3)),
    finals=_span((0x0981, 0x0983)),
    halant="\u09cd",
    digits=_span((0x09E6, 0x09EF)),
    others="\u09bc\u09bd৳",
    conjuncts=("ক্ষ", "ষ্ট", "ন্ত", "স্ত"),
    folds=(("\u09e4", "।"), ("\u09e5", "॥")),
)
DEVANAGARI = Alphabet(
    name="devanagari",
    script="deva",
    language="hi",
    consonants=_span((0x0915, 0x0928), (0x0929, 0x0939)),
    vowels=_span((0x0904, 0x0914), (0x0960, 0x0961), (0x0972, 0x0972)),
    signs=_span((0x093E, 0x094C), (0x0962, 0x0963)),
    finals=_span((0x0900, 0x0903)),
    halant="\u094d",
    digits=_span((0x0966, 0x096F)),
    others="\u093c\u093d\u0950\u0970",
    conjuncts=("क्ष", "ष्ट", "न्त", "त्र"),
)

ALPHABETS: Mapping[str, Alphabet] = {alphabet.name: alphabet for alphabet in (ODIA, BENGALI, DEVANAGARI)}


def alphabet(name: str) -> Alphabet:
    """An alphabet by name. Raises ConfigError with the nearest name."""
    if name not in ALPHABETS:
        raise unknown("alphabet", name, ALPHABETS)
    return ALPHABETS[name]


def canonical(text: str) -> str:
    """The canonical form of Odia text, for both sides of every comparison."""
    return ODIA.canonical(text)


def words(texts: Sequence[str]) -> list[str]:
    """Every word of canonical texts, in order."""
    return [word for text in texts for word in text.split(" ") if word]
