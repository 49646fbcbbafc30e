"""Labelled structures of other people's files."""

from pathlib import Path

from weighin.core.errors import DataError
from weighin.families.forcefields.spec import Spec
from weighin.families.forcefields.store import Frames


def files(spec: Spec) -> list[Path]:
    """The files that a spec means. Raises DataError where there are none."""
    raise DataError(f"There is nothing at {spec.path}")


def read(spec: Spec) -> Frames:
    """All labelled structures of a spec."""
    raise DataError(f"There is nothing at {spec.path}")
