"""Gradients of Embed's rows and of Parameter's blob."""

from __future__ import annotations

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import Run
from ..ops.checks import whole_numbers
from .op import Back, Backward


def prepare_embed(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run) -> Back:
    """Each row of dy is added to the row of W that it was read from."""
    rows, width = node.attributes.input_dim, tops[0][-1]

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        dy, (weights, *bias) = output_gradients[0].reshape(-1, width), weight_gradients
        if weights is not None:
            np.add.at(weights, whole_numbers(node, 0, inputs[0].reshape(-1), rows), dy)
        for gradient in bias:
            if gradient is not None:
                np.add(gradient, dy.sum(axis=0), out=gradient)

    return back


def prepare_parameter(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run) -> Back:
    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        if weight_gradients[0] is not None:
            np.add(weight_gradients[0], output_gradients[0], out=weight_gradients[0])

    return back


BACKWARDS = (Backward("Embed", prepare_embed, labels=(0,)), Backward("Parameter", prepare_parameter))
