"""Correction of words by a dictionary, over orthographic syllables: a syllable is what an eye mistakes as a whole."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from weighin.core.errors import DataError, RunError
from weighin.core.files import write_text
from weighin.families.ocr import alignment, confidence, decode
from weighin.families.ocr.alphabet import UNREADABLE, Alphabet
from weighin.families.ocr.line import Hypothesis, Letter, Scores
from weighin.families.ocr.use import Use

log = logging.getLogger(__name__)

FILE = "words.tsv"
TRIED = 5  # words of a dictionary that are held against the frames
EVIDENCE = 4.0  # nats that the frames may speak against a correction: more is no slip of the recogniser
_FIRST = 0x10000  # code point that stands for the first syllable


class Dictionary:
    """Words of an alphabet with how often each was seen; without signs at their ends."""

    def __init__(self, counts: Mapping[str, int], alphabet: Alphabet) -> None:
        self.counts, self.alphabet = counts, alphabet

    def __contains__(self, word: str) -> bool:
        return word in self.counts

    def __len__(self) -> int:
        return len(self.counts)

    @cached_property
    def _codes(self) -> dict[str, str]:
        """Syllable -> one character, so that edits of strings are edits of syllables."""
        syllables = {s for word in self.counts for s in self.alphabet.syllables(word)}
        return {syllable: chr(_FIRST + place) for place, syllable in enumerate(sorted(syllables), 1)}

    @cached_property
    def _by_length(self) -> dict[int, tuple[list[str], list[str]]]:
        """Syllables of a word -> words, and the same words in codes."""
        found: dict[int, tuple[list[str], list[str]]] = {}
        for word in sorted(self.counts):
            coded = self._coded(word)
            words, codes = found.setdefault(len(coded), ([], []))
            words.append(word)
            codes.append(coded)
        return found

    def _coded(self, word: str) -> str:
        return "".join(self._codes.get(syllable, chr(_FIRST)) for syllable in self.alphabet.syllables(word))

    def nearest(self, word: str, distance: int) -> list[str]:
        """Words at most ``distance`` syllables away: nearest first, by syllables, then characters, then the more frequent."""
        from rapidfuzz import process
        from rapidfuzz.distance import Levenshtein

        coded = self._coded(word)
        found: list[tuple[int, int, int, str]] = []
        for length in range(max(1, len(coded) - distance), len(coded) + distance + 1):
            words, codes = self._by_length.get(length, ([], []))
            near = process.extract(coded, codes, scorer=Levenshtein.distance, score_cutoff=distance, limit=None)
            for _, edits, place in near:
                other = words[place]
                found.append((int(edits), Levenshtein.distance(word, other), -self.counts[other], other))
        return [other for *_, other in sorted(found)]

    def correct(self, best: Hypothesis, log_probabilities: Scores, dials: Use, temperature: float = 1.0) -> Hypothesis:
        """The hypothesis with words that are unknown replaced by known ones, as ``dials.dictionary`` says.

        New words have the probabilities that the frames give their letters, at ``temperature``.
        """
        if dials.dictionary == "off" or not best.letters:
            return best
        letters: list[Letter] = []
        for word in _pieces(best.letters):
            letters += self._word(word, log_probabilities, dials, temperature)
        return Hypothesis("".join(letter.character for letter in letters), best.score, tuple(letters))

    def _word(self, letters: Sequence[Letter], log_probabilities: Scores, dials: Use, temperature: float) -> Sequence[Letter]:
        start, end = self._core(letters)
        core = letters[start:end]
        text = "".join(letter.character for letter in core)
        if not text or text in self.counts or not self._plain(text):
            return letters
        unsure = dials.dictionary == "unsure"
        if unsure and confidence.of_word(core) >= dials.gate:
            return letters
        near = self.nearest(text, dials.distance)[:TRIED]
        frames = log_probabilities[core[0].first : core[-1].last + 1]  # [t,classes]
        chosen = self._supported(text, near, frames) if unsure else next(iter(near), None)
        corrected = decode.lettered(frames, self.alphabet.encode(chosen), self.alphabet) if chosen else ()
        if not corrected:
            return letters
        corrected = confidence.tempered(frames, corrected, self.alphabet, temperature)
        return [*letters[:start], *_moved(corrected, core[0].first), *letters[end:]]

    def _supported(self, text: str, near: Sequence[str], frames: Scores) -> str | None:
        """The word for which the frames say most, unless they speak against it."""
        if not near:
            return None
        said = {word: alignment.log_likelihood(frames, self.alphabet.encode(word)) for word in (text, *near)}
        best = max(near, key=lambda word: said[word])  # of equals the nearer
        return best if said[best] >= said[text] - EVIDENCE else None

    def _core(self, letters: Sequence[Letter]) -> tuple[int, int]:
        """Where the word is between the signs around it."""
        inner = [place for place, letter in enumerate(letters) if self._plain(letter.character)]
        return (inner[0], inner[-1] + 1) if inner else (0, 0)

    def _plain(self, text: str) -> bool:
        return not set(text) & self._signs

    @cached_property
    def _signs(self) -> set[str]:
        return {*self.alphabet.extra, *self.alphabet.digits, UNREADABLE}

    def save(self, folder: Path) -> None:
        """Writes ``words.tsv``: word, tab, count; atomically."""
        write_text(folder / FILE, "".join(f"{word}\t{count}\n" for word, count in sorted(self.counts.items())))


def of_texts(texts: Iterable[str], alphabet: Alphabet) -> Dictionary:
    """Every word of canonical texts that is of the alphabet's own letters throughout."""
    signs = alphabet.extra + alphabet.digits + UNREADABLE
    counts = Counter(word.strip(signs) for text in texts for word in text.split(" "))
    kept = {word: n for word, n in counts.items() if word and not set(word) & set(signs) and not alphabet.foreign(word)}
    return Dictionary(kept, alphabet)


def load(folder: Path, alphabet: Alphabet) -> Dictionary:
    """What ``save`` wrote. Raises RunError when it is missing or damaged."""
    path = folder / FILE
    try:
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
        return Dictionary({word: int(count) for word, count in rows}, alphabet)
    except FileNotFoundError:
        raise RunError(f"{path} is missing", hint="Train the run again: its dictionary is made before training") from None
    except ValueError as error:
        raise RunError(f"{path} is damaged: {error}", hint="Train the run again") from None


def read(path: Path, alphabet: Alphabet) -> Dictionary:
    """A user's file: a word a line, or running text. Words with foreign characters are left out and counted in the log.

    Raises DataError when there is no such file, it is not UTF-8, or no word of it is of the alphabet.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"No dictionary at {path}", "predict.words names a text file of words") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 at byte {error.start}", "A dictionary is text in UTF-8") from None
    words = [word for line in text.splitlines() for word in alphabet.canonical(line).split(" ") if word]
    foreign = [word for word in words if alphabet.foreign(word)]
    found = of_texts((word for word in words if not alphabet.foreign(word)), alphabet)
    if not len(found):
        came = f"{path} has no word in the letters of {alphabet.name}"
        raise DataError(came, f"{len(foreign)} of its {len(words)} words have foreign characters", "Name a list of its words")
    if foreign:
        log.warning("%s: left out %d of %d words, such as %r", path, len(foreign), len(words), foreign[0])
    return found


def _pieces(letters: Sequence[Letter]) -> list[list[Letter]]:
    """Words and the spaces between them, in order; nothing is lost."""
    pieces: list[list[Letter]] = [[]]
    for letter in letters:
        if letter.character == confidence.SPACE:
            pieces += [[letter], []]
        else:
            pieces[-1].append(letter)
    return [piece for piece in pieces if piece]


def _moved(letters: Sequence[Letter], by: int) -> list[Letter]:
    return [Letter(letter.character, letter.probability, letter.first + by, letter.last + by) for letter in letters]
