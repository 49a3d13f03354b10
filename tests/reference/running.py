"""Small training runs."""

from __future__ import annotations

import numpy as np

from caffe64.engine.textnet.model import Model
from caffe64.engine.textnet.training import Training
from caffe64.formats.network import parse_network
from caffe64.formats.optimizer import Optimizer

NET = "inp 20 30 / lin 33 -1 / tnh / lin 17 -1 / rel / lin 5 -1 / sce"
STEADY = Optimizer(0.1, 0, 1, 0.001, 0.9, 3)


def model_of(text) -> Model:
    lines = text.split(" / ")
    return Model(parse_network("\n".join([str(len(lines)), *lines])))


def data(rows=95, features=20, classes=5, seed=1):
    source = np.random.default_rng(seed)
    X = source.standard_normal((rows, features)).astype(np.float32)
    return X, source.integers(0, classes, (rows, 1)).astype(np.float32)


def training(net=NET, arrays=None, optimizer=STEADY, **options) -> Training:
    return Training(model_of(net), *(arrays or data()), optimizer, **options)


def finish(run: Training) -> Training:
    while not run.finished:
        run.run_epoch()
    return run


LONG = "inp 4 2 / lin 8 -1 / tnh / lin 1 -1 / l2l"


def long_run(**options) -> Training:
    """Its epoch takes some seconds."""
    X = np.random.default_rng(1).standard_normal((2_000_000, 4)).astype(np.float32)
    return training(LONG, (X, X[:, :1].copy()), Optimizer(0.01, 0, 1, 0, 0.5, 2), threads=1, **options)
