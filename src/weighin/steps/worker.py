"""One candidate in one fresh process: answers commands of the speed session, one JSON line each, on standard input and output.

Only the process that was asked computes; the others wait in a read, so rounds can be interleaved and memory is its own.
"""

import contextlib
import importlib
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import psutil

from weighin.core import registry
from weighin.core.config import validate
from weighin.core.errors import WeighinError

MEGABYTE = 1e6
SETTLED = 0.05  # the medians of two neighbouring windows differ by less than this share: warm
WINDOW = 5
POOL = 512  # test inputs that are cycled through


class Worker:
    """The state between commands: the predictor, the inputs, where in them we are."""

    def __init__(self, start: dict[str, Any]) -> None:
        from weighin.core.run import Run
        from weighin.steps.candidate import Weighed
        from weighin.steps.train import sample

        family = registry.family(start["family"])
        variant = validate(type(family.variant("nano")), start["variant"], "worker")
        self.candidate = Weighed(
            family, variant, Run.open(Path(start["run"])), start["runtime"], start["data"], start["threads"]
        )
        for name in registry.runtime(start["runtime"]).imports:
            importlib.import_module(name)
        self.inputs = [e.x for e in sample(family.examples(start["data"], "test"), POOL, 0)]
        self.place = 0
        self.baseline = reset_peak()

    def load(self) -> dict[str, Any]:
        """Seconds from the artefact on disk to the first answer."""
        began = time.perf_counter()
        self.predict = self.candidate.predictor()
        self.predict(self._next(1))
        return {"cold_start_s": time.perf_counter() - began}

    def warm(self, batch: int, seconds: float) -> dict[str, Any]:
        """Calls until the running median settles, or ``seconds`` are over."""
        began, times = time.perf_counter(), []
        while time.perf_counter() - began < seconds:
            times += self._timed(batch, 1)[0]
            if len(times) >= 2 * WINDOW:
                old, new = np.median(times[-2 * WINDOW : -WINDOW]), np.median(times[-WINDOW:])
                if abs(old - new) <= SETTLED * new:
                    break
        return {"calls": len(times), "fastest_ms": min(times)}

    def time(self, batch: int, calls: int, settle: int = 0) -> dict[str, Any]:
        """Wall and CPU milliseconds of each call, after ``settle`` calls that do not count."""
        self._timed(batch, settle)
        wall, cpu = self._timed(batch, calls)
        return {"wall_ms": wall, "cpu_ms": cpu}

    def peak(self) -> dict[str, Any]:
        """Peak resident memory so far, and the baseline after all imports and with the inputs in memory."""
        return {"baseline_mb": self.baseline / MEGABYTE, "peak_mb": peak_bytes() / MEGABYTE}

    def _timed(self, batch: int, calls: int) -> tuple[list[float], list[float]]:
        wall, cpu = [], []
        for _ in range(calls):
            inputs = self._next(batch)
            began, spent = time.perf_counter_ns(), time.process_time_ns()
            self.predict(inputs)
            cpu.append((time.process_time_ns() - spent) / 1e6)
            wall.append((time.perf_counter_ns() - began) / 1e6)
        return wall, cpu

    def _next(self, batch: int) -> Sequence[Any]:
        picked = [self.inputs[(self.place + i) % len(self.inputs)] for i in range(batch)]
        self.place += batch
        return picked


def reset_peak() -> int:
    """Bytes resident now; on Linux the kernel's high-water mark starts again from here."""
    with contextlib.suppress(OSError):  # not Linux, or not allowed: the mark then counts from the start of the process
        Path("/proc/self/clear_refs").write_text("5")
    return psutil.Process().memory_info().rss


def peak_bytes() -> int:
    """The high-water mark of resident memory."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource

    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


def serve(lines: TextIO, out: TextIO) -> None:
    """Answers until the input ends."""
    worker: Worker | None = None
    for line in lines:
        request = json.loads(line)
        verb = request.pop("do")
        try:
            if worker is None:
                worker, answer = Worker(request), {}
            else:
                answer = getattr(worker, verb)(**request)
        except WeighinError as error:
            answer = {"error": str(error)}
        except Exception as error:  # a crash in somebody's runtime is a row of the report, not the end of the session
            answer = {"error": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}
        out.write(json.dumps(answer) + "\n")
        out.flush()


def main() -> None:
    """Keeps the answers' channel free of what libraries print."""
    import torch

    torch.set_num_threads(int(os.environ["WEIGHIN_THREADS"]))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(sys.stdin, answers)


if __name__ == "__main__":
    main()
