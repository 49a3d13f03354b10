"""Compare jobs that do the same work: each in its own process, with several numbers of threads, in alternating rounds
with a yardstick."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..processes import Rounds, Worker, alternate, workers
from ..results import Entry, peer_times
from ..sampling import Effort, Times, paired, summary
from . import Settings

EFFORT, QUICK_EFFORT = Effort(rounds=31, budget=60.0), Effort(rounds=3, budget=2.0, fewest=3)
YARDSTICK = "yardstick"
Jobs = Mapping[str, tuple[str, Mapping]]  # participant -> job and its arguments without `threads`


@dataclass(frozen=True)
class Workload:
    """The work of one run: floating-point operations, or bytes read if `size` is not 0; the yardstick then reads a
    buffer of `size` bytes. A round times `repeats` runs."""

    amount: float
    repeats: int = 1
    size: int = 0

    @property
    def unit(self) -> str:
        return "GB/s" if self.size else "GFLOP/s"

    @property
    def yardstick(self) -> str:
        return "memory" if self.size else "FMA"


@dataclass(frozen=True)
class Comparison:
    """The measurements. Keys of `facts`, `memory` and `rounds` end in the number of threads: "PyTorch 2"."""

    suite: str
    work: Workload
    facts: dict[str, dict]
    memory: dict[str, int]
    rounds: Rounds
    scales: bool  # whether one thread was measured as well

    def times(self, participant: str, threads: int) -> Times:
        """Seconds of one run in each round."""
        return [seconds / self.work.repeats for seconds in self.rounds.fair(threads)[f"{participant} {threads}"]]

    def entry(self, name: str, participant: str, threads: int, peers: Sequence[str] = (), **fields) -> Entry:
        """The result of `participant`, against `peers` in the same rounds, and against itself on one thread."""
        ours, peak = self.times(participant, threads), self.rounds.fair(threads)[f"{YARDSTICK} {threads}"]
        peak_work, seconds = self.facts[f"{YARDSTICK} {threads}"]["work"], summary(ours)
        compared = peer_times(ours, {peer: self.times(peer, threads) for peer in peers})
        if threads != 1 and self.scales:
            wall = [seconds / self.work.repeats for seconds in self.rounds.wall[f"{participant} 1"]]
            compared |= peer_times(ours, {"one thread": wall})
        amounts = {"bytes": self.work.amount} if self.work.size else {"flops": self.work.amount}
        return Entry(
            suite=self.suite,
            name=name,
            threads=threads,
            seconds=seconds,
            rate=self.work.amount / seconds["min"] / 1e9,
            unit=self.work.unit,
            relative=self.work.amount / peak_work * paired(peak, ours),
            yardstick=self.work.yardstick,
            memory=self.memory[f"{participant} {threads}"],
            peers=compared,
            **amounts,
            **fields,
        )


def run_comparison(
    suite: str, jobs: Jobs, work: Workload, settings: Settings, verify: Callable[[dict[str, dict]], None]
) -> Comparison:
    """Start all workers, verify their results, then time them in alternating rounds. Raises what `verify` raises."""
    with workers() as running:
        for threads in settings.threads:
            for participant, (job, arguments) in jobs.items():
                running[f"{participant} {threads}"] = Worker(job, threads, {**arguments, "threads": threads})
            yardstick = {"threads": threads, "size": work.size}
            running[f"{YARDSTICK} {threads}"] = Worker("caffe64.perf.peak:Job", threads, yardstick)
        facts = {name: worker.facts for name, worker in running.items()}
        verify({name: found for name, found in facts.items() if not name.startswith(YARDSTICK)})
        rounds = alternate(running, QUICK_EFFORT if settings.quick else EFFORT)
        memory = {name: worker.memory for name, worker in running.items()}
    return Comparison(suite, work, facts, memory, rounds, 1 in settings.threads)
