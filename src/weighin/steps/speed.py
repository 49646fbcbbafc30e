"""Speed, memory and cold start of many candidates in one session: a process each, rounds interleaved in random order.

Machines drift, and neighbours come and go; whoever is timed one after the other measures the hour of the day. Here
every round times every candidate once, in an order of its own, so that drift falls on all alike and ratios hold.
"""

import contextlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import psutil

from weighin.core import environment
from weighin.core.engine import Say, silent
from weighin.core.files import hash_json, hash_path
from weighin.core.result import Measurement
from weighin.core.statistics import percentile_interval
from weighin.steps import evidence
from weighin.steps.candidate import Weighed

ROUNDS = 15
BATCHES = (32, 256)  # of the offline scenario
PATIENCE_S = 600  # for one command: compiling takes a minute; what takes longer hangs
SINGLE_MS = 60.0  # of single calls in a round, about
PROCESS_BYTES = 1.2e9  # what one candidate's process may take: decides how many stand ready at once
NAMES = (
    "latency_p50_ms",
    "latency_p90_ms",
    "latency_cpu_p50_ms",
    "throughput_per_s",
    "cpu_ms_per_item",
    "peak_memory_mb",
    "cold_start_s",
)


class Scale:
    """The process of one candidate and what came out of it so far."""

    def __init__(self, candidate: Weighed, label: str) -> None:
        self.candidate, self.label, self.error = candidate, label, ""
        self.single: list[tuple[list[float], list[float]]] = []
        self.batches: dict[int, list[tuple[float, float]]] = {}
        self.facts: dict[str, float] = {}
        self.calls = 1
        one = str(candidate.threads)
        variables = {"WEIGHIN_THREADS": one, "OMP_NUM_THREADS": one, "MKL_NUM_THREADS": one, "OPENBLAS_NUM_THREADS": one}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "weighin.steps.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | variables,
        )

    def ask(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """One command and its answer; a process that died or refused says why, and is asked no more."""
        if self.error:
            return {}
        assert self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write(json.dumps({"do": verb, **arguments}) + "\n")
            self.process.stdin.flush()
            if not select.select([self.process.stdout], [], [], PATIENCE_S)[0]:
                self.process.kill()
                self.error = f"no answer to {verb} within {PATIENCE_S} s"
                return {}
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        answer = json.loads(line) if line else {"error": f"the process ended with exit code {self.process.wait()} at {verb}"}
        self.error = answer.get("error", "")
        return answer

    def ready(self, batches: Sequence[int]) -> None:
        """Starts, loads, answers once, warms up."""
        candidate = self.candidate
        self.ask(
            "start",
            family=candidate.family.name,
            variant=candidate.variant.model_dump(mode="json"),
            run=str(candidate.run.path),
            runtime=candidate.runtime,
            data=candidate.data,
            threads=candidate.threads,
        )
        self.facts |= self.ask("load")
        first = self.ask("warm", batch=1, seconds=5.0)
        self.calls = int(np.clip(SINGLE_MS / max(first.get("median_ms", 1.0), 1e-3), 4, 40))
        for batch in batches:
            self.ask("warm", batch=batch, seconds=3.0)

    def round(self, batches: Sequence[int]) -> None:
        """Single calls, then one call of every batch."""
        answer = self.ask("time", batch=1, calls=self.calls)
        if not self.error:
            self.single.append((answer["wall_ms"], answer["cpu_ms"]))
        for batch in batches:
            answer = self.ask("time", batch=batch, calls=1)
            if not self.error:
                self.batches.setdefault(batch, []).append((answer["wall_ms"][0], answer["cpu_ms"][0]))

    def finish(self) -> None:
        """Peak memory, at the very end."""
        self.facts |= self.ask("peak")

    def close(self) -> None:
        """Ends the process, which has nothing to save; whatever happened, none is left behind."""
        assert self.process.stdin and self.process.stdout
        self.process.kill()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything measured: milliseconds [rounds, calls] and [rounds], seconds, 10^6 bytes."""
        found = {"single_ms": np.array([w for w, _ in self.single]), "single_cpu_ms": np.array([c for _, c in self.single])}
        for batch, pairs in self.batches.items():
            found |= {
                f"batch{batch}_ms": np.array([w for w, _ in pairs]),
                f"batch{batch}_cpu_ms": np.array([c for _, c in pairs]),
            }
        return found | {name: np.array(value) for name, value in self.facts.items()}


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
        "who": [[c.label, c.hashes, c.threads] for c in candidates],
        "where": [environment.hardware(), *(c.versions for c in candidates)],
    }
    session = hash_json(setup)[:16]
    known = {c.label: c.standing(NAMES, session=session) for c in candidates}
    if not again and candidates and all(known.values()):
        return dict(known)
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
        rng = np.random.default_rng(seed)
        for number in range(rounds):
            for place in rng.permutation(len(scales)):
                scales[place].round(batches)
            say("time", (number + 1) / rounds, f"round {number + 1} of {rounds}")
        for scale in scales:
            scale.finish()
    finally:
        for scale in scales:
            scale.close()
    return scales


def _recorded(scale: Scale, session: str, wave: int) -> list[Measurement]:
    candidate, arrays = scale.candidate, scale.arrays()
    suffix = "noise" if scale.label == "A/A" else "speed"
    path = candidate.run.path / "evidence" / f"{candidate.stem}-{suffix}.npz"
    evidence.save(path, arrays, {"session": session, "wave": wave, "hashes": dict(candidate.hashes)})
    hashes = {"session": session, "evidence": hash_path(path)[:16]}
    return [candidate.measurement(**figure, evidence=path.name, hashes=hashes) for figure in figures(arrays)]


def figures(arrays: evidence.Arrays) -> list[dict[str, Any]]:
    """Every speed figure from the raw times: deterministic, so that ``verify`` can repeat it."""
    rounds = len(arrays["single_ms"])
    calls = arrays["single_ms"].size
    about = f"single-stream, {calls} calls in {rounds} interleaved rounds after warm-up; order-statistic interval"
    made = [
        _percentile("latency_p50_ms", arrays["single_ms"], 0.5, about),
        _percentile("latency_p90_ms", arrays["single_ms"], 0.9, about),
        _percentile("latency_cpu_p50_ms", arrays["single_cpu_ms"], 0.5, f"CPU time of all threads, {about}"),
    ]
    batches = offline(arrays)
    if batches:
        best = max(batches, key=lambda b: b / np.median(arrays[f"batch{b}_ms"]))
        about = f"offline, batch {best}, a call in each of {rounds} interleaved rounds after warm-up; order-statistic interval"
        made.append(_percentile("throughput_per_s", best * 1e3 / arrays[f"batch{best}_ms"], 0.5, about))
        spent = arrays[f"batch{best}_cpu_ms"] / best
        made.append(_percentile("cpu_ms_per_item", spent, 0.5, f"CPU time of all threads, {about}"))
    memory = float(arrays["peak_mb"] - arrays["baseline_mb"])
    made.append(
        _fact(
            "peak_memory_mb",
            max(0.0, memory),
            "MB",
            "fresh process: peak resident memory minus its import-only baseline / 10^6",
        )
    )
    made.append(
        _fact(
            "cold_start_s",
            float(arrays["cold_start_s"]),
            "s",
            "fresh process, libraries imported: artefact on disk to first answer",
        )
    )
    return [m for m in made if m]


def offline(arrays: evidence.Arrays) -> list[int]:
    """The batches that were timed."""
    return sorted(int(name[5:-3]) for name in arrays if name.startswith("batch") and not name.endswith("_cpu_ms"))


def _percentile(name: str, samples: np.ndarray, q: float, method: str) -> dict[str, Any] | None:
    """None where n does not support the percentile: then it is not measured, and not shown."""
    seen = percentile_interval(np.ravel(samples), q)
    if seen is None:
        return None
    better = "higher" if name == "throughput_per_s" else "lower"
    unit = "1/s" if name == "throughput_per_s" else "ms"
    return {
        "name": name,
        "value": seen.value,
        "low": seen.low,
        "high": seen.high,
        "n": seen.n,
        "unit": unit,
        "better": better,
        "method": method,
    }


def _fact(name: str, value: float, unit: str, method: str) -> dict[str, Any]:
    return {"name": name, "value": value, "low": None, "high": None, "n": 1, "unit": unit, "better": "lower", "method": method}
