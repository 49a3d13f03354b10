"""What the ranks of a training of a Caffe net cost, said once."""

from __future__ import annotations

from collections.abc import Callable

from ..caffe.solver.events import Event, Finished, Stepped
from ..caffe.solver.sharded_net import ShardedNet
from ..ranks.times import RankTimes
from .progress import rank_line

ENOUGH = 1.0  # seconds of iterations that say it


class RankReport:
    """Called with the events of a training over ranks; one line by `print`."""

    def __init__(self, print: Callable[[str], None], trainer: ShardedNet):
        self._print, self._trainer = print, trainer
        self._first: RankTimes | None = None  # with what is made in the first iteration, and does not count
        self._said = False

    def __call__(self, event: Event) -> None:
        times = self._trainer.times
        if isinstance(event, Stepped) and self._first is None:
            self._first = times
        if self._said or self._first is None or not isinstance(event, Stepped | Finished):
            return
        seconds, steps = times.seconds - self._first.seconds, times.minibatches - self._first.minibatches
        if steps and (seconds > ENOUGH or isinstance(event, Finished)):
            self._said = True
            found = RankTimes(steps, seconds, times.exchanging - self._first.exchanging)
            self._print(rank_line(found, self._trainer.group.size, "iteration"))
