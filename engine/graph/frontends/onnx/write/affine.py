"""BatchNorm, Scale and Bias."""

from __future__ import annotations

import numpy as np

from ....ops.batch_norm import global_statistics, uses_global_statistics
from ....ops.scale import operand
from .builder import Builder, ExportedLayer


def batch_norm(builder: Builder, layer: ExportedLayer) -> None:
    node = layer.node
    if not uses_global_statistics(node):
        raise node.error("normalises by the statistics of the batch", "those of the file", "phase TEST has them")
    mean, variance = global_statistics(node)
    operands = [builder.constant(values) for values in (np.ones_like(mean), np.zeros_like(mean), mean, variance)]
    builder.add("BatchNormalization", [*layer.inputs, *operands], layer.outputs, epsilon=layer.attributes.eps)


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


EXPORTS = {"BatchNorm": batch_norm, "Bias": scale, "Scale": scale}
