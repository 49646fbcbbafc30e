"""ARPA files: the exchange format of back-off language models, so that models of KenLM and SRILM can be brought along.

A token is one character; the space is written ``<space>``. KenLM builds such a model of a text in which characters stand
apart and spaces are ``<space>`` (``lmplz -o 6``).
"""

import logging
import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from weighin.core.errors import DataError
from weighin.core.files import write_text
from weighin.families.ocr.ngram import BITS, MASKS, ORDERS, Ngrams

log = logging.getLogger(__name__)

SPACE = "<space>"
SPACES = (SPACE, "<SPACE>", "\u2581", "|")  # as others write it; the bar only where nothing else is the space
BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
MARKS = (BEGIN, END, UNKNOWN)
NEVER = -99.0  # log10 probability that stands for zero
RARE = 2.0  # how much less likely (log10) than the rarest character one is that the file does not have

Gram = tuple[float, list[str], float]  # log10 probability, tokens, log10 back-off


def save(model: Ngrams, path: Path) -> None:
    """Writes an ARPA file, atomically. ``<s>`` and ``</s>`` are there because KenLM asks for them."""
    write_text(path, "".join(_lines(model)))


def _lines(model: Ngrams) -> Iterator[str]:
    tokens = ["", *(SPACE if c == " " else c for c in model.characters), BEGIN, END]
    grams: list[list[str]] = [[] for _ in range(model.order)]
    backoffs = dict(zip(model.contexts.tolist(), (model.backoffs / math.log(10)).tolist(), strict=True))
    logs, spans = (model.log_probabilities / math.log(10)).tolist(), model.starts.tolist()
    for row, context in enumerate(model.contexts.tolist()):
        older = [tokens[symbol] for symbol in _symbols(context)]
        for place in range(spans[row], spans[row + 1]):
            symbol = int(model.symbols[place])
            backoff = backoffs.get(context << BITS | symbol) if len(older) + 1 < model.order else None
            tail = "" if backoff is None else f"\t{backoff:.7g}"
            grams[len(older)].append(f"{logs[place]:.7g}\t{' '.join([*older, tokens[symbol]])}{tail}\n")
    marks = {model.begin, model.end}
    for symbol in (len(model.characters) + 1, len(model.characters) + 2):
        if symbol not in marks or symbol == model.begin:
            grams[0].append(f"{NEVER}\t{tokens[symbol]}\t{backoffs.get(symbol, 0.0):.7g}\n")
    grams[0].append(f"{NEVER}\t{UNKNOWN}\n")
    yield "\\data\\\n" + "".join(f"ngram {n}={len(lines)}\n" for n, lines in enumerate(grams, 1))
    for length, lines in enumerate(grams, 1):
        yield f"\n\\{length}-grams:\n"
        yield from lines
    yield "\n\\end\\\n"


def _symbols(context: int) -> list[int]:
    """Oldest first."""
    found = []
    while context:
        found.append(context & MASKS[1])
        context >>= BITS
    return found[::-1]


def load(path: Path, characters: str) -> Ngrams:
    """The model of an ARPA file over an alphabet. Raises DataError when it is none, of words, or of another script.

    n-grams with foreign characters are left out, and counted in the log; characters that the file does not have are rare.
    """
    try:
        with path.open(encoding="utf-8") as file:
            grams = list(_grams(file, path))
    except FileNotFoundError:
        raise DataError(f"No language model at {path}", "predict.model names an ARPA file") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 at byte {error.start}", "An ARPA file of characters is text in UTF-8") from None
    index = _index({tokens[0]: score for score, tokens, _ in grams if len(tokens) == 1}, characters, path)
    order = max(len(tokens) for _, tokens, _ in grams)
    if order > ORDERS:
        raise DataError(f"{path} is of order {order}", f"At most {ORDERS}", f"lmplz -o {ORDERS} makes such a file")
    known = [gram for gram in grams if all(token in index for token in gram[1])]
    foreign = sum(any(token not in index and token not in MARKS for token in tokens) for _, tokens, _ in grams)
    if foreign:
        log.warning("%s: %d of %d n-grams have characters outside the alphabet", path, foreign, len(grams))
    return _model(known, index, characters, order)


def _grams(lines: Iterable[str], path: Path) -> Iterator[Gram]:
    """Every n-gram of the file. Raises DataError with the number of the line that is none."""
    length, found = 0, False
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\r\n")
        header = re.fullmatch(r"\\(\d+)-grams:\s*", line)
        if header:
            length = int(header[1])
        elif line.startswith("\\end\\"):
            break
        elif length and line.strip():
            found = True
            yield _gram(line, length, f"{path}:{number}")
    if not found:
        raise DataError(f"{path} has no n-grams", "An ARPA file begins with \\data\\ and has sections such as \\1-grams:")


def _gram(line: str, length: int, where: str) -> Gram:
    fields = line.split("\t") if "\t" in line else line.split(" ", 1)
    tokens = fields[1].split() if len(fields) > 1 else []
    if "\t" not in line and len(tokens) == length + 1:
        fields = [fields[0], "", tokens.pop()]  # some writers put spaces between everything
    try:
        score, backoff = float(fields[0]), float(fields[2]) if len(fields) > 2 else 0.0
    except ValueError:
        raise DataError(f"{where} has {line[:40]!r}", "log10 probability, tab, tokens, tab, log10 back-off") from None
    if len(tokens) != length or not (math.isfinite(score) and math.isfinite(backoff)):
        raise DataError(f"{where} has {line[:40]!r}", f"A finite log10 probability and {length} tokens")
    return score, tokens, backoff


def _index(single: dict[str, float], characters: str, path: Path) -> dict[str, int]:
    """Token -> symbol. Raises DataError for a model of words or of another script."""
    plain = [token for token in single if token not in (*MARKS, *SPACES)]
    words = [token for token in plain if len(token) > 1]
    if len(words) > len(plain) / 2:
        came = f"{path} is a model of words such as {words[0]!r}"
        raise DataError(came, "A token is one character", "Put spaces between the characters before lmplz")
    own = {character: symbol for symbol, character in enumerate(characters, 1)}
    if not any(token in own for token in plain):
        raise DataError(f"{path} has no character of this alphabet", f"Such as {characters[len(characters) // 2]!r}")
    index = {token: own[token] for token in plain if token in own}
    space = next((token for token in SPACES if token in single), None)
    if space and " " in own:
        index[space] = own[" "]
    if "|" in single and "|" in own and space != "|":
        index["|"] = own["|"]
    for token, symbol in ((BEGIN, len(characters) + 1), (END, len(characters) + 2)):
        if single.get(token, NEVER) > NEVER + 1 or (token == BEGIN and single.get(END, NEVER) > NEVER + 1):
            index[token] = symbol
    return index


def _model(grams: list[Gram], index: dict[str, int], characters: str, order: int) -> Ngrams:
    space = characters.find(" ") + 1
    begin, end = (index[BEGIN], index[END]) if END in index else (space, space)
    entries: dict[int, list[tuple[int, float]]] = {0: []}
    backoffs: dict[int, float] = {0: 0.0}
    for score, tokens, backoff in grams:
        context = 0
        for token in tokens[:-1]:
            context = context << BITS | index[token]
        symbol = index[tokens[-1]]
        if symbol != len(characters) + 1:  # the begin is never predicted
            entries.setdefault(context, []).append((symbol, score * math.log(10)))
        if len(tokens) < order and backoff:
            backoffs[context << BITS | symbol] = backoff * math.log(10)
    entries[0] = _complete(entries[0], len(characters), end)
    for context in backoffs:
        entries.setdefault(context, [])
    contexts = sorted(entries)
    rows = [sorted(entries[context]) for context in contexts]
    return Ngrams(
        characters,
        order,
        begin,
        end,
        np.array(contexts, np.int64),
        np.cumsum([0, *(len(row) for row in rows)]),
        np.array([symbol for row in rows for symbol, _ in row], np.int16),
        np.array([score for row in rows for _, score in row], np.float32),
        np.array([backoffs.get(context, 0.0) for context in contexts], np.float32),
    )


def _complete(single: list[tuple[int, float]], characters: int, end: int) -> list[tuple[int, float]]:
    """Order one with every character in it: those that the file does not have are rarer than its rarest."""
    known = dict(single)
    rare = min(known.values()) - RARE * math.log(10)
    return [(symbol, known.get(symbol, rare)) for symbol in {*range(1, characters + 1), end}]
