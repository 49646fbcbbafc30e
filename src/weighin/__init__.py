"""weighin puts a family of model variants on the scales and says, with evidence, which one to ship.

The functions here are the verbs of the command line, by the same names. Nothing heavy is imported before one is called.

>>> import weighin
>>> weighin.family_names()
['glyphs']
>>> predict = weighin.load("glyphs/nano")              # trains it if it is not there
>>> report = weighin.compare("glyphs", variants=["nano"], runtimes=["torch", "onnx"])
>>> weighin.pick(report, best="top1", limits=["size_mb<=2"]).sentence
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weighin.core.config import Variant
    from weighin.core.engine import Say
    from weighin.core.result import Candidate, Pick, Report
    from weighin.core.run import Run

__version__ = "0.1.0"


def family_names() -> list[str]:
    """Names of all families that are found; none is imported. (``weighin.families`` is the package of them.)"""
    from weighin.core import registry

    return list(registry.names("families"))


def variants(family: str) -> list[dict[str, Any]]:
    """Every variant: name, parameters, trainable parameters (counted from the built model, no weights needed), settings.

    ``why_not`` says what is not here where a variant needs other people's weights; None where it can be built.
    """
    from weighin.core import registry
    from weighin.steps.candidate import count

    found = registry.family(family)
    known = found.variants()

    def line(variant: "Variant[Any, Any]") -> dict[str, Any]:
        members = [known[name] for name in variant.of] or [variant]
        return {
            "variant": variant.name,
            "parameters": sum(count(found, m) for m in members),
            "trainable": sum(count(found, m, trainable=True) for m in members),
            "settings": variant.model_dump(mode="json", exclude={"name"}),
            "why_not": next((why for m in members if (why := found.why_not(m))), None),
        }

    return [line(variant) for variant in known.values()]


def variant(reference: str, file: Path | str | None = None, settings: Mapping[str, Any] | None = None) -> "Variant[Any, Any]":
    """``family/variant``, with a YAML file and dotted settings laid over it. Raises ConfigError."""
    from weighin.core.config import from_yaml
    from weighin.steps.references import resolve

    _, found = resolve(reference)
    if file:
        found = from_yaml(Path(file), found)
    return found.but(**settings) if settings else found


def train(
    reference: str,
    *,
    file: Path | str | None = None,
    settings: Mapping[str, Any] | None = None,
    runs: Path | str | None = None,
    say: "Say | None" = None,
    loggers: Sequence[str] = (),
) -> "Run":
    """The trained run of ``family/variant``; made if it is not there, resumed if it was interrupted."""
    from weighin.core.engine import silent
    from weighin.steps.references import resolve
    from weighin.steps.train import train as step

    family, _ = resolve(reference)
    return step(family, variant(reference, file, settings), root=runs, say=say or silent, loggers=loggers)


def distill(
    reference: str,
    teacher: str,
    *,
    settings: Mapping[str, Any] | None = None,
    runs: Path | str | None = None,
    say: "Say | None" = None,
) -> "Run":
    """``train`` with a teacher (a variant or a run); what is matched comes from the recipe, else from the family."""
    from weighin.steps.references import resolve

    family, found = resolve(reference)
    changes: dict[str, Any] = {"recipe.teacher": teacher.removeprefix(f"{family.name}/")}
    if not found.recipe.match and not found.recipe.relabel:
        changes |= {"recipe.match": {k: m.model_dump() for k, m in family.match.items()}, "recipe.relabel": not family.match}
    return train(reference, settings=changes | dict(settings or {}), runs=runs, say=say)


def export(
    run: "str | Path | Run", runtimes: Sequence[str] = (), *, runs: Path | str | None = None, say: "Say | None" = None
) -> list[Path]:
    """Folders of the exported run, one a runtime (and member). Raises ExportError with the reason.

    Without ``runtimes``: those of :func:`weighin.core.registry.usual`.
    """
    from weighin.core import registry
    from weighin.core.engine import silent
    from weighin.steps.export import export as step
    from weighin.steps.references import opened

    wanted = [registry.runtime(name).full_name for name in runtimes or registry.usual()]
    family, found, opened = opened(run, runs, say or silent)
    return [path for runtime in wanted for path in step(family, found, opened, runtime, say=say or silent)]


def load(
    reference: "str | Path | Run",
    runtime: str = "",
    *,
    threads: int = 1,
    runs: Path | str | None = None,
    say: "Say | None" = None,
) -> Callable[[Sequence[Any]], list[Any]]:
    """A callable of users' types for a run or ``family/variant``; trains and exports what is missing."""
    from weighin.core import registry
    from weighin.core.engine import silent
    from weighin.steps.export import export as step
    from weighin.steps.predictors import eager_predictor, load_predictor
    from weighin.steps.references import opened

    runtime = registry.runtime(runtime).full_name if runtime else ""
    family, found, run = opened(reference, runs, say or silent)
    if not runtime:
        return eager_predictor(family, found, run)
    step(family, found, run, runtime, say=say or silent)
    return load_predictor(family, found, run, runtime, threads)


def weigh(
    references: Sequence["str | Path | Run"],
    *,
    runtimes: Sequence[str] = (),
    data: str | None = None,
    runs: Path | str | None = None,
    say: "Say | None" = None,
    **how: Any,
) -> list[Any]:
    """Candidates with every measurement, on the first runtime unless told otherwise; ``how``: see ``steps.weigh``."""
    from weighin.core import registry
    from weighin.core.engine import silent
    from weighin.core.errors import ExportError
    from weighin.core.result import Candidate
    from weighin.steps.candidate import Weighed
    from weighin.steps.export import export as make
    from weighin.steps.references import opened
    from weighin.steps.weigh import weigh as step

    threads, wanted = how.pop("threads", 1), [registry.runtime(r).full_name for r in runtimes or registry.runtimes()[:1]]
    candidates, broken = [], []
    # all are trained before an export sets the threads of torch
    for family, found, run in [opened(reference, runs, say or silent) for reference in references]:
        for runtime in wanted:
            try:
                make(family, found, run, runtime, say=say or silent)
            except ExportError as error:  # a row with its reason, as in a report
                row = Candidate(variant=found.name, runtime=runtime, run=run.path.name, status="failed", reason=str(error))
                broken.append(row)
                continue
            candidates.append(Weighed(family, found, run, runtime, data or found.recipe.data, threads))
    return step(candidates, say=say or silent, **how) + broken


def compare(
    family: str, *, runs: Path | str | None = None, out: Path | str | None = None, say: "Say | None" = None, **plan: Any
) -> "Report":
    """The main job: trains, exports and weighs what is missing, writes the report. ``plan``: ``weighin.steps.compare.Plan``."""
    from weighin.core.engine import silent
    from weighin.steps.compare import Plan
    from weighin.steps.compare import compare as step

    return step(Plan(family, **plan), root=runs, out=out, say=say or silent)[0]


def pick(
    report: "Report | Path | str",
    *,
    best: str | None = None,
    limits: Sequence[str] = (),
    optimistic: bool = False,
    allow_imported: bool = False,
) -> "Pick":
    """Which candidate to ship: ``best`` under ``limits`` such as ``"latency_p90_ms<=5"``."""
    from weighin.core.result import Report
    from weighin.steps.overview import read
    from weighin.steps.pick import parse_limit
    from weighin.steps.pick import pick as step

    whole = report if isinstance(report, Report) else read(Path(report))
    return step(
        whole,
        best or whole.primary,
        [parse_limit(text) for text in limits],
        optimistic=optimistic,
        allow_imported=allow_imported,
    )


def predict(
    reference: str,
    paths: Sequence[Path | str],
    *,
    runtime: str = "",
    out: Path | str | None = None,
    runs: Path | str | None = None,
    settings: Mapping[str, Any] | None = None,
    emit: Callable[[dict[str, Any]], None] = lambda line: None,
    say: "Say | None" = None,
) -> tuple[int, int]:
    """Answers files and folders; see ``weighin.steps.predict``. Returns how many inputs were answered and refused."""
    from weighin.core import registry
    from weighin.core.engine import silent
    from weighin.steps.export import export as make
    from weighin.steps.predict import predict as step
    from weighin.steps.references import opened

    runtime = registry.runtime(runtime).full_name if runtime else ""
    family, found, run = opened(reference, runs, say or silent)
    found = _used_otherwise(found, settings) if settings else found
    if runtime:
        make(family, found, run, runtime, say=say or silent)
    where = Path(out) if out else None
    return step(family, found, run, [Path(p) for p in paths], runtime=runtime, out=where, emit=emit, say=say or silent)


def use(
    family: str,
    tool: str,
    paths: Sequence[Path | str] = (),
    *,
    models: Sequence[str | Path] = (),
    runtime: str = "",
    settings: Mapping[str, Any] | None = None,
    out: Path | str | None = None,
    runs: Path | str | None = None,
    say: "Say | None" = None,
) -> Any:
    """A family's own tool (dynamics, an index); its summary, with its files under ``out``. See ``family.tools()``."""
    from weighin.core.engine import silent
    from weighin.steps.use import use as step

    how = {"models": models, "runtime": runtime, "settings": settings, "out": Path(out) if out else None}
    return step(family, tool, [Path(p) for p in paths], root=runs, say=say or silent, **how)


def verify(report: Path | str, *, again: Sequence[str] = (), runs: Path | str | None = None) -> list[str]:
    """Recomputes every figure of a report from its evidence; returns what differs, nothing when all holds."""
    from weighin.steps.verify import verify as step

    return step(Path(report), again=again, root=runs)


def import_measurements(file: Path | str, into: Path | str) -> "tuple[Report, list[Candidate]]":
    """Adds other tools' figures (CSV, JSON) to a report and writes it again; returns it, and what was added."""
    from weighin.steps.imports import import_measurements as step

    return step(Path(file), Path(into))


def track(report: Path | str, uri: str = "sqlite:///mlflow.db") -> dict[str, str]:
    """Logs a report to MLflow, one run a candidate; label -> id of the run, for those that were not there yet."""
    from weighin.steps.track import track as step

    return step(Path(report), uri)


def _used_otherwise(variant: "Variant[Any, Any]", settings: Mapping[str, Any]) -> "Variant[Any, Any]":
    """``predict`` dials only: the weights are there already."""
    from weighin.core.errors import ConfigError

    others = [key for key in settings if not key.replace("__", ".").startswith("predict.")]
    if others:
        came = f"predict got the setting {others[0]!r}"
        raise ConfigError(came, "The weights are made already: only predict.* can change", "weighin train takes the others")
    return variant.but(**settings)
