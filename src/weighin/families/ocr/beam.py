"""CTC prefix beam search, with a character language model fused into it (Hannun et al. 2014, First-Pass LVCSR).

score(text) = log p_ctc(text) + weight * log p_lm(text) + bonus * characters. Probabilities are kept linear and scaled
frame by frame; frames in which one class is all but certain are passed in one step, and a run of them in one.
"""

import itertools
import math
from collections.abc import Mapping
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
    least: float = 2e-3  # probability below which a class is not tried in a frame
    certain: float = 0.999  # probability from which on a class is the only one of its frame
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
    """A text, as a node of a tree, and the mass of all alignments up to a frame that end in it."""

    __slots__ = ("blank", "context", "factors", "kept", "label", "next_blank", "next_spoken", "number", "parent", "spoken")

    def __init__(self, number: int, parent: "_Prefix | None", label: int, context: int) -> None:
        self.number, self.parent, self.label, self.context = number, parent, label, context
        self.factors: list[float] | None = None
        self.blank = self.spoken = self.next_blank = self.next_spoken = 0.0  # masses ending in a blank, in the label
        self.kept = -1  # the last frame that it outlived

    def labels(self) -> list[int]:
        """The text as classes."""
        found, node = [], self
        while node.parent is not None:
            found.append(node.label)
            node = node.parent
        return found[::-1]


Grown = tuple[float, int, int, _Prefix]  # minus its mass, number of the prefix, label (0: it stays as it is), prefix


class _Search:
    """The beam over one line. A text is one node, however it was reached; only what outlives its frame becomes one."""

    def __init__(self, pruning: Pruning, fusion: Fusion | None, classes: int) -> None:
        self.pruning, self.fusion, self.classes = pruning, fusion, classes
        root = _Prefix(0, None, 0, fusion.model.begin if fusion else 0)
        root.blank = 1.0
        self.beam = [root]
        self.scale = 0.0  # logarithm of what the masses were divided by
        self._even = [1.0] * classes
        self._children: dict[int, _Prefix] = {}  # not in the nodes: with their parents they would be circles for the collector
        self._frame = -1
        root.kept = self._frame

    def advance(self, row: Mapping[int, float]) -> None:
        """One frame: probabilities by class, of the classes to try."""
        grown = self._grown(row)
        grown += [(-prefix.next_blank - prefix.next_spoken, prefix.number, 0, prefix) for prefix in self.beam]
        grown.sort()
        self._frame += 1
        least = grown[0][0] * self.pruning.share  # both are negative
        self.beam = [self._keep(each) for each in grown[: self.pruning.width] if each[0] <= least]
        top = -grown[0][0]
        self.scale += math.log(top)
        for prefix in self.beam:
            prefix.blank, prefix.spoken = prefix.next_blank / top, prefix.next_spoken / top

    def _grown(self, row: Mapping[int, float]) -> list[Grown]:
        """Texts that are new in the beam. What stays, or grows into a text of the beam, adds to that one's mass."""
        blank, labels = row.get(0, 0.0), [pair for pair in row.items() if pair[0]]
        for prefix in self.beam:
            prefix.next_blank = (prefix.blank + prefix.spoken) * blank
            prefix.next_spoken = prefix.spoken * row.get(prefix.label, 0.0) if prefix.label else 0.0
        grown: list[Grown] = []
        share, most = self.pruning.share, self.beam[0].next_blank
        for prefix in self.beam if labels else ():
            both, factors, first = prefix.blank + prefix.spoken, self._factors(prefix), prefix.number * self.classes
            for label, probability in labels:
                mass = (prefix.blank if label == prefix.label else both) * probability * factors[label]
                if mass <= share * most:
                    continue
                most = max(most, mass)
                child = self._children.get(first + label)
                if child is not None and child.kept == self._frame:
                    child.next_spoken += mass
                else:
                    grown.append((-mass, prefix.number, label, prefix))
        return grown

    def _keep(self, each: Grown) -> _Prefix:
        negative, number, label, prefix = each
        if label:
            prefix = self._child(number * self.classes + label, prefix, label)
            prefix.next_blank, prefix.next_spoken = 0.0, -negative
        prefix.kept = self._frame
        return prefix

    def _child(self, key: int, prefix: _Prefix, label: int) -> _Prefix:
        found = self._children.get(key)
        if found is None:
            context = self.fusion.model.follow(prefix.context, label) if self.fusion else 0
            found = self._children[key] = _Prefix(len(self._children) + 1, prefix, label, context)
        return found

    def _factors(self, prefix: _Prefix) -> list[float]:
        """What the language model makes of each label after a prefix; looked up when it first grows."""
        if prefix.factors is None:
            prefix.factors = self.fusion.factors(prefix.context) if self.fusion else self._even
        return prefix.factors


def search(log_probabilities: Scores, pruning: Pruning, fusion: Fusion | None = None) -> list[tuple[list[int], float]]:
    """Classes of texts with their scores (natural logarithm), best first, at most ``width``; a line without frames is empty."""
    line = _Search(pruning, fusion, log_probabilities.shape[1])
    for row in _frames(log_probabilities, pruning):
        line.advance(row)
    return _ranked(line.beam, line.scale, fusion)


def _frames(log_probabilities: Scores, pruning: Pruning) -> list[dict[int, float]]:
    """For each frame that matters: the classes to try, with their probabilities."""
    probabilities = np.exp(log_probabilities)  # [t,classes]
    best = probabilities.argmax(1)
    certain = probabilities.max(1, initial=0.0) >= pruning.certain
    again = certain & np.append(False, certain[:-1] & (best[1:] == best[:-1]))[: len(certain)]  # changes nothing
    tried = probabilities > np.where(certain, pruning.certain - 1e-6, pruning.least)[:, None]
    tried[np.arange(len(best)), best] = True
    tried[:, 0] |= ~certain
    places, labels = np.nonzero(tried[~again])
    pairs = list(zip(labels.tolist(), probabilities[~again][places, labels].tolist(), strict=True))
    edges = np.searchsorted(places, np.arange(int((~again).sum()) + 1)).tolist()
    return [dict(pairs[first:last]) for first, last in itertools.pairwise(edges)]


def _ranked(beam: list[_Prefix], scale: float, fusion: Fusion | None) -> list[tuple[list[int], float]]:
    """Texts with their scores, the ends of the line counted."""
    found = []
    for prefix in beam:
        mass = (prefix.blank + prefix.spoken) * (fusion.ending(prefix.context) if fusion else 1.0)
        if mass > 0:
            found.append((scale + math.log(mass), prefix.number, prefix))
    found.sort(key=lambda entry: (-entry[0], entry[1]))
    return [(prefix.labels(), score) for score, _, prefix in found]
