"""What tests run in other processes: pools find these functions by the name of this module."""

from __future__ import annotations

import caffe64
from caffe64.errors import InputError

from .clouds import classes

TEXT = "inp 6 10 / lin 9 -1 / rel / lin 3 -1 / sce"


class Tagged(InputError):
    """An error as a user may add one: it takes a keyword that the base does not know."""

    def __init__(self, path, *, tag):
        super().__init__(path, "is tagged", line=1)
        self.tag = tag


def optimizer(rate):
    return caffe64.Optimizer(rate=rate, step=0, factor=1, decay=0, momentum=0.9, epochs=3)


def train(rate, seed=0):
    """A net, its history, its predictions."""
    net, (X, Y) = caffe64.Net(TEXT), classes()
    history = net.fit(X, Y, optimizer(rate), seed=seed)
    return net, history, net.predict(X)


def train_too_fast(seed):
    return train(1e9, seed)


def train_on_wrong_labels():
    X, Y = classes()
    Y[0] = 9
    caffe64.Net(TEXT).fit(X, Y, optimizer(0.1))


def predict(net, X):
    return net.predict(X)


def finish(run):
    while not run.finished:
        run.run_epoch()
    return run


def forward(net, x):
    return net.forward(x=x)["b"]


class NamedNet(caffe64.Net):
    """A net with an attribute of its own."""

    name = ""
