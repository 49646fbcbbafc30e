"""One root class for everything weighin raises on purpose.

A message says what came, what was allowed, and what to do next. The library raises; the door
(command line, server) translates: exit code 2 or an HTTP status. Anything else is a bug of ours.
"""

import difflib
from collections.abc import Iterable


class WeighinError(Exception):
    """What came, what was allowed, what to do next - three short phrases, the last two optional."""

    def __init__(self, came: str, allowed: str = "", hint: str = "") -> None:
        self.came, self.allowed, self.hint = came, allowed, hint
        super().__init__(" ".join(_sentence(part) for part in (came, allowed, hint) if part))


def _sentence(phrase: str) -> str:
    return phrase if phrase.endswith(("?", "!", ".")) else f"{phrase}."


class ConfigError(WeighinError):
    """A wrong name, key or value in a variant, recipe, YAML file or on the command line."""


class DataError(WeighinError):
    """Data that cannot be found, read or used."""


class InputError(WeighinError):
    """One input to a predictor that cannot be read or is not allowed."""


class RunError(WeighinError):
    """A run folder that is missing, damaged, in use, or of another variant."""


class ExportError(WeighinError):
    """A part that could not be exported, or whose export does not agree with the original."""


class MissingError(WeighinError):
    """An optional package, program or set of weights that is not to be had here."""


class StorageError(WeighinError):
    """Nothing could be written: full disk, no permission."""


def closest(name: str, allowed: Iterable[str]) -> str:
    """A hint such as ``Did you mean 'tiny'?``, or an empty string."""
    near = difflib.get_close_matches(name, list(allowed), n=1, cutoff=0.5)
    return f"Did you mean {near[0]!r}?" if near else ""


def unknown(what: str, name: str, allowed: Iterable[str]) -> ConfigError:
    """The error for a name that is not in a list, with the nearest one that is."""
    names = sorted(allowed)
    return ConfigError(f"No {what} is called {name!r}", f"There are: {', '.join(names) or 'none'}", closest(name, names))
