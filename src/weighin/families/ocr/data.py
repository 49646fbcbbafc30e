"""Examples of the family ``ocr``: ``synthetic``, ``rendered:DIR``, ``allfonts[:DIR]``, ``lines:DIR``, ``imagefolder:DIR``."""

import logging
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import overload

import numpy as np

from weighin.core.errors import DataError, WeighinError
from weighin.core.family import Example, Split
from weighin.core.files import hash_json, listing_hash
from weighin.families.ocr import damage, fonts
from weighin.families.ocr.alphabet import ALPHABETS, ODIA, Alphabet
from weighin.families.ocr.alphabet import alphabet as alphabet_named
from weighin.families.ocr.folders import examples_of, labelled_lines, labelled_table
from weighin.families.ocr.line import Line
from weighin.families.ocr.text import Corpus, Sentence, folder_corpus, share_of, system_corpus
from weighin.families.ocr.typeset import Press, Typeset, span

log = logging.getLogger("weighin.ocr")
MADE = 2  # raised when text, setting or splits change, so that runs of before are not taken for the same
KINDS = {
    "synthetic": "lines set in the system's fonts, of CLDR, message catalogues and made-up words; synthetic:bengali, ...",
    "rendered": "rendered:DIR, the same of the sentences in DIR (.tsv: source, document, sentence; .txt; .wordlist)",
    "allfonts": "allfonts or allfonts:DIR, as those, but training sees the test's fonts as well",
    "lines": "lines:DIR, images of lines with .gt.txt beside them (tesstrain)",
    "imagefolder": "imagefolder:DIR, images of lines named in metadata.csv or metadata.jsonl (file_name, text)",
}
LETTERS = (6, 60)  # of a test line, drawn log-uniformly
SHOWN = {"validation": 300, "test": 600}  # sentences at most; each stands there clean and degraded

TextExample = Example[Line, str]


class Rendered(Sequence[TextExample]):
    """Examples whose lines are set when they are looked at.

    For training one a sentence, clean (``augment`` sets them anew); else two, clean and degraded, of one text in one face.
    """

    def __init__(self, sentences: Sequence[Sentence], split: Split, press: Press, unseen: frozenset[str]) -> None:
        self.sentences, self.split, self.press, self.unseen = sentences, split, press, unseen

    def __len__(self) -> int:
        return len(self.sentences) * (1 if self.split == "train" else 2)

    @overload
    def __getitem__(self, at: int) -> TextExample: ...
    @overload
    def __getitem__(self, at: slice) -> list[TextExample]: ...
    def __getitem__(self, at: int | slice) -> TextExample | list[TextExample]:
        if isinstance(at, slice):
            return [self._one(place) for place in range(*at.indices(len(self)))]
        if not -len(self) <= at < len(self):
            raise IndexError(at)
        return self._one(at % len(self))

    def _one(self, at: int) -> TextExample:
        place, hurt = (at, 0) if self.split == "train" else divmod(at, 2)
        sentence, press = self.sentences[place], self.press
        rng = np.random.default_rng([11, place, len(sentence.text)])
        low, high = np.log(LETTERS)
        text = span(sentence.text, int(np.exp(rng.uniform(low, high))), rng)
        face = self._face(place, rng)
        condition = "degraded" if hurt else "clean"
        cut = "upright" if self.split == "train" else str(rng.choice(list(damage.CUTS), p=list(damage.CUTS.values())))
        style = face.style if cut == "upright" else f"{face.style} {cut}"
        kind = f"{condition}, {style}" + (", unseen" if face.design in self.unseen else "")
        line = Typeset(text, face, (12, place, hurt), press, condition, cut, sentence.text)
        name = f"{sentence.group}/{place}" + ("" if self.split == "train" else f"-{condition}")
        return Example(name, sentence.group, line, press.alphabet.canonical(text), kind)

    def _face(self, place: int, rng: np.random.Generator) -> fonts.Face:
        """Designs in turn, so that each is seen as often; within one by chance."""
        designs = sorted({face.design for face in self.press.faces})
        found = [face for face in self.press.faces if face.design == designs[place % len(designs)]]
        return found[int(rng.integers(len(found)))]


def examples(data: str, split: Split) -> Sequence[TextExample]:
    """y is canonical text, group the document, kind condition and font. Raises DataError."""
    kind, _, where = data.partition(":")
    if kind in ("synthetic", "rendered", "allfonts"):
        return _rendered(data, split, fingerprint(data))
    if kind in ("lines", "imagefolder") and where:
        folder = Path(where).expanduser()
        rows = labelled_lines(folder) if kind == "lines" else labelled_table(folder)
        return examples_of(rows, folder, alphabet_of(text for _, text in rows), split)
    raise DataError(f"ocr knows no data {data!r}", f"{', '.join(KINDS)}; the last two with :DIR", "weighin families lists them")


def press_of(data: str) -> tuple[Press, Corpus]:
    """What the lines of a rendered data spec are made with (every face), and its text. Raises DataError."""
    fonts.check_layout()
    corpus, alphabet = _corpus(data)
    found = fonts.need_faces(alphabet)
    others = fonts.companions(alphabet.extra)
    press = Press(alphabet, found, others, corpus.words, fonts.strangers(alphabet.script))
    return press, corpus


@lru_cache(maxsize=12)
def _rendered(data: str, split: Split, stamp: str) -> Rendered:
    press, corpus = press_of(data)
    divided = fonts.divided(press.faces)
    learned = press.faces if data.startswith("allfonts") else divided["train"]
    unseen = frozenset(face.design for face in press.faces) - {face.design for face in learned}
    # a sentence that some face and its companions cannot set is no fair test of any of them
    drawable = Press(press.alphabet, press.faces, press.others, tuple(filter(press.can, press.words)), press.strangers)
    sentences = [s for s in corpus.sentences if s.split == split and drawable.can(s.text)]
    if split != "train":
        sentences = _thinned(sentences, SHOWN[split])
        log.info(
            "%s: %s; %d faces, kept from training: %s", data, corpus.used, len(press.faces), ", ".join(sorted(unseen)) or "none"
        )
    used = press.faces if split == "test" else learned
    return Rendered(sentences, split, Press(press.alphabet, used, press.others, drawable.words, press.strangers), unseen)


def _thinned(sentences: list[Sentence], most: int) -> list[Sentence]:
    """At most so many, drawn by their text, so that one more sentence moves no other."""
    order = sorted(sentences, key=lambda s: (share_of(s.text, "shown"), s.group))
    return order[:most]


def _corpus(data: str) -> tuple[Corpus, Alphabet]:
    kind, _, where = data.partition(":")
    if kind == "rendered" and not where:
        raise DataError("rendered names no folder", "rendered:DIR", "Use synthetic for text of the system")
    if where in ALPHABETS or not where:
        try:
            letters = alphabet_named(where or ODIA.name)
        except WeighinError as error:
            raise DataError(str(error)) from error
        return system_corpus(letters), letters
    if kind == "synthetic":
        raise DataError(
            f"synthetic knows no alphabet {where!r}", f"There are: {', '.join(ALPHABETS)}", "rendered:DIR takes a folder"
        )
    folder = Path(where).expanduser()
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}", "rendered:DIR, a folder of .tsv or .txt", "Check the path")
    letters = alphabet_of(path.read_text(encoding="utf-8", errors="replace")[:20000] for path in _texts(folder))
    return folder_corpus(folder, letters, listing_hash(data)), letters


def _texts(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in (".tsv", ".txt"))


def alphabet_of(texts: Iterable[str]) -> Alphabet:
    """The alphabet that most letters of the texts are of; Odia where there are none."""
    seen = "".join(texts)
    return max(ALPHABETS.values(), key=lambda known: (sum(map(seen.count, known.consonants)), known is ODIA))


def fingerprint(data: str) -> str:
    """Names and sizes of the files that ``data`` names, the fonts that lines are set in, and the making itself."""
    kind, _, where = data.partition(":")
    if kind not in ("synthetic", "rendered", "allfonts"):
        return listing_hash(data)
    letters = ALPHABETS.get(where, ODIA)
    faces = [(face.style, Path(face.path).stat().st_size) for face in fonts.faces(letters)]
    return hash_json([listing_hash(data), MADE, faces])[:16]


def texts(found: Sequence[TextExample]) -> list[str]:
    """Canonical texts of examples, a set line's whole sentence: what a language model learns from."""
    press = next((e.x.press for e in found if isinstance(e.x, Typeset)), None)
    letters = press.alphabet if press else alphabet_of(e.y for e in found)
    return [letters.canonical(e.x.sentence if isinstance(e.x, Typeset) else e.y) for e in found]
