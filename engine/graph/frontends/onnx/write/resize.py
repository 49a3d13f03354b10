"""Resize, Interp and Upsample, where that is by pixels.

One node where that says it. Else (tf_half_pixel_for_nn, which opset 13 dropped; a scale and a size that do not belong
together; scales other than 1 that change no size, which onnxruntime takes for a copy; an Interp of so many pixels that
rounding of their places matters) the pixels are gathered axis by axis, and weighed with constants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ....ir.graph import PICTURE_AXES, Node, Shape
from ....ops.axes import ResizedAxis
from ....ops.interp import interp_axes, interp_sizes
from ....ops.resize import Resize, resized_axes, spatial_scales
from ....ops.upsample import has_places, upsampled_axes
from .arrangement import LAST
from .builder import Builder, ExportedLayer
from .pooling import unpool

APART = 4e-6  # pixels: values change by less than 1e-5 of the largest, 2 * APART of it


def resize(builder: Builder, layer: ExportedLayer) -> None:
    attributes, axes = layer.attributes, spatial_scales(layer.node, layer.bottoms[0])
    floors = [int(np.float32(n) * scale) == m for n, m, scale in axes]
    still = layer.bottoms == layer.tops and any(scale != 1 for _, _, scale in axes)
    is_odd = attributes.scales and not all(floors)
    if attributes.coordinates == "tf_half_pixel_for_nn" or is_odd or still:
        _gather(builder, layer, resized_axes(layer.node, layer.bottoms[0]))
        return
    words = {"mode": attributes.mode, "coordinate_transformation_mode": attributes.coordinates}
    if attributes.mode == "nearest":
        words["nearest_mode"] = attributes.rounding
    inputs = [layer.inputs[0], "", builder.constant([1, 1, *(scale for _, _, scale in axes)])]
    exactly = [int(n * float(scale)) == m for n, m, scale in axes]  # as shapes are inferred before a run
    if not attributes.scales and not all(floors + exactly):  # m / n in float32, times n, is a little less than m
        shape = builder.add("Shape", layer.inputs)
        outer = builder.add("Slice", [shape, builder.indices([0]), builder.indices([2])])
        sizes = builder.indices(m for _, m, _ in axes)
        inputs[2:] = ["", builder.add("Concat", [outer, sizes], axis=0)]
    builder.add("Resize", inputs, layer.outputs, **words)


def interp(builder: Builder, layer: ExportedLayer) -> None:
    """What is cut off is cut off before, by a Slice that counts from the ends."""
    kept, sizes = zip(*interp_sizes(layer.node, layer.bottoms[0]), strict=True)
    ours, start, end = interp_axes(layer.node, layer.bottoms[0]), layer.attributes.pad_beg, layer.attributes.pad_end
    as_resize = _resize_layer(layer, (*layer.bottoms[0][:2], *kept), sizes=sizes, mode="linear")
    theirs = resized_axes(as_resize.node, as_resize.bottoms[0])
    if sum(_distance(*pair, start) for pair in zip(ours, theirs, strict=True)) > APART:
        _gather(builder, layer, ours)
        return
    value = layer.inputs[0]
    if start or end:
        parts = [[-start] * 2, [end or LAST] * 2, [2, 3]]
        value = builder.add("Slice", [value, *map(builder.indices, parts)])
    if kept == sizes:
        builder.finish(value)
        return
    resize(builder, replace(as_resize, inputs=[value]))


def _resize_layer(layer: ExportedLayer, bottom: Shape, **attributes) -> ExportedLayer:
    """The layer as a Resize of such a bottom."""
    words = {"coordinates": "align_corners"} | attributes
    node = Node(layer.node.name, "Resize", layer.node.bottoms[:1], layer.node.tops, Resize(**words))
    return replace(layer, node=node, bottoms=[bottom])


def _distance(ours: ResizedAxis, theirs: ResizedAxis, start: int) -> float:
    """How far apart the places of pixels are at most, `start` being where the second axis begins in the first."""
    places = [axis.first + axis.share.astype(np.float64) for axis in (ours, theirs)]
    return float(np.abs(places[0] + start - places[1]).max())


def upsample(builder: Builder, layer: ExportedLayer) -> None:
    if has_places(layer.node):
        unpool(builder, layer)
    elif len(layer.bottoms[0]) == PICTURE_AXES:
        scales = (float(layer.attributes.scale or 1),) * 2
        resize(
            builder, _resize_layer(layer, layer.bottoms[0], scales=scales, coordinates="asymmetric", rounding="floor")
        )
    else:
        _gather(builder, layer, upsampled_axes(layer.node, layer.bottoms[0]))


def _gather(builder: Builder, layer: ExportedLayer, axes: Sequence[ResizedAxis]) -> None:
    """Of the last axes."""
    value, rank = layer.inputs[0], len(layer.bottoms[0])
    for number, axis in reversed(list(enumerate(axes, rank - len(axes)))):
        if axis.is_same:
            continue
        source, value = value, builder.add("Gather", [value, builder.indices(axis.first)], axis=number)
        if axis.share is not None:
            shares = axis.share.reshape(-1, *[1] * (rank - 1 - number))
            other = builder.add("Gather", [source, builder.indices(axis.second)], axis=number)
            value = builder.add("Mul", [value, builder.constant(1 - shares)])
            value = builder.add("Add", [value, builder.add("Mul", [other, builder.constant(shares)])])
    builder.finish(value)


EXPORTS = {"Interp": interp, "Resize": resize, "Upsample": upsample}
