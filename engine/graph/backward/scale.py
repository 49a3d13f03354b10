"""Gradients of Scale and Bias:   dx = dy * gamma    dgamma = sum of dy * x    dbeta = sum of dy,  over other axes."""

from __future__ import annotations

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import Run, count
from ..ops.scale import NONE, affine, operand
from .channels import NOTHING, add_sums, channel_sums
from .op import Back, Backward


def prepare_scale(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run) -> Back:
    axis, shape = operand(node, bottoms)
    sizes = outer, channels, inner = count(bottoms[0], 0, axis), count(shape), count(bottoms[0], axis + len(shape))
    if channels == 1:
        sizes = 1, 1, outer * inner
    sums, products = np.empty(channels), np.empty(channels)
    scaling, second = node.type == "Scale", len(bottoms) == 2

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        dy = output_gradients[0].reshape(-1)
        wanted = [*input_gradients[1:], *weight_gradients]  # gamma's and beta's, of Bias beta's alone
        if any(gradient is not None for gradient in wanted):
            factor_wanted = scaling and wanted[0] is not None
            x = inputs[0].reshape(-1) if factor_wanted else NOTHING
            channel_sums.run(x, dy, *sizes, sums, products)
            for number, gradient in enumerate(wanted):
                if gradient is not None:
                    if number < second:
                        gradient.fill(0)
                    add_sums(gradient, products if scaling and number == 0 else sums)
        if input_gradients[0] is not None:
            factor = (inputs[1] if second else node.weights[0]).reshape(-1) if scaling else NONE
            affine.run(dy, NONE, factor, NONE, *sizes, input_gradients[0].reshape(-1))

    return back


BACKWARDS = tuple(Backward(kind, prepare_scale) for kind in ("Scale", "Bias"))
