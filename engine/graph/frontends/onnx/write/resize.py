"""Resize.

One node where that says it. Else (tf_half_pixel_for_nn, which opset 13 dropped; a scale and a size that do not belong
together; scales other than 1 that change no size, which onnxruntime takes for a copy) the pixels are gathered axis by
axis, and weighed with constants.
"""

from __future__ import annotations

import numpy as np

from ....ops.resize import resized_axes, spatial_scales
from .builder import Builder, ExportedLayer


def resize(builder: Builder, layer: ExportedLayer) -> None:
    attributes, axes = layer.attributes, spatial_scales(layer.node, layer.bottoms[0])
    floors = [int(np.float32(n) * scale) == m for n, m, scale in axes]
    still = layer.bottoms == layer.tops and any(scale != 1 for _, _, scale in axes)
    is_odd = attributes.scales and not all(floors)
    if attributes.coordinates == "tf_half_pixel_for_nn" or is_odd or still:
        _gather(builder, layer)
        return
    words = {"mode": attributes.mode, "coordinate_transformation_mode": attributes.coordinates}
    if attributes.mode == "nearest":
        words["nearest_mode"] = attributes.rounding
    inputs = [layer.inputs[0], "", builder.constant([1, 1, *(scale for _, _, scale in axes)])]
    if not all(floors):  # m / n in float32, times n, is a little less than m
        shape = builder.add("Shape", layer.inputs)
        outer = builder.add("Slice", [shape, builder.indices([0]), builder.indices([2])])
        sizes = builder.indices(m for _, m, _ in axes)
        inputs[2:] = ["", builder.add("Concat", [outer, sizes], axis=0)]
    builder.add("Resize", inputs, layer.outputs, **words)


def _gather(builder: Builder, layer: ExportedLayer) -> None:
    value, axes = layer.inputs[0], resized_axes(layer.node, layer.bottoms[0])
    for number, axis in reversed(list(enumerate(axes, 2))):
        if axis.is_same:
            continue
        source, value = value, builder.add("Gather", [value, builder.indices(axis.first)], axis=number)
        if axis.share is not None:
            shares = axis.share.reshape(-1, *[1] * (len(axes) + 1 - number))
            other = builder.add("Gather", [source, builder.indices(axis.second)], axis=number)
            value = builder.add("Mul", [value, builder.constant(1 - shares)])
            value = builder.add("Add", [value, builder.add("Mul", [other, builder.constant(shares)])])
    builder.finish(value)


EXPORTS = {"Resize": resize}
