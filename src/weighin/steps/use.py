"""The verb ``use``: a family's own tools, with trained models on any runtime."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from weighin.core import registry
from weighin.core.config import Settings, validate
from weighin.core.engine import Say, silent
from weighin.core.errors import ConfigError, unknown
from weighin.core.files import storing
from weighin.core.tool import Loaded, Tool, ToolCall
from weighin.steps.export import export
from weighin.steps.predictors import eager_predictor, load_predictor
from weighin.steps.references import Opened, opened


def tool_of(family: str, name: str) -> Tool:
    """A tool by name. Raises ConfigError with those that there are."""
    known = registry.family(family).tools()
    if name not in known:
        raise unknown(f"tool of {family}", name, known)
    return known[name]


def use(
    family: str,
    name: str,
    paths: Sequence[Path],
    *,
    models: Sequence[str | Path] = (),
    runtime: str = "",
    settings: Mapping[str, Any] | None = None,
    out: Path | None = None,
    root: Path | str | None = None,
    say: Say = silent,
) -> Any:
    """What the tool answers, as plain JSON; its files lie under ``out`` (default: ``./FAMILY-TOOL``)."""
    tool = tool_of(family, name)
    tool.checked(name, len(models))
    dials: Settings = validate(tool.dials, dict(settings or {}), f"{family} {name}")
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise ConfigError(f"There is no {missing[0]}", f"{name} takes files and folders that exist")
    loaded = _loaded(family, [opened(model, root, say) for model in models], runtime, say)
    folder = out or Path(f"{family}-{name}")
    with storing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return tool.work(ToolCall(list(paths), dials, folder, loaded, say))


def _loaded(family: str, found: Sequence[Opened], runtime: str, say: Say) -> tuple[Loaded, ...]:
    names = [variant.name for _, variant, _ in found]
    return tuple(_load(family, one, runtime, names, say) for one in found)


def _load(family: str, one: Opened, runtime: str, names: Sequence[str], say: Say) -> Loaded:
    owner, variant, run = one
    if owner.name != family:
        raise ConfigError(f"{run.path} is a run of {owner.name}", f"This tool takes models of {family}")
    if runtime:
        full = registry.runtime(runtime).full_name
        export(owner, variant, run, full, say=say)
        predict = load_predictor(owner, variant, run, full)
    else:
        predict = eager_predictor(owner, variant, run)
    module = None if variant.of else run.load_into(owner.build(variant))
    name = variant.name if names.count(variant.name) == 1 else run.path.name
    return Loaded(name, variant, predict, module, run.assets)
