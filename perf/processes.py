"""Jobs in processes of their own (`worker.py`), run in alternating rounds."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..errors import Caffe64Error
from ..interrupts import postponed
from .machine import THREAD_VARIABLES
from .sampling import Effort, Times

SETTLE_SECONDS = 0.02  # between two jobs: idle threads of OpenMP libraries spin for some milliseconds


class Worker:
    """A running job. `facts` are the results that it sent when it was ready, `memory` its peak of resident bytes so
    far."""

    def __init__(self, job: str, threads: int, arguments: Mapping, environment: Mapping[str, str] | None = None):
        request = json.dumps({"job": job, "threads": threads, "arguments": arguments})
        variables = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads)), **(environment or {})}
        self.job = job
        with contextlib.ExitStack() as failure:
            with postponed():
                self._process = subprocess.Popen(
                    [sys.executable, "-m", f"{__package__}.worker", request],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env=variables,
                    text=True,
                )
                failure.callback(self.close)
            self.facts: dict = self._reply()["facts"]
            failure.pop_all()

    def run(self) -> tuple[float, float]:
        """Run the job once; its seconds of wall time, and of CPU time of all its threads together."""
        time.sleep(SETTLE_SECONDS)
        try:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # `_reply` raises the error
        reply = self._reply()
        return reply["wall"], reply["cpu"]

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def _reply(self) -> dict:
        line = self._process.stdout.readline()
        reply = json.loads(line) if line else {"error": f"the process ended with code {self._process.wait()}"}
        if "error" in reply:
            raise Caffe64Error(f"perf: the job {self.job} failed: {reply['error']}")
        self.memory: int = reply["memory"]
        return reply


@contextlib.contextmanager
def workers() -> Iterator[dict[str, Worker]]:
    """An empty dict of workers; those that are put into it end with the block."""
    running: dict[str, Worker] = {}
    try:
        yield running
    finally:
        for worker in running.values():
            worker.close()


def ask(job: str, threads: int, arguments: Mapping, environment: Mapping[str, str] | None = None) -> dict:
    """Start a job for its facts alone."""
    worker = Worker(job, threads, arguments, environment)
    worker.close()
    return worker.facts


@dataclass
class Rounds:
    """Seconds of each job in each round."""

    wall: dict[str, Times]
    cpu: dict[str, Times]

    def fair(self, threads: int) -> dict[str, Times]:
        """CPU time for jobs of one thread, since it does not count time given to other programs; else wall time."""
        return self.cpu if threads == 1 else self.wall


def alternate(running: Mapping[str, Worker], effort: Effort) -> Rounds:
    """Run all jobs once per round. The jobs' constructors do a first run, which is not timed."""
    found = Rounds({name: [] for name in running}, {name: [] for name in running})
    started, done, wanted = time.perf_counter(), 0, 1
    while done < wanted:
        for name, worker in running.items():
            wall, cpu = worker.run()
            found.wall[name].append(wall)
            found.cpu[name].append(cpu)
        done += 1
        if done == 1:
            wanted = effort.rounds_for(time.perf_counter() - started)
    return found
