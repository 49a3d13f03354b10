"""Plain NumPy for the layers whose own kernels have code in common with a plan's.

Code that both sides of a comparison share is compared with itself, so the interpreter has these forms instead. All
other layers that plans lower have separate kernels there; those that plans do not lower are the same code in both.
"""

from __future__ import annotations

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import Run
from ..ops.eltwise import ELTWISE_MAX, ELTWISE_MIN, ELTWISE_PROD, ELTWISE_SUM
from ..ops.softmax import axis_sizes

COMBINATIONS = {
    ELTWISE_PROD: lambda x, y, a, b: x * y,
    ELTWISE_SUM: lambda x, y, a, b: a * x + b * y,
    ELTWISE_MAX: lambda x, y, a, b: np.where(x > y, x, y),
    ELTWISE_MIN: lambda x, y, a, b: np.where(x < y, x, y),
}


def prepare_softmax(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """exp(x - max) over the sum of that. NaN spreads."""
    sizes = axis_sizes(node, bottoms[0])

    def run(inputs, outputs):
        x = inputs[0].reshape(sizes)
        powers = np.exp(x - x.max(axis=1, keepdims=True, initial=-np.inf))
        np.divide(powers, powers.sum(axis=1, keepdims=True), out=outputs[0].reshape(sizes))

    return run


def prepare_eltwise(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """The first two bottoms, then one more at a time: Caffe's order, also for equal values and NaN."""
    combine = COMBINATIONS[node.attributes.operation]
    factors = list(node.attributes.coeff) or [1.0] * len(bottoms)

    def run(inputs, outputs):
        top = combine(*inputs[:2], *factors[:2])
        for bottom, factor in zip(inputs[2:], factors[2:], strict=True):
            top = combine(bottom, top, factor, 1.0)
        outputs[0][...] = top

    return run


PLAIN = {"Softmax": prepare_softmax, "Eltwise": prepare_eltwise}
