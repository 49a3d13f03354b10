"""Resize, Upsample and Pad."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ......formats.onnx.records import OnnxNode
from ....ir.graph import Blob
from ....ops.padding import Pad
from ....ops.resize import Resize
from .builder import GraphBuilder

SINCE_SIZES = 11  # of Resize: before, scales alone
SPATIAL = 2  # the first spatial axis
COORDINATE_MODES = (
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_half_pixel_for_nn",
)
NEAREST_MODES = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
PAD_MODES = ("constant", "edge", "reflect")


def resize(builder: GraphBuilder, node: OnnxNode) -> Blob:
    """Of the axes behind the channels; before opset 11 as Upsample, by scales alone."""
    attributes = node.attributes
    if node.version < SINCE_SIZES:
        return _resized(builder, _floats(builder, 1, "scales"), None, "asymmetric", "floor")
    for name in ("antialias", "exclude_outside"):
        if attributes.get(name, 0):
            builder.refuse(f"has {name}", "0")
    coordinates = attributes.get("coordinate_transformation_mode", "half_pixel")
    rounding = attributes.get("nearest_mode", "round_prefer_floor")
    sizes = builder.numbers("sizes", 3)
    scales = _floats(builder, 2, "scales") if not sizes else None
    return _resized(builder, scales, sizes, coordinates, rounding)


def upsample(builder: GraphBuilder, node: OnnxNode) -> Blob:
    """Its scales are an attribute before opset 9."""
    given = node.attributes.get("scales")
    return _resized(builder, given or _floats(builder, 1, "scales"), None, "asymmetric", "floor")


def _floats(builder: GraphBuilder, position: int, what: str) -> list[float]:
    return [float(each) for each in builder.needed_constant(position, what).reshape(-1)]


def _resized(
    builder: GraphBuilder, scales: Sequence[float] | None, sizes: Sequence[int] | None, coordinates: str, rounding: str
) -> Blob:
    blob, mode = builder.input(), builder.node.attributes.get("mode", "nearest")
    for name, value, known in (
        ("mode", mode, ("nearest", "linear")),
        ("coordinate_transformation_mode", coordinates, COORDINATE_MODES),
        ("nearest_mode", rounding, NEAREST_MODES),
    ):
        if value not in known:
            builder.refuse(f"{name} {value!r}", " or ".join(known))
    rank = len(builder.axes[blob])
    axes = builder.each_axis(blob, given) if (given := builder.node.attributes.get("axes")) else list(range(rank))
    order = [builder.axis(blob, axis) for axis in given] if given else axes
    numbers = scales if sizes is None else sizes
    if numbers is None or len(numbers) != len(order):
        builder.refuse(f"has {len(numbers or ())} sizes or scales for {len(order)} axes", "one for each")
    by_axis = dict(zip(order, numbers, strict=True))
    if sizes is not None:
        scales, sizes = _by_sizes(builder, blob, by_axis)
    else:
        scales, sizes = _by_scales(builder, by_axis, rank), ()
        before = [builder.sizes(blob, axis) for axis in range(SPATIAL, rank)]
        if coordinates == "align_corners" and not all(
            (np.float32(scale) * np.float32(size)).is_integer() for scale, size in zip(scales, before, strict=True)
        ):
            builder.refuse("aligns corners of a size that scales do not give exactly", "sizes")  # ONNX says two things
    rounding = rounding if mode == "nearest" else Resize().rounding
    attributes = Resize(mode, tuple(scales), tuple(sizes), coordinates, rounding)
    return builder.add("Resize", [blob], attributes)


def _by_scales(builder: GraphBuilder, scales: dict[int, float], rank: int) -> list[float]:
    if any(scales.get(axis, 1) != 1 for axis in range(min(rank, SPATIAL))):
        builder.refuse(f"resizes axes by {list(scales.values())}", "pictures: 1 for the batch and the channels")
    return [scales.get(axis, 1.0) for axis in range(SPATIAL, rank)]


def _by_sizes(builder: GraphBuilder, blob: Blob, sizes: dict[int, int]) -> tuple[list[float], list[int]]:
    """The scales, or none for the quotients of the sizes; and the sizes. 0 is the size of the input."""
    axes, policy = builder.axes[blob], builder.node.attributes.get("keep_aspect_ratio_policy", "stretch")
    for axis in range(min(len(axes), SPATIAL)):
        if sizes.get(axis, 0) != 0 and builder.same(sizes[axis]) != axes[axis]:
            builder.refuse(f"resizes axis {axis} to {sizes[axis]}", "pictures: the batch and the channels stay")
    before = [builder.sizes(blob, axis) for axis in range(SPATIAL, len(axes))]
    wanted = [sizes.get(axis, 0) or size for axis, size in enumerate(before, SPATIAL)]
    if policy == "stretch":
        return [], wanted
    if policy not in ("not_larger", "not_smaller"):
        builder.refuse(f"keep_aspect_ratio_policy {policy!r}", "stretch, not_larger or not_smaller")
    named = [axis for axis in range(SPATIAL, len(axes)) if axis in sizes]
    ratios = [np.float32(sizes[axis]) / np.float32(before[axis - SPATIAL]) for axis in named]
    ratio = float(min(ratios) if policy == "not_larger" else max(ratios))
    scales = [ratio if axis in named else 1.0 for axis in range(SPATIAL, len(axes))]
    return scales, [int(scale * size + 0.5) for scale, size in zip(scales, before, strict=True)]


def pad(builder: GraphBuilder, node: OnnxNode) -> Blob:
    """Its pads and value are inputs since opset 11."""
    blob, mode = builder.input(), node.attributes.get("mode", "constant")
    rank, pads = len(builder.axes[blob]), builder.numbers("pads", 1)
    value = float(node.attributes.get("value", 0.0))
    if builder.has(2):
        value = float(builder.needed_constant(2, "value").reshape(-1)[0])
    if mode not in PAD_MODES:
        builder.refuse(f"mode {mode!r}", " or ".join(PAD_MODES))
    axes = builder.numbers("axes", 3)
    order = list(range(rank)) if axes is None else [builder.axis(blob, axis) for axis in axes]
    if pads is None or len(pads) != 2 * len(order) or len(set(order)) < len(order):
        builder.refuse(f"has pads {pads} for the axes {order}", "two for each")
    before, after = [0] * rank, [0] * rank
    for number, axis in enumerate(order):
        before[axis], after[axis] = pads[number], pads[number + len(order)]
    return builder.add("Pad", [blob], Pad(tuple(before), tuple(after), mode, value))


OPERATORS = {"Pad": pad, "Resize": resize, "Upsample": upsample}
