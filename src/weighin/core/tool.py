"""What users of one family do beside predicting: run dynamics, build an index, label structures, map a collection."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from weighin.core.config import Settings, Variant
from weighin.core.engine import Say
from weighin.core.errors import ConfigError


@dataclass(frozen=True)
class Loaded:
    """A trained model as a tool gets it: the predictor on its runtime, and the module for a tool that writes another format."""

    name: str  # of the variant, or of the run's folder when two are of one variant
    variant: Variant[Any, Any]
    predict: Callable[[Sequence[Any]], list[Any]]
    module: nn.Module | None  # None for a composite
    folder: Path  # what ``prepare`` and ``finish`` wrote


@dataclass(frozen=True)
class ToolCall:
    """What a tool is given."""

    paths: Sequence[Path]  # the user's files and folders
    dials: Any  # of the tool's own settings class, validated
    out: Path  # folder to write into; exists
    models: tuple[Loaded, ...]
    say: Say


@dataclass(frozen=True)
class Tool:
    """One thing to do: ``work`` returns a summary as plain JSON and writes its files under ``call.out``.

    A tool that was interrupted goes on where it was when it is called again with the same folder.
    """

    about: str
    dials: type[Settings]  # every dial has a default
    work: Callable[[ToolCall], Any]
    models: tuple[int, int] = (1, 1)  # how many trained models it takes, least and most

    def checked(self, name: str, given: int) -> None:
        """Raises ConfigError where ``given`` models are too few or too many."""
        least, most = self.models
        if not least <= given <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise ConfigError(f"{name} got {given} models", f"It takes {wanted}", "Name each by --model RUN or FAMILY/VARIANT")


Tools = Mapping[str, Tool]
