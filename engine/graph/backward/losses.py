"""Gradients of the losses. The gradient of a loss layer's top is its weight in the sum of all losses."""

from __future__ import annotations

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import Run, count
from ..ops.activations import SIGMOID, bend
from ..ops.checks import whole_numbers
from ..ops.losses import divisor
from ..ops.softmax import axis_sizes, softmax
from .op import Back, Backward

LABELS = (1,)


def prepare_softmax_loss(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run) -> Back:
    """(p - 1 of the label's class) * weight / divisor, 0 where the label is ignored."""
    sizes = outer, classes, inner = axis_sizes(node, bottoms[0])
    ignored, mode = node.attributes.ignore_label, node.attributes.normalization

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        dx = input_gradients[0].reshape(-1)
        softmax.run(inputs[0].reshape(-1), dx, *sizes)
        dx = dx.reshape(sizes)
        labels = whole_numbers(node, 1, inputs[1].reshape(outer, 1, inner), classes, ignored)
        valid = np.ones(labels.shape, bool) if ignored is None else labels != ignored
        picked = np.where(valid, labels, 0)
        np.put_along_axis(dx, picked, np.take_along_axis(dx, picked, 1) - np.float32(1), 1)
        np.multiply(dx, valid, out=dx)
        np.multiply(dx, output_gradients[0] / divisor(mode, outer, inner, int(valid.sum())), out=dx, casting="unsafe")

    return back


def prepare_euclidean(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run) -> Back:
    """(a - b) * weight / rows for a, and its negative for b."""
    rows = bottoms[0][0]

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        first, second = (bottom.reshape(-1) for bottom in inputs)
        factor = np.float32(output_gradients[0] / rows)
        for dx, sign in zip(input_gradients, (factor, -factor), strict=True):
            if dx is not None:
                flat = dx.reshape(-1)
                np.multiply(np.subtract(first, second, out=flat), sign, out=flat)

    return back


def prepare_hinge(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run) -> Back:
    """With m = max(0, 1 + d*x), d = -1 for the label's class and 1 for the others: d * sign(m), or of squares 2*d*m,
    times weight / rows."""
    rows, size = bottoms[0][0], count(bottoms[0], 1)
    squared = node.attributes.norm == 2

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        labels = whole_numbers(node, 1, inputs[1].reshape(-1)[:rows], size)
        m, own = input_gradients[0].reshape(rows, size), (range(rows), labels)
        np.copyto(m, inputs[0].reshape(rows, size))
        m[own] *= -1
        np.fmax(np.add(m, 1, out=m), 0, out=m)
        if not squared:
            np.sign(m, out=m)
        m[own] *= -1
        np.multiply(m, np.float32(output_gradients[0] * (2 if squared else 1) / rows), out=m)

    return back


def prepare_cross_entropy(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run) -> Back:
    """(sigmoid(x) - t) * weight / divisor, 0 where the target is ignored.

    sigmoid(x) is s = sigmoid(-|x|) below 0 and 1 - s above, where 1 - t comes first: next to t = 1, s is what remains.
    """
    outer, inner = bottoms[0][0], count(bottoms[0], 1)
    ignored, mode = node.attributes.ignore_label, node.attributes.normalization

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        x, targets = (bottom.reshape(-1) for bottom in inputs)
        dx, valid = input_gradients[0].reshape(-1), outer * inner
        np.negative(np.abs(x, out=dx), out=dx)
        bend.run(dx, dx, SIGMOID, 1.0, 0.0)
        above = x > 0
        np.negative(dx, out=dx, where=above)
        np.add(dx, above - targets, out=dx)
        if ignored is not None:
            skipped = np.trunc(targets) == ignored
            dx[skipped] = 0
            valid -= int(skipped.sum())
        np.multiply(dx, np.float32(output_gradients[0] / divisor(mode, outer, inner, valid)), out=dx)

    return back


BACKWARDS = (
    Backward("SoftmaxWithLoss", prepare_softmax_loss, LABELS, loss=True),
    Backward("EuclideanLoss", prepare_euclidean, loss=True),
    Backward("HingeLoss", prepare_hinge, LABELS, loss=True),
    Backward("SigmoidCrossEntropyLoss", prepare_cross_entropy, LABELS, loss=True),
)
