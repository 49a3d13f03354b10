"""The compiled loops and their memory: FusedLoop for plain nets, plain gradient descent and minibatches that are whole,
ShardLoop for everything.

loop = make_loop(plan, batch, threads, shards, group, optimizer)
run = loop.begin(training, order)       for an epoch, or the rest of one
run(first, last, number, team)          in each thread of the team: minibatches [first, last)
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ...formats.optimizer import Optimizer
from ...ranks.group import Group
from ..compiler.jit import Kernel
from ..parameters.shards import Shards, tree_sum
from ..parameters.squares import SQUARES
from ..team.memory import aligned_zeros
from .layers.layer import SEED
from .layout import NetLayout
from .minibatch_loop import run_minibatches
from .passing import TrainingBuffers
from .rates import rates_over_rows, rule_number, step_scalars
from .shard_loop import (
    BEFORE,
    LOSS_NOTE,
    LOSS_SUMS,
    NOTES_BEHIND,
    RULE,
    SQUARES_NOTE,
    SQUARES_OF_RANKS,
    STOP_NOTE,
    WEIGHTS,
    run_shards,
)
from .stepping import DECAY, E_AT, G_AT, LARGEST_NORM, MOMENTUM, OTHER_DECAY, STEP_ADDRESSES, STEP_NUMBERS, V_AT, W_AT

if TYPE_CHECKING:
    from .training import Training

PLACE_STRIDE = 16  # int64 values: 128 bytes, so that threads do not share cache lines
Run = Callable[[int, int, int, int], None]


class FusedLoop:
    """Gradient and step in one; the gradient of a weight never leaves the registers."""

    def __init__(self, plan: NetLayout, batch: int, threads: int):
        self._plan, self._batch = plan, batch
        self._buffers = TrainingBuffers(plan, batch, threads)

    def begin(self, training: Training, order: np.ndarray, rates: np.ndarray) -> Run:
        buffers, head, optimizer = self._buffers, _head(training, order), training.optimizer
        of_steps = rates_over_rows(training, rates)

        def run(first: int, last: int, number: int, team: int) -> None:
            run_minibatches.run(
                *head, first, last, self._batch, training.model.parameters, training.velocity, buffers.arena,
                buffers.layouts[number], of_steps, optimizer.decay, optimizer.momentum, number, team,
                training.sync, training.losses,
            )  # fmt: skip

        return run


class ShardLoop:
    """The gradient of each shard, their sum by the tree, and the step; `failure` is what an exchange raised."""

    def __init__(self, plan: NetLayout, batch: int, threads: int, shards: Shards, group: Group):
        self._plan, self._shards, self._group = plan, shards, group
        rows = [end - begin for begin, end in (shards.rows(each, batch) for each in range(shards.count))]
        self._buffers = TrainingBuffers(plan, max(rows), threads)
        bounds = (shards.first, shards.own, shards.ranks, shards.share, shards.begin, shards.end)
        self._cut = np.array([batch, shards.count, *bounds, max(rows), 0, 0], np.int64)
        self._spare = aligned_zeros(shards.size)
        self._stack = shards.stack()
        several = shards.ranks > 1
        width = shards.share + NOTES_BEHIND if several else 0
        self._sent, self._received = (aligned_zeros(shards.ranks * width).reshape(shards.ranks, width) for _ in "ab")
        self._weights = aligned_zeros(several * shards.padded).reshape(shards.ranks, -1)
        self._notes = np.zeros(LOSS_SUMS + shards.levels)
        self._squares = np.zeros(shards.own * -(-shards.part // SQUARES))
        self.failure: BaseException | None = None
        self.exchanging = 0.0
        self._address = 0
        if several:
            behind = slice(shards.share, shards.share + NOTES_BEHIND)
            self._sent_notes, self._received_notes = (
                rows[:, behind].view(np.float64)[:, :LOSS_SUMS] for rows in (self._sent, self._received)
            )
            self._callback = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(self._exchange)
            self._address = ctypes.cast(self._callback, ctypes.c_void_p).value or 0

    def begin(self, training: Training, order: np.ndarray, rates: np.ndarray) -> Run:
        places = _places(training, len(self._buffers.layouts))
        self._cut[BEFORE], self._cut[RULE] = training.epoch * training.steps, rule_number(training.optimizer.rule)
        self.failure, self.exchanging = None, 0.0
        for scratch in (self._spare, self._stack):  # what they hold is multiplied by 0, which is not 0 for infinities
            scratch.fill(0)
        parameters, velocity, second = training.model.parameters, training.velocity, training.second
        self._weights.reshape(-1)[: parameters.size] = parameters[: self._weights.size]
        head, buffers, of_steps = _head(training, order), self._buffers, step_scalars(training, rates)
        numbers, addresses = _step_numbers(training.optimizer), self._addresses(parameters, velocity, second)

        def run(first: int, last: int, number: int, team: int) -> None:
            run_shards.run(
                *head, first, last, self._cut, parameters, velocity, second, buffers.arena, buffers.layouts[number],
                places[number], self._plan.averages, self._spare, self._stack, self._sent, self._received,
                self._weights, self._notes, self._squares, addresses, numbers, *of_steps, number, team,
                training.sync, training.losses, self._address,
            )  # fmt: skip

        return run

    def _addresses(self, parameters: np.ndarray, velocity: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Of bytes, int64, as `stepping.py` takes them: where parameter 0 has its weight, gradient and histories."""
        found = np.zeros(STEP_ADDRESSES, np.int64)
        several = self._shards.ranks > 1
        found[W_AT] = (self._weights if several else parameters).ctypes.data
        found[G_AT] = self._received.ctypes.data - 4 * self._shards.begin if several else self._stack.ctypes.data
        found[V_AT] = velocity.ctypes.data
        found[E_AT] = (second if second.size else velocity).ctypes.data
        return found

    def gather(self, velocity: np.ndarray) -> None:
        """Of `velocity`, or of another history, each rank holds its share: all of it on all ranks. Called by all."""
        if not velocity.size:
            return
        shards = self._shards
        self._weights.reshape(-1)[shards.begin : shards.end] = velocity[shards.begin : shards.end]
        self._group.allgather(None, self._weights)
        velocity[:] = self._weights.reshape(-1)[: velocity.size]

    def _exchange(self, phase: int) -> int:
        """What `run_shards` calls, in its first thread. An exception would be lost in compiled code: it is kept."""
        started = time.perf_counter()
        try:
            if phase == WEIGHTS:
                self._group.allgather(None, self._weights)
            elif phase == SQUARES_OF_RANKS:
                found = self._group.gather_numbers([float(self._notes[SQUARES_NOTE])])
                self._notes[SQUARES_NOTE] = tree_sum(found[:, 0].tolist())
            else:
                self._exchange_gradients()
        except BaseException as failure:
            self.failure = failure
            return 1
        self.exchanging += time.perf_counter() - started
        return 0

    def _exchange_gradients(self) -> None:
        self._sent_notes[:] = self._notes[:LOSS_SUMS]
        self._group.alltoall(self._sent, self._received)
        self._notes[LOSS_NOTE] = tree_sum(self._received_notes[:, LOSS_NOTE].tolist())
        self._notes[STOP_NOTE] = self._received_notes[:, STOP_NOTE].max()


def make_loop(
    plan: NetLayout, batch: int, threads: int, shards: Shards, group: Group, optimizer: Optimizer
) -> FusedLoop | ShardLoop:
    if loop_kernel(plan, shards.count, optimizer) is run_minibatches:
        return FusedLoop(plan, batch, threads)
    return ShardLoop(plan, batch, threads, shards, group)


def loop_kernel(plan: NetLayout, shards: int, optimizer: Optimizer | None) -> Kernel:
    """The compiled loop that a training of this net runs; without an optimizer, that of plain gradient descent."""
    plain = optimizer is None or (optimizer.rule == "sgd" and not optimizer.clip)
    return run_minibatches if shards == 1 and plain and plan.is_plain else run_shards


def _places(training: Training, threads: int) -> np.ndarray:
    """What the layers of each thread are given as their place: int64 [threads, PLACE_STRIDE]."""
    places = np.zeros((threads, PLACE_STRIDE), np.int64)
    places[:, SEED] = np.array(training.seed, np.uint64).view(np.int64)
    return places


def _step_numbers(optimizer: Optimizer) -> np.ndarray:
    """float32, as `stepping.py` takes them. Caffe's AdaDelta, whose code runs, has the decay of squares as momentum."""
    numbers = np.zeros(STEP_NUMBERS, np.float32)
    numbers[DECAY], numbers[LARGEST_NORM] = optimizer.decay, optimizer.clip
    numbers[MOMENTUM] = optimizer.second if optimizer.rule == "adadelta" else optimizer.momentum
    numbers[OTHER_DECAY] = optimizer.second or 0.0
    return numbers


def _head(training: Training, order: np.ndarray) -> tuple:
    plan = training.plan
    loss = plan.loss.loss.address
    return plan.link(training=True), plan.settings, loss, training.X, training.Y, training.row_weights, order
