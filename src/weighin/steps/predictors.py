"""Predictors: the parts of one run, or of a composite's members, bound to a runtime."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weighin.core import environment, registry
from weighin.core.config import Variant, validate
from weighin.core.errors import RunError
from weighin.core.family import Bound, Family, Part, Predictor
from weighin.core.files import hash_path
from weighin.core.recording import eager
from weighin.core.run import Run, find


def members(run: Run, variant: Variant[Any, Any]) -> dict[str, Run]:
    """Prefix -> run that holds weights: ``{"": run}``, or ``{"tiny/": run, ...}`` for a composite."""
    if not variant.of:
        return {"": run}
    root, found = run.path.parent.parent, {}
    for name in variant.of:
        member = find(root, run.info.family, run.info.links[name])
        if member is None:
            raise RunError(
                f"{run.path} is made of {name} ({run.info.links[name]}), which is not under {root}", hint="Train it again"
            )
        if run.info.training.get("members", {}).get(name, member.info.weights_hash) != member.info.weights_hash:
            hint = f"weighin train {run.info.family}/{run.info.variant} fits it anew"
            raise RunError(f"{run.path} was fitted to other weights of {name}", hint=hint)
        found[f"{name}/"] = member
    return found


def variant_of(family: Family[Any, Any, Any], run: Run) -> Variant[Any, Any]:
    """The variant that a run was made as: the run's model and recipe, used as the family's variant of that name is.

    A composite is its use: its members and its dials are the run's own.
    """
    known = family.variants()
    base = known.get(run.info.variant) or next(iter(known.values()))
    raw = base.model_dump(mode="json") | {"name": run.info.variant, "model": run.info.model, "recipe": run.info.recipe}
    if run.info.variant not in known or run.info.of:
        raw |= {"predict": run.info.predict, "of": run.info.of}
    return validate(type(base), raw, str(run.path / "run.json"))


def parts_of(family: Family[Any, Any, Any], variant: Variant[Any, Any], run: Run) -> Mapping[str, Part]:
    """The parts of a run that holds weights, with those weights. Raises RunError when they are damaged."""
    return family.parts(run.load_into(family.build(variant)), variant)


def eager_parts(family: Family[Any, Any, Any], variant: Variant[Any, Any], run: Run) -> dict[str, Part]:
    """All parts that the predictor receives, composites' under ``member/part``."""
    return {
        prefix + name: part
        for prefix, member in members(run, variant).items()
        for name, part in parts_of(family, variant_of(family, member) if prefix else variant, member).items()
    }


def eager_predictor(family: Family[Any, Any, Any], variant: Variant[Any, Any], run: Run) -> Predictor[Any, Any]:
    """The predictor on the untouched module in torch: what every export is compared with."""
    run.check_assets()
    return family.predictor(eager(eager_parts(family, variant, run)), variant, run.assets)


def export_folder(run: Run, runtime: str) -> Path:
    """``exports/onnx-int8`` of a run."""
    return run.path / "exports" / runtime.replace(":", "-")


def artefacts(run: Run, runtime: str) -> dict[str, Path]:
    """Part -> exported file of a run that holds weights. Raises RunError when missing, stale or tampered with."""
    folder = export_folder(run, runtime)
    record = export_record(run, runtime)
    if record is None:
        raise RunError(f"{run.path} is not exported to {runtime}", hint=f"weighin export {run.path} --runtime {runtime}")
    if record["error"]:
        raise RunError(f"{run.path} could not be exported to {runtime}: {record['error']}")
    for name, wanted in record["files"].items():
        if not (folder / name).exists() or hash_path(folder / name) != wanted:
            came = f"{folder / name} is missing or is not the file that the export wrote"
            raise RunError(came, hint=f"Delete {folder} and export again")
    return {part: folder / name for part, name in record["parts"].items()}


def export_record(run: Run, runtime: str) -> dict[str, Any] | None:
    """``export.json`` of these weights; None when there is none (any more). A failure counts for its library versions only."""
    path = export_folder(run, runtime) / "export.json"
    if not path.exists():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        failed, weights = record["error"] and record["versions"], record["weights_hash"]
    except (OSError, ValueError, KeyError, TypeError):
        raise RunError(f"{path} is damaged", hint=f"Delete {path.parent} and export again") from None
    stale = weights != run.info.weights_hash or (failed and failed != versions_of(run, runtime))
    return None if stale else record


def versions_of(run: Run, runtime: str) -> dict[str, str]:
    """Versions of the libraries that make and run an export."""
    return environment.versions(*registry.family(run.info.family).libraries, *registry.runtime(runtime).libraries)


def load_predictor(
    family: Family[Any, Any, Any], variant: Variant[Any, Any], run: Run, runtime: str, threads: int = 1
) -> Predictor[Any, Any]:
    """The predictor on exported artefacts, verified by hash before anything is loaded."""
    executor = registry.runtime(runtime)
    reason = executor.why_not()
    if reason:
        raise RunError(f"Runtime {runtime} cannot run here: {reason}")
    bound: dict[str, Bound] = {}
    for prefix, member in members(run, variant).items():
        for name, path in artefacts(member, runtime).items():
            bound[prefix + name] = executor.load(path, threads)
    run.check_assets()
    return family.predictor(bound, variant, run.assets)
