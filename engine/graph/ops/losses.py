"""Losses and Accuracy. A top holds the loss itself, as a scalar, for any loss_weight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import Back, Gradient, Layers, Op, Run, axis_of, count
from .checks import at_most_four_axes, same_batch, whole_numbers
from .curves import SIGMOID
from .smooth import smooth_activation
from .softmax import axis_sizes, softmax

NORMALIZE_FULL, NORMALIZE_VALID, NORMALIZE_BATCH_SIZE, NORMALIZE_NONE = range(4)  # LossParameter.NormalizationMode
SMALLEST_NORMAL = np.finfo(np.float32).tiny


@dataclass(frozen=True)
class SoftmaxLoss:
    """Of a SoftmaxWithLoss. `normalization`: the divisor of the sum, one of NORMALIZE_*."""

    axis: int = 1
    ignore_label: int | None = None
    normalization: int = NORMALIZE_VALID


@dataclass(frozen=True)
class CrossEntropy:
    """Of a SigmoidCrossEntropyLoss, as SoftmaxLoss."""

    ignore_label: int | None = None
    normalization: int = NORMALIZE_BATCH_SIZE


@dataclass(frozen=True)
class HingeLoss:
    """`norm`: L1 or L2."""

    norm: int = 1


@dataclass(frozen=True)
class Accuracy:
    top_k: int = 1
    axis: int = 1
    ignore_label: int | None = None


def divisor(mode: int, outer: int, inner: int, valid: int) -> int:
    divisors = {NORMALIZE_FULL: outer * inner, NORMALIZE_VALID: valid, NORMALIZE_BATCH_SIZE: outer, NORMALIZE_NONE: 1}
    return max(1, divisors[mode])


def check_label_count(node: Node, bottoms: list[Shape], expected: int) -> None:
    if count(bottoms[1]) != expected:
        found = f"{count(bottoms[1])} labels for scores of shape {list(bottoms[0])}"
        raise node.error(found, f"{expected}, one per prediction")


def write(outputs: list[np.ndarray], loss: float) -> None:
    """A loss layer may come without a top."""
    for top in outputs:
        top[...] = loss


# ------------------------------------------------------------------------------------------ SoftmaxWithLoss
def softmax_loss_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    same_batch(node, bottoms)
    outer, _, inner = axis_sizes(node, bottoms[0])
    check_label_count(node, bottoms, outer * inner)
    return [()] * len(node.tops)


def prepare_softmax_loss(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """-sum of log(max(p_label, the smallest normal float32)), over labels that are not ignored, over the divisor."""
    outer, classes, inner = axis_sizes(node, bottoms[0])
    ignored, mode = node.attributes.ignore_label, node.attributes.normalization
    probabilities = np.empty(outer * classes * inner, np.float32)

    def run(inputs, outputs):
        softmax.run(inputs[0].reshape(-1), probabilities, outer, classes, inner)
        labels = whole_numbers(node, 1, inputs[1].reshape(outer, 1, inner), classes, ignored)
        valid = np.ones(labels.shape, bool) if ignored is None else labels != ignored
        picked = np.where(valid, labels, 0)
        of_label = np.take_along_axis(probabilities.reshape(outer, classes, inner), picked, 1)
        logs = np.log(np.maximum(of_label[valid], SMALLEST_NORMAL))
        write(outputs, (0 - logs.sum(dtype=np.float64)) / divisor(mode, outer, inner, int(valid.sum())))

    return run


# -------------------------------------------------------------------------------- EuclideanLoss, HingeLoss
def euclidean_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    same_batch(node, bottoms)
    at_most_four_axes(node, bottoms)
    first, second = bottoms
    if count(first, 1) != count(second, 1):
        raise node.error(f"bottoms of shapes {list(first)} and {list(second)}", "as many values in each row")
    return [()] * len(node.tops)


def prepare_euclidean(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """sum of (a - b)**2 over twice the rows."""
    difference, rows = np.empty(count(bottoms[0]), np.float32), bottoms[0][0]

    def run(inputs, outputs):
        np.subtract(inputs[0].reshape(-1), inputs[1].reshape(-1), out=difference)
        write(outputs, np.square(difference, out=difference).sum(dtype=np.float64) / (2 * rows))

    return run


def hinge_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    same_batch(node, bottoms)
    at_most_four_axes(node, bottoms)
    return [()] * len(node.tops)


def prepare_hinge(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """sum of m, or of m**2, over the rows, with m = max(0, 1 - x) of the label's class and max(0, 1 + x) of the others.
    A NaN counts as 0."""
    rows, size = bottoms[0][0], count(bottoms[0], 1)
    margins, squared = np.empty((rows, size), np.float32), node.attributes.norm == 2

    def run(inputs, outputs):
        labels = whole_numbers(node, 1, inputs[1].reshape(-1)[:rows], size)
        np.copyto(margins, inputs[0].reshape(rows, size))
        margins[range(rows), labels] *= -1
        np.add(margins, 1, out=margins)
        np.fmax(margins, 0, out=margins)
        if squared:
            np.square(margins, out=margins)
        write(outputs, margins.sum(dtype=np.float64) / rows)

    return run


# ---------------------------------------------------------------------------------- SigmoidCrossEntropyLoss
def cross_entropy_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    same_batch(node, bottoms)
    if count(bottoms[0]) != count(bottoms[1]):
        raise node.error(f"bottoms of shapes {list(bottoms[0])} and {list(bottoms[1])}", "as many values in both")
    return [()] * len(node.tops)


def prepare_cross_entropy(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """sum of max(x, 0) - x*t + log(1 + exp(-|x|)), over targets that are not ignored, over the divisor.

    The first two are x * (1 - t) above 0 and x * -t below: where they are 0, the logarithm keeps all its digits.
    """
    outer, inner = bottoms[0][0], count(bottoms[0], 1)
    ignored, mode = node.attributes.ignore_label, node.attributes.normalization
    terms, part = (np.empty(outer * inner, np.float32) for _ in range(2))

    def run(inputs, outputs):
        x, targets = (bottom.reshape(-1) for bottom in inputs)
        np.negative(np.abs(x, out=part), out=part)
        np.log1p(np.exp(part, out=part), out=part)
        np.multiply(x, np.subtract(x > 0, targets, out=terms), out=terms)
        np.add(terms, part, out=terms)
        valid = outer * inner
        if ignored is not None:
            skipped = np.trunc(targets) == ignored
            terms[skipped] = 0
            valid -= int(skipped.sum())
        write(outputs, terms.sum(dtype=np.float64) / divisor(mode, outer, inner, valid))

    return run


# ------------------------------------------------------------------------------------------------- Accuracy
def accuracy_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    parameter, shape = node.attributes, bottoms[0]
    axis = axis_of(node, parameter.axis, len(shape))
    check_label_count(node, bottoms, count(shape, 0, axis) * count(shape, axis + 1))
    if parameter.top_k > shape[axis]:
        raise node.error(f"top_k {parameter.top_k} of {shape[axis]} classes", f"at most {shape[axis]}")
    return [(), (shape[axis],)][: len(node.tops)]


def prepare_accuracy(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """The part of labels with fewer than top_k other scores as high or higher, of all and of each class."""
    axis, top_k = axis_of(node, node.attributes.axis, len(bottoms[0])), node.attributes.top_k
    outer, classes, inner = count(bottoms[0], 0, axis), bottoms[0][axis], count(bottoms[0], axis + 1)
    ignored = node.attributes.ignore_label

    def run(inputs, outputs):
        scores = inputs[0].reshape(outer, classes, inner)
        labels = whole_numbers(node, 1, inputs[1].reshape(outer, 1, inner), classes, ignored)
        valid = np.ones(labels.shape, bool) if ignored is None else labels != ignored
        own = np.take_along_axis(scores, np.where(valid, labels, 0), 1)
        right = (scores >= own).sum(axis=1, keepdims=True) - 1 < top_k
        outputs[0][...] = right[valid].sum() / max(1, valid.sum())
        if len(outputs) > 1:
            seen = np.bincount(labels[valid], minlength=classes)
            outputs[1][:] = np.bincount(labels[valid & right], minlength=classes) / np.maximum(seen, 1)

    return run


# ------------------------------------------------------------------------------------------------------------- gradient
# Gradients of the losses. The gradient of a loss layer's top is its weight in the sum of all losses.
LABELS = (1,)


def softmax_loss_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
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


def euclidean_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
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


def hinge_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
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


def cross_entropy_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    """(sigmoid(x) - t) * weight / divisor, 0 where the target is ignored.

    sigmoid(x) is s = sigmoid(-|x|) below 0 and 1 - s above, where 1 - t comes first: next to t = 1, s is what remains.
    """
    outer, inner = bottoms[0][0], count(bottoms[0], 1)
    ignored, mode = node.attributes.ignore_label, node.attributes.normalization

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        x, targets = (bottom.reshape(-1) for bottom in inputs)
        dx, valid = input_gradients[0].reshape(-1), outer * inner
        np.negative(np.abs(x, out=dx), out=dx)
        smooth_activation.run(dx, dx, SIGMOID, 1.0, 0.0)
        above = x > 0
        np.negative(dx, out=dx, where=above)
        np.add(dx, above - targets, out=dx)
        if ignored is not None:
            skipped = np.trunc(targets) == ignored
            dx[skipped] = 0
            valid -= int(skipped.sum())
        np.multiply(dx, np.float32(output_gradients[0] / divisor(mode, outer, inner, valid)), out=dx)

    return back


TWO_BOTTOMS = {"bottoms": (2, 2), "tops": (0, 1)}
OPS = (
    Op(
        "SoftmaxWithLoss", softmax_loss_shapes, prepare_softmax_loss, **TWO_BOTTOMS, kernels=(softmax,),
        gradient=Gradient(softmax_loss_back, LABELS, loss=True, kernels=(softmax,)),
    ),
    Op(
        "EuclideanLoss", euclidean_shapes, prepare_euclidean, **TWO_BOTTOMS,
        gradient=Gradient(euclidean_back, loss=True),
    ),
    Op("HingeLoss", hinge_shapes, prepare_hinge, **TWO_BOTTOMS, gradient=Gradient(hinge_back, LABELS, loss=True)),
    Op(
        "SigmoidCrossEntropyLoss", cross_entropy_shapes, prepare_cross_entropy, **TWO_BOTTOMS,
        gradient=Gradient(cross_entropy_back, LABELS, loss=True, kernels=(smooth_activation,)),
    ),
    Op("Accuracy", accuracy_shapes, prepare_accuracy, bottoms=(2, 2), tops=(1, 2)),
)  # fmt: skip
