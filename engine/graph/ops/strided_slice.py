"""Layers that take a range of each axis: StridedSlice, CropCenter, and Reverse, which takes one backwards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import Back, Gradient, Layers, Op, Run, axis_of
from .checks import refuse_in_place


@dataclass(frozen=True)
class StridedSlice:
    """One number per sliced axis each; `axes` may be counted from the end.

    `starts` and `ends` may be too, and may lie outside: those are clamped. With a negative step the values are taken
    backwards, and an end below -size means "through the first". They are kept as given, so that they hold for any size.
    """

    axes: tuple[int, ...] = ()
    starts: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()
    steps: tuple[int, ...] = ()


@dataclass(frozen=True)
class CropCenter:
    """`crop_size`: of each axis, what is taken off both its ends."""

    crop_size: tuple[int, ...] = ()


@dataclass(frozen=True)
class Reverse:
    axis: int = 0


def slice_ranges(node: Node, bottom: Shape) -> list[range]:
    """The indices that are taken of each axis. Raises node.error."""
    attributes, ranges = node.attributes, [range(size) for size in bottom]
    numbers = attributes.axes, attributes.starts, attributes.ends, attributes.steps
    if len(set(map(len, numbers))) > 1:
        found = "has {} axes, {} starts, {} ends and {} steps".format(*map(len, numbers))
        raise node.error(found, "as many of each")
    axes = [axis_of(node, axis, len(bottom)) for axis in attributes.axes]
    if len(set(axes)) < len(axes):
        raise node.error(f"has axes {list(attributes.axes)}", "each axis once")
    for axis, start, end, step in zip(axes, *numbers[1:], strict=True):
        size = bottom[axis]
        if step == 0:
            raise node.error(f"has step 0 on axis {axis}", "another number")
        start, end = (each + size if each < 0 else each for each in (start, end))
        if step > 0:
            taken = range(min(max(start, 0), size), min(max(end, 0), size), step)
        else:
            taken = range(min(max(start, 0), size - 1), min(max(end, -1), size - 1), step)
        if not taken:
            raise node.error(f"takes nothing of axis {axis}, which has {size}", "at least 1")
        ranges[axis] = taken
    return ranges


def center_ranges(node: Node, bottom: Shape) -> list[range]:
    """The same of a CropCenter."""
    crops = node.attributes.crop_size
    if len(crops) != len(bottom):
        raise node.error(f"has {len(crops)} crop_size for {len(bottom)} axes", "one per axis")
    for axis, (crop, size) in enumerate(zip(crops, bottom, strict=True)):
        if crop < 0 or 2 * crop >= size:
            raise node.error(f"crop_size {crop} of an axis of {size}", "at least 1 left", f"axis {axis}")
    return [range(crop, size - crop) for crop, size in zip(crops, bottom, strict=True)]


def reversed_ranges(node: Node, bottom: Shape) -> list[range]:
    """The same of a Reverse."""
    axis = node.attributes.axis
    if not 0 <= axis < len(bottom):
        raise node.error(f"axis {axis} of a blob with {len(bottom)} axes", f"0 to {len(bottom) - 1}")
    return [range(size)[:: -1 if number == axis else 1] for number, size in enumerate(bottom)]


RANGES = {"StridedSlice": slice_ranges, "CropCenter": center_ranges, "Reverse": reversed_ranges}


def taken_ranges(node: Node, bottom: Shape) -> list[range]:
    """The indices that the layer takes of each axis. Raises node.error."""
    return RANGES[node.type](node, bottom)


def _slices(node: Node, bottom: Shape) -> tuple[slice, ...]:
    ranges = taken_ranges(node, bottom)
    return tuple(slice(each.start, each.stop if each.stop >= 0 else None, each.step) for each in ranges)


def range_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    refuse_in_place(node)
    return [tuple(map(len, taken_ranges(node, bottoms[0])))]


def prepare_ranges(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    slices = _slices(node, bottoms[0])
    return lambda inputs, outputs: np.copyto(outputs[0], inputs[0][slices])


def ranges_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    slices = _slices(node, bottoms[0])

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        input_gradients[0].fill(0)
        input_gradients[0][slices] = output_gradients[0]

    return back


GRADIENT = Gradient(ranges_back)
OPS = (
    Op("StridedSlice", range_shapes, prepare_ranges, gradient=GRADIENT, attributes=StridedSlice),
    Op("CropCenter", range_shapes, prepare_ranges, gradient=GRADIENT),
    Op("Reverse", range_shapes, prepare_ranges, gradient=GRADIENT),
)
