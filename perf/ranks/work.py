"""The nets that are trained, network5 of the demos and LeNet, and how times are taken: minima of many short turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from ...api import Net, Training
from ...caffe.solver.public import Solver
from ...engine.parameters.shards import Shards
from ...engine.textnet.loops import ShardLoop
from ...formats.optimizer import Optimizer
from ...ranks.group import Group
from ..suites.solve_nets import DECAY, MOMENTUM, RATE, lenet

# Rows of an epoch, which is a turn: long against what begins one, and short enough to be left alone by other programs,
# which is harder on two CPUs at once.
ROWS, ROWS_OVER_RANKS = 8000, 4000
LARGE = 1000  # rows of the larger minibatch
WIDTHS = 784, 100, 10
PICTURES = 64  # of a batch of LeNet's


def training(
    minibatch: int, *, threads: int, rows: int = ROWS, shards: int = 1, group: Group | None = None
) -> Training:
    """A training that has no end, ready for its first minibatch."""
    inputs, hidden, outputs = WIDTHS
    source = np.random.default_rng(1)
    X, Y = source.random((rows, inputs), np.float32), source.integers(0, outputs, (rows, 1)).astype(np.float32)
    net = Net(f"inp {inputs} {minibatch} / lin {hidden} -2 / rel / lin {outputs} -2 / sce")
    optimizer = Optimizer(1e-4, 0, 1, 1e-5, 0.9, 1_000_000)
    return Training(net, X, Y, optimizer, threads=threads, shards=shards, group=group)


def in_one_shard(minibatch: int) -> Training:
    """The same by the loop of shards, which a training with one shard does not use."""
    made = training(minibatch, threads=1)
    shards = Shards(1, 1, 0, made.model.parameters.size)
    made.use_loop(ShardLoop(made.plan, made.batch, made.threads, shards, made.group))
    return made


def solver(shards: int) -> Solver:
    """A LeNet that is trained on one thread, by batches of PICTURES in so many shards."""
    source = np.random.default_rng(1)
    X = source.random((10 * PICTURES, 1, 28, 28), np.float32)
    data = {"data": X, "label": source.integers(0, 10, len(X))}
    return Solver(
        net=lenet(), data=data, batch_size=PICTURES, base_lr=RATE, momentum=MOMENTUM, weight_decay=DECAY, threads=1,
        shards=shards,
    )  # fmt: skip


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def minima(works: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """The least seconds of each, which take turns."""
    for work in works:
        work()
    times = [[seconds(work) for work in works] for _ in range(rounds)]
    return [min(column) for column in zip(*times, strict=True)]
