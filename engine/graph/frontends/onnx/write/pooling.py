"""Pooling with Caffe's windows, which ONNX's `ceil_mode` does not have: explicit padding, as much as the last window
needs.

    MAX     a MaxPool, with any padding, which is never the maximum
    AVE     divides by the cells of the picture and its padding that a window covers. AveragePool divides by all cells
            with count_include_pad, by those of the picture without; where neither is right, the quotient of both
                    divisors, one number per window, is a factor.
"""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from ....ir.op import count
from ....ops.pooling import LOWEST_FLOAT32, POOL_AVE, pooling_windows, window_table
from .builder import Builder, ExportedLayer


def pooling(builder: Builder, layer: ExportedLayer) -> None:
    (_, _, H, W), windows = layer.bottoms[0], pooling_windows(layer.node, layer.bottoms[0])
    kernel, stride, begin = ([axis[i] for axis in windows] for i in (1, 2, 3))
    end = [max(0, axis.stride * (axis.number - 1) + axis.kernel - axis.size - axis.before) for axis in windows]
    attributes = {"kernel_shape": kernel, "strides": stride}
    mean = layer.attributes.pool == POOL_AVE
    if any(e >= k for e, k in zip(end, kernel, strict=True)):  # a window that lies behind the picture as a whole
        value = _padded(builder, layer, begin, end, 0.0 if mean else float(LOWEST_FLOAT32))
        if len(layer.outputs) == 2:
            raise layer.node.error("has windows outside the picture, and a second top", "one of both")
    else:
        value, attributes["pads"] = layer.inputs[0], [*begin, *end]
    if mean:
        _average(builder, layer, value, attributes, windows)
    elif len(layer.outputs) == 2:
        _with_indices(builder, layer, attributes, H * W)
    else:
        builder.add("MaxPool", [value], layer.outputs, **attributes)


def _padded(builder: Builder, layer: ExportedLayer, begin, end, value: float) -> str:
    return builder.add("Pad", [*layer.inputs, builder.indices([0, 0, *begin, 0, 0, *end]), builder.constant(value)])


def _average(builder: Builder, layer: ExportedLayer, value: str, attributes: dict, windows) -> None:
    tables = [window_table(axis) for axis in windows]
    divisors = np.multiply.outer(tables[0][:, 2], tables[1][:, 2])
    inside = np.multiply.outer(*(table[:, 1] - table[:, 0] for table in tables))
    whole = windows[0].kernel * windows[1].kernel
    if (divisors == whole).all():
        builder.add("AveragePool", [value], layer.outputs, count_include_pad=1, **attributes)
    elif (divisors == inside).all() and "pads" in attributes:
        builder.add("AveragePool", [value], layer.outputs, count_include_pad=0, **attributes)
    else:
        mean = builder.add("AveragePool", [value], count_include_pad=1, **attributes)
        with np.errstate(divide="ignore"):  # a window without cells: 0 * inf is NaN, as 0 / 0 in Caffe
            quotients = builder.constant(whole / np.float64(divisors))
        builder.add("Mul", [mean, quotients], layer.outputs)


def _with_indices(builder: Builder, layer: ExportedLayer, attributes: dict, pixels: int) -> None:
    """ONNX indexes maxima in the whole tensor, Caffe within a plane."""
    index = builder.fresh("place")
    builder.add("MaxPool", layer.inputs, [layer.outputs[0], index], **attributes)
    in_plane = builder.add("Mod", [index, builder.constant(pixels, np.int64)])
    builder.add("Cast", [in_plane], layer.outputs[1], to=TensorProto.FLOAT)


def unpool(builder: Builder, layer: ExportedLayer) -> None:
    """The values scattered in their planes, which have one place more: the index -1 counts from the end there."""
    size = count(layer.tops[0], 2)
    x, index = (builder.reshape(value, [0, 0, -1]) for value in layer.inputs)
    shape = builder.add("Slice", [builder.add("Shape", layer.inputs[:1]), builder.indices([0]), builder.indices([2])])
    zeros = builder.add("ConstantOfShape", [builder.add("Concat", [shape, builder.indices([size + 1])], axis=0)])
    index = builder.add("Cast", [index], to=TensorProto.INT64)
    values = builder.add("ScatterElements", [zeros, index, x], axis=2)
    inside = builder.add("Slice", [values, *map(builder.indices, ([0], [size], [2]))])
    builder.reshape(inside, [0, 0, *layer.tops[0][2:]], layer.outputs)


EXPORTS = {"Pooling": pooling}
