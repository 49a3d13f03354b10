"""Softmax, LRN, and the reductions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ......formats.onnx.records import OnnxNode
from ....ir.graph import PICTURE_AXES, Blob
from ....ops.arrangement import Permute
from ....ops.normalise import LRN
from ....ops.pooling import POOL_AVE, Pooling
from ....ops.reductions import REDUCE_ASUM, REDUCE_MEAN, REDUCE_SUM, REDUCE_SUMSQ, Reduction
from ....ops.softmax import LogSoftmax, Softmax
from .broadcast import power
from .builder import GraphBuilder, product

ONE_AXIS = 13  # of Softmax, since this opset; before, that axis and all that follow are one


def softmax(kind: str, make: Callable[[int], Any]) -> Callable:
    def read(builder: GraphBuilder, node: OnnxNode) -> Blob:
        blob, one_axis = builder.input(), node.version >= ONE_AXIS
        axis = builder.axis(blob, node.attributes.get("axis", -1 if one_axis else 1))
        axes = builder.axes[blob]
        if one_axis or all(sizes == builder.ones() for sizes in axes[axis + 1 :]):
            return builder.add(kind, [blob], make(axis))
        flat = builder.reshape(blob, [*axes[:axis], product(axes[axis:], builder.batches)])
        return builder.reshape(builder.add(kind, [flat], make(axis)), axes)

    return read


def lrn(builder: GraphBuilder, node: OnnxNode) -> Blob:
    size = node.attributes["size"]
    if size < 1 or size % 2 == 0:
        builder.refuse(f"has size {size}", "an odd number")
    alpha, beta, k = (builder.number(*each) for each in (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0)))
    return builder.add("LRN", [builder.input()], LRN(size, alpha, beta, k=k))


def reduce(operation: int, exponent: float = 1.0) -> Callable:
    """An operator that reduces some axes by `operation`, to a power then."""

    def read(builder: GraphBuilder, node: OnnxNode) -> Blob:
        blob, given = builder.input(), builder.numbers("axes", 1)
        rank = len(builder.axes[blob])
        if not given and node.attributes.get("noop_with_empty_axes", 0):
            return _unreduced(builder, blob, operation, exponent)
        axes = builder.each_axis(blob, given or range(rank))
        result = [
            builder.ones() if axis in axes else sizes
            for axis, sizes in enumerate(builder.axes[blob])
            if axis not in axes or node.attributes.get("keepdims", 1)
        ]
        if operation == REDUCE_MEAN and rank == PICTURE_AXES and axes == [2, 3]:
            return builder.reshape(builder.add("Pooling", [blob], Pooling(POOL_AVE, None)), result)
        order = [axis for axis in range(rank) if axis not in axes] + axes
        if order != list(range(rank)):
            blob = builder.add("Permute", [blob], Permute(tuple(order)))
        if axes:
            blob = builder.add("Reduction", [blob], Reduction(operation, rank - len(axes)))
        blob = builder.reshape(blob, result)
        return blob if exponent == 1 else power(builder, blob, exponent)

    return read


def _unreduced(builder: GraphBuilder, blob: Blob, operation: int, exponent: float) -> Blob:
    """The values themselves, or of other operations than a sum or mean their magnitudes or squares."""
    if (operation in (REDUCE_ASUM, REDUCE_SUMSQ) and exponent != 1) or operation == REDUCE_ASUM:
        return builder.add("AbsVal", [blob])
    return power(builder, blob, 2.0) if operation == REDUCE_SUMSQ else blob


OPERATORS = {
    "LRN": lrn,
    "LogSoftmax": softmax("LogSoftmax", LogSoftmax),
    "ReduceL1": reduce(REDUCE_ASUM),
    "ReduceL2": reduce(REDUCE_SUMSQ, 0.5),
    "ReduceMean": reduce(REDUCE_MEAN),
    "ReduceSum": reduce(REDUCE_SUM),
    "ReduceSumSquare": reduce(REDUCE_SUMSQ),
    "Softmax": softmax("Softmax", Softmax),
}
