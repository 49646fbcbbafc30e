"""Several readings of one line made into one: by frames (mean log-probability) or by strings (votes)."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from weighin.families.ocr.line import Hypothesis, Letter, Scores


def mean(scores: Sequence[Scores]) -> Scores:
    """Normalised mean log-probability [t,classes], on the frames of the first; the others are stretched to them."""
    frames = len(scores[0])
    total = np.mean([stretched(each, frames) for each in scores], axis=0)  # [t,classes]
    top = total.max(1, keepdims=True, initial=-np.inf)
    return (total - top - np.log(np.exp(total - top).sum(1, keepdims=True))).astype(np.float32)


def stretched(log_probabilities: Scores, frames: int) -> Scores:
    """The same line on another number of frames: probabilities interpolated linearly in time."""
    if len(log_probabilities) == frames or not len(log_probabilities):
        return log_probabilities
    centres = (np.arange(frames) + 0.5) * len(log_probabilities) / frames - 0.5
    centres = centres.clip(0, len(log_probabilities) - 1)
    before = centres.astype(np.int64)
    after = np.minimum(before + 1, len(log_probabilities) - 1)
    share = (centres - before)[:, None]
    probabilities = np.exp(log_probabilities)
    mixed = (1 - share) * probabilities[before] + share * probabilities[after]
    return np.log(mixed.clip(min=1e-30)).astype(np.float32)


def retimed(hypothesis: Hypothesis, own: int, frames: int) -> Hypothesis:
    """A hypothesis on ``own`` frames with its letters placed on ``frames``."""
    if own == frames or not own:
        return hypothesis
    last = max(frames - 1, 0)
    letters = tuple(
        replace(letter, first=min(letter.first * frames // own, last), last=min(letter.last * frames // own, last))
        for letter in hypothesis.letters
    )
    return replace(hypothesis, letters=letters)


def medoid(read: Sequence[Hypothesis]) -> Hypothesis:
    """The reading with the fewest edits to all others; the earliest of several."""
    from rapidfuzz.distance import Levenshtein

    costs = [sum(Levenshtein.distance(one.text, other.text) for other in read) for one in read]
    return read[costs.index(min(costs))]


def majority(read: Sequence[Hypothesis]) -> Hypothesis:
    """The text that most readings have; the earliest of several."""
    counts = Counter(one.text for one in read)
    return max(read, key=lambda one: counts[one.text])


def longest(read: Sequence[Hypothesis]) -> Hypothesis:
    """The longest text, the source's rule; the earliest of several."""
    return max(read, key=lambda one: len(one.text))


def rover(read: Sequence[Hypothesis]) -> Hypothesis:
    """Character by character what most readings have (Fiscus 1997, votes by frequency); where votes tie, the medoid's."""
    centre = medoid(read)
    lined = [_lined(centre.text, one) for one in read]
    letters: list[Letter] = []
    for place in range(len(centre.text) + 1):
        letters += _elected([gaps.get(place, ()) for gaps, _ in lined], ())
        if place < len(centre.text):
            letters += _elected([slots[place] for _, slots in lined], centre.letters[place : place + 1])
    return Hypothesis("".join(letter.character for letter in letters), centre.score, tuple(letters))


def _lined(centre: str, one: Hypothesis) -> tuple[dict[int, tuple[Letter, ...]], list[tuple[Letter, ...]]]:
    """A reading against the centre: what it has before a place that the centre has not, and what it has at each place."""
    from rapidfuzz.distance import Levenshtein

    gaps: dict[int, tuple[Letter, ...]] = {}
    slots: list[tuple[Letter, ...]] = [()] * len(centre)
    for step in Levenshtein.opcodes(centre, one.text):
        letters = one.letters[step.dest_start : step.dest_end]
        if step.tag == "insert":
            gaps[step.src_start] = letters
        for place, letter in zip(range(step.src_start, step.src_end), letters, strict=False):
            slots[place] = (letter,)
    return gaps, slots


def _elected(votes: Sequence[tuple[Letter, ...]], own: tuple[Letter, ...]) -> tuple[Letter, ...]:
    """The letters whose characters have most votes, as the surest voter wrote them."""
    texts = ["".join(letter.character for letter in vote) for vote in votes]
    counts, wanted = Counter(texts), "".join(letter.character for letter in own)
    most = max(counts.values())
    chosen = wanted if counts[wanted] == most else next(text for text in texts if counts[text] == most)
    voters = [vote for vote, text in zip(votes, texts, strict=True) if text == chosen]
    return max(voters, key=lambda vote: sum(letter.probability for letter in vote))


VOTES: Mapping[str, Callable[[Sequence[Hypothesis]], Hypothesis]] = {
    "medoid": medoid,
    "majority": majority,
    "rover": rover,
    "longest": longest,
}
