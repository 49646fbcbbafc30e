"""The verb ``export``: record what the predictor does, save the parts for a runtime, replay and compare.

An export that does not agree with the original is refused with its figures; one that fails leaves a record of why,
so that a comparison can show it.
"""

import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from weighin.core import environment, registry
from weighin.core.config import Variant
from weighin.core.engine import Say, silent
from weighin.core.errors import ExportError, MissingError
from weighin.core.family import Family, Part
from weighin.core.files import hash_path, storing, write_json
from weighin.core.recording import Recorder, eager
from weighin.core.run import Run
from weighin.core.runtime import Runtime
from weighin.steps.parity import parity
from weighin.steps.predictors import export_folder, export_record, members, parts_of, variant_of
from weighin.steps.train import sample

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
    record = export_record(run, runtime)
    if record is None:
        with run.locked():
            record = export_record(run, runtime) or _make(family, variant, run, executor, say)
    if record["error"]:
        raise ExportError(f"{run.path.name} to {runtime}: {record['error']}")
    return folder


def _make(family: Family[Any, Any, Any], variant: Variant[Any, Any], run: Run, executor: Runtime, say: Say) -> dict[str, Any]:
    """Writes the export into a temporary folder and renames it; a failure is recorded in the same way."""
    say(f"export {variant.name}", 0.0, executor.full_name)
    began = time.perf_counter()
    record: dict[str, Any] = {"runtime": executor.full_name, "weights_hash": run.info.weights_hash, "error": ""}
    record |= {"versions": environment.versions(), "parts": {}, "files": {}, "parity": {}}
    folder = export_folder(run, executor.full_name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with storing(folder), tempfile.TemporaryDirectory(prefix=".export-", dir=folder.parent) as name:
        temporary = Path(name) / "new"
        temporary.mkdir()
        try:
            tapes, parts = record_tape(family, variant, run)
            _save_parts(parts, tapes, executor, temporary, record)
        except ExportError as error:
            record["error"] = str(error)
        record["files"] = {p.name: hash_path(p) for p in sorted(temporary.iterdir())} if not record["error"] else {}
        record["seconds"] = time.perf_counter() - began
        write_json(temporary / "export.json", record)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    say(f"export {variant.name}", 1.0, executor.full_name)
    return record


def record_tape(family: Family[Any, Any, Any], variant: Variant[Any, Any], run: Run) -> tuple[Mapping[str, Any], Mapping[str, Part]]:
    """The parts of a run, and what flowed through each while the predictor answered real examples."""
    parts = parts_of(family, variant, run)
    recorder = Recorder(eager(parts))
    examples = sample(family.examples(variant.recipe.data, "validation"), TAPE, 1)
    family.predictor(recorder.parts, variant, run.assets)([example.x for example in examples])
    silent_parts = [name for name in parts if not recorder.tapes.get(name)]
    if silent_parts:
        raise ExportError(f"The predictor of {variant.name} never called part {', '.join(silent_parts)} on {len(examples)} examples")
    return recorder.tapes, parts


def _save_parts(parts: Mapping[str, Part], tapes: Mapping[str, Sequence[Any]], executor: Runtime, folder: Path, record: dict[str, Any]) -> None:
    for name, part in parts.items():
        path = folder / (name.replace("/", "-") + executor.suffix)
        tape = tapes[name]
        executor.save(part, [call.inputs for call in tape], path)
        exact = executor.precision in executor.exact
        seen = parity(part, executor.load(path, 1), tape, exact)
        record["parts"][name] = path.name
        record["parity"][name] = {"max_abs": seen.max_abs, "max_rel": seen.max_rel, "n": seen.n, "passed": seen.passed}
        if not seen.passed:
            allowed = f"{part.tolerance:g} of the output's largest value" if exact else "half of the output's largest value"
            raise ExportError(
                f"Part {name} does not agree with the original: largest error {seen.max_abs:.3g} ({seen.max_rel:.3g} of the largest value, {seen.n} calls)",
                f"Allowed is {allowed}",
            )


def run_job(arguments: Mapping[str, Any], say: Say) -> list[str]:
    """For engines: ``{"run": folder, "runtime": name}`` -> export folders."""
    run = Run.open(Path(arguments["run"]))
    family = registry.family(run.info.family)
    return [str(path) for path in export(family, variant_of(family, run), run, arguments["runtime"], say=say)]
