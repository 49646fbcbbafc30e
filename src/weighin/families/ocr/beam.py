"""CTC prefix beam search, with a character language model fused into it (Hannun et al. 2014, First-Pass LVCSR).

score(text) = log p_ctc(text) + weight * log p_lm(text) + bonus * characters. Probabilities are kept linear and scaled
frame by frame; frames in which one class is all but certain are passed in one step, and a run of them in one.
"""

import math
from dataclasses import dataclass

import numpy as np

from weighin.families.ocr.line import Scores
from weighin.families.ocr.ngram import Ngrams

KEPT = 4096  # contexts whose factors stay in memory
NEVER = -1e4  # log-probability in place of minus infinity, which no weight of zero forgives


@dataclass(frozen=True, slots=True)
class Pruning:
    """What the search leaves out; with ``(wide, 0, 1, 0)`` it is exact."""

    width: int = 10  # prefixes kept after a frame
    least: float = 1e-3  # probability below which a class is not tried in a frame
    certain: float = 0.9995  # probability from which on a class is the only one of its frame
    share: float = 1e-4  # of the best prefix's mass, below which a prefix is dropped


class Fusion:
    """A language model with its weight and its bonus a character, as factors of a prefix's mass."""

    def __init__(self, model: Ngrams, weight: float, bonus: float) -> None:
        self.model, self.weight, self.bonus = model, weight, bonus
        self._known: dict[int, list[float]] = {}

    def factors(self, context: int) -> list[float]:
        """Factor of each symbol after a context; they are the classes."""
        known = self._known.get(context)
        if known is not None:
            return known
        if len(self._known) > KEPT:
            self._known.clear()
        log_factors = self.weight * self.model.distribution(context).clip(min=NEVER) + self.bonus
        found = self._known[context] = np.exp(log_factors.astype(np.float64)).tolist()
        return found

    def ending(self, context: int) -> float:
        """Factor of the end of the line after a context; ends have no bonus."""
        return math.exp(self.weight * float(self.model.distribution(context)[self.model.end]))


class _Prefix:
    """A node of the tree of texts, and the mass of all alignments up to a frame that end in it."""

    __slots__ = ("blank", "context", "factors", "frame", "label", "next_blank", "next_spoken", "number", "parent", "spoken")

    def __init__(self, number: int, parent: "_Prefix | None", label: int, context: int) -> None:
        self.number, self.parent, self.label, self.context = number, parent, label, context
        self.factors: list[float] | None = None
        self.blank = self.spoken = self.next_blank = self.next_spoken = 0.0  # masses ending in a blank, in the label
        self.frame = -1  # in which the two next ones were begun

    def labels(self) -> list[int]:
        """The text as classes."""
        found, node = [], self
        while node.parent is not None:
            found.append(node.label)
            node = node.parent
        return found[::-1]


class _Tree:
    """All prefixes of one line; a text is one node, however it was reached."""

    def __init__(self, fusion: Fusion | None, classes: int) -> None:
        self.fusion, self.classes = fusion, classes
        self.root = _Prefix(0, None, 0, fusion.model.begin if fusion else 0)
        self.root.blank = 1.0
        self._even = [1.0] * (classes + 2)
        self._children: dict[int, _Prefix] = {}  # not in the nodes: with their parents they would be circles for the collector

    def child(self, prefix: _Prefix, label: int) -> _Prefix:
        """The prefix that is one label longer."""
        key = prefix.number * self.classes + label
        found = self._children.get(key)
        if found is None:
            context = self.fusion.model.follow(prefix.context, label) if self.fusion else 0
            found = self._children[key] = _Prefix(len(self._children) + 1, prefix, label, context)
        return found

    def advance(self, beam: list[_Prefix], row: list[float], candidates: list[int], frame: int, share: float) -> list[_Prefix]:
        """One frame: every prefix stays as it is or grows by a candidate. All that come of it, in no order."""
        touched: list[_Prefix] = []
        most = (beam[0].blank + beam[0].spoken) * row[0]
        for prefix in beam:
            blank, label = prefix.blank, prefix.label
            both = blank + prefix.spoken
            _begin(prefix, frame, touched)
            prefix.next_blank += both * row[0]
            prefix.next_spoken += prefix.spoken * row[label] if label else 0.0
            factors = self._factors(prefix) if candidates else self._even
            for candidate in candidates:
                mass = (blank if candidate == label else both) * row[candidate] * factors[candidate]
                if mass > share * most:
                    most = max(most, mass)
                    child = self.child(prefix, candidate)
                    _begin(child, frame, touched)
                    child.next_spoken += mass
        return touched

    def _factors(self, prefix: _Prefix) -> list[float]:
        """What the language model makes of each label after a prefix; looked up when it first grows."""
        if prefix.factors is None:
            prefix.factors = self.fusion.factors(prefix.context) if self.fusion else self._even
        return prefix.factors


def _begin(prefix: _Prefix, frame: int, touched: list[_Prefix]) -> None:
    if prefix.frame != frame:
        prefix.frame, prefix.next_blank, prefix.next_spoken = frame, 0.0, 0.0
        touched.append(prefix)


def search(log_probabilities: Scores, pruning: Pruning, fusion: Fusion | None = None) -> list[tuple[list[int], float]]:
    """Classes of texts with their scores (natural logarithm), best first, at most ``width``; a line without frames is empty."""
    tree = _Tree(fusion, log_probabilities.shape[1])
    beam, scale = [tree.root], 0.0
    for frame, (row, candidates) in enumerate(_frames(log_probabilities, pruning)):
        beam = _best(tree.advance(beam, row, candidates, frame, pruning.share), pruning)
        top = beam[0].blank + beam[0].spoken
        scale += math.log(top)
        for prefix in beam:
            prefix.blank /= top
            prefix.spoken /= top
    return _ranked(beam, scale, fusion)


def _frames(log_probabilities: Scores, pruning: Pruning) -> list[tuple[list[float], list[int]]]:
    """For each frame that matters: probabilities of all classes, and the labels to try."""
    probabilities = np.exp(log_probabilities)  # [t,classes]
    best = probabilities.argmax(1)
    certain = probabilities[np.arange(len(best)), best] >= pruning.certain
    again = certain & np.append(False, certain[:-1] & (best[1:] == best[:-1]))  # changes nothing
    found = []
    for row, only, is_certain in zip(probabilities[~again], best[~again].tolist(), certain[~again].tolist(), strict=True):
        tried = [only] if is_certain else np.flatnonzero(row > pruning.least).tolist()
        values = [0.0] * len(row) if is_certain else row.tolist()
        values[only] = float(row[only])
        found.append((values, [label for label in tried if label]))
    return found


def _best(touched: list[_Prefix], pruning: Pruning) -> list[_Prefix]:
    """The heaviest prefixes; of equally heavy ones the older first, so that the order of work never shows."""
    masses = []
    for prefix in touched:
        prefix.blank, prefix.spoken = prefix.next_blank, prefix.next_spoken
        masses.append((-prefix.blank - prefix.spoken, prefix.number, prefix))
    if len(masses) > 1:
        masses.sort()
    least = pruning.share * masses[0][0]  # both are negative
    return [prefix for mass, _, prefix in masses[: pruning.width] if mass <= least]


def _ranked(beam: list[_Prefix], scale: float, fusion: Fusion | None) -> list[tuple[list[int], float]]:
    """Texts with their scores, the ends of the line counted."""
    found = []
    for prefix in beam:
        mass = (prefix.blank + prefix.spoken) * (fusion.ending(prefix.context) if fusion else 1.0)
        if mass > 0:
            found.append((scale + math.log(mass), prefix.number, prefix))
    found.sort(key=lambda entry: (-entry[0], entry[1]))
    return [(prefix.labels(), score) for score, _, prefix in found]
