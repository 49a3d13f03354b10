"""Layers that move values or change their shape."""

from __future__ import annotations

from collections.abc import Sequence

from onnx import TensorProto

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


def crop_center(builder: Builder, layer: ExportedLayer) -> None:
    parts = [(axis, crop, -crop, 1) for axis, crop in enumerate(layer.attributes.crop_size) if crop]
    _slice(builder, layer, parts)


def reverse(builder: Builder, layer: ExportedLayer) -> None:
    _slice(builder, layer, [(layer.attributes.axis, -1, -LAST, -1)])


def _slice(builder: Builder, layer: ExportedLayer, parts: Sequence[tuple[int, int, int, int]]) -> None:
    """`parts`: axis, start, end and step each."""
    if not parts:
        builder.finish(layer.inputs[0])
        return
    axes, starts, ends, steps = (builder.indices(values) for values in zip(*parts, strict=True))
    builder.add("Slice", [layer.inputs[0], starts, ends, axes, steps], layer.outputs)


def reverse_time(builder: Builder, layer: ExportedLayer) -> None:
    """ReverseSequence copies what remains."""
    shape = layer.bottoms[0]
    lengths = builder.add("Cast", [builder.reshape(layer.inputs[1], [-1])], to=TensorProto.INT64)
    value = builder.add("ReverseSequence", [layer.inputs[0], lengths], batch_axis=1, time_axis=0)
    if layer.attributes.copy_remaining:
        builder.finish(value)
        return
    behind = [1] * (len(shape) - 2)
    steps = builder.reshape(builder.indices(range(shape[0])), [-1, 1, *behind])
    is_inside = builder.add("Less", [steps, builder.reshape(lengths, [1, -1, *behind])])
    builder.add("Where", [is_inside, value, builder.constant(0)], layer.outputs)


def shuffle_channel(builder: Builder, layer: ExportedLayer) -> None:
    (pictures, channels, *pixels), group = layer.dims[0], layer.attributes.group
    each = channels if channels < 0 else channels // group
    value = builder.reshape(layer.inputs[0], [pictures, group, each, *pixels])
    turned = builder.add("Transpose", [value], perm=[0, 2, 1, *range(3, 3 + len(pixels))])
    builder.reshape(turned, layer.dims[0], layer.outputs)


def reorg(builder: Builder, layer: ExportedLayer) -> None:
    s, (_, channels, height, width) = layer.attributes.stride, layer.bottoms[0]
    if layer.attributes.reverse:
        builder.add("DepthToSpace", layer.inputs, layer.outputs, blocksize=s)
        return
    dims = layer.dims[0]
    value = builder.reshape(layer.inputs[0], [dims[0], channels // (s * s), height * s, width * s])
    builder.reshape(builder.add("SpaceToDepth", [value], blocksize=s), dims, layer.outputs)


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
    """Inputs, which are declared with the graph, Silence and HDF5Output."""


EXPORTS = {
    "Concat": concat,
    "Crop": crop,
    "CropCenter": crop_center,
    "Flatten": reshape,
    "HDF5Output": nothing,
    "Pad": pad,
    "Permute": permute,
    "Reorg": reorg,
    "Reshape": reshape,
    "Reverse": reverse,
    "ReverseTime": reverse_time,
    "ShuffleChannel": shuffle_channel,
    "Silence": nothing,
    "Slice": slice_,
    "Split": split,
    "StridedSlice": strided_slice,
    "Tile": tile,
    "Transpose": permute,
    **dict.fromkeys(("Data", "DummyData", "HDF5Data", "ImageData", "Input", "MemoryData", "WindowData"), nothing),
}
