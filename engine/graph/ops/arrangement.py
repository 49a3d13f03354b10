"""Layers that move values: Concat, Slice, Crop, Tile, Permute, Transpose. Here NumPy copies them; plans have kernels
that leave most values in their blocks of channels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import MANY, Back, Gradient, Layers, Op, Run, axis_of, count
from .checks import refuse_in_place


@dataclass(frozen=True)
class Concat:
    axis: int = 1


@dataclass(frozen=True)
class Slicing:
    """Of a Slice layer: the tops but the first begin at the `slice_point`s, or have equal parts without any."""

    axis: int = 1
    slice_point: tuple[int, ...] = ()


@dataclass(frozen=True)
class Crop:
    """`offset`: of each axis from `axis` on, or one for all of them, or none for 0."""

    axis: int = 2
    offset: tuple[int, ...] = ()


@dataclass(frozen=True)
class Tile:
    axis: int = 1
    tiles: int = 0


@dataclass(frozen=True)
class Permute:
    """Also of a Transpose, whose order has all axes."""

    order: tuple[int, ...] = ()


PERMUTES = ("Permute", "Transpose")


def own_axis(node: Node, dimensions: int) -> int:
    """`axis` of a layer's attributes, for a blob of `dimensions` axes."""
    return axis_of(node, node.attributes.axis, dimensions)


def along(shape: Shape, axis: int) -> tuple[int, int, int]:
    """`shape` as three axes: those before `axis`, it, and those after."""
    return count(shape, 0, axis), shape[axis], count(shape, axis + 1)


# ----------------------------------------------------------------------------------------------- Concat
def concat_axis(node: Node, bottoms: list[Shape]) -> int:
    return own_axis(node, len(bottoms[0]))


def concat_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    axis, first = concat_axis(node, bottoms), bottoms[0]
    for blob, shape in zip(node.bottoms, bottoms, strict=True):
        if (*shape[:axis], *shape[axis + 1 :]) != (*first[:axis], *first[axis + 1 :]) or len(shape) != len(first):
            expected = f"{list(first)} like the first bottom, but for axis {axis}"
            raise node.error(f"{blob.name!r} has the shape {list(shape)}", expected)
    return [(*first[:axis], sum(shape[axis] for shape in bottoms), *first[axis + 1 :])]


def prepare_concat(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    axis = concat_axis(node, bottoms)
    parts, whole = [along(shape, axis) for shape in bottoms], along(tops[0], axis)

    def run(inputs, outputs):
        top, start = outputs[0].reshape(whole), 0
        for bottom, part in zip(inputs, parts, strict=True):
            top[:, start : start + part[1]] = bottom.reshape(part)
            start += part[1]

    return run


# ------------------------------------------------------------------------------------------------ Slice
def slice_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    shape, tops = bottoms[0], len(node.tops)
    axis, points = own_axis(node, len(shape)), list(node.attributes.slice_point)
    size = shape[axis]
    if points:
        if len(points) != tops - 1:
            raise node.error(f"has {len(points)} slice_point for {tops} tops", "one less than tops")
        ends = [0, *points, size]
        if any(start >= end for start, end in pairwise(ends)):
            raise node.error(f"slice_point {points} of an axis of {size}", f"rising numbers from 1 to {size - 1}")
    elif size % tops:
        raise node.error(f"an axis of {size} for {tops} tops", "a multiple of the number of tops, or slice_point")
    else:
        ends = [size // tops * number for number in range(tops + 1)]
    return [(*shape[:axis], end - start, *shape[axis + 1 :]) for start, end in pairwise(ends)]


def prepare_slice(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    axis = own_axis(node, len(bottoms[0]))
    parts, whole = [along(shape, axis) for shape in tops], along(bottoms[0], axis)

    def run(inputs, outputs):
        bottom, start = inputs[0].reshape(whole), 0
        for top, part in zip(outputs, parts, strict=True):
            top.reshape(part)[:] = bottom[:, start : start + part[1]]
            start += part[1]

    return run


# -------------------------------------------------------------------------------------- Crop, Tile, Permute
def crop_window(node: Node, bottoms: list[Shape]) -> list[slice]:
    """The part of each axis of the first bottom: from `axis` on, as much as the second one has."""
    shape, like = bottoms
    axis, offsets = own_axis(node, len(shape)), list(node.attributes.offset)
    if len(like) < len(shape):
        raise node.error(f"bottoms of shapes {list(shape)} and {list(like)}", "as many axes in the second")
    if len(offsets) <= 1:
        offsets = (offsets or [0]) * (len(shape) - axis)
    if len(offsets) != len(shape) - axis:
        raise node.error(f"has {len(offsets)} offset for {len(shape) - axis} cropped axes", "none, 1, or one per axis")
    window = [slice(0, size) for size in shape[:axis]]
    for number, offset in enumerate(offsets, axis):
        if offset + like[number] > shape[number]:
            found = f"offset {offset} and size {like[number]} of an axis of {shape[number]}"
            raise node.error(found, "a window inside the first bottom", f"axis {number}")
        window.append(slice(offset, offset + like[number]))
    return window


def crop_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    return [tuple(part.stop - part.start for part in crop_window(node, bottoms))]


def prepare_crop(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    window = tuple(crop_window(node, bottoms))
    return lambda inputs, outputs: np.copyto(outputs[0], inputs[0][window])


def tile_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    shape, tiles = bottoms[0], node.attributes.tiles
    axis = own_axis(node, len(shape))
    if tiles <= 0:
        raise node.error(f"tiles {tiles}", "1 or more")
    return [(*shape[:axis], shape[axis] * tiles, *shape[axis + 1 :])]


def prepare_tile(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    axis, tiles = own_axis(node, len(bottoms[0])), node.attributes.tiles
    outer, inner = count(bottoms[0], 0, axis), count(bottoms[0], axis)

    def run(inputs, outputs):
        outputs[0].reshape(outer, tiles, inner)[:] = inputs[0].reshape(outer, 1, inner)

    return run


def permutation(node: Node, dimensions: int) -> list[int]:
    """`order`, then the axes that it does not name, in their order."""
    order = list(node.attributes.order)
    if len(set(order)) < len(order) or not all(0 <= axis < dimensions for axis in order):
        raise node.error(f"order {order} of {dimensions} axes", f"different numbers from 0 to {dimensions - 1}")
    return order + [axis for axis in range(dimensions) if axis not in order]


def permute_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    return [tuple(bottoms[0][axis] for axis in permutation(node, len(bottoms[0])))]


def transpose_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    refuse_in_place(node)
    if len(node.attributes.order) != len(bottoms[0]):
        raise node.error(f"has {len(node.attributes.order)} dim for {len(bottoms[0])} axes", "one per axis")
    return permute_shapes(node, bottoms)


def prepare_permute(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    order = permutation(node, len(bottoms[0]))
    return lambda inputs, outputs: np.copyto(outputs[0], inputs[0].transpose(order))


# ------------------------------------------------------------------------------------------------------------- gradient
# What has been moved moves back, and what was copied several times is summed up.
def concat_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    axis = concat_axis(node, bottoms)
    parts, whole = [along(shape, axis) for shape in bottoms], along(tops[0], axis)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        dy, start = output_gradients[0].reshape(whole), 0
        for dx, part in zip(input_gradients, parts, strict=True):
            if dx is not None:
                dx.reshape(part)[:] = dy[:, start : start + part[1]]
            start += part[1]

    return back


def slice_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    axis = own_axis(node, len(bottoms[0]))
    parts, whole = [along(shape, axis) for shape in tops], along(bottoms[0], axis)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        dx, start = input_gradients[0].reshape(whole), 0
        for dy, part in zip(output_gradients, parts, strict=True):
            dx[:, start : start + part[1]] = dy.reshape(part)
            start += part[1]

    return back


def crop_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    """Only the shape of the second bottom is used."""
    window = tuple(crop_window(node, bottoms))

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        for dx in input_gradients:
            if dx is not None:
                dx.fill(0)
        if input_gradients[0] is not None:
            input_gradients[0][window] = output_gradients[0]

    return back


def tile_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    axis, tiles = own_axis(node, len(bottoms[0])), node.attributes.tiles
    outer, inner = count(bottoms[0], 0, axis), count(bottoms[0], axis)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        dx = input_gradients[0].reshape(outer, inner)
        np.sum(output_gradients[0].reshape(outer, tiles, inner), axis=1, out=dx)

    return back


def permute_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    order = permutation(node, len(bottoms[0]))

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        np.copyto(input_gradients[0].transpose(order), output_gradients[0])

    return back


OPS = (
    Op("Concat", concat_shapes, prepare_concat, bottoms=(1, MANY), gradient=Gradient(concat_back)),
    Op("Slice", slice_shapes, prepare_slice, tops=(1, MANY), gradient=Gradient(slice_back)),
    Op("Crop", crop_shapes, prepare_crop, bottoms=(2, 2), gradient=Gradient(crop_back)),
    Op("Tile", tile_shapes, prepare_tile, gradient=Gradient(tile_back)),
    Op("Permute", permute_shapes, prepare_permute, gradient=Gradient(permute_back)),
    Op("Transpose", transpose_shapes, prepare_permute, gradient=Gradient(permute_back)),
)
