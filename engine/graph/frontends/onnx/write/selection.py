"""Layers that pick rows, and windows of pictures: Filter, BatchReindex, Im2col, SPP."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from onnx import TensorProto

from ....ir.op import count
from ....ops.im2col import columns_of
from ....ops.pyramid import pyramid_levels
from .builder import Builder, ExportedLayer
from .pooling import pooling


def filter_(builder: Builder, layer: ExportedLayer) -> None:
    """The rows that are kept, then rows of 0 up to the number of all rows, which other layers count on."""
    flags = builder.reshape(layer.inputs[-1], [-1])
    kept = builder.add("Not", [builder.add("Equal", [flags, builder.constant(0)])])
    number = builder.reduce("ReduceSum", builder.add("Cast", [kept], to=TensorProto.INT64), [0])
    left = builder.add("Sub", [builder.add("Shape", [flags]), number])
    for value, shape, output in zip(layer.inputs[:-1], layer.bottoms[:-1], layer.outputs, strict=True):
        rows = builder.add("Compress", [value, kept], axis=0)
        axes = len(shape)
        before = builder.indices([0] * axes)
        parts = [before, left] if axes == 1 else [before, left, builder.indices([0] * (axes - 1))]
        builder.add("Pad", [rows, builder.add("Concat", parts, axis=0)], output)


def batch_reindex(builder: Builder, layer: ExportedLayer) -> None:
    rows = builder.add("Cast", [layer.inputs[1]], to=TensorProto.INT64)
    builder.add("Gather", [layer.inputs[0], rows], layer.outputs, axis=0)


def im2col(builder: Builder, layer: ExportedLayer) -> None:
    """The pixels of all windows, gathered from the padded picture as one axis."""
    found, value = columns_of(layer.node, layer.bottoms[0]), layer.inputs[0]
    leading = found.axis + 1
    if any(found.pad):
        pads = [*([0] * leading), *found.pad]
        value = builder.add("Pad", [value, builder.indices(pads * 2)])
    places = np.arange(count(found.padded)).reshape(found.padded)
    windows = np.stack([places[found.window(place)] for place in np.ndindex(*found.kernel)])
    value = builder.reshape(value, [*([0] * leading), -1])
    value = builder.add("Gather", [value, builder.indices(windows.reshape(-1))], axis=leading)
    builder.reshape(value, layer.dims[0], layer.outputs)


def spp(builder: Builder, layer: ExportedLayer) -> None:
    levels = pyramid_levels(layer.node, layer.bottoms[0])
    if len(levels) == 1:
        pooling(builder, replace(layer, node=levels[0][0]))
        return
    parts = []
    for node, top in levels:
        pooled = builder.fresh("level")
        pooling(builder, replace(layer, node=node, tops=[top], outputs=[pooled]))
        parts.append(builder.add("Flatten", [pooled], axis=1))
    builder.add("Concat", parts, layer.outputs, axis=1)


EXPORTS = {"BatchReindex": batch_reindex, "Filter": filter_, "Im2col": im2col, "SPP": spp}
