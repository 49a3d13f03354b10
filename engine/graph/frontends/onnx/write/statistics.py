"""Layers that sum up or compare values: Softmax, LRN, MVN, Normalize, Reduction, ArgMax; and constants."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from ....ir.op import axis_of
from ....ops.normalise import WITHIN_CHANNEL
from ....ops.reductions import REDUCE_ASUM, REDUCE_MEAN, REDUCE_SUM, REDUCE_SUMSQ
from .builder import Builder, ExportedLayer

REDUCTIONS = {
    REDUCE_SUM: "ReduceSum",
    REDUCE_ASUM: "ReduceL1",
    REDUCE_SUMSQ: "ReduceSumSquare",
    REDUCE_MEAN: "ReduceMean",
}


def softmax(builder: Builder, layer: ExportedLayer) -> None:
    axis = axis_of(layer.node, layer.attributes.axis, len(layer.bottoms[0]))
    builder.add("Softmax", layer.inputs, layer.outputs, axis=axis)


def log_softmax(builder: Builder, layer: ExportedLayer) -> None:
    axis = axis_of(layer.node, layer.attributes.axis, len(layer.bottoms[0]))
    builder.add("LogSoftmax", layer.inputs, layer.outputs, axis=axis)


def group_norm(builder: Builder, layer: ExportedLayer) -> None:
    """ONNX's GroupNormalization came with opset 18; groups as channels are InstanceNormalization's."""
    bottom, attributes = layer.bottoms[0], layer.attributes
    groups = bottom[1] if attributes.groups is None else attributes.groups
    plain = groups == bottom[1] and len(bottom) > 2
    value = layer.inputs[0] if plain else builder.reshape(layer.inputs[0], [0, groups, -1])
    operands = [value, builder.constant(np.ones(groups)), builder.constant(np.zeros(groups))]
    value = builder.add("InstanceNormalization", operands, layer.outputs if plain else (), epsilon=attributes.eps)
    if not plain:
        builder.reshape(value, layer.dims[0], layer.outputs)


def lrn(builder: Builder, layer: ExportedLayer) -> None:
    parameter, size = layer.attributes, layer.attributes.local_size
    if parameter.norm_region != WITHIN_CHANNEL:
        attributes = {"size": size, "alpha": parameter.alpha, "beta": parameter.beta, "bias": parameter.k}
        builder.add("LRN", layer.inputs, layer.outputs, **attributes)
        return
    squares = builder.add("Mul", layer.inputs * 2)
    sides = {"kernel_shape": [size] * 2, "pads": [size // 2] * 4, "count_include_pad": 1}
    sums = builder.plus(builder.times(builder.add("AveragePool", [squares], **sides), parameter.alpha), 1)
    builder.add("Div", [*layer.inputs, builder.add("Pow", [sums, builder.constant(parameter.beta)])], layer.outputs)


def mvn(builder: Builder, layer: ExportedLayer) -> None:
    parameter, value = layer.attributes, layer.inputs[0]
    if layer.tops[0] != layer.bottoms[0]:
        value = builder.reshape(value, layer.dims[0])
    axes = [1, 2, 3] if parameter.across_channels else [2, 3]
    centred = builder.add("Sub", [value, builder.reduce("ReduceMean", value, axes)])
    if parameter.normalize_variance:
        variance = builder.reduce("ReduceMean", builder.add("Mul", [centred] * 2), axes)
        divisor = builder.plus(builder.add("Sqrt", [variance]), parameter.eps)
        centred = builder.add("Div", [centred, divisor])
    builder.finish(centred)


def normalize(builder: Builder, layer: ExportedLayer) -> None:
    """x / sqrt(sum of squares + eps) * scale, over an image or over the channels of each position."""
    parameter, dimensions = layer.attributes, len(layer.bottoms[0])
    axes = range(1, dimensions) if parameter.across_spatial else [1]
    squares = builder.reduce("ReduceSumSquare", layer.inputs[0], axes)
    norm = builder.add("Sqrt", [builder.plus(squares, parameter.eps)])
    value = builder.add("Div", [*layer.inputs, norm])
    builder.add("Mul", [value, builder.weight(0, (-1, *[1] * (dimensions - 2)))], layer.outputs)


def reduction(builder: Builder, layer: ExportedLayer) -> None:
    parameter = layer.attributes
    kind, axes = REDUCTIONS[parameter.operation], list(range(len(layer.tops[0]), len(layer.bottoms[0])))
    value = builder.reduce(kind, layer.inputs[0], axes, keepdims=0)
    builder.finish(builder.times(value, parameter.coeff))


def argmax(builder: Builder, layer: ExportedLayer) -> None:
    """TopK puts the first of equal values first, Caffe the last: so the axis is reversed before."""
    parameter, shape, value = layer.attributes, layer.bottoms[0], layer.inputs[0]
    by_axis = parameter.axis is not None
    axis = axis_of(layer.node, parameter.axis, len(shape)) if by_axis else 1
    if not by_axis:
        value = builder.add("Flatten", [value], axis=1)
    size = shape[axis] if by_axis else int(np.prod(shape[1:]))
    backwards = [builder.indices([number]) for number in (-1, -size - 1, axis, -1)]
    largest, at = builder.fresh("largest"), builder.fresh("at")
    reversed_value = builder.add("Slice", [value, *backwards])
    builder.add("TopK", [reversed_value, builder.indices([parameter.top_k])], [largest, at], axis=axis)
    index = builder.add("Cast", [builder.add("Sub", [builder.constant(size - 1, np.int64), at])], to=TensorProto.FLOAT)
    if by_axis:
        builder.finish(largest if parameter.out_max_val else index)
        return
    found = builder.add("Concat", [index, largest], axis=1) if parameter.out_max_val else index
    builder.reshape(found, layer.dims[0], layer.outputs[0])


def embed(builder: Builder, layer: ExportedLayer) -> None:
    rows = builder.add("Cast", layer.inputs, to=TensorProto.INT64)
    value = builder.add("Gather", [builder.weight(0), rows])
    builder.finish(builder.add("Add", [value, builder.weight(1)]) if len(layer.node.weights) > 1 else value)


def parameter(builder: Builder, layer: ExportedLayer) -> None:
    builder.finish(builder.weight(0))


EXPORTS = {
    "ArgMax": argmax,
    "Embed": embed,
    "GroupNorm": group_norm,
    "LRN": lrn,
    "LogSoftmax": log_softmax,
    "MVN": mvn,
    "Normalize": normalize,
    "Parameter": parameter,
    "Reduction": reduction,
    "Softmax": softmax,
}
