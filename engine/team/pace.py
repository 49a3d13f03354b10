"""How many threads a training uses from moment to moment, where the caller gave no number.

Threads with two barriers per minibatch need their CPUs at the same time. Where other programs use these too, each
barrier waits for a thread that is not running, and two threads can be slower than one. So the work is done in
stretches; when a stretch got less CPU time than its threads could use, one thread is tried, and the faster number is
kept. The other one is tried again from time to time. The results do not depend on it: they are the same for any number.

Measured on 2026-11-29 (EPYC Zen 5, 2 cores, beside two busy processes), ten epochs of a net of 100 units: 0.47 s on two
threads, 0.35 on one, 0.35 with this module; alone 0.20 on two. The constants below are round numbers, not tuned.
"""

from __future__ import annotations

STRETCH_SECONDS = 0.1  # long against the start of a thread, short enough to notice changes soon
TRIAL_SECONDS = 0.01
FIRST_STRETCH = 4  # minibatches of a stretch of unknown speed
OVERDUE_FACTOR = 3  # times the expected seconds, after which a stretch is cut short
CROWDED = 0.8  # share of its threads' CPU time below which other programs take the CPUs
PATIENCE, LONGEST_PATIENCE = 1.0, 32.0  # seconds until all threads are tried again


class Pace:
    """The next stretch of work: `team` threads for `stretch(left)` minibatches; `record` takes its times."""

    def __init__(self, threads: int, *, adaptive: bool):
        self.most, self.adaptive = threads, adaptive and threads > 1
        self.team = self.chosen = threads
        self.seconds: dict[int, float] = {}  # of a minibatch, by the number of threads
        self.waited, self.patience, self.expected = 0.0, PATIENCE, STRETCH_SECONDS

    def stretch(self, left: int) -> int:
        """How many of the `left` minibatches come next."""
        if not self.adaptive:
            return left
        known = self.seconds.get(self.team)
        self.expected = STRETCH_SECONDS if self.team == self.chosen else TRIAL_SECONDS
        return max(1, min(left, int(self.expected / known) if known else FIRST_STRETCH))

    def overdue(self, wall: float) -> bool:
        """Whether the present stretch, `wall` seconds old, should be cut short."""
        return self.adaptive and self.team > 1 and wall > OVERDUE_FACTOR * self.expected

    def record(self, minibatches: int, wall: float, cpu: float) -> None:
        """The stretch took `wall` seconds, in which the process was given `cpu` seconds. Chooses the next team."""
        if not self.adaptive or not minibatches:
            return
        team, trial = self.team, self.team != self.chosen
        self.seconds[team] = wall / minibatches
        if trial:
            self.chosen = min(self.seconds, key=self.seconds.get)
            self.patience = PATIENCE if self.chosen == self.most else min(2 * self.patience, LONGEST_PATIENCE)
            self.waited = 0.0
        self.team = self.chosen
        self.waited += wall
        crowded = cpu < CROWDED * team * wall
        if self.chosen == self.most and crowded and not trial:
            self.team = 1
        elif self.chosen == 1 and self.waited > self.patience:
            self.team = self.most
