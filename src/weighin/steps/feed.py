"""What a training needs, and the batches it sees: every one a function of (seed, micro-step) alone."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch.loggers import Logger
from torch import nn
from torch.utils.data import IterableDataset

from weighin.core.config import Recipe, Variant
from weighin.core.engine import Say, silent
from weighin.core.family import Example, Family


@dataclass
class Teacher:
    """A trained model to learn from: its own variant decides how it sees a batch."""

    model: nn.Module
    variant: Variant[Any, Any]
    folder: Path


@dataclass
class Training:
    """All that one training needs; ``folder`` is the run's."""

    family: Family[Any, Any, Any]
    variant: Variant[Any, Any]
    model: nn.Module
    folder: Path
    train: Sequence[Example[Any, Any]]
    validation: Sequence[Example[Any, Any]]
    teacher: Teacher | None = None
    say: Say = silent
    loggers: Sequence[Logger] = field(default_factory=tuple)

    @property
    def recipe(self) -> Recipe:
        """The variant's recipe."""
        return self.variant.recipe


class Feed(IterableDataset[Any]):
    """Micro-batches from number ``start`` on: (batch, the teacher's batch or None)."""

    def __init__(self, job: Training, start: int) -> None:
        self.job, self.start = job, start

    def __iter__(self) -> Iterator[Any]:
        recipe = self.job.recipe
        last = None if recipe.steps is None else recipe.steps * recipe.accumulate
        orders: dict[int, np.ndarray] = {}
        for number in itertools.count(self.start):
            if last is not None and number >= last:
                return
            yield number, *self._make(number, orders)

    def _make(self, number: int, orders: dict[int, np.ndarray]) -> tuple[Any, Any]:
        job, recipe, total = self.job, self.job.recipe, len(self.job.train)
        first = number * recipe.batch
        picks = []
        for position in range(first, first + recipe.batch):
            epoch, place = divmod(position, total)
            if epoch not in orders:
                orders.pop(epoch - 2, None)
                orders[epoch] = np.random.default_rng([recipe.seed, 0, epoch]).permutation(total)
            picks.append(int(orders[epoch][place]))
        rng = np.random.default_rng([recipe.seed, 1, number])
        examples = job.family.augment(job.variant, [job.train[i] for i in picks], rng)
        batch = job.family.batch(job.variant, examples, job.folder / "assets")
        teacher = job.teacher
        return batch, job.family.batch(teacher.variant, examples, teacher.folder / "assets") if teacher else None
