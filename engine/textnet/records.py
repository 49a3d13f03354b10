"""What a training leaves behind: a record of each epoch, and what continues it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...formats.optimizer import Optimizer

Schedule = tuple[float, int, float, str, float]  # base rate, step, factor, kind, epochs of warm-up


@dataclass(frozen=True)
class EpochRecord:
    """One finished epoch: its number from 1, mean loss per row, the learning rate of its last minibatch, and its
    seconds."""

    epoch: int
    loss: float
    rate: float
    seconds: float


class Progress(NamedTuple):
    """What another run needs, besides the parameters, to continue this one after `epoch` epochs."""

    epoch: int
    velocity: np.ndarray  # the run's own: in step with the parameters
    second: np.ndarray  # and so is this one; empty for rules with one history
    rule: str
    updates: int  # before the next minibatch
    rate: float  # of the next epoch
    schedule: Schedule
    since: int  # the epoch after which the schedule began


def schedule_of(optimizer: Optimizer) -> Schedule:
    return optimizer.rate, optimizer.step, optimizer.factor, optimizer.schedule, optimizer.warmup
