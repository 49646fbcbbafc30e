"""Finds plug-ins: the path is the name. No list of names stands anywhere.

A family is ``families/<name>/family.py``, a runtime ``runtimes/<name>.py``, an engine ``engines/<name>.py`` - in
this package, in any folder of ``WEIGHIN_PLUGINS`` (with the same subfolders), or in another package that declares
an entry point in the group ``weighin.families``, ``weighin.runtimes`` or ``weighin.engines``.
"""

import importlib
import inspect
import os
import pkgutil
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from weighin.core.engine import Engine
from weighin.core.errors import ConfigError, MissingError, unknown
from weighin.core.family import Family
from weighin.core.runtime import Runtime

Kind = TypeVar("Kind")


def _package(kind: str) -> ModuleType:
    """The package ``weighin.<kind>`` with the folders of WEIGHIN_PLUGINS on its path."""
    package = importlib.import_module(f"weighin.{kind}")
    for root in filter(None, os.environ.get("WEIGHIN_PLUGINS", "").split(os.pathsep)):
        folder = str(Path(root).resolve() / kind)
        if folder not in package.__path__ and Path(folder).is_dir():
            package.__path__.append(folder)
    return package


def names(kind: str) -> dict[str, str | EntryPoint]:
    """Name -> module path or entry point, without importing any plug-in. ``kind``: families, runtimes or engines."""
    package = _package(kind)
    tail = ".family" if kind == "families" else ""
    found: dict[str, str | EntryPoint] = {e.name: e for e in entry_points(group=f"weighin.{kind}")}
    for module in pkgutil.iter_modules(package.__path__):
        if bool(tail) == module.ispkg and not module.name.startswith("_"):
            found[module.name] = f"weighin.{kind}.{module.name}{tail}"
    return dict(sorted(found.items()))


def _load(kind: str, name: str, base: type[Kind]) -> type[Kind]:
    known = names(kind)
    if name not in known:
        raise unknown({"families": "family", "runtimes": "runtime", "engines": "engine"}[kind], name, known)
    where = known[name]
    try:
        plugin = importlib.import_module(where) if isinstance(where, str) else where.load()
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("weighin"):
            raise
        raise MissingError(
            f"{name} needs the package {error.name!r}, which is not installed", hint=f"pip install 'weighin[{name}]'"
        ) from error
    return plugin if inspect.isclass(plugin) else _final_class(plugin, base)


def _final_class(module: ModuleType, base: type[Any]) -> Any:
    """The one concrete class of ``base`` that the module itself defines."""
    found = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, base) and value.__module__ == module.__name__
    ]
    final = [value for value in found if not inspect.isabstract(value)]
    if len(final) != 1:
        missing = sorted(getattr(found[0], "__abstractmethods__", ())) if found else []
        raise ConfigError(
            f"{module.__name__} defines {len(final)} concrete {base.__name__} classes",
            "A plug-in defines exactly one",
            f"Still abstract: {', '.join(missing)}" if missing else "",
        )
    return final[0]


@cache
def family(name: str) -> Family[Any, Any, Any]:
    """The family of that name. Raises ConfigError for an unknown name, MissingError for a missing package."""
    final = _load("families", name, Family)
    return final()


def runtime(name: str) -> Runtime:
    """The runtime of that full name, such as ``onnx:int8``."""
    file, _, precision = name.partition(":")
    if file not in names("runtimes"):
        raise unknown("runtime", name, runtimes())
    final = _load("runtimes", file, Runtime)
    if precision not in final.precisions:
        raise unknown("runtime", name, runtimes())
    return final(precision)


def runtimes() -> list[str]:
    """Full names of every runtime found, in the order of a report."""
    classes = [_load("runtimes", name, Runtime) for name in names("runtimes")]
    return [c(p).full_name for c in sorted(classes, key=lambda c: (c.order, c.name)) for p in c.precisions]


def engine(name: str) -> Engine:
    """The engine of that name, such as ``local``; ``ray://address`` passes the address on."""
    plain, _, address = name.partition("://")
    final = _load("engines", plain, Engine)
    return final(address)


def forget() -> None:
    """Looks for plug-ins again (tests, notebooks)."""
    family.cache_clear()
    importlib.invalidate_caches()
