"""Runtimes execute parts. A runtime file is a plug-in: ``runtimes/onnx.py`` is ``onnx`` and ``onnx:int8``."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from weighin.core.errors import unknown
from weighin.core.family import Bound, Part

Inputs = tuple[Tensor, ...]


class Runtime(ABC):
    """Executes parts in one precision; the precision is in the name: ``openvino:int8``.

    The tape (real inputs recorded while the predictor ran) gives tracing inputs, int8 calibration and parity.
    """

    name: str  # the file's name
    precisions: tuple[str, ...] = ("",)  # "" is the runtime's full precision, float32
    suffix: str = ""  # of the artefact
    exact: tuple[str, ...] = ("",)  # precisions whose export must agree with the original within part.tolerance
    order: int = 50  # place in a report
    imports: tuple[str, ...] = ()  # modules whose import is not counted as memory of a candidate
    libraries: tuple[str, ...] = ()  # distributions whose versions decide its figures
    default: tuple[str, ...] = ("",)  # precisions that a comparison takes unless told otherwise
    deprecated: str = ""  # why this runtime is kept only for those who still deploy it

    def __init__(self, precision: str = "") -> None:
        if precision not in self.precisions:
            raise unknown(f"precision of runtime {self.name}", precision, self.precisions)
        self.precision = precision

    @property
    def full_name(self) -> str:
        """``onnx`` or ``onnx:int8``."""
        return f"{self.name}:{self.precision}" if self.precision else self.name

    @abstractmethod
    def why_not(self) -> str | None:
        """None when it can run here; else one sentence: what is missing and how to get it."""

    @abstractmethod
    def save(self, part: Part, tape: Sequence[Inputs], path: Path) -> None:
        """Writes one file for every size of the free axes. Raises ExportError."""

    @abstractmethod
    def load(self, path: Path, threads: int) -> Bound:
        """A callable of tensors that returns a tuple of tensors; computes on ``threads`` threads."""
