"""Finds plug-ins: the path is the name. No list of names stands anywhere.

A family is ``families/<name>/family.py``, a runtime ``runtimes/<name>.py``, an engine ``engines/<name>.py`` - in
this package, in any folder of ``WEIGHIN_PLUGINS`` (with the same subfolders), or in another package that declares
an entry point in the group ``weighin.families``, ``weighin.runtimes`` or ``weighin.engines``.
"""

import importlib
import inspect
import os
from contextlib import suppress
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from weighin.core.engine import Engine
from weighin.core.errors import ConfigError, MissingError, WeighinError, unknown
from weighin.core.family import Family
from weighin.core.runtime import Runtime


def _package(kind: str) -> ModuleType:
    """The package ``weighin.<kind>`` with the folders of WEIGHIN_PLUGINS on its path."""
    package = importlib.import_module(f"weighin.{kind}")
    roots = [Path(root).resolve() / kind for root in os.environ.get("WEIGHIN_PLUGINS", "").split(os.pathsep) if root]
    package.__path__[:] = [str(Path(str(package.__file__)).parent), *(str(root) for root in roots if root.is_dir())]
    return package


def names(kind: str) -> dict[str, str | EntryPoint]:
    """Name -> module path or entry point, without importing any plug-in. ``kind``: families, runtimes or engines."""
    pattern, tail = ("*/family.py", ".family") if kind == "families" else ("*.py", "")
    found: dict[str, str | EntryPoint] = {e.name: e for e in entry_points(group=f"weighin.{kind}")}
    for root in _package(kind).__path__:
        plain = [path.parent.name if tail else path.stem for path in Path(root).glob(pattern)]
        found |= {name: f"weighin.{kind}.{name}{tail}" for name in plain if not name.startswith(("_", "."))}
    return dict(sorted(found.items()))


def _load(kind: str, name: str, base: type[Any]) -> Any:
    known = names(kind)
    if name not in known:
        raise unknown({"families": "family", "runtimes": "runtime", "engines": "engine"}[kind], name, known)
    where = known[name]
    try:
        plugin = importlib.import_module(where) if isinstance(where, str) else where.load()
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("weighin"):
            raise
        hint = f"pip install 'weighin[{name}]'" if isinstance(where, str) else f"pip install {error.name}"
        raise MissingError(f"{name} needs the package {error.name!r}, which is not installed", hint=hint) from error
    except AttributeError as error:
        if isinstance(where, str):
            raise
        raise ConfigError(f"The entry point {name} = {where.value} leads nowhere: {error}") from error
    final = plugin if inspect.isclass(plugin) else _final_class(plugin, base)
    _check(final, name, base)
    return final


def _check(final: type[Any], name: str, base: type[Any]) -> None:
    if not issubclass(final, base):
        raise ConfigError(f"The plug-in {name} is {final.__name__}", f"It must be a {base.__name__}")
    if inspect.isabstract(final):
        lacking = ", ".join(sorted(final.__abstractmethods__))
        raise ConfigError(f"{final.__module__}.{final.__name__} is abstract", f"It must still define {lacking}")
    if base is not Engine and getattr(final, "name", None) != name:
        came = f"The plug-in {name} says that its name is {getattr(final, 'name', None)!r}"
        raise ConfigError(came, "The path is the name", f"Write name = {name!r} into {final.__name__}")


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
    return _load("families", name, Family)()


def runtime(name: str) -> Runtime:
    """The runtime of that full name, such as ``onnx:int8``."""
    file, _, precision = name.partition(":")
    if file not in names("runtimes"):
        raise unknown("runtime", name, runtimes())
    final = _load("runtimes", file, Runtime)
    if precision not in final.precisions:
        raise unknown("runtime", name, runtimes())
    return final(precision)


def precisions(name: str) -> tuple[str, ...]:
    """The precisions of the runtime plug-in ``name``, a file's name; "" is full precision. Raises as :func:`family` does."""
    return _load("runtimes", name, Runtime).precisions


def runtimes() -> list[str]:
    """Full names of every runtime found, in the order of a report; those that cannot be loaded are left out."""
    classes = []
    for name in names("runtimes"):
        with suppress(WeighinError):
            classes.append(_load("runtimes", name, Runtime))
    return [c(p).full_name for c in sorted(classes, key=lambda c: (c.order, c.name)) for p in c.precisions]


def usual() -> list[str]:
    """The runtimes that a comparison or an export takes unless told otherwise: not deprecated, and able to run here."""
    found = [runtime(name) for name in runtimes()]
    return [r.full_name for r in found if r.precision in r.default and not r.deprecated and r.why_not() is None]


def engine(name: str) -> Engine:
    """The engine of that name, such as ``local``; ``ray://address`` passes the address on."""
    plain, _, address = name.partition("://")
    return _load("engines", plain, Engine)(address)


def forget() -> None:
    """Looks for plug-ins again (tests, notebooks)."""
    family.cache_clear()
    importlib.invalidate_caches()
