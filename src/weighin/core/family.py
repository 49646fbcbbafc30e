"""The contract: what a family of model variants must bring. Everything else is the house's."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from torch import Tensor, nn

from weighin.core.config import Match, Variant
from weighin.core.errors import ConfigError, unknown
from weighin.core.files import listing_hash
from weighin.core.tool import Tools

X = TypeVar("X")
T = TypeVar("T")
Y = TypeVar("Y")
Json = Any
Split = Literal["train", "validation", "test"]
Bound = Callable[..., tuple[Tensor, ...]]
Predictor = Callable[[Sequence[X]], list[Y]]


@dataclass(frozen=True, slots=True)
class Example(Generic[X, T]):
    """What people have. ``group`` is what must not be split or resampled apart (font family, lesion, molecule)."""

    id: str
    group: str
    x: X
    y: T
    kind: str = ""  # a class, form or stratum to report quality by; empty when there is none


def ratio(value: np.ndarray, weight: float) -> float:
    """The default transform of a score: summed value [k] (the first is used) over summed weight."""
    return float(value[0] / weight) if weight else float("nan")


@dataclass(frozen=True)
class Score:
    """A metric = ``transform(sum of values, sum of weights)``; unit, direction and transform are part of its name."""

    name: str
    unit: str
    better: Literal["higher", "lower"]
    transform: Callable[[np.ndarray, float], float] = ratio
    binary: bool = False  # value is 0 or 1 an example: two candidates are compared by McNemar's exact test
    about: str = ""


@dataclass(frozen=True)
class Tally:
    """One entry an example: ``value`` [n] or [n, k] (a transform may need k sums), ``weight`` [n]."""

    value: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, value: Any, weight: Any = None) -> "Tally":
        """From anything array-like; weight 1 an example by default."""
        values = np.asarray(value, dtype=np.float64)
        return cls(values, np.ones(len(values)) if weight is None else np.asarray(weight, dtype=np.float64))


@dataclass(frozen=True)
class Part:
    """A pure function of tensors with named free axes: the unit a runtime executes.

    ``module(*inputs)`` returns a tuple of tensors, one an output name. ``axes`` says which axes are free:
    ``{"pixels": {0: "batch"}}``; all others are fixed.
    """

    module: nn.Module
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    axes: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    tolerance: float = 1e-4  # largest allowed error of an export in full precision, relative to the output's largest value
    precise: bool = False  # it needs full precision: int8 and bf16 may be refused, or answer much worse


@dataclass(frozen=True)
class Check:
    """Something that must hold of any trained model: what was seen against what is allowed."""

    name: str
    passed: bool
    seen: str
    allowed: str


class Family(ABC, Generic[X, T, Y]):
    """One task. ``X`` is what users give, ``T`` the truth of an example, ``Y`` what a predictor answers."""

    name: str
    about: str = ""
    scores: tuple[Score, ...]  # the first is primary
    datas: Mapping[str, str] = {"synthetic": "made by the family itself, offline and seeded"}  # spec -> one line
    match: Mapping[str, Match] = {}  # outputs that `weighin distill` matches unless the recipe says otherwise
    libraries: tuple[str, ...] = ()  # distributions beside torch whose versions decide its figures
    peers: tuple[str, ...] = ()  # variants that rebuild other people's systems, for `weighin bench`
    compared: tuple[str, ...] = ()  # variants that `weighin compare` weighs unless told otherwise; empty: all but nano

    @abstractmethod
    def variants(self) -> Mapping[str, Variant[Any, Any]]:
        """Name -> variant. Has ``nano``, which trains in seconds, offline, on a CPU."""

    @abstractmethod
    def examples(self, data: str, split: Split) -> Sequence[Example[X, T]]:
        """Examples of a split; ``synthetic`` always works. Splits never share a group. Raises DataError."""

    @abstractmethod
    def batch(self, variant: Variant[Any, Any], examples: Sequence[Example[X, T]], folder: Path) -> Any:
        """The family's own dataclass of tensors; ``folder`` holds what ``prepare`` wrote."""

    @abstractmethod
    def build(self, variant: Variant[Any, Any]) -> nn.Module:
        """An untrained module; ``forward(batch) -> dict[str, Tensor]``."""

    @abstractmethod
    def loss(self, outputs: Mapping[str, Tensor], batch: Any, variant: Variant[Any, Any]) -> Mapping[str, Tensor]:
        """Named scalars; the house sums and logs them."""

    @abstractmethod
    def parts(self, model: nn.Module, variant: Variant[Any, Any]) -> Mapping[str, Part]:
        """The pure functions that a runtime executes, by name."""

    @abstractmethod
    def predictor(self, parts: Mapping[str, Bound], variant: Variant[Any, Any], folder: Path) -> Predictor[X, Y]:
        """A callable of users' types. Parts arrive bound to a runtime; the module never does."""

    @abstractmethod
    def read(self, raw: bytes) -> X:
        """One input from the bytes of a file or request. Raises InputError."""

    @abstractmethod
    def show(self, y: Y) -> Json:
        """An answer as plain JSON data."""

    @abstractmethod
    def score(self, predicted: Sequence[Y], examples: Sequence[Example[X, T]]) -> Mapping[str, Tally]:
        """One tally a score of ``scores``, one entry an example."""

    def augment(
        self, variant: Variant[Any, Any], examples: Sequence[Example[X, T]], rng: np.random.Generator
    ) -> Sequence[Example[X, T]]:
        """Training examples changed at random; every draw from ``rng``, so that a resumed run sees the same."""
        return examples

    def prepare(self, model: nn.Module, variant: Variant[Any, Any], examples: Sequence[Example[X, T]], folder: Path) -> None:
        """Before training: what ``batch`` and the predictor read from ``folder`` (codebook, cached features)."""

    def finish(
        self, predict: Predictor[X, Y], variant: Variant[Any, Any], examples: Sequence[Example[X, T]], folder: Path
    ) -> None:
        """After training, on validation examples: what needs trained weights (a temperature, a threshold)."""

    def relabel(self, example: Example[X, T], y: Y) -> Example[X, T]:
        """The example with a teacher's answer as its truth (hard distillation)."""
        raise ConfigError(
            f"{self.name} cannot learn from answers alone", "recipe.relabel is not for this family", "Use recipe.match"
        )

    def checks(self, predict: Predictor[X, Y], examples: Sequence[Example[X, T]]) -> Sequence[Check]:
        """What must hold of any trained model."""
        return ()

    def brief(self, y: Y) -> str:
        """An answer in a few characters, for tables; comparable with ``str(truth)`` where the truth is a label."""
        return str(self.show(y))[:80]

    def picture(self, x: X) -> bytes | None:
        """A PNG of one input, for reports; None when the family has no picture."""
        return None

    def notes(self, examples: Sequence[Example[X, T]]) -> Mapping[str, float | str]:
        """Facts of a whole test split, sampled or not, that a reader needs beside the scores (a ceiling, a trivial answer)."""
        return {}

    def expand(self, path: Path) -> Sequence[Sequence[tuple[str, X]]] | None:
        """The named inputs of one file for ``weighin predict`` when it holds many (a font, a PDF); None: it is one input.

        They come in groups, each made when it is asked for, answered together and forgotten before the next: all glyphs
        of a font, whose answers depend on each other, are one group; of a PDF each page is one. The length is known
        without reading all. After a kill the same command goes on with the first group that was not finished.
        """
        return None

    def save_answers(self, path: Path, named: Sequence[tuple[str, Y]], out: Path) -> Sequence[Path]:
        """Files to write beside the answers for one input file (a repaired font, a searchable PDF); none by default.

        Called after every group of ``expand`` with that group's answers; returns the files that are whole by now. A group
        may come twice, after a kill between this and the record of its answers.
        """
        return ()

    def tools(self) -> Tools:
        """Name -> what users of this family do beside predicting, for ``weighin use``."""
        return {}

    def why_not(self, variant: Variant[Any, Any]) -> str | None:
        """None when the variant can be built here; else what is not here and how to get it. Nothing is fetched to find out.

        Such a variant is listed and counted (``build`` on the meta device needs no weights), and compared as not measured.
        """
        return None

    def fingerprint(self, data: str) -> str:
        """A hash of what ``data`` names, without reading all of it: names and sizes of the files."""
        return listing_hash(data)

    @property
    def primary(self) -> Score:
        """The score that ranks by default."""
        return self.scores[0]

    def variant(self, name: str) -> Variant[Any, Any]:
        """A variant by name. Raises ConfigError with the nearest name."""
        known = self.variants()
        if name not in known:
            raise unknown(f"variant of {self.name}", name, known)
        return known[name]


def shifted(example: Example[X, T], truth: T) -> Example[X, T]:
    """The example with another truth."""
    return replace(example, y=truth)
