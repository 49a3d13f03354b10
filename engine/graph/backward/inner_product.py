"""Gradients of InnerProduct, y = x @ W.T + b:   dx = dy @ W    dW = dy.T @ x    db = sum of dy over the rows."""

from __future__ import annotations

import numpy as np

from ...team.memory import aligned_zeros
from ..ir.graph import Node, Shape
from ..ir.op import Run, count
from ..ops.product import PANELS, multiply
from .channels import NOTHING, add_sums, channel_sums
from .op import Back, Backward
from .product import add_product


def prepare_inner_product(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run) -> Back:
    outputs, rows = tops[0][-1], count(tops[0], 0, len(tops[0]) - 1)
    inputs = count(bottoms[0], len(tops[0]) - 1)
    transpose, panels = node.attributes.transpose, aligned_zeros(PANELS)
    sums = np.empty(outputs), np.empty(outputs)

    def back(ins, outs, output_gradients, input_gradients, weight_gradients):
        x, dy, (weights, *bias) = ins[0].reshape(-1), output_gradients[0].reshape(-1), weight_gradients
        if weights is not None and transpose:
            add_product.run(x, 1, inputs, dy, inputs, outputs, rows, panels, weights.reshape(-1))
        elif weights is not None:
            add_product.run(dy, 1, outputs, x, outputs, inputs, rows, panels, weights.reshape(-1))
        if bias and bias[0] is not None:
            channel_sums.run(NOTHING, dy, rows, outputs, 1, *sums)
            add_sums(bias[0], sums[0])
        if input_gradients[0] is not None:
            W, dx = node.weights[0].reshape(-1), input_gradients[0].reshape(-1)
            multiply.run(dy, outputs, 1, W, int(transpose), NOTHING, rows, inputs, outputs, panels, dx)

    return back


BACKWARDS = (Backward("InnerProduct", prepare_inner_product),)
