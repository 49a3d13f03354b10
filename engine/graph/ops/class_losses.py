"""Losses of class numbers that are rarer than SoftmaxWithLoss: InfogainLoss, MultinomialLogisticLoss, CenterLoss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import Back, Gradient, Layers, Op, Run, axis_of, count
from .checks import at_most_four_axes, same_batch, whole_numbers
from .losses import LABELS, NORMALIZE_VALID, check_label_count, divisor, write
from .softmax import axis_sizes, softmax

SMALLEST_PROBABILITY = np.float32(1e-20)


# --------------------------------------------------------------------------------------------- InfogainLoss
@dataclass(frozen=True)
class InfogainLoss:
    """`source` names a file beside the net's, whose K * K numbers are `matrix`, float32, for a layer without a third
    bottom. `normalization`: the divisor of the sum, one of NORMALIZE_*."""

    source: str = ""
    axis: int = 1
    ignore_label: int | None = None
    normalization: int = NORMALIZE_VALID
    matrix: bytes = b""


def infogain_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    same_batch(node, bottoms)
    outer, classes, inner = axis_sizes(node, bottoms[0])
    check_label_count(node, bottoms, outer * inner)
    if len(bottoms) == 2 and not node.attributes.source:
        raise node.error("has neither a third bottom nor infogain_loss_param.source", "a matrix, classes by classes")
    if len(bottoms) == 2 and not node.attributes.matrix:
        raise node.error(f"has not the matrix of {node.attributes.source!r}", "a net that was read from a file")
    numbers = _own_matrix(node).size if len(bottoms) == 2 else count(bottoms[2])
    if numbers != classes * classes:
        raise node.error(f"has a matrix of {numbers} numbers", f"{classes} * {classes}, classes by classes")
    return [(), bottoms[0]][: len(node.tops)]


def _own_matrix(node: Node) -> np.ndarray:
    return np.frombuffer(node.attributes.matrix, np.float32)


def _gains(node: Node, inputs, labels: np.ndarray, classes: int) -> np.ndarray:
    """The matrix's row of each label: [outer, classes, inner]."""
    matrix = inputs[2] if len(inputs) > 2 else _own_matrix(node)
    return matrix.reshape(classes, classes)[labels].transpose(0, 2, 1)


def _labels(node: Node, inputs, outer: int, classes: int, inner: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels [outer, inner], 0 where they are ignored, and where they count."""
    ignored = node.attributes.ignore_label
    labels = whole_numbers(node, 1, inputs[1].reshape(outer, inner), classes, ignored)
    valid = np.ones(labels.shape, bool) if ignored is None else labels != ignored
    return np.where(valid, labels, 0), valid


def prepare_infogain(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """-sum over the labels y and the classes l of H[y, l] * log(max(p_l, 1e-20)), over the divisor; p is the softmax of
    the scores, and a second top."""
    sizes = outer, classes, inner = axis_sizes(node, bottoms[0])
    mode, p = node.attributes.normalization, np.empty(sizes, np.float32)

    def run(inputs, outputs):
        softmax.run(inputs[0].reshape(-1), p.reshape(-1), *sizes)
        labels, valid = _labels(node, inputs, *sizes)
        logs = np.log(np.maximum(p, SMALLEST_PROBABILITY))
        sums = (_gains(node, inputs, labels, classes) * logs).sum(axis=1, dtype=np.float64)
        write(outputs[:1], (0 - sums[valid].sum()) / divisor(mode, outer, inner, int(valid.sum())))
        if len(outputs) > 1:
            np.copyto(outputs[1], p.reshape(bottoms[0]))

    return run


def infogain_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    """(p_l * sum over k of H[y, k] - H[y, l]) * weight / divisor, 0 where the label is ignored."""
    sizes = outer, classes, inner = axis_sizes(node, bottoms[0])
    mode = node.attributes.normalization

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        dx = input_gradients[0].reshape(sizes)
        softmax.run(inputs[0].reshape(-1), dx.reshape(-1), *sizes)
        labels, valid = _labels(node, inputs, *sizes)
        gains = _gains(node, inputs, labels, classes)
        np.subtract(dx * gains.sum(axis=1, keepdims=True), gains, out=dx)
        weight = output_gradients[0] / divisor(mode, outer, inner, int(valid.sum()))
        np.multiply(dx, np.float32(weight), out=dx)
        np.copyto(dx, 0, where=~valid[:, np.newaxis])

    return back


# ---------------------------------------------------------------------------------- MultinomialLogisticLoss
def multinomial_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    same_batch(node, bottoms)
    at_most_four_axes(node, bottoms)
    check_label_count(node, bottoms, bottoms[0][0])
    return [()] * len(node.tops)


def prepare_multinomial(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """The mean over the rows of -log(max(p of the label, 1e-20))."""
    rows, classes = bottoms[0][0], count(bottoms[0], 1)

    def run(inputs, outputs):
        labels = whole_numbers(node, 1, inputs[1].reshape(-1), classes)
        p = inputs[0].reshape(rows, classes)[np.arange(rows), labels]
        write(outputs, (0 - np.log(np.maximum(p, SMALLEST_PROBABILITY)).sum(dtype=np.float64)) / max(1, rows))

    return run


def multinomial_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    """-weight / (rows * max(p, 1e-20)) of the label, 0 elsewhere."""
    rows, classes = bottoms[0][0], count(bottoms[0], 1)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        labels = whole_numbers(node, 1, inputs[1].reshape(-1), classes)
        dx, own = input_gradients[0].reshape(rows, classes), (np.arange(rows), labels)
        dx.fill(0)
        p = np.maximum(inputs[0].reshape(rows, classes)[own], SMALLEST_PROBABILITY)
        dx[own] = np.float32(-output_gradients[0] / max(1, rows)) / p

    return back


# ----------------------------------------------------------------------------------------------- CenterLoss
@dataclass(frozen=True)
class CenterLoss:
    """`num_output`: the number of classes, each with a centre in the weights."""

    num_output: int = 0
    axis: int = 1


def center_sizes(node: Node, bottoms: list[Shape]) -> tuple[int, int]:
    """Rows of features, and features of a row."""
    axis = axis_of(node, node.attributes.axis, len(bottoms[0]))
    return count(bottoms[0], 0, axis), count(bottoms[0], axis)


def center_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    rows, _ = center_sizes(node, bottoms)
    if not node.attributes.num_output:
        raise node.error("has num_output 0", "at least 1")
    check_label_count(node, bottoms, rows)
    return [()] * len(node.tops)


def center_weights(node: Node, bottoms: list[Shape]) -> list[Shape]:
    return [(node.attributes.num_output, center_sizes(node, bottoms)[1])]


def _distances(node: Node, inputs, rows: int, features: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels, and what each row is beyond the centre of its class."""
    labels = whole_numbers(node, 1, inputs[1].reshape(-1), node.attributes.num_output)
    return labels, inputs[0].reshape(rows, features) - node.weights[0][labels]


def prepare_center(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """The sum of the squared distances from the centres, over twice the rows."""
    rows, features = center_sizes(node, bottoms)

    def run(inputs, outputs):
        _, distances = _distances(node, inputs, rows, features)
        write(outputs, np.square(distances).sum(dtype=np.float64) / max(1, 2 * rows))

    return run


def center_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    """(x - c) * weight / rows. A centre moves, for any weight, by the sum of c - x over 1 + the rows of its class."""
    rows, features = center_sizes(node, bottoms)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        labels, distances = _distances(node, inputs, rows, features)
        if weight_gradients[0] is not None:
            counts = np.bincount(labels, minlength=node.attributes.num_output)
            np.add.at(
                weight_gradients[0], labels, distances * (-1 / (1 + counts[labels, np.newaxis])).astype(np.float32)
            )
        if input_gradients[0] is not None:
            weight = np.float32(output_gradients[0] / max(1, rows))
            np.multiply(distances, weight, out=input_gradients[0].reshape(rows, features))

    return back


OPS = (
    Op(
        "InfogainLoss", infogain_shapes, prepare_infogain, bottoms=(2, 3), tops=(0, 2), kernels=(softmax,),
        gradient=Gradient(infogain_back, (1, 2), loss=True, kernels=(softmax,)),
    ),
    Op(
        "MultinomialLogisticLoss", multinomial_shapes, prepare_multinomial, bottoms=(2, 2), tops=(0, 1),
        gradient=Gradient(multinomial_back, LABELS, loss=True),
    ),
    Op(
        "CenterLoss", center_shapes, prepare_center, center_weights, bottoms=(2, 2), tops=(0, 1),
        gradient=Gradient(center_back, LABELS, loss=True),
    ),
)  # fmt: skip
