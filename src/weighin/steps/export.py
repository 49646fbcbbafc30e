"""The verb ``export``: record what the predictor does, save the parts for a runtime, replay and compare.

An export that does not agree with the original is refused with its figures; one that fails leaves a record of why,
so that a comparison can show it.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weighin.core import registry
from weighin.core.config import Variant, validate
from weighin.core.engine import Say, silent
from weighin.core.errors import ExportError, MissingError, StorageError, WeighinError
from weighin.core.family import Family, Part
from weighin.core.files import PARTIAL, hash_path, storing, write_json
from weighin.core.program import cause
from weighin.core.recording import Recorder, eager
from weighin.core.run import Run
from weighin.core.runtime import Runtime
from weighin.steps.parity import parity
from weighin.steps.predictors import (
    artefacts,
    export_folder,
    export_record,
    members,
    parts_of,
    variant_of,
    versions_of,
)
from weighin.steps.train import sample

FULL_DISK = 2**16  # bytes: converters say all sorts of things when less is left
TAPE = 512  # validation examples that the recording sees: tracing inputs, calibration and parity


def export(
    family: Family[Any, Any, Any], variant: Variant[Any, Any], run: Run, runtime: str, *, say: Say = silent
) -> list[Path]:
    """Folders with the artefacts of the run (of every member, for a composite). Raises ExportError, MissingError."""
    executor = registry.runtime(runtime)
    reason = executor.why_not()
    if reason:
        raise MissingError(f"Runtime {runtime} cannot run here: {reason}")
    return [
        _export_one(family, variant_of(family, member) if prefix else variant, member, executor, say)
        for prefix, member in members(run, variant).items()
    ]


def _export_one(family: Family[Any, Any, Any], variant: Variant[Any, Any], run: Run, executor: Runtime, say: Say) -> Path:
    folder, runtime = export_folder(run, executor.full_name), executor.full_name
    note = export_record(run, runtime)
    if note is None:
        with run.locked():
            note = export_record(run, runtime) or _make(family, variant, run, executor, say)
    if note["error"]:
        raise ExportError(f"{run.path.name} to {runtime}: {note['error']}")
    artefacts(run, runtime)  # raises where one was tampered with
    return folder


def _make(family: Family[Any, Any, Any], variant: Variant[Any, Any], run: Run, executor: Runtime, say: Say) -> dict[str, Any]:
    """Writes the export into a temporary folder and renames it; a failure is recorded in the same way."""
    say(f"export {variant.name}", 0.0, executor.full_name)
    began = time.perf_counter()
    note: dict[str, Any] = {"runtime": executor.full_name, "weights_hash": run.info.weights_hash, "error": ""}
    note |= {"versions": versions_of(run, executor.full_name), "parts": {}, "files": {}, "parity": {}}
    folder = export_folder(run, executor.full_name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with storing(folder), tempfile.TemporaryDirectory(prefix=f".export{PARTIAL}{os.getpid()}-", dir=folder.parent) as name:
        temporary = Path(name) / "new"
        temporary.mkdir()
        try:
            recorder, parts = record(family, variant, run)
            _save_parts(parts, recorder, executor, temporary, note)
        except ExportError as error:
            if shutil.disk_usage(temporary).free < FULL_DISK:
                raise StorageError(
                    f"Cannot write {folder}: the disk is full", hint="Free some space and start again"
                ) from error
            note["error"] = str(error)
            for leftover in temporary.iterdir():
                leftover.unlink()
        note["files"] = {p.name: hash_path(p) for p in sorted(temporary.iterdir())}
        note["seconds"] = time.perf_counter() - began
        write_json(temporary / "export.json", note)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    say(f"export {variant.name}", 1.0, executor.full_name)
    return note


def record(family: Family[Any, Any, Any], variant: Variant[Any, Any], run: Run) -> tuple[Recorder, Mapping[str, Part]]:
    """What flowed through each part while the predictor answered real examples, singly and many at once; and the parts."""
    parts = parts_of(family, variant, run)
    recorder = Recorder(eager(parts))
    predict = family.predictor(recorder.bound, variant, run.assets)
    inputs = [example.x for example in sample(family.examples(variant.recipe.data, "validation"), TAPE, 1)]
    for chunk in [inputs, *([x] for x in inputs[:8])]:
        predict(chunk)
    unused = [name for name in parts if not recorder.calls(name)]
    if unused:
        raise ExportError(f"The predictor of {variant.name} never called part {', '.join(unused)} on {len(inputs)} examples")
    return recorder, parts


def _save_parts(parts: Mapping[str, Part], recorder: Recorder, executor: Runtime, folder: Path, note: dict[str, Any]) -> None:
    for name, part in parts.items():
        path = folder / (name.replace("/", "-") + executor.suffix)
        try:
            executor.save(part, recorder.inputs(name), path)
            seen = parity(part, executor.load(path, 1), recorder.calls(name), executor.precision in executor.exact)
        except (WeighinError, OSError):
            raise
        except Exception as error:  # a crash in somebody's runtime is a row of the report, not the end of a comparison
            raise ExportError(f"Part {name}: {type(error).__name__}: {cause(error)}") from error
        note["parts"][name] = path.name
        note["parity"][name] = {
            "max_abs": seen.max_abs,
            "max_rel": seen.max_rel,
            "n": seen.n,
            "passed": seen.passed,
        }
        if not seen.passed:
            raise ExportError(f"Part {name} does not agree with the original over {seen.n} calls: {seen.reason}")


def run_job(arguments: Mapping[str, Any], say: Say) -> list[str]:
    """For engines: ``{"run": folder, "variant": settings, "runtime": name}`` -> export folders."""
    run = Run.open(Path(arguments["run"]))
    family = registry.family(run.info.family)
    variant = validate(type(family.variant("nano")), arguments["variant"], "job")
    return [str(path) for path in export(family, variant, run, arguments["runtime"], say=say)]
