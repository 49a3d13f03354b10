"""InnerProduct:  y = x @ W.T + b,  where x [M, K] are the bottom's axes before `axis` and from it on.

W is [N, K], with `transpose` [K, N].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...team.memory import aligned_zeros
from ..ir.graph import Node, Shape
from ..ir.op import NO_VALUES, Back, Gradient, Layers, Op, Run, axis_of, count
from .channels import add_sums, channel_sums
from .product import PANELS, add_product, multiply


@dataclass(frozen=True)
class InnerProduct:
    """`transpose`: the weights are [inputs, outputs]."""

    num_output: int = 0
    bias_term: bool = True
    axis: int = 1
    transpose: bool = False


def inner_product_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    outputs = node.attributes.num_output
    if not outputs:
        raise node.error("has num_output 0", "at least 1")
    return [(*bottoms[0][: _axis(node, bottoms)], outputs)]


def inner_product_weights(node: Node, bottoms: list[Shape]) -> list[Shape]:
    parameter = node.attributes
    outputs, inputs = parameter.num_output, count(bottoms[0], _axis(node, bottoms))
    weights = (inputs, outputs) if parameter.transpose else (outputs, inputs)
    return [weights, (outputs,)] if parameter.bias_term else [weights]


def _axis(node: Node, bottoms: list[Shape]) -> int:
    return axis_of(node, node.attributes.axis, len(bottoms[0]))


def prepare_inner_product(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    axis, outputs = _axis(node, bottoms), tops[0][-1]
    rows, inputs = count(bottoms[0], 0, axis), count(bottoms[0], axis)
    transposed = int(not node.attributes.transpose)
    panels = aligned_zeros(PANELS)

    def run(ins, outs):
        x, y, weights = ins[0].reshape(-1), outs[0].reshape(-1), node.weights[0].reshape(-1)
        bias = node.weights[1] if len(node.weights) > 1 else NO_VALUES
        multiply.run(x, inputs, 1, weights, transposed, bias, rows, outputs, inputs, panels, y)

    return run


def inner_product_macs(node: Node, bottoms: list[Shape], tops: list[Shape]) -> int:
    return count(tops[0]) * count(bottoms[0], _axis(node, bottoms))


# ------------------------------------------------------------------------------------------------------------- gradient
# Gradients of InnerProduct, y = x @ W.T + b:   dx = dy @ W    dW = dy.T @ x    db = sum of dy over the rows.
def inner_product_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
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
            channel_sums.run(NO_VALUES, dy, rows, outputs, 1, *sums)
            add_sums(bias[0], sums[0])
        if input_gradients[0] is not None:
            W, dx = node.weights[0].reshape(-1), input_gradients[0].reshape(-1)
            multiply.run(dy, outputs, 1, W, int(transpose), NO_VALUES, rows, inputs, outputs, panels, dx)

    return back


OPS = (
    Op(
        "InnerProduct", inner_product_shapes, prepare_inner_product, inner_product_weights, inner_product_macs,
        kernels=(multiply,),
        gradient=Gradient(inner_product_back, kernels=(add_product, channel_sums, multiply)),
    ),
)  # fmt: skip
