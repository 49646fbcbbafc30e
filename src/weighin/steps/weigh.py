"""The verb ``weigh``: every figure of the candidates, on the same predictor, runtime and artefact."""

from collections.abc import Sequence
from dataclasses import replace

from weighin.core.engine import Say, silent
from weighin.core.errors import WeighinError
from weighin.core.result import Candidate, Measurement
from weighin.steps.candidate import Weighed
from weighin.steps.quality import quality
from weighin.steps.speed import BATCHES, ROUNDS, speed

AGAIN = ("quality", "speed")  # what can be measured anew


def weigh(
    candidates: Sequence[Weighed],
    *,
    examples: int | None = None,
    rounds: int = ROUNDS,
    batches: Sequence[int] = BATCHES,
    seed: int = 0,
    say: Say = silent,
    again: Sequence[str] = (),
) -> list[Candidate]:
    """Measures what is missing and returns a row a candidate; one that fails is a row with its reason.

    ``again`` names what is measured anew although it stands in the run: ``quality``, ``speed``.
    Quality comes first, and nothing else runs while speed is measured.
    """
    candidates = told_apart(candidates)
    qualities: dict[str, list[Measurement] | str] = {}
    for candidate in candidates:
        try:
            qualities[candidate.label] = _kept(
                candidate, quality(candidate, examples=examples, seed=seed, say=say, again="quality" in again)
            )
        except WeighinError as error:
            qualities[candidate.label] = str(error)
    alive = [c for c in candidates if not isinstance(qualities[c.label], str)]
    speeds = (
        speed(alive, rounds=rounds, batches=batches, seed=seed, say=say, again="speed" in again) if alive and rounds else {}
    )
    return [_row(c, qualities[c.label], speeds.get(c.label, [])) for c in candidates]


def told_apart(candidates: Sequence[Weighed]) -> list[Weighed]:
    """Figures are kept by label, so the second run of one variant on one runtime gets its id behind the variant's name."""
    runs: dict[str, str] = {}
    found = []
    for candidate in candidates:
        id, variant = candidate.run.info.id, candidate.variant
        if runs.setdefault(candidate.label, id) != id:
            candidate = replace(candidate, variant=variant.model_copy(update={"name": f"{variant.name}-{id}"}))
        found.append(candidate)
    return found


def _kept(candidate: Weighed, made: list[Measurement]) -> list[Measurement]:
    """Adds the counted facts and writes all of it down at once: an interruption loses nothing that stands."""
    made = [*made, *candidate.facts()]
    known = candidate.run.measurements()
    if any(m not in known for m in made):
        candidate.run.record(made)
    return made


def _row(candidate: Weighed, made: list[Measurement] | str, timed: list[Measurement] | str) -> Candidate:
    base = Candidate(
        variant=candidate.variant.name,
        runtime=candidate.runtime,
        run=candidate.run.path.name,
        status="ok",
        about=candidate.variant.about,
        settings=candidate.variant.model_dump(mode="json", include={"model", "recipe", "predict", "of"}),
    )
    if isinstance(made, str):
        return base.model_copy(update={"status": "failed", "reason": made})
    if isinstance(timed, str):
        return base.model_copy(update={"status": "failed", "reason": f"while it was timed: {timed}", "measurements": made})
    return base.model_copy(update={"measurements": [*made, *timed]})
