"""The process of one candidate while it is timed: what it is asked, what came out of it so far."""

import contextlib
import json
import math
import os
import select
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from weighin.steps.candidate import Weighed

PATIENCE_S = 600  # for one command: compiling takes a minute; what takes longer hangs
VISIT_MS = 3.0  # of single calls in a visit, about; at least one
SETTLE_MS = 1.0  # at the beginning of a visit that do not count; none for a call that takes longer than a visit
MOST_CALLS = 40


class Scale:
    """The process of one candidate and what came out of it so far."""

    def __init__(self, candidate: Weighed, label: str) -> None:
        self.candidate, self.label, self.error = candidate, label, ""
        self.single: list[list[tuple[list[float], list[float]]]] = []  # round, visit, (wall, CPU) of the calls
        self.batches: dict[int, list[tuple[float, float]]] = {}
        self.facts: dict[str, float] = {}
        self.calls, self.settle = 1, 0  # single calls of a visit that count, and before them
        self.call_ms = 0.0  # how long one takes that nobody cuts
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

    def start(self) -> None:
        """Starts, loads, answers once."""
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

    def ready(self, batches: Sequence[int]) -> None:
        """Starts and warms up; how many single calls a visit has follows from how long one takes."""
        self.start()
        self.call_ms = max(self.ask("warm", batch=1, seconds=5.0).get("fastest_ms", 1.0), 1e-3)
        self.calls = int(np.clip(round(VISIT_MS / self.call_ms), 1, MOST_CALLS))
        self.settle = min(math.ceil(SETTLE_MS / self.call_ms), MOST_CALLS) if self.call_ms < VISIT_MS else 0
        for batch in batches:
            self.ask("warm", batch=batch, seconds=3.0)

    def visit(self) -> None:
        """A few single calls."""
        answer = self.ask("time", batch=1, calls=self.calls, settle=self.settle)
        if not self.error:
            self.single[-1].append((answer["wall_ms"], answer["cpu_ms"]))

    def offline(self, batches: Sequence[int]) -> None:
        """One call of every batch."""
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
        """Everything measured: milliseconds [rounds, visits, calls] and [rounds], seconds, 10^6 bytes."""
        found = {
            name: np.array([[visit[i] for visit in visits] for visits in self.single])
            for i, name in enumerate(("single_ms", "single_cpu_ms"))
        }
        for batch, pairs in self.batches.items():
            found |= {
                f"batch{batch}_ms": np.array([w for w, _ in pairs]),
                f"batch{batch}_cpu_ms": np.array([c for _, c in pairs]),
            }
        return found | {name: np.array(value) for name, value in self.facts.items()}
