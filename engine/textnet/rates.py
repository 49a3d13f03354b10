"""The learning rate of each minibatch of an epoch, and what the loops make of it.

t is the number of epochs that are done, with the fraction of the present one, since the schedule began:

    step       the rate, which `Training` multiplies by the factor after every `step` epochs
    exp        rate * factor ** (t / step)
    cosine     rate * (1 + cos(pi * t / epochs)) / 2
    function   a function of the caller's own, of the epochs done since the start of the run
    warm-up    each times (t at the end of the minibatch) / warmup, until that is 1
"""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from ...arguments import function
from ...errors import UsageError
from ...formats.optimizer import Optimizer
from ..parameters.rules import NESTEROV, RULES, SGD

if TYPE_CHECKING:
    from .training import Training

RateFunction = Callable[[float], float]


def rule_number(name: str) -> int:
    """Of a rule of `Optimizer`, its number in RULES."""
    return [each.lower() for each in RULES].index(name)


def rows_of_minibatches(rows: int, batch: int, *, remainder: bool) -> np.ndarray:
    """int64 [steps]: of each minibatch of an epoch. Raises UsageError where there is none."""
    if rows < (1 if remainder else batch):
        raise UsageError(f"there are {rows} rows, but a minibatch of the net takes {batch}")
    steps = -(-rows // batch) if remainder else rows // batch
    return np.minimum(batch, rows - batch * np.arange(steps))


def check_schedule(schedule: RateFunction | None, optimizer: Optimizer) -> RateFunction | None:
    """`schedule`, which is a function or None. Raises UsageError where the optimizer has a schedule as well."""
    if schedule and (optimizer.schedule != "step" or optimizer.warmup):
        raise UsageError(f"there is a schedule, and the optimizer has {optimizer.schedule} or a warm-up: choose one")
    return function("schedule", schedule)


def minibatch_rates(training: Training) -> np.ndarray:
    """float64 [steps]. Of a function of the caller's own, those of the minibatches that are not done yet; others 0."""
    optimizer, steps = training.optimizer, training.steps
    if not training.schedule and optimizer.schedule == "step" and not optimizer.warmup:
        return np.full(steps, training.rate)
    fractions = np.arange(steps) / steps
    if training.schedule:
        found = [_asked(training.schedule, training.epoch + float(each)) for each in fractions[training.step :]]
        return np.array([0.0] * training.step + found)
    done = training.epoch - training.since
    with np.errstate(over="ignore", under="ignore", divide="ignore"):
        match optimizer.schedule:
            case "exp":
                rates = optimizer.rate * np.float64(optimizer.factor) ** ((done + fractions) / optimizer.step)
            case "cosine":
                share = np.minimum(1.0, (done + fractions) / max(optimizer.epochs, 1))
                rates = optimizer.rate * (1 + np.cos(math.pi * share)) / 2
            case _:
                rates = np.full(steps, training.rate)
    if optimizer.warmup:
        rates = rates * np.minimum(1.0, (done + fractions + 1 / steps) / optimizer.warmup)
    return rates


def _asked(schedule: RateFunction, done: float) -> float:
    found = schedule(done)
    number = isinstance(found, Real) and not isinstance(found, (bool, np.bool_))
    if not number or not math.isfinite(found) or found < 0:
        raise UsageError(f"the schedule gives the rate {found!r} after {done:g} epochs, expected a finite number >= 0")
    return float(found)


def rates_over_rows(training: Training, rates: np.ndarray) -> np.ndarray:
    """What the step of sgd and nesterov multiplies by: float32 [steps]."""
    with np.errstate(over="ignore", under="ignore"):
        return (rates / training.minibatch_rows).astype(np.float32)


def step_scalars(training: Training, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the step of any rule multiplies by, and adds to a divisor: float32 [steps] each.

    The rates of adam include the corrections of both means, of algorithm 1 of its paper, and its epsilon that of the
    second one.
    """
    optimizer = training.optimizer
    if rule_number(optimizer.rule) in (SGD, NESTEROV):
        return rates_over_rows(training, rates), np.zeros(len(rates), np.float32)
    epsilons = np.full(len(rates), optimizer.epsilon)
    with np.errstate(over="ignore", under="ignore"):
        if optimizer.rule == "adam":
            first, second = (np.float64(np.float32(each)) for each in (optimizer.momentum, optimizer.second))
            updates = training.updates - training.step + np.arange(1, len(rates) + 1)
            root = np.sqrt(1 - second**updates)
            rates, epsilons = rates * root / (1 - first**updates), epsilons * root
        return rates.astype(np.float32), epsilons.astype(np.float32)
