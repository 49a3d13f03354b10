"""What a training leaves behind: a record of each epoch, and what continues it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...formats.optimizer import Optimizer

Schedule = tuple[float, int, float]  # base rate, step, factor


@dataclass(frozen=True)
class EpochRecord:
    """One finished epoch: its number from 1, mean loss per row, its learning rate, and its seconds."""

    epoch: int
    loss: float
    rate: float
    seconds: float


@dataclass(frozen=True)
class Progress:
    """What another run needs, besides the parameters, to continue this one after `epoch` epochs."""

    epoch: int
    velocity: np.ndarray  # the run's own: in step with the parameters
    rate: float  # of the next epoch
    schedule: Schedule
    since: int  # the epoch after which the schedule began


def schedule_of(optimizer: Optimizer) -> Schedule:
    return optimizer.rate, optimizer.step, optimizer.factor
