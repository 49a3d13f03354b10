"""Gradient of Reduction:   dx = coeff * dy * {SUM 1, ASUM sign(x), SUMSQ 2x, MEAN 1 over the number of values}."""

from __future__ import annotations

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import Run, count
from ..ops.reductions import ASUM, MEAN, SUMSQ
from .op import Back, Backward


def prepare_reduction(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run) -> Back:
    kind, rows = node.attributes.operation, count(tops[0])
    size = count(bottoms[0], len(tops[0]))
    scale = {MEAN: 1 / max(1, size), SUMSQ: 2}.get(kind, 1)
    factor = np.float32(node.attributes.coeff * scale)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        x, dx = inputs[0].reshape(rows, size), input_gradients[0].reshape(rows, size)
        slopes = output_gradients[0].reshape(rows, 1) * factor
        if kind == ASUM:
            np.multiply(np.sign(x, out=dx), slopes, out=dx)
        elif kind == SUMSQ:
            np.multiply(x, slopes, out=dx)
        else:
            dx[:] = slopes

    return back


BACKWARDS = (Backward("Reduction", prepare_reduction),)
