"""Timing on a machine that is never quiet: everything that is compared alternates, A B C, B C A, C A B ...

A throttled moment then hits all of them, and cancels out of the ratio *of one round*. A ratio is therefore reported as
the median over the rounds of each round's own ratio, never as a quotient of two separate runs.

Work on one thread of this process is measured in CPU time, which does not count time given to other programs. (A call
that waits for a thread pool of its library looks slightly faster than it is.)
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Times = list[float]  # seconds of one call, one number per round
Work = Callable[[], object]
Clock = Callable[[], float]


@dataclass(frozen=True)
class Effort:
    """How long to measure: `sample` seconds per sample, `rounds` samples of each, fewer where these exceed `budget`
    seconds, but never below `fewest`."""

    sample: float = 0.002
    rounds: int = 21
    budget: float = 3.0
    fewest: int = 5

    def rounds_for(self, seconds: float) -> int:
        """How many rounds of `seconds` each."""
        return max(self.fewest, min(self.rounds, int(self.budget / max(seconds, 1e-9))))


def interleave(works: Mapping[str, Work], effort: Effort, clock: Clock = time.process_time) -> dict[str, Times]:
    """Call the `works` alternately; a sample repeats a short call until it lasts `effort.sample` seconds. `clock` is
    time.perf_counter for works of several threads."""
    repeats = {name: _repeats(work, effort.sample, clock) for name, work in works.items()}
    round_seconds = sum(_time(work, repeats[name], clock) * repeats[name] for name, work in works.items())
    times: dict[str, Times] = {name: [] for name in works}
    order = list(works.items())
    for _ in range(effort.rounds_for(round_seconds)):
        for name, work in order:
            times[name].append(_time(work, repeats[name], clock))
        order.append(order.pop(0))  # the next round starts with another, so that none always follows the same one
    return times


def summary(times: Times) -> dict[str, float]:
    """min, median and spread (the distance of the quartiles over the median) of the samples, and their number."""
    median = statistics.median(times)
    lower, _, upper = statistics.quantiles(times, method="inclusive") if len(times) > 1 else (median,) * 3
    return {"min": min(times), "median": median, "spread": (upper - lower) / median, "samples": len(times)}


def paired(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """Median over the rounds of the round's own quotient."""
    return statistics.median(a / b for a, b in zip(numerators, denominators, strict=True))


def _repeats(work: Work, seconds: float, clock: Clock) -> int:
    work()  # the cost of a first call is not part of the steady state
    repeats = 1
    while repeats < 1 << 20 and (once := _time(work, repeats, clock)) * repeats < seconds:
        repeats = max(2 * repeats, min(int(seconds / max(once, 1e-9)), 16 * repeats))
    return repeats


def _time(work: Work, repeats: int, clock: Clock) -> float:
    started = clock()
    for _ in range(repeats):
        work()
    return (clock() - started) / repeats
