"""How likely a given text is on the frames of a line, and which frames say which character (Graves et al. 2006)."""

import itertools
import math
from collections.abc import Sequence

import numpy as np

from weighin.families.ocr.line import Scores

_NEVER = -1e30  # instead of minus infinity, which makes NaN where it meets itself


def log_likelihood(log_probabilities: Scores, labels: Sequence[int]) -> float:
    """log of the summed probability of all alignments of ``labels``; minus infinity when the line is too short for them."""
    emitted, jump = _states(log_probabilities, labels)  # [t,s], [s]
    if not len(emitted):
        return -math.inf if len(labels) else 0.0
    alpha = np.full(emitted.shape[1], _NEVER)
    alpha[:2] = emitted[0, :2]
    for row in emitted[1:]:
        moved = alpha.copy()
        moved[1:] = np.logaddexp(moved[1:], alpha[:-1])
        moved[2:] = np.where(jump[2:], np.logaddexp(moved[2:], alpha[:-2]), moved[2:])
        alpha = moved + row
    total = float(np.logaddexp.reduce(alpha[-2:]))
    return total if total > _NEVER / 2 else -math.inf


def align(log_probabilities: Scores, labels: Sequence[int]) -> list[int] | None:
    """The likeliest alignment of ``labels``: a class a frame [t]; None when the line is too short for them."""
    states = viterbi(log_probabilities, labels)
    return None if states is None else [labels[state // 2] if state % 2 else 0 for state in states]


def spans(log_probabilities: Scores, labels: Sequence[int]) -> list[tuple[int, int]] | None:
    """First and last frame of every label in the likeliest alignment; None when the line is too short for them."""
    states = viterbi(log_probabilities, labels)
    if states is None:
        return None
    places = [(state, place) for place, state in enumerate(states) if state % 2]
    runs = ([place for _, place in run] for _, run in itertools.groupby(places, key=lambda pair: pair[0]))
    return [(run[0], run[-1]) for run in runs]


def viterbi(log_probabilities: Scores, labels: Sequence[int]) -> list[int] | None:
    """The likeliest path [t] through the states blank, label, blank, ..., blank; odd states are labels."""
    emitted, jump = _states(log_probabilities, labels)
    if not len(emitted):
        return None if len(labels) else []
    frames, count = emitted.shape
    came = np.zeros((frames, count), np.int8)  # how many states back the best way here was
    ways = np.full((3, count), _NEVER)
    forbidden = np.where(jump, 0.0, _NEVER)[2:]
    here, every = np.full(count, _NEVER), np.arange(count)
    here[:2] = emitted[0, :2]
    for frame in range(1, frames):
        ways[0], ways[1, 1:] = here, here[:-1]
        ways[2, 2:] = here[:-2] + forbidden
        back = came[frame] = ways.argmax(0)
        here = ways[back, every] + emitted[frame]
    state = count - 1 if count == 1 or here[-1] >= here[-2] else count - 2
    if here[state] < _NEVER / 2:
        return None
    path = [state]
    for frame in range(frames - 1, 0, -1):
        state -= int(came[frame, state])
        path.append(state)
    return path[::-1]


def _states(log_probabilities: Scores, labels: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Scores of the states blank, label, ..., blank float64 [t,2l+1]; where the blank before a label may be left out [2l+1]."""
    states = np.zeros(2 * len(labels) + 1, np.int64)
    states[1::2] = labels
    jump = np.zeros(len(states), bool)
    jump[3::2] = states[3::2] != states[1:-2:2]
    return log_probabilities[:, states].astype(np.float64), jump
