"""Jobs in processes of their own (`worker.py`), taking turns."""

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
from .machine import THREAD_VARIABLES
from .sampling import Effort, Times

SETTLE = 0.02  # seconds between two jobs: idle threads of OpenMP libraries spin for some milliseconds


class Worker:
    """A running job. `facts` is what it said when it was ready, `memory` its peak of resident bytes so far."""

    def __init__(self, job: str, threads: int, arguments: Mapping, environment: Mapping[str, str] | None = None):
        request = json.dumps({"job": job, "threads": threads, "arguments": arguments})
        variables = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads)), **(environment or {})}
        self.job = job
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.worker", request],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=variables,
            text=True,
        )
        try:
            self.facts: dict = self._reply()["facts"]
        except BaseException:
            self.close()
            raise

    def run(self) -> tuple[float, float]:
        """Do the job once; its seconds by the clock on the wall, and of all its threads together."""
        time.sleep(SETTLE)
        try:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # `_reply` says what happened
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
class Turns:
    """Seconds of each job in each round."""

    wall: dict[str, Times]
    cpu: dict[str, Times]

    def fair(self, threads: int) -> dict[str, Times]:
        """CPU time for jobs of one thread, as it does not count the moments that other programs took; else wall."""
        return self.cpu if threads == 1 else self.wall


def take_turns(running: Mapping[str, Worker], effort: Effort) -> Turns:
    """Run all jobs in rounds. What a first run costs is up to the jobs' constructors."""
    turns = Turns({name: [] for name in running}, {name: [] for name in running})
    started, done, rounds = time.perf_counter(), 0, 1
    while done < rounds:
        for name, worker in running.items():
            wall, cpu = worker.run()
            turns.wall[name].append(wall)
            turns.cpu[name].append(cpu)
        done += 1
        if done == 1:
            rounds = effort.rounds_for(time.perf_counter() - started)
    return turns
