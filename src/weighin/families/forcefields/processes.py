"""Processes that label pieces (``worker.py``), asked in parallel; one that dies costs only the piece it had."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

LIMIT_S = 3600.0  # a process that hangs in one piece is ended after this


class Worker:
    """A process that labels pieces; started anew when the teacher took it down."""

    def __init__(self) -> None:
        path = os.pathsep.join(filter(None, sys.path))
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONPATH": path}
        command = [sys.executable, "-m", "weighin.families.forcefields.worker"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, env=environment)

    def ask(self, line: str) -> dict[str, Any]:
        """The answer to one line; ``{"died": True}`` where none comes."""
        assert self.process.stdin and self.process.stdout
        limit = threading.Timer(LIMIT_S, self.process.kill)
        limit.start()
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        finally:
            limit.cancel()
        return json.loads(answer) if answer else {"died": True}

    def close(self) -> None:
        """Ends the process, in the middle of its work if need be."""
        assert self.process.stdin and self.process.stdout
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def answers(lines: Sequence[str], processes: int) -> Generator[tuple[int, dict[str, Any]], None, None]:
    """Place and answer of every line as they come; ``{"died": True}`` where the process was lost over it."""
    if not lines:
        return
    ended = threading.Event()  # nobody waits for answers any more
    idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
    workers = [Worker() for _ in range(processes)]
    for worker in workers:
        idle.put(worker)

    def one(at: int) -> tuple[int, dict[str, Any]]:
        worker = idle.get()
        answer = worker.ask(lines[at])
        if answer.get("died") and not ended.is_set():
            worker.close()
            worker = Worker()
            workers.append(worker)
        idle.put(worker)
        return at, answer

    pool = ThreadPoolExecutor(processes)
    try:
        for job in as_completed([pool.submit(one, at) for at in range(len(lines))]):
            yield job.result()
    finally:
        ended.set()
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            worker.process.kill()
        pool.shutdown(wait=True)
        for worker in workers:
            worker.close()
