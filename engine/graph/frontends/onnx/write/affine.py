"""BatchNorm, BN, Scale and Bias, and Axpy."""

from __future__ import annotations

import numpy as np

from ......errors import InputError
from ....ir.graph import Node
from ....ops.batch_norm import global_statistics, uses_global_statistics
from ....ops.bn import normalises_batch
from ....ops.scale import operand
from .builder import Builder, ExportedLayer


def batch_norm(builder: Builder, layer: ExportedLayer) -> None:
    node = layer.node
    if not uses_global_statistics(node):
        raise _by_batch(node)
    mean, variance = global_statistics(node)
    operands = [builder.constant(values) for values in (np.ones_like(mean), np.zeros_like(mean), mean, variance)]
    builder.add("BatchNormalization", [*layer.inputs, *operands], layer.outputs, epsilon=layer.attributes.eps)


def _by_batch(node: Node, hint: str = "phase TEST has them") -> InputError:
    return node.error("normalises by the statistics of the batch", "those of the file", hint)


def bn(builder: Builder, layer: ExportedLayer) -> None:
    node, pspnets = layer.node, layer.attributes.bn_mode is None
    if normalises_batch(node):
        raise _by_batch(node, "phase TEST has them" if pspnets else "bn_mode: INFERENCE has them in scale and shift")
    if pspnets:
        operands = [builder.weight(number, (-1,)) for number in range(4)]
        builder.add("BatchNormalization", [*layer.inputs, *operands], layer.outputs, epsilon=layer.attributes.eps)
        return
    factor, offset = (builder.weight(number, (-1, *[1] * (len(layer.bottoms[0]) - 2))) for number in range(2))
    builder.add("Add", [builder.add("Mul", [*layer.inputs, factor]), offset], layer.outputs)


def axpy(builder: Builder, layer: ExportedLayer) -> None:
    factor, x, z = layer.inputs
    dims = [*layer.dims[0][:2], *[1] * (len(layer.bottoms[1]) - 2)]
    if len(layer.bottoms[0]) != len(dims):
        factor = builder.reshape(factor, dims)
    builder.add("Add", [builder.add("Mul", [x, factor]), z], layer.outputs)


def scale(builder: Builder, layer: ExportedLayer) -> None:
    """Factor and offset are a second bottom or blobs, with axes of one added behind, so that they broadcast."""
    axis, shape = operand(layer.node, layer.bottoms)
    behind = [1] * (len(layer.bottoms[0]) - axis - len(shape))
    operands = [builder.weight(number, (*shape, *behind)) for number in range(len(layer.node.weights))]
    if len(layer.inputs) == 2:
        second = layer.inputs[1]
        dims = layer.dims[0][axis : axis + len(shape)]
        operands.insert(0, builder.reshape(second, [*dims, *behind]) if behind and shape else second)
    value = layer.inputs[0]
    for kind, each in zip(("Mul", "Add") if layer.node.type == "Scale" else ("Add",), operands, strict=False):
        value = builder.add(kind, [value, each])
    builder.finish(value)


EXPORTS = {"Axpy": axpy, "BN": bn, "BatchNorm": batch_norm, "Bias": scale, "Scale": scale}
