"""Training a character n-gram model: interpolated modified Kneser-Ney smoothing (Chen and Goodman 1998, section 3.4).

p(c|h) = (N(h,c) - D(N(h,c))) / N(h) + g(h) p(c|h'), where h' is h without its oldest character, D one of three discounts
an order for counts of 1, 2 and more, and g(h) what the discounts left over. Below the highest order N counts in how many
contexts an n-gram was seen, not how often. An n-gram rarer than its order's cut is left out and all of its count goes
to the lower order, so every distribution still sums to one.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from weighin.core.errors import ConfigError, DataError
from weighin.families.ocr.ngram import BITS, MASKS, ORDERS, Ngrams

CUTS = (1, 1, 1, 1, 2, 2)  # times that an n-gram of each order must have been seen
SPACE = " "
PLAIN = (0.5, 1.0, 1.4)  # discounts where a text is too short to estimate them

Counts = tuple[np.ndarray, np.ndarray, np.ndarray]  # contexts int64 [n], symbols int64 [n], counts int64 [n]


def train(texts: Iterable[str], characters: str, order: int = ORDERS, cuts: Sequence[int] = CUTS) -> Ngrams:
    """The model of canonical texts. Characters outside ``characters`` break a text in two. Raises DataError, ConfigError."""
    if not 1 <= order <= ORDERS:
        raise ConfigError(f"A language model of order {order}", f"Orders are 1 to {ORDERS}")
    index = {character: place for place, character in enumerate(characters, 1)}
    space = index.get(SPACE)
    begin, end = (space, space) if space else (len(characters) + 1, len(characters) + 2)
    stream = _stream(texts, index, begin, end)
    if not len(stream):
        raise DataError("A language model of no text", "At least one character of the alphabet", "Give texts of its script")
    counted = [_counted(stream, length, length < order) for length in range(1, order + 1)]
    model = _unigram(counted[0], characters, begin, end)
    for length in range(2, order + 1):
        model = _with_order(model, counted[length - 1], length, cuts[length - 1])
    return model


def _stream(texts: Iterable[str], index: dict[str, int], begin: int, end: int) -> np.ndarray:
    """All texts as one row of symbols, int64 [n]: 0 before each begin, -1 for a foreign character; no n-gram reaches over."""
    symbols: list[int] = []
    for text in texts:
        inner = [index.get(character, -1) for character in text]
        if max(inner, default=-1) > 0:
            symbols += [0, begin, *inner, end]
    return np.array(symbols, np.int64)


def _counted(stream: np.ndarray, length: int, contexts: bool) -> Counts:
    """n-grams of ``length`` symbols: how often, or behind how many different symbols (a break is one), each was seen."""
    extra = int(contexts)
    rows = max(len(stream) - length - extra + 1, 0)
    context, whole = np.zeros(rows, np.int64), np.ones(rows, bool)
    for place in range(length - 1 + extra):
        part = stream[place : place + rows]
        context = context << BITS | part.clip(min=0)
        whole &= (part > 0) | (place < extra)
    symbol, before = (given[len(stream) - rows :] for given in (stream, np.append(0, stream[:-1])))
    whole &= (symbol > 0) & (before != 0)  # the begin is not predicted
    different, symbols, counts = _unique(context[whole], symbol[whole])
    return _unique(different & MASKS[length - 1], symbols) if contexts else (different, symbols, counts)


def _unique(context: np.ndarray, symbol: np.ndarray) -> Counts:
    """Different pairs, by context, then symbol, and how often each is there."""
    contexts, row = np.unique(context, return_inverse=True)
    pairs, counts = np.unique(row << BITS | symbol, return_counts=True)
    return contexts[pairs >> BITS], pairs & MASKS[1], counts


def _discounts(counts: np.ndarray) -> np.ndarray:
    """What is taken from a count of 0, 1, 2, 3 and more, float64 [4]: Chen and Goodman's estimates."""
    n1, n2, n3, n4 = ((counts == times).sum() for times in (1, 2, 3, 4))
    if not n1 or not n2 or not n3:
        return np.array([0.0, *PLAIN])
    share = n1 / (n1 + 2 * n2)
    found = 1 - 2 * share * n2 / n1, 2 - 3 * share * n3 / n2, 3 - 4 * share * n4 / n3
    return np.array([0.0, *np.clip(found, (0.1, 0.2, 0.3), (0.95, 1.9, 2.85))])


def _unigram(counted: Counts, characters: str, begin: int, end: int) -> Ngrams:
    """Order one over every character and the end, shared with the uniform distribution so that none is impossible."""
    symbols = np.unique(np.append(np.arange(1, len(characters) + 1), end))
    dense = np.zeros(len(characters) + 3)
    dense[counted[1]] = counted[2]
    counts = dense[symbols]
    taken = _discounts(counts)[np.minimum(counts, 3).astype(int)]
    probability = (counts - taken + taken.sum() / len(symbols)) / counts.sum()
    starts, top, nothing = np.array([0, len(symbols)]), np.zeros(1, np.int64), np.zeros(1, np.float32)
    return Ngrams(characters, 1, begin, end, top, starts, symbols.astype(np.int16), _log(probability), nothing)


def _with_order(model: Ngrams, counted: Counts, length: int, cut: int) -> Ngrams:
    """The model with n-grams of one more symbol; the model has what they fall back on."""
    context, symbol, count = counted
    contexts, row = np.unique(context, return_inverse=True)
    total = np.bincount(row, count, len(contexts))
    taken = np.where(count >= cut, _discounts(count)[np.minimum(count, 3)], count)
    left = np.bincount(row, taken, len(contexts)) / total  # what the lower order shares out
    keep = count >= cut
    row, symbol, kept = row[keep], symbol[keep], (count - taken)[keep]
    lower = _looked_up(model, contexts[row] & MASKS[length - 2], symbol)
    probability = kept / total[row] + left[row] * np.exp(lower)
    used, sizes = np.unique(row, return_counts=True)
    return Ngrams(
        model.characters,
        length,
        model.begin,
        model.end,
        np.concatenate([model.contexts, contexts[used]]),  # rising: a longer context is a larger integer
        np.concatenate([model.starts, model.starts[-1] + np.cumsum(sizes)]),
        np.concatenate([model.symbols, symbol.astype(np.int16)]),
        np.concatenate([model.log_probabilities, _log(probability)]),
        np.concatenate([model.backoffs, _log(left[used])]),
    )


def _looked_up(model: Ngrams, contexts: np.ndarray, symbols: np.ndarray) -> np.ndarray:
    """Log-probability [n] of each symbol after its context, by falling back until one has it."""
    total, missing, context = np.zeros(len(symbols)), np.ones(len(symbols), bool), contexts.copy()
    for length in range(model.order - 1, -1, -1):
        context &= MASKS[length]
        row = np.searchsorted(model.contexts, context).clip(max=len(model.contexts) - 1)
        known = model.contexts[row] == context
        place = _place_in(model, row, symbols)
        hit = missing & known & (place >= 0)
        total[hit] += model.log_probabilities[place[hit]]
        missing &= ~hit
        fall = missing & known
        total[fall] += model.backoffs[row[fall]]
    return total


def _place_in(model: Ngrams, rows: np.ndarray, symbols: np.ndarray) -> np.ndarray:
    """Where in ``model.symbols`` the continuation of a row of contexts is, [n]; -1 where it has none."""
    owner = np.repeat(np.arange(len(model.contexts)), np.diff(model.starts))
    keys = owner << BITS | model.symbols
    wanted = rows << BITS | symbols
    place = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    return np.where(keys[place] == wanted, place, -1)


def _log(values: np.ndarray) -> np.ndarray:
    return np.log(values).astype(np.float32)
