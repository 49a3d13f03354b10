"""Gradients of Pooling: MAX gives dy to the place of the maximum, AVE dy over the window's size to all its places."""

from __future__ import annotations

import numpy as np

from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.fields import read_row
from ...compiler.jit import F1, F1_IN, I2_IN, i64, kernel
from ...team.memory import aligned_zeros
from ...vectors.simd import load, load_part, store, store_part
from ..ir.graph import Node, Shape
from ..ir.op import Run
from ..ops.pooling import AVE, LOWEST, Side, pooling_windows, window_table
from .op import Back, Backward


@kernel(types.void(F1_IN, F1_IN, F1_IN, i64, i64, i64, I2_IN, I2_IN, F1))
def maximum_gradient(x, y, dy, planes, H, W, rows, columns, dx):
    """dx = 0, plus dy at each window's first maximum; windows without a number above -FLT_MAX have none.

    x, dx [planes * H * W]; y, dy [planes * rows * columns]; rows, columns as `pool_maximum`.
    """
    dx[:] = 0
    at = 0
    for plane in range(planes):
        for r in range(rows.shape[0]):
            for c in range(columns.shape[0]):
                if y[at] > LOWEST:
                    down, across = read_row(rows, 0, r, Side), read_row(columns, 0, c, Side)
                    i, w = (plane * H + down.first) * W, across.first
                    while x[i + w] != y[at]:
                        w += 1
                        if w == across.last:
                            w = across.first
                            i += W
                    dx[i + w] += dy[at]
                at += 1


@kernel(types.void(F1_IN, i64, i64, i64, I2_IN, I2_IN, F1, F1))
def mean_gradient(dy, planes, H, W, rows, columns, line, dx):
    """dx = sum over the windows of dy over the product of their lengths.   Arguments as `maximum_gradient`; line
    [W + LANES] is scratch: a row of windows is spread over it, and it is added to their rows of pixels."""
    dx[:] = 0
    at = 0
    for plane in range(planes):
        for r in range(rows.shape[0]):
            line[:] = 0
            down = read_row(rows, 0, r, Side)
            for c in range(columns.shape[0]):
                across = read_row(columns, 0, c, Side)
                share = dy[at + c] / np.float32(down.length * across.length)
                for w in range(across.first, across.last):
                    line[w] += share
            at += columns.shape[0]
            for h in range(down.first, down.last):
                for w in range(0, W, LANES):
                    i, left = (plane * H + h) * W + w, W - w
                    if left >= LANES:
                        store(dx, i, load(dx, i) + load(line, w))
                    else:
                        store_part(dx, i, load_part(dx, i, left) + load(line, w), left)


def prepare_pooling(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run) -> Back:
    """A second top, the places of the maxima, has no gradient."""
    (N, C, H, W), mean = bottoms[0], node.attributes.pool == AVE
    rows, columns = (window_table(axis) for axis in pooling_windows(node, bottoms[0]))
    line = aligned_zeros(W + LANES)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        x, y, dy, dx = (array.reshape(-1) for array in (inputs[0], outputs[0], output_gradients[0], input_gradients[0]))
        if mean:
            mean_gradient.run(dy, N * C, H, W, rows, columns, line, dx)
        else:
            maximum_gradient.run(x, y, dy, N * C, H, W, rows, columns, dx)

    return back


BACKWARDS = (Backward("Pooling", prepare_pooling),)
