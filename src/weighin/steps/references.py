"""From what people write to what is meant: ``family/variant``, or the folder of a run."""

from pathlib import Path
from typing import Any

from weighin.core import registry
from weighin.core.config import Variant
from weighin.core.engine import Say, silent
from weighin.core.errors import ConfigError
from weighin.core.family import Family
from weighin.core.run import Run
from weighin.steps.predictors import variant_of
from weighin.steps.train import train

Opened = tuple[Family[Any, Any, Any], Variant[Any, Any], Run]


def resolve(reference: str) -> tuple[Family[Any, Any, Any], Variant[Any, Any]]:
    """``family/variant``. Raises ConfigError with the names that there are."""
    name, _, found = reference.partition("/")
    family = registry.family(name)
    if not found:
        known = ", ".join(family.variants())
        raise ConfigError(f"{reference!r} names no variant", f"There are: {known}", f"Write {name}/VARIANT")
    return family, family.variant(found)


def opened(reference: "str | Path | Run", runs: Path | str | None, say: Say = silent) -> Opened:
    """A run by object, folder, or ``family/variant`` - then the trained run of that variant, used as it says."""
    if isinstance(reference, str) and _names_variant(reference):
        family, found = resolve(reference)
        return family, found, train(family, found, root=runs, say=say)
    run = reference if isinstance(reference, Run) else Run.open(Path(reference))
    family = registry.family(run.info.family)
    return family, variant_of(family, run), run


def _names_variant(reference: str) -> bool:
    """Whether ``reference`` is ``family/variant``, not the folder of a run (which may be missing or damaged)."""
    path = Path(reference)
    if (path / "run.json").exists() or reference.count("/") > 1 or reference[:1] in (".", "/", "~"):
        return False
    return not path.exists() or reference.partition("/")[0] in registry.names("families")
