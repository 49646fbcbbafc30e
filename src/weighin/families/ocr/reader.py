"""From the scores of one line, seen once or several times, to its readings: all strategies in their order."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from weighin.families.ocr import arpa, calibration, confidence, dictionary, ensemble, kneser_ney, ngram
from weighin.families.ocr.alphabet import Alphabet
from weighin.families.ocr.calibration import Fitted
from weighin.families.ocr.decode import USUAL, Decoder
from weighin.families.ocr.dictionary import Dictionary
from weighin.families.ocr.line import Hypothesis, Scores
from weighin.families.ocr.ngram import Ngrams
from weighin.families.ocr.use import Use


class Reader:
    """Decodes, calibrates, votes and corrects, as the dials say."""

    def __init__(
        self,
        alphabet: Alphabet,
        dials: Use,
        model: Ngrams | None = None,
        words: Dictionary | None = None,
        fitted: Fitted = USUAL,
    ) -> None:
        self.alphabet, self.dials, self.words = alphabet, dials, words
        self.temperature = dials.temperature or fitted.temperature
        self.spread = dials.temperature or fitted.spread
        self.decoder = Decoder(alphabet, dials, model, fitted)

    def __call__(self, scores: Sequence[Scores]) -> list[Hypothesis]:
        """Hypotheses of one line, best first, from its scores [t,classes] by each scale and member.

        Letters stand on the frames of the first scores. Never empty.
        """
        if self.dials.combine == "frames" or len(scores) == 1:
            joined = scores[0] if len(scores) == 1 else ensemble.mean(scores)
            return self._corrected(self._sure(joined), joined)
        lists = [self._sure(each) for each in scores]
        read = [ensemble.retimed(found[0], len(each), len(scores[0])) for found, each in zip(lists, scores, strict=True)]
        best = ensemble.VOTES[self.dials.combine](read)
        others = {one.text: one for one in read if one.text != best.text}
        return self._corrected([best, *others.values()], scores[0])

    def _sure(self, log_probabilities: Scores) -> list[Hypothesis]:
        """Hypotheses of one table of scores, the first with calibrated probabilities."""
        best, *others = found = self.decoder(log_probabilities)
        if self.dials.language == "fused" and len(best.letters) == len(best.text):
            letters = confidence.supported(found, self.spread)
        else:
            letters = confidence.tempered(log_probabilities, best.letters, self.alphabet, self.temperature)
        return [replace(best, letters=letters), *others]

    def _corrected(self, found: Sequence[Hypothesis], log_probabilities: Scores) -> list[Hypothesis]:
        if self.words is None or self.dials.dictionary == "off":
            return list(found)
        best = self.words.correct(found[0], log_probabilities, self.dials, self.temperature)
        return [best, *(other for other in found if other.text != best.text)]

    def fit(self, scores: Sequence[Sequence[Scores]], truth: Sequence[str], model: Ngrams | None = None) -> Fitted:
        """Calibration for lines whose texts are known, joined by frames where each has several scores.

        The temperature is for these dials, weight and bonus are for a beam with ``model``; they keep their usual values
        where the network reads so little that a model would make up the text, and every beam is wide.
        """
        joined = [each[0] if len(each) == 1 else ensemble.mean(each) for each in scores]
        read = [self.decoder(each)[0] for each in joined]
        warmth = confidence.fit(joined, read, truth, self.alphabet)
        if model is None or not calibration.readable([best.text for best in read], truth):
            return Fitted(warmth)
        weighed = Fitted(warmth, *calibration.weights(joined, truth, self.alphabet, model))
        fused = Decoder(self.alphabet, Use(decoder="beam", language="fused"), model, weighed)
        lists = [fused(each) for each in joined[: calibration.WEIGHED]]
        return replace(weighed, spread=calibration.spread(lists, truth[: len(lists)]))


def prepare(texts: Iterable[str], alphabet: Alphabet, folder: Path) -> None:
    """Writes what strategies need of the training text: language model and dictionary. ``texts`` are canonical."""
    texts = [alphabet.readable(text) for text in texts]
    ngram.save(kneser_ney.train(texts, alphabet.characters), folder / ngram.FILE)
    dictionary.of_texts(texts, alphabet).save(folder)


def make(alphabet: Alphabet, dials: Use, folder: Path, language: Path | None = None) -> Reader:
    """The reader of a run's assets, loading only what the dials need; of the user's files where the dials name them.

    ``language`` is the folder of what :func:`prepare` wrote, where it is another: a composite has its members' only.
    """
    kept, model, words = language or folder, None, None
    if dials.speaks:
        given = dials.model
        model = arpa.load(Path(given), alphabet.characters) if given else ngram.load(kept / ngram.FILE)
        model = model.fits(alphabet.characters)
    if dials.dictionary != "off":
        words = dictionary.read(Path(dials.words), alphabet) if dials.words else dictionary.load(kept, alphabet)
    return Reader(alphabet, dials, model, words, calibration.load(folder))
