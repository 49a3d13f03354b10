"""Layers that do in training what they do not do in a prediction, with results that are simple to write down.

msk        y = x * m,  m from 0.5 to 1.25 by the seed, minibatch, line, row and column;  in a prediction y = x
ctr        y = x - mean of the rows + shift, K trained shifts; behind them K running means, which predictions subtract
"""

import numpy as np

from caffe64.engine.compiler.jit import inline, kernel
from caffe64.engine.parameters.sgd import step_vectors
from caffe64.engine.textnet.layers import register
from caffe64.engine.textnet.layers.layer import (
    COLUMN_SHARE,
    COLUMN_SHARES,
    FIRST_ROW,
    FORWARD,
    ITERATION,
    LAYER_NUMBER,
    SEED,
    TRAIN,
    TRAIN_BACKWARD,
    UPDATE,
    TextLayer,
)
from caffe64.engine.vectors.copying import copy
from caffe64.engine.vectors.views import view1
from caffe64.formats.network import Word


@inline
def factor(place, row, column):
    drawn = place[SEED] + 3 * place[ITERATION] + 5 * place[LAYER_NUMBER] + 7 * (place[FIRST_ROW] + row) + 11 * column
    return np.float32(0.5 + 0.25 * (drawn % 4))


@kernel(FORWARD)
def mask_forward(x, p, settings, y, scratch):
    copy(x, 0, y, 0, x.size)


@kernel(TRAIN)
def mask_train(x, p, settings, y, scratch, place):
    for b in range(x.shape[0]):
        for k in range(x.shape[1]):
            y[b, k] = x[b, k] * factor(place, b, k)


@kernel(TRAIN_BACKWARD)
def mask_backward(x, p, settings, y, dy, dx, scratch, place):
    for b in range(dy.shape[0]):
        for k in range(dy.shape[1]):
            dx[b, k] = dy[b, k] * factor(place, b, k)


@kernel(FORWARD)
def centre_forward(x, p, settings, y, scratch):
    for b in range(x.shape[0]):
        for k in range(x.shape[1]):
            y[b, k] = x[b, k] - p[x.shape[1] + k] + p[k]


@inline
def own_columns(place, columns):
    return columns * place[COLUMN_SHARE] // place[COLUMN_SHARES], columns * (place[COLUMN_SHARE] + 1) // place[
        COLUMN_SHARES
    ]


@inline
def mean_of(x, k):
    total = np.float64(0)
    for b in range(x.shape[0]):
        total += x[b, k]
    return np.float32(total / x.shape[0])


@kernel(TRAIN)
def centre_train(x, p, settings, y, scratch, place):
    first, last = own_columns(place, x.shape[1])
    for k in range(first, last):
        shift = p[k] - mean_of(x, k)
        for b in range(x.shape[0]):
            y[b, k] = x[b, k] + shift


@kernel(TRAIN_BACKWARD)
def centre_backward(x, p, settings, y, dy, dx, scratch, place):
    first, last = own_columns(place, x.shape[1])
    for k in range(first, last):
        mean = mean_of(dy, k)
        for b in range(x.shape[0]):
            dx[b, k] = dy[b, k] - mean


@kernel(UPDATE)
def centre_update(x, dy, p, v, rate, decay, momentum, share, shares, scratch):
    K = x.shape[1]
    for k in range(K * share // shares, K * (share + 1) // shares):
        gradient = view1(scratch, 0, 1)
        gradient[0] = mean_of(dy, k) * dy.shape[0]
        step_vectors(p, k, v, k, gradient, 0, 1, rate, decay, momentum)
        v[K + k] = rate * mean_of(x, k)


MASK = register(
    TextLayer(
        word=Word("msk", (), "hidden", "mask"), forward=mask_forward, backward=mask_backward, train=mask_train,
        reads_input=False, reads_output=False,
    )
)  # fmt: skip
CENTRE = register(
    TextLayer(
        word=Word("ctr", (), "hidden", "centre"), forward=centre_forward, backward=centre_backward, train=centre_train,
        across=True, update=centre_update, parameters=lambda inputs, values: 2 * inputs,
        averages=lambda inputs, outputs: inputs, reads_parameters=False, reads_output=False,
    )
)  # fmt: skip
