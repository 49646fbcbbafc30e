"""What is fitted after training, on validation glyphs: a temperature, and how sure is sure enough."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize_scalar

from weighin.core.errors import RunError
from weighin.core.files import write_json

FILE = "calibration.json"
PRECISIONS = (0.9, 0.95, 0.98, 0.99, 0.995, 0.999)


@dataclass(frozen=True)
class Calibration:
    """``temperature`` divides the scores; ``thresholds``: precision -> least confidence that had it (None: none had)."""

    temperature: float = 1.0
    thresholds: Mapping[str, float | None] = field(default_factory=dict)

    def threshold(self, precision: float) -> float:
        """The confidence from which on answers were right that often; infinite if never, 0 before calibration."""
        least = self.thresholds.get(str(precision), 0.0)
        return math.inf if least is None else least


def temperature(scores: np.ndarray, truth: np.ndarray) -> float:
    """The temperature of least negative log-likelihood (Guo et al. 2017): scores [n,classes], truth [n]."""
    logits, wanted = torch.from_numpy(scores), torch.from_numpy(truth)

    def loss(log_temperature: float) -> float:
        return float(torch.nn.functional.cross_entropy(logits / math.exp(log_temperature), wanted))

    return math.exp(float(minimize_scalar(loss, bounds=(-2.5, 2.5), method="bounded").x))  # type: ignore[attr-defined]


def thresholds(confidence: np.ndarray, right: np.ndarray) -> dict[str, float | None]:
    """For each of PRECISIONS the least confidence above which answers are right that often: both inputs [n]."""
    order = np.argsort(-confidence, kind="stable")
    precision = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    # where several answers are equally sure, all of them are given or none: only the last of them can be the limit
    last = np.append(np.diff(confidence[order]) != 0, True)[: len(order)]
    found: dict[str, float | None] = {}
    for wanted in PRECISIONS:
        enough = np.flatnonzero((precision >= wanted) & last)
        found[str(wanted)] = float(confidence[order[enough[-1]]]) if len(enough) else None
    return found


def save(folder: Path, fitted: Calibration) -> None:
    """Writes ``calibration.json``, atomically. Raises StorageError."""
    write_json(folder / FILE, {"temperature": fitted.temperature, "thresholds": dict(fitted.thresholds)})


def load(folder: Path) -> Calibration:
    """What ``save`` wrote; temperature 1 and no thresholds before it did. Raises RunError when damaged."""
    path = folder / FILE
    if not path.exists():
        return Calibration()
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        fitted = Calibration(float(raw["temperature"]), dict(raw["thresholds"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} cannot be read: {error}", hint="Delete the run folder and train again") from None
    if not (math.isfinite(fitted.temperature) and fitted.temperature > 0):
        raise RunError(f"{path} holds the temperature {fitted.temperature}", "It is above 0")
    return fitted
