"""The rest of an epoch: stretches of minibatches in as many threads as the pace says, until its end or a stop.

Over ranks the stretches of one need not be those of another, as each minibatch waits for all ranks. But a rank may not
leave the others, for whatever reason, before they know: they stop after the same minibatch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ..team.barrier import DONE, FAILED, STOP, STOP_REQUEST, STRETCH_OVERDUE
from ..team.threads import BRIEF_MACS, run_team
from .loops import FusedLoop, ShardLoop

if TYPE_CHECKING:
    from .training import Training

Watch = Callable[[int, np.ndarray], None]


def run_stretches(
    training: Training, loop: FusedLoop | ShardLoop, order: np.ndarray, rates: np.ndarray, watch: Watch | None
) -> None:
    """Minibatches from sync[DONE] on, at `rates` float64 [steps]. What `watch` or a signal raises is raised after the
    minibatch, over ranks when all of them have stopped; what an exchange raised, at once."""
    sync, pace, alone = training.sync, training.pace, training.group.size == 1
    run, failure = loop.begin(training, order, rates), None

    def work(number: int) -> None:
        run(first, last, number, pace.team)

    def poll() -> None:
        if pace.overdue(time.perf_counter() - wall):
            sync[STOP_REQUEST] |= STRETCH_OVERDUE
        if watch and not failure:
            watch(int(sync[DONE]), training.losses)

    macs = (training.plan.macs + training.plan.features) * training.batch
    while (first := int(sync[DONE])) < training.steps and not _is_over(sync, alone):
        last = first + pace.stretch(training.steps - first)
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            # However brief, ranks exchange in another thread than that of signals, which might interrupt them.
            run_team(work, pace.team, macs * (last - first) if alone else BRIEF_MACS, training.stop, poll)
        except BaseException as error:
            if alone:
                raise
            failure = failure or error
        done, seconds = int(sync[DONE]) - first, time.perf_counter() - wall
        pace.record(done, seconds, time.process_time() - cpu)
        if sync[STOP] <= 1 and (sync[STOP_REQUEST] == STRETCH_OVERDUE or not alone):
            sync[STOP_REQUEST] &= ~STRETCH_OVERDUE
            sync[STOP] = 0
        training.rank_times.minibatches += done
        training.rank_times.seconds += seconds
    if isinstance(loop, ShardLoop) and not alone:
        if sync[STOP] == FAILED:
            raise loop.failure or failure or AssertionError("an exchange failed without a reason")
        loop.gather(training.velocity)
        loop.gather(training.second)
        training.rank_times.exchanging += loop.exchanging
    if failure:
        raise failure


def _is_over(sync: np.ndarray, alone: bool) -> bool:
    """One process ends at any request; ranks where all know of it."""
    return bool(sync[STOP] or sync[STOP_REQUEST]) if alone else sync[STOP] > 1
