"""A layer whose gradient depends on its own weights:  sqr:  y[b, k] = x[b, k] * p[k]**2."""

from __future__ import annotations

from caffe64.engine.compiler.jit import kernel
from caffe64.engine.textnet.layers.layer import BACKWARD, FORWARD, UPDATE, TextLayer
from caffe64.formats.network import Word


@kernel(FORWARD)
def forward(x, p, settings, y, scratch):
    for b in range(x.shape[0]):
        for k in range(x.shape[1]):
            y[b, k] = x[b, k] * p[k] * p[k]


@kernel(BACKWARD)
def backward(x, p, settings, y, dy, dx, scratch):
    for b in range(dy.shape[0]):
        for k in range(dy.shape[1]):
            dx[b, k] = dy[b, k] * p[k] * p[k]


@kernel(UPDATE)
def update(x, dy, p, v, rate, decay, momentum, share, shares, scratch):
    columns = dy.shape[1]
    for k in range(columns * share // shares, columns * (share + 1) // shares):
        gradient = decay * p[k]
        for b in range(dy.shape[0]):
            gradient += 2 * p[k] * x[b, k] * dy[b, k]
        v[k] = momentum * v[k] + rate * gradient
        p[k] -= v[k]


LAYER = TextLayer(
    word=Word("sqr", (), "hidden", "x times the square of a weight"),
    forward=forward,
    backward=backward,
    update=update,
    parameters=lambda inputs, values: inputs,
    initial=lambda drawn, inputs, values: drawn,
)
