"""From scores of frames to text: best path, prefix beam with or without a language model, sampling."""

import itertools
import zlib
from collections.abc import Sequence

import numpy as np

from weighin.core.errors import ConfigError
from weighin.families.ocr import alignment, beam
from weighin.families.ocr.alphabet import Alphabet
from weighin.families.ocr.beam import Fusion, Pruning
from weighin.families.ocr.calibration import Fitted
from weighin.families.ocr.line import Hypothesis, Letter, Scores
from weighin.families.ocr.ngram import Ngrams
from weighin.families.ocr.use import Use

USUAL = Fitted()


class Decoder:
    """Hypotheses of lines as the dials say; a language model is needed where a dial gives it weight."""

    def __init__(self, alphabet: Alphabet, dials: Use, model: Ngrams | None = None, fitted: Fitted = USUAL) -> None:
        self.alphabet, self.dials, self.model = alphabet, dials, model
        self._weight = fitted.weight if dials.weight is None else dials.weight
        self._bonus = fitted.bonus if dials.bonus is None else dials.bonus
        self._pruning = Pruning(dials.width)
        if dials.speaks and model is None:
            raise ConfigError(f"language {dials.language!r} without a language model", hint="Set predict.language=off")
        self._fusion = Fusion(model, self._weight, self._bonus) if model and dials.language == "fused" else None

    def __call__(self, log_probabilities: Scores) -> list[Hypothesis]:
        """Hypotheses of one line [frames,classes], best first; never none. Only the first has letters if there are many."""
        if self.dials.decoder == "greedy":
            return [greedy(log_probabilities, self.alphabet)]
        if self.dials.decoder == "sample":
            return [sampled(log_probabilities, self.alphabet, self.dials.heat)]
        found = beam.search(log_probabilities, self._pruning, self._fusion)
        if self.model and self.dials.language == "rerank":
            found = reranked(found, self.alphabet, self.model, self._weight, self._bonus)
        texts = [Hypothesis(self.alphabet.decode(labels), score, ()) for labels, score in found]
        best = greedy(log_probabilities, self.alphabet)
        letters = best.letters if best.text == texts[0].text else lettered(log_probabilities, found[0][0], self.alphabet)
        return [Hypothesis(texts[0].text, texts[0].score, letters), *texts[1:]]


def decode(log_probabilities: Scores, alphabet: Alphabet, dials: Use, model: Ngrams | None = None) -> list[Hypothesis]:
    """Hypotheses of one line, best first; never none. For many lines make one :class:`Decoder`: it remembers contexts."""
    return Decoder(alphabet, dials, model)(log_probabilities)


def greedy(log_probabilities: Scores, alphabet: Alphabet) -> Hypothesis:
    """The likeliest class of every frame, runs collapsed, blanks dropped (Graves et al. 2006, best path decoding)."""
    best = log_probabilities.argmax(1)  # [t]
    peak = log_probabilities.max(1)  # [t]
    return _collapsed(best, peak, float(peak.sum()), alphabet)


def sampled(log_probabilities: Scores, alphabet: Alphabet, heat: float) -> Hypothesis:
    """A class drawn in every frame at temperature ``heat``; the same scores draw the same, whatever was read before."""
    rng = np.random.default_rng(zlib.crc32(np.ascontiguousarray(log_probabilities).tobytes()))
    noise = rng.gumbel(size=log_probabilities.shape)  # the largest of scores with Gumbel noise is a draw (Gumbel 1954)
    drawn = (log_probabilities / heat + noise).argmax(1)  # [t]
    own = log_probabilities[np.arange(len(drawn)), drawn]
    return _collapsed(drawn, own, float(own.sum()), alphabet)


def _collapsed(path: np.ndarray, peak: np.ndarray, score: float, alphabet: Alphabet) -> Hypothesis:
    """Classes [t] and their log-probabilities [t] as a text with its letters."""
    edges = np.flatnonzero(np.diff(path, prepend=-1, append=-1))
    letters = [
        Letter(alphabet.characters[path[first] - 1], float(np.exp(peak[first:end].max())), int(first), int(end - 1))
        for first, end in itertools.pairwise(edges)
        if path[first]
    ]
    return Hypothesis("".join(letter.character for letter in letters), score, tuple(letters))


def lettered(log_probabilities: Scores, labels: Sequence[int], alphabet: Alphabet) -> tuple[Letter, ...]:
    """Every label with its frames and the peak of its probability there; none where the line is too short for the text."""
    found = alignment.spans(log_probabilities, labels)
    if found is None:
        return ()
    return tuple(
        Letter(alphabet.characters[label - 1], float(np.exp(log_probabilities[first : last + 1, label].max())), first, last)
        for label, (first, last) in zip(labels, found, strict=True)
    )


def reranked(
    found: Sequence[tuple[list[int], float]], alphabet: Alphabet, model: Ngrams, weight: float, bonus: float
) -> list[tuple[list[int], float]]:
    """Texts of a beam without a language model, ordered anew with one: it cannot find what the beam has lost."""
    scored = [(labels, score + weight * model.score(alphabet.decode(labels)) + bonus * len(labels)) for labels, score in found]
    return sorted(scored, key=lambda pair: -pair[1])
