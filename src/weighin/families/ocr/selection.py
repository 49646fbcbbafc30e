"""Which lines of a pool to have labelled, and which readings to take for labels."""

import math
from collections.abc import Sequence

from weighin.families.ocr.line import Reading


def sureness(reading: Reading) -> float:
    """Confidence a character (its geometric mean): else the longest lines would always be the least sure (Shen et al. 2018)."""
    letters = sum(len(word.text) for word in reading.words)
    return math.exp(math.log(max(reading.confidence, 1e-300)) / max(1, letters))


def least_confident(readings: Sequence[Reading], count: int) -> list[int]:
    """Places of the ``count`` readings that are least sure, least sure first; of equals the earlier (Lewis and Gale 1994)."""
    order = sorted(range(len(readings)), key=lambda place: sureness(readings[place]))
    return order[: max(0, count)]


def confident(readings: Sequence[Reading], threshold: float) -> list[int]:
    """Places of readings, not empty ones, whose calibrated confidence is at least ``threshold``: pseudo-labels (Lee 2013)."""
    return [place for place, reading in enumerate(readings) if reading.text and reading.confidence >= threshold]
