"""Speed, memory and cold start of many candidates in one session: a process each, rounds interleaved in random order.

Machines drift, and neighbours come and go; whoever is timed one after the other measures the hour of the day. Here
every round times every candidate, in an order of its own, so that drift falls on all alike and ratios hold.

A round is the unit of every interval: its calls share one moment of the machine (weighin.core.percentiles).

Single calls come in short visits, many a round and equally long for all: a process that was just woken keeps the core for
a few milliseconds before a neighbour gets it, so that most visits are over before anything cuts in, and a slower candidate
is not cut more often than a faster one (benchmarks/noise.py). The first calls of a visit find cold caches and do not count.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import psutil

from weighin.core import environment
from weighin.core.engine import Say, silent
from weighin.core.files import hash_json, hash_path
from weighin.core.result import Measurement
from weighin.core.statistics import Interval, calls_a_round, median_interval, percentile_by_round
from weighin.steps import evidence
from weighin.steps.candidate import Weighed
from weighin.steps.scale import MOST_CALLS, SETTLE_MS, VISIT_MS, Scale

ROUNDS = 15
BATCHES = (32, 256)  # of the offline scenario
VISITS = 30  # to each candidate in a round, for single calls; fewer where calls are slow
PATIENT_MS = 500.0  # a call that takes longer: its p90 would take minutes
SLOW_MS = 120.0  # of single calls of the slowest candidate in a round, about
PROCESS_BYTES = 1.2e9  # what one candidate's process may take: decides how many stand ready at once
PERCENTILES = {"latency_p50_ms": 0.5, "latency_p90_ms": 0.9, "latency_p95_ms": 0.95, "latency_p99_ms": 0.99}
NAMES = (
    *PERCENTILES,
    "latency_cpu_p50_ms",
    "throughput_per_s",
    "cpu_ms_per_item",
    "peak_memory_mb",
    "cold_start_s",
)


def speed(
    candidates: Sequence[Weighed],
    *,
    rounds: int = ROUNDS,
    batches: Sequence[int] = BATCHES,
    seed: int = 0,
    say: Say = silent,
    again: bool = False,
) -> dict[str, list[Measurement] | str]:
    """Label -> measurements, or why there are none. All of one session; nothing is measured where a session stands already.

    The first candidate is timed twice, as itself and as ``A/A``: what differs between the two is noise.
    """
    setup = {
        "rounds": rounds,
        "batches": list(batches),
        "seed": seed,
        "visits": [VISITS, VISIT_MS, SETTLE_MS, MOST_CALLS, SLOW_MS],
        "who": [[c.label, c.hashes, c.threads] for c in candidates],
        "where": [environment.hardware(), *(c.versions for c in candidates)],
    }
    session = hash_json(setup)[:16]
    known = {c.label: c.standing(NAMES, session=session) for c in candidates}
    if not again and candidates and all(known.values()):
        return {c.label: c.renewed(known[c.label], figures) for c in candidates}
    found: dict[str, list[Measurement] | str] = {}
    for number, wave in enumerate(waves(candidates)):
        scales = _session(wave, rounds, batches, seed + number, say)
        for scale in scales:
            if scale.label not in found:  # the first candidate stands in every wave; its first one counts
                found[scale.label] = scale.error or _recorded(scale, session, number)
    for candidate in candidates:
        made = found[candidate.label]
        if not isinstance(made, str):
            candidate.run.record(made)
    return found


def waves(candidates: Sequence[Weighed]) -> list[list[Weighed]]:
    """As many at once as memory allows; the first candidate stands in every wave, to tie them together."""
    room = max(2, int(psutil.virtual_memory().available / PROCESS_BYTES) - 1)
    first, rest = list(candidates[:1]), list(candidates[1:])
    return [first + rest[i : i + room - 1] for i in range(0, max(1, len(rest)), room - 1)]


def _session(candidates: Sequence[Weighed], rounds: int, batches: Sequence[int], seed: int, say: Say) -> list[Scale]:
    scales: list[Scale] = []
    try:
        for index, (candidate, label) in enumerate([(c, c.label) for c in candidates] + [(candidates[0], "A/A")]):
            scales.append(Scale(candidate, label))
            scales[-1].ready(batches)
            say("start and warm up", (index + 1) / (len(candidates) + 1), label)
        _rounds(scales, rounds, batches, np.random.default_rng(seed), say)
        for scale in scales:
            scale.finish()
    finally:
        for scale in scales:
            scale.close()
    return scales


def _rounds(scales: Sequence[Scale], rounds: int, batches: Sequence[int], rng: np.random.Generator, say: Say) -> None:
    visits = visits_of([scale.call_ms for scale in scales if not scale.error])
    for number in range(rounds):
        for scale in scales:
            scale.single.append([])
        for _ in range(visits):
            for place in rng.permutation(len(scales)):
                scales[place].visit()
        for place in rng.permutation(len(scales)):
            scales[place].offline(batches)
        say("time", (number + 1) / rounds, f"round {number + 1} of {rounds}")


def visits_of(calls_ms: Sequence[float]) -> int:
    """Visits a round: the same for all candidates; enough for a p90, but where single calls take very long only for a p50."""
    slowest = max(calls_ms, default=1.0)
    least = calls_a_round(0.9 if slowest <= PATIENT_MS else 0.5)
    return max(least, int(np.clip(SLOW_MS / slowest, 1, VISITS)))


def _recorded(scale: Scale, session: str, wave: int) -> list[Measurement]:
    candidate, arrays = scale.candidate, scale.arrays()
    suffix = "noise" if scale.label == "A/A" else "speed"
    path = candidate.run.path / "evidence" / f"{candidate.stem}-{suffix}.npz"
    note = {"session": session, "wave": wave, "hashes": dict(candidate.hashes), "where": candidate.where}
    evidence.save(path, arrays, note)
    hashes = {"session": session, "evidence": hash_path(path)[:16]}
    return [candidate.measurement(**figure, evidence=path.name, hashes=hashes) for figure in figures(arrays)]


def figures(arrays: evidence.Arrays) -> list[dict[str, Any]]:
    """Every speed figure from the raw times: deterministic, so that ``verify`` can repeat it.

    Left out is what the rounds do not support: it is not measured, and not shown.
    """
    arrays = {name: np.asarray(array, np.float64) for name, array in arrays.items()}  # a file holds the narrowest types
    rounds, visits, calls = arrays["single_ms"].shape
    wall, cpu = (arrays[name].reshape(rounds, -1) for name in ("single_ms", "single_cpu_ms"))
    about = f"single-stream; {rounds} interleaved rounds of {visits} visits of {calls} calls; the percentile of a typical one"
    made = [_timed(name, percentile_by_round(wall, q), about) for name, q in PERCENTILES.items()]
    made.append(_timed("latency_cpu_p50_ms", percentile_by_round(cpu, 0.5), f"CPU time of all threads; {about}"))
    best = best_batch(arrays)
    if best:
        about = f"offline, batch {best}; a call in each of {rounds} interleaved rounds after warm-up; median"
        made.append(_timed("throughput_per_s", median_interval(best * 1e3 / arrays[f"batch{best}_ms"]), about))
        spent = arrays[f"batch{best}_cpu_ms"] / best
        made.append(_timed("cpu_ms_per_item", median_interval(spent), f"CPU time of all threads; {about}"))
    memory = float(arrays["peak_mb"] - arrays["baseline_mb"])
    fresh = "fresh process: peak resident memory minus its import-only baseline / 10^6"
    start = "fresh process, libraries imported: artefact on disk to first answer"
    made += [
        _fact("peak_memory_mb", max(0.0, memory), "MB", fresh),
        _fact("cold_start_s", float(arrays["cold_start_s"]), "s", start),
    ]
    return [m for m in made if m]


def best_batch(arrays: evidence.Arrays) -> int | None:
    """The batch of the highest throughput."""
    return max(offline(arrays), key=lambda b: b / np.median(arrays[f"batch{b}_ms"]), default=None)


def offline(arrays: evidence.Arrays) -> list[int]:
    """The batches that were timed."""
    return sorted(int(name[5:-3]) for name in arrays if name.startswith("batch") and not name.endswith("_cpu_ms"))


def _timed(name: str, seen: Interval | None, about: str) -> dict[str, Any] | None:
    """A figure of times, if the rounds support it."""
    if seen is None:
        return None
    throughput = name == "throughput_per_s"
    return {
        "name": name,
        "value": seen.value,
        "low": seen.low,
        "high": seen.high,
        "n": seen.n,
        "unit": "1/s" if throughput else "ms",
        "better": "higher" if throughput else "lower",
        "method": f"{about}; {seen.method}",
    }


def _fact(name: str, value: float, unit: str, method: str) -> dict[str, Any]:
    return {"name": name, "value": value, "low": None, "high": None, "n": 1, "unit": unit, "better": "lower", "method": method}
