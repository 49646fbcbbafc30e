"""Scores of readings: strict and merged, over glyphs and over classes, and whether the confidence can be believed."""

from collections.abc import Mapping, Sequence

import numpy as np

from weighin.core.family import Example, Score, Tally
from weighin.families.glyphs.glyph import Glyph
from weighin.families.glyphs.labels import CLASS_OF, GROUPS
from weighin.families.glyphs.predict import Reading

ECE_BINS = 15
SURE_BINS = 32  # of coverage at 99 %: equal steps of -log10(1 - confidence), from 0 to 3.2


def ece(value: np.ndarray, weight: float) -> float:
    """Expected calibration error (Naeini et al. 2015): value [15] sums of confidence - hit by bin of confidence."""
    return float(np.abs(value).sum() / weight) if weight else float("nan")


def coverage(value: np.ndarray, weight: float) -> float:
    """Largest share of glyphs, the surest first, of which 99 % are right: value [64] counts, then hits, by bin, rising."""
    counts, hits = (np.cumsum(part[::-1]) for part in np.split(value, 2))
    good = counts[(counts > 0) & (hits >= 0.99 * counts)]
    return float(good[-1] / weight) if len(good) else 0.0


SCORES = (
    Score("top1", "share", "higher", binary=True, about="the likeliest label is the font's own"),
    Score("top1_merged", "share", "higher", binary=True, about="the likeliest visually distinct class is the right one"),
    Score("top5", "share", "higher", binary=True, about="the font's own label is among the first five"),
    Score("top5_merged", "share", "higher", binary=True, about="the right distinct class is among the first five"),
    Score("macro", "share", "higher", about="top1, every label weighing the same"),
    Score("ece", "share", "lower", ece, about="how far confidence and share of hits of top1 lie apart, 15 bins"),
    Score("coverage_at_99", "share", "higher", coverage, about="share that can be answered (merged) with 99 % right"),
    Score("answered", "share", "higher", binary=True, about="share of glyphs on which the variant does not abstain"),
    Score("precision", "share", "higher", about="top1_merged over the answered glyphs"),
)


def score(predicted: Sequence[Reading], examples: Sequence[Example[Glyph, str]]) -> Mapping[str, Tally]:
    """A tally a score, one entry an example."""
    truth = np.array([CLASS_OF[example.y] for example in examples], np.int64)
    group = np.array(GROUPS, np.int64)[truth]
    top1 = _hits([[CLASS_OF[reading.labels[0]]] for reading in predicted], truth)
    merged = _hits([reading.groups[:1] for reading in predicted], group)
    sure = np.array([reading.confidence for reading in predicted])
    answered = np.array([not reading.abstain for reading in predicted], np.float64)
    share = 1 / np.bincount(truth, minlength=len(GROUPS))[truth]
    return {
        "top1": Tally.of(top1),
        "top1_merged": Tally.of(merged),
        "top5": Tally.of(_hits([[CLASS_OF[label] for label in reading.labels[:5]] for reading in predicted], truth)),
        "top5_merged": Tally.of(_hits([reading.groups[:5] for reading in predicted], group)),
        "macro": Tally.of(top1 * share, share),
        "ece": Tally.of(_by_confidence(np.array([reading.probabilities[0] for reading in predicted]), top1)),
        "coverage_at_99": Tally.of(_by_sureness(sure, merged)),
        "answered": Tally.of(answered),
        "precision": Tally.of(merged * answered, answered),
    }


def _hits(answers: Sequence[Sequence[int]], truth: np.ndarray) -> np.ndarray:
    return np.array([wanted in given for given, wanted in zip(answers, truth.tolist(), strict=True)], np.float64)


def _by_confidence(confidence: np.ndarray, hit: np.ndarray) -> np.ndarray:
    """[n,15]: confidence - hit, in the bin of the confidence."""
    value = np.zeros((len(hit), ECE_BINS))
    value[np.arange(len(hit)), _bin(confidence * ECE_BINS, ECE_BINS)] = confidence - hit
    return value


def _by_sureness(confidence: np.ndarray, hit: np.ndarray) -> np.ndarray:
    """[n,64]: 1 in the bin of the confidence, then the hit in the same bin."""
    nines = -np.log10(np.clip(1 - confidence, 1e-9, 1))
    bins = _bin(nines * 10, SURE_BINS)
    value = np.zeros((len(hit), 2 * SURE_BINS))
    value[np.arange(len(hit)), bins] = 1
    value[np.arange(len(hit)), SURE_BINS + bins] = hit
    return value


def _bin(scaled: np.ndarray, count: int) -> np.ndarray:
    return np.clip(scaled.astype(np.int64), 0, count - 1)
