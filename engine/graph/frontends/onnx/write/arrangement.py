"""Layers that move values or change their shape."""

from __future__ import annotations

from ....ir.op import axis_of
from ....ops.arrangement import concat_axis, crop_window, own_axis, permutation
from .builder import Builder, ExportedLayer

LAST = 2**63 - 1  # an end that is behind any axis's


def concat(builder: Builder, layer: ExportedLayer) -> None:
    builder.add("Concat", layer.inputs, layer.outputs, axis=concat_axis(layer.node, layer.bottoms))


def slice_(builder: Builder, layer: ExportedLayer) -> None:
    if len(layer.outputs) == 1:
        builder.finish(layer.inputs[0])
        return
    axis = own_axis(layer.node, len(layer.bottoms[0]))
    sizes = builder.indices(top[axis] for top in layer.tops)
    builder.add("Split", [*layer.inputs, sizes], layer.outputs, axis=axis)


def split(builder: Builder, layer: ExportedLayer) -> None:
    for number in range(len(layer.outputs)):
        builder.finish(layer.inputs[0], number)


def reshape(builder: Builder, layer: ExportedLayer) -> None:
    builder.reshape(layer.inputs[0], layer.dims[0], layer.outputs[0])


def crop(builder: Builder, layer: ExportedLayer) -> None:
    parts = crop_window(layer.node, layer.bottoms)
    parts = [
        (axis, part.start, part.stop)
        for axis, (part, size) in enumerate(zip(parts, layer.bottoms[0], strict=True))
        if part.stop - part.start < size
    ]
    if not parts:
        builder.finish(layer.inputs[0])
        return
    axes, starts, ends = (builder.indices(values) for values in zip(*parts, strict=True))
    builder.add("Slice", [layer.inputs[0], starts, ends, axes], layer.outputs)


def strided_slice(builder: Builder, layer: ExportedLayer) -> None:
    attributes = layer.attributes
    numbers = attributes.starts, attributes.ends, attributes.axes, attributes.steps
    builder.add("Slice", [layer.inputs[0], *map(builder.indices, numbers)], layer.outputs)


def pad(builder: Builder, layer: ExportedLayer) -> None:
    """What is cut off is cut off before, by a Slice that counts from the ends."""
    attributes, value = layer.attributes, layer.inputs[0]
    before, after = attributes.pads_before, attributes.pads_after
    if min(*before, *after) < 0:
        axes, starts = range(len(before)), [max(0, -each) for each in before]
        ends = [min(0, each) or LAST for each in after]
        value = builder.add("Slice", [value, *map(builder.indices, (starts, ends, axes))])
    if max(*before, *after) <= 0:
        builder.finish(value)
        return
    inputs = [value, builder.indices(max(0, each) for each in (*before, *after))]
    if attributes.mode == "constant":
        inputs.append(builder.constant(attributes.value))
    builder.add("Pad", inputs, layer.outputs, mode=attributes.mode)


def tile(builder: Builder, layer: ExportedLayer) -> None:
    repeats = [1] * len(layer.bottoms[0])
    parameter = layer.attributes
    repeats[axis_of(layer.node, parameter.axis, len(repeats))] = parameter.tiles
    builder.add("Tile", [*layer.inputs, builder.indices(repeats)], layer.outputs)


def permute(builder: Builder, layer: ExportedLayer) -> None:
    builder.add("Transpose", layer.inputs, layer.outputs, perm=permutation(layer.node, len(layer.bottoms[0])))


def nothing(builder: Builder, layer: ExportedLayer) -> None:
    """Inputs, which are declared with the graph, and Silence."""


EXPORTS = {
    "Concat": concat,
    "Crop": crop,
    "Flatten": reshape,
    "Pad": pad,
    "Permute": permute,
    "Reshape": reshape,
    "Silence": nothing,
    "Slice": slice_,
    "Split": split,
    "StridedSlice": strided_slice,
    "Tile": tile,
    **dict.fromkeys(("Data", "DummyData", "HDF5Data", "ImageData", "Input", "MemoryData", "WindowData"), nothing),
}
