"""Layers that do not even move values: Flatten, Reshape, Split; and Silence and HDF5Output, which give none.

HDF5Output is a Silence here: it writes no file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import MANY, Back, Gradient, Layers, Op, Run, axis_of, count, nothing
from .checks import refuse_in_place

WITHOUT_RESULT = ("HDF5Output", "Silence")


@dataclass(frozen=True)
class Flatten:
    """The axes from `axis` to `end_axis` become one."""

    axis: int = 1
    end_axis: int = -1


@dataclass(frozen=True)
class Reshape:
    """The `num_axes` axes from `axis` on, -1 for all that follow, become `dims`: 0 copies an axis, -1 is inferred."""

    dims: tuple[int, ...] = ()
    axis: int = 0
    num_axes: int = -1


def flatten_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    refuse_in_place(node)
    shape, parameter = bottoms[0], node.attributes
    start, end = (axis_of(node, axis, len(shape)) for axis in (parameter.axis, parameter.end_axis))
    if end < start - 1:
        raise node.error(f"axis {start} and end_axis {end}", "end_axis not before axis")
    return [(*shape[:start], count(shape, start, end + 1), *shape[end + 1 :])]


def _inferred(dims: list[int], shape: Shape, start: int, end: int) -> int:
    """The dim that is given as -1. Axes that are copied are on both sides, so a batch of 0 leaves it as it is."""
    copied = {start + number for number, dim in enumerate(dims) if dim == 0}
    values = count([shape[axis] for axis in range(start, end) if axis not in copied])
    known = count([dim for dim in dims if dim > 0] + [shape[axis] for axis in copied if axis >= end])
    return values // known if known else 0


def reshape_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    """Axes [axis, axis + num_axes) are replaced by shape.dim, of which 0 copies an axis and one -1 is inferred."""
    refuse_in_place(node)
    shape, parameter, dimensions = bottoms[0], node.attributes, len(bottoms[0])
    dims, length = list(parameter.dims), parameter.num_axes
    start = parameter.axis if parameter.axis >= 0 else dimensions + parameter.axis + 1
    end = dimensions if length == -1 else start + length
    if not 0 <= start <= end <= dimensions or length < -1:
        found = f"axis {parameter.axis} and num_axes {length} of a blob with {dimensions} axes"
        raise node.error(found, "a range of its axes")
    for number, dim in enumerate(dims):
        if dim == 0:
            if start + number >= dimensions:
                raise node.error(f"dim 0 at position {number}", f"an axis of {list(shape)} to copy")
            dims[number] = shape[start + number]
    if dims.count(-1) > 1 or any(dim < -1 for dim in dims):
        raise node.error(f"dims {list(parameter.dims)}", "no negative ones but one -1")
    top = [*shape[:start], *dims, *shape[end:]]
    if -1 in dims:
        top[start + dims.index(-1)] = _inferred(list(parameter.dims), shape, start, end)
    if count(top) != count(shape):
        expected = f"{count(shape)} values like the bottom's shape {list(shape)}"
        raise node.error(f"dims {list(parameter.dims)}, which make the shape {top}", expected)
    return [tuple(top)]


def split_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    refuse_in_place(node)
    return bottoms * len(node.tops)


# ------------------------------------------------------------------------------------------------------------- gradient
def view_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    """Flatten and Reshape: nothing, where both gradients are the same memory."""

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        if not np.may_share_memory(output_gradients[0], input_gradients[0]):
            np.copyto(input_gradients[0], output_gradients[0].reshape(bottoms[0]))

    return back


def split_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        np.copyto(input_gradients[0], output_gradients[0])
        for dy in output_gradients[1:]:
            np.add(input_gradients[0], dy, out=input_gradients[0])

    return back


def silence_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        for dx in input_gradients:
            if dx is not None:
                dx.fill(0)

    return back


OPS = (
    Op("Flatten", flatten_shapes, nothing, view=True, gradient=Gradient(view_back)),
    Op("Reshape", reshape_shapes, nothing, view=True, gradient=Gradient(view_back)),
    Op("Split", split_shapes, nothing, tops=(1, MANY), view=True, gradient=Gradient(split_back)),
    Op(
        "Silence", lambda node, bottoms: [], nothing, bottoms=(1, MANY), tops=(0, 0),
        gradient=Gradient(silence_back),
    ),
    Op("HDF5Output", lambda node, bottoms: [], nothing, bottoms=(2, MANY), tops=(0, 0)),
)  # fmt: skip
