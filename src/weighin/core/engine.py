"""Engines run jobs: a job is a verb and JSON, a result is JSON (mostly the name of a run folder)."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from weighin.core.config import Settings


class Job(Settings):
    """One step to execute: ``verb`` names a function of ``weighin.steps``, ``arguments`` are plain JSON."""

    verb: str
    arguments: Mapping[str, Any]


class Outcome(Settings):
    """What became of a job: its result, or why it failed. A failed job never takes the others with it."""

    result: Any = None
    error: str = ""


Say = Callable[[str, float, str], None]  # (what, share done 0..1, detail)


def silent(what: str, share: float, detail: str) -> None:
    """Progress that nobody watches."""


class Engine(ABC):
    """Where jobs run. ``address`` is what stands behind ``://`` in the engine's name."""

    def __init__(self, address: str = "") -> None:
        self.address = address

    @abstractmethod
    def map(self, jobs: Sequence[Job], say: Say = silent) -> list[Outcome]:
        """Runs every job and returns the outcomes in the same order."""
