"""How many threads a training uses from moment to moment, where nobody said how many.

Threads that meet twice a minibatch need their CPUs at the same time. Where other programs want these too, each
meeting waits for a thread that is not running, and two threads can be ten times slower than one. So the work is done in
stretches; when a stretch got less CPU time than its threads could use, one thread is tried, and the faster of both goes
on. The other is tried again from time to time. The results do not depend on it: they are the same for any number.
"""

from __future__ import annotations

STRETCH = 0.1  # seconds: long against the start of a thread, short enough to notice changes soon
TRIAL = 0.01
FIRST = 4  # minibatches of a stretch of unknown speed
OVERDUE = 3  # times the expected seconds, after which a stretch is cut short
CROWDED = 0.8  # share of its threads' CPU time below which others want the CPUs
PATIENCE, LONGEST_PATIENCE = 1.0, 32.0  # seconds until all threads are tried again


class Pace:
    """The next stretch of work: `team` threads for `stretch(left)` minibatches; `record` tells how it went."""

    def __init__(self, threads: int, *, adaptive: bool):
        self.most, self.adaptive = threads, adaptive and threads > 1
        self.team = self.chosen = threads
        self.seconds: dict[int, float] = {}  # of a minibatch, by the number of threads
        self.waited, self.patience, self.expected = 0.0, PATIENCE, STRETCH

    def stretch(self, left: int) -> int:
        """How many of the `left` minibatches come next."""
        if not self.adaptive:
            return left
        known = self.seconds.get(self.team)
        self.expected = STRETCH if self.team == self.chosen else TRIAL
        return max(1, min(left, int(self.expected / known) if known else FIRST))

    def overdue(self, wall: float) -> bool:
        """Whether the present stretch, `wall` seconds old, should be cut short."""
        return self.adaptive and self.team > 1 and wall > OVERDUE * self.expected

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
