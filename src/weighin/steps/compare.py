"""The verb ``compare``: like make, it does what is missing - train, export, weigh - and ends in a report."""

import glob
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from weighin.core import registry
from weighin.core.config import Variant
from weighin.core.engine import Job, Say, silent
from weighin.core.errors import ConfigError, RunError, unknown
from weighin.core.family import Family
from weighin.core.files import storing
from weighin.core.result import Candidate, Report
from weighin.core.run import Run, runs_root
from weighin.steps import report as document
from weighin.steps.assemble import assemble
from weighin.steps.candidate import Weighed
from weighin.steps.limits import STANDARD, parse_limit, profile
from weighin.steps.predictors import variant_of
from weighin.steps.speed import BATCHES, ROUNDS
from weighin.steps.train import why_not
from weighin.steps.weigh import AGAIN, weigh


@dataclass(frozen=True)
class Plan:
    """What to compare, and how thoroughly. Empty lists mean the family's own choice."""

    family: str
    variants: Sequence[str] = ()
    given: Sequence[str] = ()  # folders of runs that exist, weighed as they are; alone or beside variants
    runtimes: Sequence[str] = ()
    data: str | None = None  # of training and test; None: what each variant's recipe says
    settings: Mapping[str, Any] = field(default_factory=dict)  # dotted keys, for every variant that trains
    examples: int | None = None
    rounds: int = ROUNDS
    batches: Sequence[int] = BATCHES
    threads: int = 1
    seed: int = 0
    best: str | None = None
    limits: Sequence[str] = ()
    profile: str | None = None  # a named goal with limits, to which ``best`` and ``limits`` are added
    engine: str = "local"
    again: Sequence[str] = ()


def compare(
    plan: Plan, *, root: Path | str | None = None, out: Path | str | None = None, say: Say = silent
) -> tuple[Report, Mapping[str, Path]]:
    """The report, and the files it was written to (``report.html``, ``.md``, ``.json``, ``.csv``, ``evidence/``).

    Interrupted, it goes on where it was; done, it does no work twice.
    """
    family, place = registry.family(plan.family), runs_root(root)
    lineup = lineup_of(family, plan)
    given = given_of(family, plan)
    names = list(plan.variants) or (() if given else list(family.compared) or [name for name in lineup if name != "nano"])
    chosen = [lineup[family.variant(name).name] for name in dict.fromkeys(names)]
    best, limits = asked_of(family, plan)  # mistakes are found before anything costs time
    data, runtimes = data_of([*chosen, *(v for v, _ in given)], plan), runtimes_of(plan)
    reasons = {variant.name: why_not(family, variant, place, lineup) for variant in chosen}
    absent = {name: reason for name, reason in reasons.items() if reason}
    chosen = [variant for variant in chosen if variant.name not in absent]
    runs, failures = _trained(family, chosen, lineup, plan, place, say)
    there = [(variant, runs[variant.name]) for variant in chosen if variant.name in runs] + given
    pairs = [(variant, run, runtime) for variant, run in there for runtime in runtimes]
    broken = _exported(pairs, plan, say)
    weighed = [
        Weighed(family, v, run, runtime, data, plan.threads) for v, run, runtime in pairs if (v.name, runtime) not in broken
    ]
    rows = weigh(
        weighed, examples=plan.examples, rounds=plan.rounds, batches=plan.batches, seed=plan.seed, say=say, again=plan.again
    )
    rows += [Candidate(variant=v, runtime=r, status="failed", reason=why) for (v, r), why in broken.items()]
    rows += [Candidate(variant=v, runtime="-", status="failed", reason=why) for v, why in failures.items()]
    rows += [Candidate(variant=v, runtime="-", status="not measured", reason=why) for v, why in absent.items()]
    say("report", 0.0, "")
    report = assemble(family, data, weighed, rows, best=best, limits=limits)
    folder = Path(out or f"report-{family.name}")
    _collect(weighed, folder / "evidence")
    files = document.write(report, folder)
    say("report", 1.0, str(folder))
    return report, files


def given_of(family: Family[Any, Any, Any], plan: Plan) -> list[tuple[Variant[Any, Any], Run]]:
    """The plan's runs, ``FOLDER`` or ``NAME=FOLDER``, as variants; a name that is taken gets the run's id. Raises RunError."""
    taken, found = set(plan.variants), []
    for reference in plan.given:
        wanted, _, folder = reference.rpartition("=")
        run = Run.open(Path(folder))
        if run.info.family != family.name or not run.trained:
            what = f"of {run.info.family}" if run.trained else "not trained"
            raise RunError(f"{reference} is {what}", f"A comparison of {family.name} takes trained runs of it")
        variant = variant_of(family, run)
        name = wanted or variant.name
        name = name if name not in taken else f"{name}-{run.info.id}"
        taken.add(name)
        found.append((variant.model_copy(update={"name": name}), run))
    return found


def asked_of(family: Family[Any, Any, Any], plan: Plan) -> tuple[str | None, list[str]]:
    """Goal (None: the primary score) and limits of profile and plan. Raises ConfigError for what nobody measures."""
    for kind in plan.again:
        if kind not in AGAIN:
            raise unknown("kind of measurement to do again", kind, AGAIN)
    names = {*STANDARD, *(score.name for score in family.scores)}
    best, limits = profile(plan.profile) if plan.profile else (None, [])
    if plan.best and plan.best not in names:
        raise unknown(f"measurement of {family.name}", plan.best, names)
    limits = [*limits, *(parse_limit(text, names) for text in plan.limits)]
    return plan.best or best, [f"{limit.name}{limit.op}{limit.bound!r}" for limit in limits]


def data_of(chosen: Sequence[Variant[Any, Any]], plan: Plan) -> str:
    """The one data set of a comparison: the plan's, or what all variants that train name."""
    trained = [v for v in chosen if not v.of] or chosen
    found = {v.recipe.data for v in trained} if plan.data is None else {plan.data}
    if len(found) > 1:
        came = f"The variants are trained on different data: {', '.join(sorted(found))}"
        raise ConfigError(came, "A comparison needs one data set", "Name it with --data")
    return found.pop()


def lineup_of(family: Family[Any, Any, Any], plan: Plan) -> dict[str, Variant[Any, Any]]:
    """The family's variants with the plan's settings laid over each: teachers and members are changed alike."""
    changes = dict(plan.settings) | ({"recipe.data": plan.data} if plan.data else {})
    return {name: variant.but(**changes) if changes else variant for name, variant in family.variants().items()}


def runtimes_of(plan: Plan) -> list[str]:
    """Those that the plan names, ``all``, or the default ones that can run here."""
    if plan.runtimes and list(plan.runtimes) != ["all"]:
        return list(dict.fromkeys(registry.runtime(name).full_name for name in plan.runtimes))
    return (
        [name for name in registry.runtimes() if registry.runtime(name).why_not() is None]
        if plan.runtimes
        else registry.usual()
    )


def _trained(
    family: Family[Any, Any, Any],
    chosen: Sequence[Variant[Any, Any]],
    lineup: Mapping[str, Variant[Any, Any]],
    plan: Plan,
    place: Path,
    say: Say,
) -> tuple[dict[str, Run], dict[str, str]]:
    dumped = {name: v.model_dump(mode="json") for name, v in lineup.items()}
    jobs = [
        Job(verb="train", arguments={"family": family.name, "variant": dumped[v.name], "lineup": dumped, "root": str(place)})
        for v in chosen
    ]
    outcomes = registry.engine(plan.engine).map(jobs, say)
    runs = {v.name: Run.open(Path(o.result)) for v, o in zip(chosen, outcomes, strict=True) if not o.error}
    return runs, {v.name: o.error for v, o in zip(chosen, outcomes, strict=True) if o.error}


def _exported(pairs: Sequence[tuple[Variant[Any, Any], Run, str]], plan: Plan, say: Say) -> dict[tuple[str, str], str]:
    """(variant, runtime) -> why its export failed."""
    jobs = [
        Job(verb="export", arguments={"run": str(run.path), "variant": v.model_dump(mode="json"), "runtime": runtime})
        for v, run, runtime in pairs
    ]
    outcomes = registry.engine(plan.engine).map(jobs, say)
    return {(v.name, runtime): o.error for (v, _, runtime), o in zip(pairs, outcomes, strict=True) if o.error}


def _collect(weighed: Sequence[Weighed], folder: Path) -> None:
    """Copies the evidence beside the report, so that it can be verified where the runs are not."""
    with storing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for candidate in weighed:
            for path in (candidate.run.path / "evidence").glob(f"{glob.escape(candidate.stem)}-*.npz"):
                shutil.copy2(path, folder / path.name)
