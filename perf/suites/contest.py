"""Jobs that do the same, each in a process of its own, with several numbers of threads, in turns with a yardstick."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..processes import Turns, Worker, take_turns, workers
from ..results import Entry, peer_times
from ..sampling import Effort, Times, paired, summary
from . import Settings

EFFORT, QUICK_EFFORT = Effort(rounds=31, budget=60.0), Effort(rounds=3, budget=2.0, fewest=3)
YARDSTICK = "yardstick"
Jobs = Mapping[str, tuple[str, Mapping]]  # who -> job and its arguments without `threads`


@dataclass(frozen=True)
class Workload:
    """Of one run: floating-point operations, or bytes that are read, of which the yardstick reads `size` again and
    again. A turn is `repeats` runs."""

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
class Contest:
    """What was measured. Names in `facts`, `memory` and `turns` end in the number of threads: "PyTorch 2"."""

    suite: str
    work: Workload
    facts: dict[str, dict]
    memory: dict[str, int]
    turns: Turns
    scales: bool  # whether one thread took part as well

    def times(self, who: str, threads: int) -> Times:
        return [seconds / self.work.repeats for seconds in self.turns.fair(threads)[f"{who} {threads}"]]

    def entry(self, name: str, who: str, threads: int, peers: Sequence[str] = (), **fields) -> Entry:
        """How `who` did, against `peers` in the same rounds, and against itself on one thread."""
        ours, peak = self.times(who, threads), self.turns.fair(threads)[f"{YARDSTICK} {threads}"]
        peak_work, seconds = self.facts[f"{YARDSTICK} {threads}"]["work"], summary(ours)
        compared = peer_times(ours, {peer: self.times(peer, threads) for peer in peers})
        if threads != 1 and self.scales:
            wall = [seconds / self.work.repeats for seconds in self.turns.wall[f"{who} 1"]]
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
            memory=self.memory[f"{who} {threads}"],
            peers=compared,
            **amounts,
            **fields,
        )


def hold(
    suite: str, jobs: Jobs, work: Workload, settings: Settings, verify: Callable[[dict[str, dict]], None]
) -> Contest:
    """Start all jobs, let `verify` look at what they said, and let them take turns."""
    with workers() as running:
        for threads in settings.threads:
            for who, (job, arguments) in jobs.items():
                running[f"{who} {threads}"] = Worker(job, threads, {**arguments, "threads": threads})
            yardstick = {"threads": threads, "size": work.size}
            running[f"{YARDSTICK} {threads}"] = Worker("caffe64.perf.peak:Job", threads, yardstick)
        facts = {name: worker.facts for name, worker in running.items()}
        verify({name: found for name, found in facts.items() if not name.startswith(YARDSTICK)})
        turns = take_turns(running, QUICK_EFFORT if settings.quick else EFFORT)
        memory = {name: worker.memory for name, worker in running.items()}
    return Contest(suite, work, facts, memory, turns, 1 in settings.threads)
