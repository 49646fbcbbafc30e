"""The verb ``train``: a variant becomes a run. What exists already is not made again."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from weighin.core import environment, registry
from weighin.core.config import Variant, validate
from weighin.core.engine import Say, silent
from weighin.core.errors import ConfigError, DataError, MissingError, RunError, unknown
from weighin.core.family import Example, Family
from weighin.core.files import hash_path, storing
from weighin.core.run import Run, find, load_state, load_tensors, runs_root, save_tensors
from weighin.steps import resume
from weighin.steps.predictors import eager_predictor, variant_of

FINISH = 4096  # validation examples that calibration sees at most
EVALUATE = 2048  # validation examples of a loss on the way

Lineup = Mapping[str, Variant[Any, Any]]


def train(
    family: Family[Any, Any, Any],
    variant: Variant[Any, Any],
    *,
    root: Path | str | None = None,
    lineup: Lineup | None = None,
    say: Say = silent,
    loggers: Sequence[str] = (),
) -> Run:
    """The trained run of ``variant``; a killed one goes on from its last resume point.

    ``lineup`` is where teachers, starts and members are looked up by name (default: the family's variants).
    Raises RunError when another process works on the same run, DataError when there is nothing to learn from.
    """
    place = runs_root(root)
    lineup = family.variants() if lineup is None else lineup
    others = {
        role: needed if isinstance(needed, Run) else train(family, needed, root=place, lineup=lineup, say=say)
        for role, needed in needed_by(family, variant, place, lineup).items()
    }
    run = Run.place(place, family, variant, {role: found.info.id for role, found in others.items()})
    if run.trained and not outdated(run, others):
        return run
    with run.locked():
        run = Run.open(run.path)
        if outdated(run, others):
            run.update(state="new", training={}, assets_hash="")
        if not run.trained and variant.of:
            _compose(family, variant, run, others, say)
        elif not run.trained:
            _learn(family, variant, run, others, say, loggers)
    return run


def outdated(run: Run, members: Mapping[str, Run]) -> bool:
    """Whether a composite was fitted to other weights of a member than there are now: it was deleted, and trained again."""
    fitted = run.info.training.get("members", {})
    return any(members[name].info.weights_hash != known for name, known in fitted.items())


def needed_by(
    family: Family[Any, Any, Any],
    variant: Variant[Any, Any],
    place: Path,
    lineup: Lineup,
    above: Sequence[Variant[Any, Any]] = (),
) -> dict[str, Run | Variant[Any, Any]]:
    """Role (teacher, init, a member's name) -> the run that is there, or the variant to train first.

    ``above`` are the variants that wait for this one. Raises ConfigError for unknown names, and where it never ends.
    """
    if variant in above:
        chain = ", which needs ".join(v.name for v in (*above, variant))
        raise ConfigError(f"{variant.name} cannot learn from itself: {chain}", hint="Set recipe.teacher (or init) to another")
    recipe = variant.recipe
    linked = {name: name for name in variant.of} if variant.of else {"teacher": recipe.teacher, "init": recipe.init}
    found: dict[str, Run | Variant[Any, Any]] = {}
    for role, reference in linked.items():
        if reference:
            found[role] = find(place, family.name, reference) or lineup.get(reference) or family.variant(reference)
    for needed in found.values():
        if not isinstance(needed, Run):
            needed_by(family, needed, place, lineup, (*above, variant))
    return found


def why_not(family: Family[Any, Any, Any], variant: Variant[Any, Any], place: Path, lineup: Lineup) -> str | None:
    """Why the variant, or what it learns from or is made of, cannot be built here; None when it can."""
    reason = family.why_not(variant)
    for role, needed in needed_by(family, variant, place, lineup).items():
        if reason:
            break
        below = family.why_not(variant_of(family, needed)) if isinstance(needed, Run) else None
        below = below if isinstance(needed, Run) else why_not(family, needed, place, lineup)
        reason = f"its {role} cannot be built here: {below}" if below else None
    return reason


def _compose(
    family: Family[Any, Any, Any],
    variant: Variant[Any, Any],
    run: Run,
    members: Mapping[str, Run],
    say: Say,
) -> None:
    """A composite has no weights: it keeps copies of its members' assets, and what ``finish`` fits for it."""
    with storing(run.assets):
        shutil.rmtree(run.assets, ignore_errors=True)
        for name, member in members.items():
            shutil.copytree(member.assets, run.assets / name, dirs_exist_ok=True)
    cost = {
        key: sum(m.info.training.get(key, 0) for m in members.values()) for key in ("minutes", "cpu_minutes", "examples_seen")
    }
    fitted = {name: member.info.weights_hash for name, member in members.items()}
    _close(family, variant, run, cost | {"stopped_by": "made of " + ", ".join(members), "members": fitted}, say)


def _learn(
    family: Family[Any, Any, Any],
    variant: Variant[Any, Any],
    run: Run,
    others: Mapping[str, Run],
    say: Say,
    loggers: Sequence[str],
) -> None:
    from weighin.steps.feed import Training
    from weighin.steps.loop import fit

    recipe, outlets = variant.recipe, [_logger(name, run) for name in loggers]
    training = limited(family.examples(recipe.data, "train"), recipe.limit, recipe.seed)
    if not len(training):
        raise DataError(f"{recipe.data!r} has no training examples for {family.name}")
    torch.manual_seed(recipe.seed)
    model = family.build(variant)
    if "init" in others:
        load_state(model, load_tensors(others["init"].weights), others["init"].weights)
    with storing(run.assets):
        run.assets.mkdir(parents=True, exist_ok=True)
        marker = run.assets / ".prepared"
        if not marker.exists():
            family.prepare(model, variant, training, run.assets)
            marker.touch()
    teacher = _teacher(family, others["teacher"]) if "teacher" in others else None
    if teacher and recipe.relabel:
        training = _relabelled(family, others["teacher"], training, say)
    validation = sample(family.examples(recipe.data, "validation"), EVALUATE, recipe.seed)
    job = Training(family, variant, model, run.path, training, validation, teacher, say, outlets)
    model, cost = fit(job)
    save_tensors(run.weights, model.state_dict())
    seen = {"data": recipe.data, "examples": len(training), "teacher": recipe.teacher}
    _close(family, variant, run, cost | seen, say)


def _close(family: Family[Any, Any, Any], variant: Variant[Any, Any], run: Run, cost: Mapping[str, Any], say: Say) -> None:
    """Marks the run as trained, then fits what needs trained weights (temperature, threshold)."""
    weights_hash = hash_path(run.weights) if run.weights.exists() else ""
    trained = Run(run.path, run.info.model_copy(update={"state": "trained", "weights_hash": weights_hash}))
    say(f"calibrate {variant.name}", 0.0, "")
    validation = sample(family.examples(variant.recipe.data, "validation"), FINISH, variant.recipe.seed)
    with storing(run.assets):
        run.assets.mkdir(parents=True, exist_ok=True)
        family.finish(eager_predictor(family, variant, trained), variant, validation, run.assets)
    run.update(
        state="trained",
        weights_hash=weights_hash,
        assets_hash=hash_path(run.assets),
        training=dict(cost),
        versions=environment.versions(*family.libraries),
        hardware=environment.hardware(),
        command=environment.command(),
        at=environment.now(),
    )
    resume.path_in(run.path).unlink(missing_ok=True)
    say(f"train {variant.name}", 1.0, "done")


def _teacher(family: Family[Any, Any, Any], run: Run) -> Any:
    from weighin.steps.feed import Teacher

    variant = variant_of(family, run)
    if variant.of:
        raise RunError(
            f"{run.path} is a composite and has no outputs to match", hint="Use recipe.relabel, or one of its members"
        )
    return Teacher(run.load_into(family.build(variant)).requires_grad_(False), variant, run.path)


def _relabelled(
    family: Family[Any, Any, Any], teacher: Run, examples: Sequence[Example[Any, Any]], say: Say
) -> list[Example[Any, Any]]:
    """Hard distillation: every training example with the teacher's answer as its truth."""
    predict = eager_predictor(family, variant_of(family, teacher), teacher)
    relabelled: list[Example[Any, Any]] = []
    for start in range(0, len(examples), 256):
        chunk = [examples[i] for i in range(start, min(start + 256, len(examples)))]
        answers = predict([example.x for example in chunk])
        relabelled += [family.relabel(example, answer) for example, answer in zip(chunk, answers, strict=True)]
        say("relabel", len(relabelled) / len(examples), "by the teacher")
    return relabelled


def limited(examples: Sequence[Example[Any, Any]], limit: int | None, seed: int) -> Sequence[Example[Any, Any]]:
    """Whole groups, drawn at random, until ``limit`` examples are reached; the last group is cut there."""
    if limit is None or len(examples) <= limit:
        return examples
    groups: dict[str, list[int]] = {}
    for index in range(len(examples)):
        groups.setdefault(examples[index].group, []).append(index)
    order = np.random.default_rng([seed, 2]).permutation(len(groups))
    names = sorted(groups)
    picked: list[int] = []
    for place in order:
        picked += groups[names[place]]
        if len(picked) >= limit:
            break
    return [examples[i] for i in sorted(picked[:limit])]


def sample(examples: Sequence[Example[Any, Any]], most: int | None, seed: int) -> list[Example[Any, Any]]:
    """At most ``most`` examples, drawn evenly at random and kept in order: every group stays represented."""
    if most is None or len(examples) <= most:
        return [examples[i] for i in range(len(examples))]
    picked = np.random.default_rng([seed, 3]).choice(len(examples), most, replace=False)
    return [examples[int(i)] for i in sorted(picked)]


def _logger(name: str, run: Run) -> Any:
    """TensorBoard, or MLflow in one SQLite file beside the runs (its file store is deprecated)."""
    from lightning.pytorch import loggers

    root = run.path.parent.parent
    makers: dict[str, Callable[[], Any]] = {
        "tensorboard": lambda: loggers.TensorBoardLogger(root / "tensorboard", name=run.path.name, version=""),
        "mlflow": lambda: loggers.MLFlowLogger(
            run.info.family, run_name=run.path.name, tracking_uri=f"sqlite:///{root.resolve()}/mlflow.db"
        ),
    }
    try:
        return makers[name]()
    except KeyError:
        raise unknown("logger", name, makers) from None
    except ModuleNotFoundError as error:
        raise MissingError(f"The logger {name} is not installed", hint=f"pip install 'weighin[{name}]'") from error


def run_job(arguments: Mapping[str, Any], say: Say) -> str:
    """For engines: ``{"family", "variant": settings, "lineup": {name: settings}, "root"}`` -> the run's folder."""
    family = registry.family(arguments["family"])
    kind = type(next(iter(family.variants().values())))
    lineup = {name: validate(kind, raw, name) for name, raw in arguments["lineup"].items()}
    variant = validate(kind, arguments["variant"], "job")
    return str(train(family, variant, root=arguments["root"], lineup=lineup, say=say).path)
