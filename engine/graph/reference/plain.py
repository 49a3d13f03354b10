"""Plain NumPy for the layers whose own kernels have code in common with a plan's.

Code that both sides of a comparison share is compared with itself, so the interpreter has these forms instead. All
other layers that plans lower have separate kernels there; those that plans do not lower are the same code in both.
"""

from __future__ import annotations

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import Run, no_curve
from ..ops import OPS
from ..ops.checks import whole_numbers
from ..ops.curves import (
    CAPPED,
    CLIP,
    ELU_CURVE,
    EXP,
    HARD_SIGMOID,
    HARD_SWISH,
    LINEAR,
    MISH,
    RECTIFIED,
    SIGMOID,
    SOFTPLUS,
    SWISH,
    TANH,
    THRESHOLD,
)
from ..ops.eltwise import ELTWISE_MAX, ELTWISE_MIN, ELTWISE_PROD, ELTWISE_SUM
from ..ops.losses import SMALLEST_NORMAL, divisor, write
from ..ops.softmax import axis_sizes
from .plain_regions import prepare_regions

COMBINATIONS = {
    ELTWISE_PROD: lambda x, y, a, b: x * y,
    ELTWISE_SUM: lambda x, y, a, b: a * x + b * y,
    ELTWISE_MAX: lambda x, y, a, b: np.where(x > y, x, y),
    ELTWISE_MIN: lambda x, y, a, b: np.where(x < y, x, y),
}

CURVES = {  # of x, and z = a*x rounded to float32, in float64
    TANH: lambda x, z, a, b: np.tanh(z),
    SIGMOID: lambda x, z, a, b: 1 / (1 + np.exp(-z)),
    SWISH: lambda x, z, a, b: x / (1 + np.exp(-z)),
    ELU_CURVE: lambda x, z, a, b: b * (np.maximum(x, 0) + a * np.expm1(np.minimum(x, 0))),
    EXP: lambda x, z, a, b: b * np.exp(z),
    MISH: lambda x, z, a, b: x * np.tanh(np.logaddexp(0, x)),
    SOFTPLUS: lambda x, z, a, b: np.logaddexp(0, x),
    CLIP: lambda x, z, a, b: np.fmax(np.minimum(x, b), a),
    THRESHOLD: lambda x, z, a, b: x > a,
    LINEAR: lambda x, z, a, b: a * x + b,
    HARD_SIGMOID: lambda x, z, a, b: np.clip(a * x + b, 0, 1),
    HARD_SWISH: lambda x, z, a, b: x * np.clip(a * x + b, 0, 1),
    CAPPED: lambda x, z, a, b: np.minimum(np.maximum(x, 0) + a * np.minimum(x, 0), b),
    RECTIFIED: lambda x, z, a, b: np.maximum(x, 0) + a * np.minimum(x, 0),
}


def prepare_curve(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """An element-wise function; one that plans do not know by its own code."""
    found = OPS[node.type].curve(node)
    if found is None:
        return OPS[node.type].prepare(node, bottoms, tops)
    kind, a, b = found

    def run(inputs, outputs):
        channels = (-1, *(1,) * (inputs[0].ndim - 2))
        factor = node.weights[0].reshape(channels) if node.weights else np.float32(a)
        x, z = inputs[0].astype(np.float64), (factor * inputs[0]).astype(np.float64)
        outputs[0][...] = CURVES[kind](x, z, factor.astype(np.float64), b)

    return run


def prepare_softmax(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """exp(x - max) over the sum of that. NaN spreads."""
    sizes = axis_sizes(node, bottoms[0])

    def run(inputs, outputs):
        x = inputs[0].reshape(sizes)
        powers = np.exp(x - x.max(axis=1, keepdims=True, initial=-np.inf))
        np.divide(powers, powers.sum(axis=1, keepdims=True), out=outputs[0].reshape(sizes))

    return run


def prepare_softmax_loss(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """-sum of log(max(p_label, the smallest normal float32)) over the divisor, in float64."""
    outer, classes, inner = sizes = axis_sizes(node, bottoms[0])
    ignored, mode = node.attributes.ignore_label, node.attributes.normalization

    def run(inputs, outputs):
        labels = whole_numbers(node, 1, inputs[1].reshape(outer, 1, inner), classes, ignored)
        valid = np.ones(labels.shape, bool) if ignored is None else labels != ignored
        x = inputs[0].reshape(sizes).astype(np.float64)
        powers = np.exp(x - x.max(axis=1, keepdims=True, initial=-np.inf))
        p = powers / powers.sum(axis=1, keepdims=True)
        of_label = np.take_along_axis(p, np.where(valid, labels, 0), 1)[valid]
        loss = -np.log(np.maximum(of_label, SMALLEST_NORMAL)).sum()
        write(outputs, loss / divisor(mode, outer, inner, int(valid.sum())))

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


PLAIN = {
    "ROIPooling": prepare_regions,
    "Softmax": prepare_softmax,
    "SoftmaxWithLoss": prepare_softmax_loss,
    "Eltwise": prepare_eltwise,
    **{kind: prepare_curve for kind, op in OPS.items() if op.curve is not no_curve},
}
