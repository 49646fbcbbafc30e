"""Text to set: from a folder of sentences, else from what the system has (CLDR, message catalogues) and a syllable grammar."""

import gettext
import hashlib
import logging
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from weighin.core.errors import DataError
from weighin.core.family import Split
from weighin.families.ocr.alphabet import Alphabet

log = logging.getLogger("weighin.ocr")
LOCALES = ("/usr/share/locale", "/usr/share/locale-langpack", "/usr/local/share/locale")
BUCKETS = 60  # groups that entries of one list, which have no documents, are divided into
MADE = 600  # documents of the syllable grammar
MOST_WORDS = 60_000  # of a word list, the most frequent first
_PLACEHOLDER = re.compile(r"[%{}<>\\_|$#@&=\n\t]")


@dataclass(frozen=True, slots=True)
class Sentence:
    """NFC text, joiners kept, and the document it must not be split from."""

    text: str
    group: str
    split: Split


@dataclass(frozen=True)
class Corpus:
    """Sentences of all splits, words for training alone, and one line that says where they come from."""

    sentences: tuple[Sentence, ...]
    words: tuple[str, ...]
    used: str


def share_of(name: str, salt: str = "ocr") -> float:
    """A number from 0 to 1 that depends on the name alone, so that another document moves no other."""
    return int.from_bytes(hashlib.sha256(f"{salt}:{name}".encode()).digest()[:8], "big") / 2**64


def split_of(group: str) -> Split:
    """80 % train, 8 % validation, 12 % test, by the name of the group."""
    share = share_of(group)
    return "train" if share < 0.8 else "validation" if share < 0.88 else "test"


@lru_cache(maxsize=8)
def system_corpus(alphabet: Alphabet) -> Corpus:
    """What is to be had without any file of ours: CLDR through babel, message catalogues, made-up words."""
    cldr, messages = list(_cldr(alphabet)), list(_catalogues(alphabet))
    rows = [(text, f"{source}-{_bucket(text)}") for source, texts in (("cldr", cldr), ("messages", messages)) for text in texts]
    words = sorted({word for text, group in rows if split_of(group) == "train" for word in text.split()})
    rows += [
        (text, f"made-{n}")
        for n in range(MADE)
        for text in _made(alphabet, n, words if split_of(f"made-{n}") == "train" else ())
    ]
    used = f"{len(cldr)} names of CLDR, {len(messages)} messages of installed programs, {MADE} made-up documents"
    log.info("no text was given for %s: %s", alphabet.name, used)
    return Corpus(tuple(Sentence(text, group, split_of(group)) for text, group in rows), tuple(words), used)


@lru_cache(maxsize=8)
def folder_corpus(folder: Path, alphabet: Alphabet, stamp: str) -> Corpus:
    """Sentences of ``*.tsv`` (source, document, sentence), ``*.txt`` (a file is a document) and words of ``*.wordlist``.

    Files with ``dev`` or ``test`` in their names are the test; the rest is divided by document. ``stamp`` is the folder's
    fingerprint: another one, another corpus. Raises DataError.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}", "rendered:DIR, a folder of .tsv or .txt", "Check the path")
    rows = [row for path in sorted(folder.iterdir()) if path.suffix in (".tsv", ".txt") for row in _rows(path)]
    kept = [Sentence(text, group, split) for text, group, split in rows if _usable(text, alphabet)]
    if not any(sentence.split == "train" for sentence in kept):
        raise DataError(f"No sentence of {alphabet.name} in {folder}", "*.tsv (source, document, sentence) or *.txt, UTF-8")
    listed = [word for path in sorted(folder.glob("*.wordlist")) for word in read_text(path).split()[:MOST_WORDS]]
    words = tuple(word for word in listed if _usable(word, alphabet))
    dropped = len(rows) - len(kept)
    used = f"{len(kept)} sentences and {len(words)} words of {folder.name}; {dropped} sentences of another script left out"
    return Corpus(tuple(kept), words, used)


def read_text(path: Path) -> str:
    """A text file. Raises DataError where it is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        hint = "Save it as UTF-8"
        raise DataError(f"{path} is not UTF-8 (byte {error.start})", "Text files are UTF-8", hint) from error


def _rows(path: Path) -> Iterator[tuple[str, str, Split]]:
    held_back = re.search(r"(^|[^a-z])(dev|test)([^a-z]|$)", path.name.lower()) is not None
    for line in read_text(path).splitlines():
        fields = line.split("\t")
        group = f"{fields[0]}-{fields[1]}" if len(fields) > 2 else path.stem
        text = fields[-1].strip()
        if not text:
            continue
        if held_back:
            yield text, f"test-{group}", "test"
        else:  # the test has its own file, so the rest has none
            yield text, group, "validation" if share_of(group) > 0.95 else "train"


def _usable(text: str, alphabet: Alphabet) -> bool:
    return bool(text) and not alphabet.foreign(alphabet.canonical(text))


def _bucket(text: str) -> int:
    return int(share_of(text, "bucket") * BUCKETS)


def _cldr(alphabet: Alphabet) -> Iterator[str]:
    """Names of languages, territories, months and so on (Unicode CLDR), where babel is installed."""
    try:
        from babel import Locale
        from babel.core import UnknownLocaleError
    except ImportError:
        log.info("babel is not installed, so CLDR's names are not used; pip install 'weighin[ocr]'")
        return
    try:
        locale = Locale.parse(alphabet.language)
    except UnknownLocaleError:
        return
    names: set[str] = set()
    for table in (locale.languages, locale.territories, locale.scripts, locale.currencies, locale.variants):
        names.update(str(name) for name in table.values())
    for calendar in (locale.months, locale.days, locale.quarters):
        names.update(str(name) for forms in calendar.values() for form in forms.values() for name in form.values())
    yield from sorted(name for name in names if _of_script(name, alphabet))


def _catalogues(alphabet: Alphabet) -> Iterator[str]:
    """Translations in installed ``.mo`` files, placeholders left out."""
    found: set[str] = set()
    for root in LOCALES:
        for path in sorted(Path(root).glob(f"{alphabet.language}*/LC_MESSAGES/*.mo")):
            found.update(_messages(path))
    yield from sorted(text for text in found if len(text) < 400 and _of_script(text, alphabet))


def _messages(path: Path) -> Iterable[str]:
    try:
        with path.open("rb") as file:
            catalogue = gettext.GNUTranslations(file)
    except (OSError, ValueError, UnicodeError, struct.error, AssertionError):
        return ()  # a damaged catalogue of another program is none of our business
    values: dict[object, object] = catalogue._catalog  # type: ignore[attr-defined]
    return [str(text).strip() for text in values.values() if not _PLACEHOLDER.search(str(text).strip())]


def _of_script(text: str, alphabet: Alphabet) -> bool:
    return any(c in alphabet.consonants for c in text) and _usable(text, alphabet)


def _made(alphabet: Alphabet, number: int, words: Sequence[str]) -> list[str]:
    """Sentences of one made-up document: half real words where there are any, half from the grammar; marks and numbers."""
    rng = np.random.default_rng([7, number])
    return [_sentence(alphabet, words, rng) for _ in range(10)]


def _sentence(alphabet: Alphabet, words: Sequence[str], rng: np.random.Generator) -> str:
    found = []
    for _ in range(int(rng.integers(3, 11))):
        draw = rng.random()
        if draw < 0.07:
            word = number(alphabet, rng)
        elif words and draw < 0.5:
            word = words[int(rng.integers(len(words)))]
        else:
            word = made_word(alphabet, rng)
        found.append(marked(word, rng))
    return " ".join(found) + str(rng.choice([" ।", "।", "?", "!", " ॥", ".", ""], p=[0.45, 0.2, 0.1, 0.05, 0.02, 0.03, 0.15]))


def marked(word: str, rng: np.random.Generator) -> str:
    """A word, now and then with a mark around or behind it."""
    if rng.random() < 0.86:
        return word
    marks = (
        "{},",
        "{};",
        "{}:",
        "({})",
        "'{}'",
        '"{}"',
        "“{}”",
        "‘{}’",
        "{}-",
        "– {}",
        "{}…",
        "{}’",
        "{}/",
        "[{}]",
        "• {}",
        "{}॥",
    )
    return marks[int(rng.integers(len(marks)))].format(word)


def number(alphabet: Alphabet, rng: np.random.Generator) -> str:
    """A number as print has it: digits of the script or ASCII, dates, shares, sums."""
    digits = alphabet.digits if rng.random() < 0.7 else "0123456789"
    draw: list[str] = ["".join(digits[int(k)] for k in rng.integers(0, 10, int(rng.integers(1, 5)))) for _ in range(3)]
    forms = (
        "{0}",
        "{0}",
        "{0}",
        "{0}.{1}",
        "{0},{1}",
        "{0}-{1}",
        "{0}/{1}/{2}",
        "{0}%",
        "₹{0}",
        "({0})",
        "{0}:{1}",
        "{0}°",
        "{0}×{1}",
        "+{0}",
    )
    return forms[int(rng.integers(len(forms)))].format(*draw)


def latin_word(rng: np.random.Generator) -> str:
    """A made-up word of Latin letters, as they stand between words of the script: small, capital, or with one capital."""
    word = "".join(chr(ord("a") + int(k)) for k in rng.integers(0, 26, int(rng.integers(1, 9))))
    return (word, word.capitalize(), word.upper())[int(rng.integers(3))]


def made_word(alphabet: Alphabet, rng: np.random.Generator) -> str:
    """One to five syllables: every consonant, conjunct, sign and final of the alphabet comes up."""
    return "".join(_syllable(alphabet, rng, first=k == 0) for k in range(int(rng.integers(1, 6))))


def _syllable(alphabet: Alphabet, rng: np.random.Generator, first: bool) -> str:
    pick = lambda letters: letters[int(rng.integers(len(letters)))]  # noqa: E731
    final = pick(alphabet.finals) if rng.random() < 0.06 else ""
    if first and rng.random() < 0.25:
        return pick(alphabet.vowels) + final
    cluster = pick(alphabet.consonants)
    for _ in range(int(rng.choice([0, 1, 2], p=[0.72, 0.25, 0.03]))):
        cluster += alphabet.halant + pick(alphabet.consonants)
    draw = rng.random()
    sign = "" if draw < 0.4 else alphabet.halant if draw > 0.985 else pick(alphabet.signs)
    return cluster + sign + final
