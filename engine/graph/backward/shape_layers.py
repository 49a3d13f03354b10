"""Gradients of the layers that only move values: they move back, and what was copied several times is summed up."""

from __future__ import annotations

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import Run, count
from ..ops.shape_layers import along, concat_axis, crop_window, own_axis, permutation
from .op import Back, Backward


def prepare_concat(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run) -> Back:
    axis = concat_axis(node, bottoms)
    parts, whole = [along(shape, axis) for shape in bottoms], along(tops[0], axis)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        dy, start = output_gradients[0].reshape(whole), 0
        for dx, part in zip(input_gradients, parts, strict=True):
            if dx is not None:
                dx.reshape(part)[:] = dy[:, start : start + part[1]]
            start += part[1]

    return back


def prepare_slice(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run) -> Back:
    axis = own_axis(node, len(bottoms[0]))
    parts, whole = [along(shape, axis) for shape in tops], along(bottoms[0], axis)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        dx, start = input_gradients[0].reshape(whole), 0
        for dy, part in zip(output_gradients, parts, strict=True):
            dx[:, start : start + part[1]] = dy.reshape(part)
            start += part[1]

    return back


def prepare_crop(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run) -> Back:
    """The second bottom lends nothing but its shape."""
    window = tuple(crop_window(node, bottoms))

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        for dx in input_gradients:
            if dx is not None:
                dx.fill(0)
        if input_gradients[0] is not None:
            input_gradients[0][window] = output_gradients[0]

    return back


def prepare_tile(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run) -> Back:
    axis, tiles = own_axis(node, len(bottoms[0])), node.attributes.tiles
    outer, inner = count(bottoms[0], 0, axis), count(bottoms[0], axis)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        dx = input_gradients[0].reshape(outer, inner)
        np.sum(output_gradients[0].reshape(outer, tiles, inner), axis=1, out=dx)

    return back


def prepare_permute(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run) -> Back:
    order = permutation(node, len(bottoms[0]))

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        np.copyto(input_gradients[0].transpose(order), output_gradients[0])

    return back


def prepare_view(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run) -> Back:
    """Flatten and Reshape: nothing, where both gradients are the same memory."""

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        if not np.may_share_memory(output_gradients[0], input_gradients[0]):
            np.copyto(input_gradients[0], output_gradients[0].reshape(bottoms[0]))

    return back


def prepare_split(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run) -> Back:
    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        np.copyto(input_gradients[0], output_gradients[0])
        for dy in output_gradients[1:]:
            np.add(input_gradients[0], dy, out=input_gradients[0])

    return back


def prepare_silence(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run) -> Back:
    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        for dx in input_gradients:
            if dx is not None:
                dx.fill(0)

    return back


BACKWARDS = (
    Backward("Concat", prepare_concat),
    Backward("Slice", prepare_slice),
    Backward("Crop", prepare_crop),
    Backward("Tile", prepare_tile),
    Backward("Permute", prepare_permute),
    Backward("Flatten", prepare_view),
    Backward("Reshape", prepare_view),
    Backward("Split", prepare_split),
    Backward("Silence", prepare_silence),
)
