"""Quality: the predictor's answers to test examples, as tallies with intervals by group."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np

from weighin.core.engine import Say, silent
from weighin.core.errors import DataError, RunError, WeighinError
from weighin.core.family import Example, Family, Predictor, Score, Tally
from weighin.core.files import hash_json, hash_path
from weighin.core.program import cause
from weighin.core.result import Measurement
from weighin.core.statistics import interval
from weighin.steps import evidence
from weighin.steps.candidate import Weighed
from weighin.steps.train import sample

CHUNK = 512  # examples between two signs of life
WORST = 24  # examples shown of each candidate
CONFUSED = 24
CHECKED = 64  # examples that the checks of a trained model see


def quality(
    candidate: Weighed, *, examples: int | None = None, seed: int = 0, say: Say = silent, again: bool = False
) -> list[Measurement]:
    """Every score of the family on at most ``examples`` test examples; taken from the run where they stand already."""
    family = candidate.family
    whole = family.examples(candidate.data, "test")
    test = sample(whole, examples, seed)
    if not test:
        raise DataError(f"{candidate.data!r} has no test examples for {family.name}")
    asked = hash_json([[e.id, e.group, e.kind] for e in test])[:16]
    scores = hash_json([[s.name, s.unit, s.better] for s in family.scores])[:16]
    known = [] if again else candidate.standing([s.name for s in family.scores], examples=asked, scores=scores)
    if known:
        return candidate.renewed(known, partial(figures, family))
    predict = candidate.predictor()
    answers = _answers(candidate, predict, test, say)
    tallies = family.score(answers, test)
    path = candidate.run.path / "evidence" / f"{candidate.stem}-quality.npz"
    arrays = {"groups": np.array([e.group for e in test]), "kinds": np.array([e.kind for e in test])}
    for name, tally in tallies.items():
        arrays |= {f"{name}.value": tally.value, f"{name}.weight": tally.weight}
    note = {"examples": asked, "seed": seed, "n": len(test), "notes": dict(family.notes(whole))}
    note |= {"hashes": dict(candidate.hashes), "where": candidate.where}
    with _named(candidate, "the checks"):
        note["checks"] = [asdict(check) for check in family.checks(predict, test[:CHECKED])]
    evidence.save(path, arrays, note | _samples(candidate, test, answers, tallies))
    hashes = {"examples": asked, "scores": scores, "evidence": hash_path(path)[:16]}
    return [candidate.measurement(**figure, evidence=path.name, hashes=hashes) for figure in figures(family, arrays)]


def _answers(candidate: Weighed, predict: Predictor[Any, Any], test: Sequence[Example[Any, Any]], say: Say) -> list[Any]:
    answers: list[Any] = []
    for start in range(0, len(test), CHUNK):
        with _named(candidate, "test examples"):
            answers += predict([example.x for example in test[start : start + CHUNK]])
        say(f"quality {candidate.label}", len(answers) / len(test), "")
    return answers


@contextmanager
def _named(candidate: Weighed, where: str) -> Iterator[None]:
    """A crash in somebody's runtime is a row of the report, not the end of the session."""
    try:
        yield
    except WeighinError:
        raise
    except Exception as error:
        raise RunError(f"{candidate.label} failed on {where}: {type(error).__name__}: {cause(error)}") from error


def figures(family: Family[Any, Any, Any], arrays: evidence.Arrays) -> list[dict[str, Any]]:
    """Every score with its interval, from the tallies of an evidence file: deterministic, so that ``verify`` can repeat it."""
    groups = np.unique(arrays["groups"], return_inverse=True)[1]
    found = []
    for score in family.scores:
        if f"{score.name}.value" in arrays:
            seen = interval(tally_of(arrays, score), score, groups)
            found.append(
                {
                    "name": score.name,
                    "unit": score.unit,
                    "better": score.better,
                    "value": seen.value,
                    "low": seen.low,
                    "high": seen.high,
                    "n": seen.n,
                    "method": seen.method,
                }
            )
    return [f for f in found if np.isfinite(f["value"])]


def tally_of(arrays: evidence.Arrays, score: Score) -> Tally:
    """The tally of a score in an evidence file."""
    return Tally.of(arrays[f"{score.name}.value"], arrays[f"{score.name}.weight"])


def by(arrays: evidence.Arrays, score: Score, key: str, most: int = 40) -> dict[str, dict[str, Any]]:
    """A score within every kind or group (``key``), the largest ``most`` of them, with intervals where clusters allow."""
    names, places, counts = np.unique(arrays[key], return_inverse=True, return_counts=True)
    groups, tally, found = np.unique(arrays["groups"], return_inverse=True)[1], tally_of(arrays, score), {}
    for place in np.argsort(-counts, kind="stable")[:most]:
        mask = places == place
        seen = interval(Tally(tally.value[mask], tally.weight[mask]), score, groups[mask], draws=400)
        if names[place] and np.isfinite(seen.value):
            found[str(names[place])] = {"value": seen.value, "low": seen.low, "high": seen.high, "n": int(mask.sum())}
    return found


def _samples(
    candidate: Weighed, test: Sequence[Example[Any, Any]], answers: Sequence[Any], tallies: Mapping[str, Tally]
) -> dict[str, Any]:
    """The worst examples by the primary score, and which answers stand for which truths."""
    family, primary = candidate.family, candidate.family.primary
    weight = tallies[primary.name].weight
    value = tallies[primary.name].value.reshape(len(test), -1)[:, 0] / np.maximum(weight, 1e-12)
    order = np.argsort(value if primary.better == "higher" else -value, kind="stable")
    bad = [int(i) for i in order if weight[i] and value[i] != (1.0 if primary.better == "higher" else 0.0)]
    spread = bad[:: max(1, len(bad) // WORST)][:WORST]
    line: Callable[[int], dict[str, Any]] = lambda i: {  # noqa: E731
        "id": test[i].id,
        "group": test[i].group,
        "truth": str(test[i].y),
        "answer": family.brief(answers[i]),
        "value": float(value[i]),
    }
    confused = Counter((str(test[i].y), family.brief(answers[i])) for i in bad) if primary.binary else Counter()
    first = {(str(test[i].y), family.brief(answers[i])): test[i].id for i in reversed(bad)} if confused else {}
    return {
        "worst": [line(i) for i in spread],
        "confusions": [
            {"truth": t, "answer": a, "count": c, "id": first[t, a]} for (t, a), c in confused.most_common(CONFUSED)
        ],
    }
