"""An epoch of the suite `train` with caffe64 itself."""

from __future__ import annotations

import time

import numpy as np

from ... import Net, Optimizer, Training
from ..suites.nets import CHECKED, DECAY, MOMENTUM, NETS, RATE, NetCase


class Job:
    """See `worker`. `facts`: mean losses of the verified passes, seconds to compile and of the first epoch."""

    def __init__(self, net: str, rows: int, threads: int):
        case = NETS[net]
        started = time.perf_counter()
        Net(case.text).compile()
        compiled = time.perf_counter() - started
        check = _training(case, case.minibatch * CHECKED[0], threads, shuffle=False)
        losses = [check.run_epoch().loss for _ in range(CHECKED[1])]
        training = _training(case, rows, threads, shuffle=True)
        self.run = training.run_epoch
        started = time.perf_counter()
        self.run()
        self.facts = {"losses": losses, "compile": compiled, "first": time.perf_counter() - started}


def _training(case: NetCase, rows: int, threads: int, shuffle: bool) -> Training:
    net = Net(case.text)
    net.parameters = net.unpack(np.concatenate([values.ravel() for layer in case.parameters() for values in layer]))
    X, Y = case.data(rows)
    optimizer = Optimizer(rate=RATE, step=0, factor=1, decay=DECAY, momentum=MOMENTUM, epochs=10**9)
    return Training(net, X, Y, optimizer, threads=threads, shuffle=shuffle)
