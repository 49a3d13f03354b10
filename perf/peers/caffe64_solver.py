"""Training of Caffe's nets with caffe64 itself, by its public API."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ... import Solver, load_caffe
from ..suites.solve_nets import CHECKED, DECAY, MOMENTUM, RATE


class Job:
    """For `worker`: `repeats` iterations of the net `train` on the arrays of `batch` by their names.

    `facts`: losses of the net `check` before each of some updates, and the bytes that were planned for `train`.
    """

    def __init__(self, check: str, train: str, model: str, batch: str, threads: int, repeats: int):
        with np.load(batch) as arrays:
            inputs = dict(arrays)
        checked = made_solver(check, model, inputs, threads)
        checked.step(CHECKED)
        losses = checked.history.loss.tolist()
        solver = made_solver(train, model, inputs, threads)
        self.run = lambda: solver.step(repeats)
        self.run()
        size = solver.net.session.bytes
        self.facts = {"losses": losses, "planned": size and size.arena + size.scratch}


def made_solver(prototxt: str, model: str, inputs: dict[str, np.ndarray], threads: int) -> Solver:
    """With momentum and decay, of one batch again and again."""

    def batches() -> Iterator[dict[str, np.ndarray]]:
        while True:
            yield inputs

    shapes = {name: values.shape for name, values in inputs.items()}
    net = load_caffe(prototxt, model, phase="TRAIN", input_shapes=shapes)
    return Solver(
        net=net, type="SGD", base_lr=RATE, momentum=MOMENTUM, weight_decay=DECAY, data=batches(), threads=threads
    )
