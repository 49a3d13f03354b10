"""Operators that move values or change their shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate

import numpy as np

from ......formats.onnx.records import OnnxNode
from ....ir.graph import Blob
from ....ops.arrangement import Concat, Permute, Slicing, Tile
from ....ops.padding import Pad
from ....ops.strided_slice import StridedSlice
from .broadcast import tiled, with_axes
from .builder import Axes, GraphBuilder, product

AXES_ARE_NEGATIVE = 11  # of Flatten, since this opset
MOST_RUNS = 64  # of adjacent indices of a Gather, a layer each


def identity(builder: GraphBuilder, node: OnnxNode) -> Blob:
    return builder.input()


def cast(builder: GraphBuilder, node: OnnxNode) -> Blob:
    builder.refuse(f"converts to the type {node.attributes.get('to')} of numbers", "float32 throughout")


def dropout(builder: GraphBuilder, node: OnnxNode) -> Blob:
    """One for inference is not read; a ratio of 0 drops nothing in training either."""
    ratio = builder.constant(1)
    if ratio is None or ratio.any() or any(node.outputs[1:]):
        builder.refuse("is for training", "inference")
    return builder.input()


# -------------------------------------------------------------------------------------------------- Concat, parts of it
def concat(builder: GraphBuilder, node: OnnxNode) -> Blob:
    """A constant of one number at an end is a Pad, others are Parameter layers."""
    constants = [builder.constant(position) for position in range(len(node.inputs))]
    values = [position for position, constant in enumerate(constants) if constant is None]
    if len(node.inputs) == 1 or not values:
        return builder.input() if len(node.inputs) == 1 else _joined(builder, range(len(node.inputs)))
    if len(values) == 1 and len(node.inputs) == 2 and (constant := constants[1 - values[0]]).size:
        number = constant.reshape(-1)[0]
        if (constant == number).all():
            return _padded(builder, builder.input(values[0]), constant, before=values[0] == 1)
    return _joined(builder, range(len(node.inputs)))


def _joined(builder: GraphBuilder, positions: Sequence[int]) -> Blob:
    blobs = [builder.input(position) for position in positions]
    return builder.add("Concat", blobs, Concat(_concat_axis(builder, blobs[0])))


def _concat_axis(builder: GraphBuilder, blob: Blob) -> int:
    return builder.axis(blob, builder.node.attributes.get("axis", 1))


def _padded(builder: GraphBuilder, blob: Blob, constant: np.ndarray, *, before: bool) -> Blob:
    axis, rank = _concat_axis(builder, blob), len(builder.axes[blob])
    sizes = [builder.same(size) for size in constant.shape]
    others = [each for number, each in enumerate(builder.axes[blob]) if number != axis]
    if constant.ndim != rank or [each for number, each in enumerate(sizes) if number != axis] != others:
        builder.refuse(f"joins a constant of shape {list(constant.shape)}", "the sizes of the other one")
    pads = [constant.shape[axis] if number == axis else 0 for number in range(rank)]
    none, value = (0,) * rank, float(constant.reshape(-1)[0])
    return builder.add(
        "Pad", [blob], Pad(tuple(pads) if before else none, none if before else tuple(pads), value=value)
    )


def split(builder: GraphBuilder, node: OnnxNode) -> Sequence[Blob]:
    blob = builder.input()
    axis, number = builder.axis(blob, node.attributes.get("axis", 0)), len(node.outputs)
    size, sizes = builder.sizes(blob, axis), builder.numbers("split", 1)
    if sizes is None:
        part = -(-size // node.attributes.get("num_outputs", number))
        sizes = [min(part, size - start) for start in range(0, size, max(1, part))]
    if len(sizes) != number or sum(sizes) != size or min(sizes, default=0) < 1:
        builder.refuse(f"has {number} outputs of the sizes {sizes}", f"sizes from 1 that add up to {size}")
    if number == 1:
        return [blob]
    points = tuple(accumulate(sizes))[:-1]
    return builder.add("Slice", [blob], Slicing(axis, points), tops=number)


def slice_(builder: GraphBuilder, node: OnnxNode) -> Blob:
    """A part of one axis is a top of a Slice layer, others are StridedSlice."""
    blob = builder.input()
    starts, ends, axes, steps = (
        builder.numbers(name, at) for at, name in enumerate(("starts", "ends", "axes", "steps"), 1)
    )
    if starts is None or ends is None:
        builder.refuse("has no starts or no ends", "both")
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        builder.refuse(f"has starts {starts}, ends {ends}, axes {axes} and steps {steps}", "as many of each, no step 0")
    axes = [builder.axis(blob, axis) for axis in axes]
    if len(axes) == 1 and steps == [1] and len(set(builder.axes[blob][axes[0]])) == 1 and axes[0] > 0:
        size = builder.sizes(blob, axes[0])
        start, end, _ = slice(starts[0], ends[0]).indices(size)
        if start < end:
            return _part(builder, blob, axes[0], start, end)
    return builder.add("StridedSlice", [blob], StridedSlice(tuple(axes), tuple(starts), tuple(ends), tuple(steps)))


def _part(builder: GraphBuilder, blob: Blob, axis: int, start: int, end: int) -> Blob:
    """Values [start, end) of an axis."""
    size = builder.sizes(blob, axis)
    if (start, end) == (0, size):
        return blob
    points = tuple(point for point in (start, end) if 0 < point < size)
    tops = builder.add("Slice", [blob], Slicing(axis, points), tops=len(points) + 1)
    return tops[1 if start else 0]


def gather(builder: GraphBuilder, node: OnnxNode) -> Blob:
    """Constant indices: a slice for each run of adjacent ones, joined."""
    blob, indices = builder.input(), builder.needed_constant(1, "indices")
    axis = builder.axis(blob, node.attributes.get("axis", 0))
    size = builder.sizes(blob, axis)
    flat = [int(index) for index in indices.reshape(-1)]
    if not flat or any(not -size <= index < size for index in flat):
        builder.refuse(f"has the indices {flat[:5]} of {size} values", f"some from {-size} to {size - 1}")
    runs: list[list[int]] = []
    for index in (each % size for each in flat):
        if runs and runs[-1][1] == index:
            runs[-1][1] += 1
        else:
            runs.append([index, index + 1])
    if len(runs) > MOST_RUNS:
        builder.refuse(f"takes {len(runs)} runs of values", f"at most {MOST_RUNS}")
    parts = [builder.add("StridedSlice", [blob], StridedSlice((axis,), (a,), (b,), (1,))) for a, b in runs]
    whole = parts[0] if len(parts) == 1 else builder.add("Concat", parts, Concat(axis))
    axes = builder.axes[whole]
    return builder.reshape(whole, [*axes[:axis], *map(builder.same, indices.shape), *axes[axis + 1 :]])


# -------------------------------------------------------------------------------------------------------------- shapes
def transpose(builder: GraphBuilder, node: OnnxNode) -> Blob:
    blob = builder.input()
    rank = len(builder.axes[blob])
    order = tuple(node.attributes.get("perm", range(rank)[::-1]))
    if sorted(order) != list(range(rank)):
        builder.refuse(f"has perm {list(order)} of {rank} axes", "each axis once")
    return builder.add("Permute", [blob], Permute(order))


def reshape(builder: GraphBuilder, node: OnnxNode) -> Blob:
    blob, target = builder.input(), builder.numbers("shape", 1)
    if target is None:
        builder.refuse("has no shape", "one")
    if node.attributes.get("allowzero", 0) and 0 in target:
        builder.refuse("has allowzero and a 0", "dimensions from 1, or 0 for those that are copied")
    axes = builder.axes[blob]
    if target.count(-1) > 1 or any(size < -1 for size in target) or 0 in target[len(axes) :]:
        builder.refuse(f"has the shape {target} for {len(axes)} axes", "at most one -1, and 0 for axes that there are")
    found: Axes = [axes[number] if size == 0 else builder.same(size) for number, size in enumerate(target)]
    if -1 in target:
        at = target.index(-1)
        known = product([*found[:at], *found[at + 1 :]], builder.batches)
        whole = product(axes, builder.batches)
        found[at] = tuple(n // max(1, part) for n, part in zip(whole, known, strict=True))
    if product(found, builder.batches) != product(axes, builder.batches):
        builder.refuse(f"has the shape {target} for {[sizes[0] for sizes in axes]}", "as many numbers")
    return builder.reshape(blob, found)


def flatten(builder: GraphBuilder, node: OnnxNode) -> Blob:
    """Two axes: those before `axis` as one, and the others."""
    blob, axis = builder.input(), node.attributes.get("axis", 1)
    axes = builder.axes[blob]
    if not -len(axes) <= axis <= len(axes):
        builder.refuse(f"has axis {axis} for {len(axes)} axes", f"{-len(axes)} to {len(axes)}")
    axis = axis + len(axes) if axis < 0 else axis
    return builder.reshape(blob, [product(axes[:axis], builder.batches), product(axes[axis:], builder.batches)])


def squeeze(builder: GraphBuilder, node: OnnxNode) -> Blob:
    blob, given = builder.input(), builder.numbers("axes", 1)
    axes = builder.axes[blob]
    ones = [number for number, sizes in enumerate(axes) if sizes == builder.ones()]
    gone = ones if given is None else builder.each_axis(blob, given)
    if not set(gone) <= set(ones):
        builder.refuse(f"drops the axes {gone} of {[sizes[0] for sizes in axes]}", "axes of 1")
    return builder.reshape(blob, [sizes for number, sizes in enumerate(axes) if number not in gone])


def unsqueeze(builder: GraphBuilder, node: OnnxNode) -> Blob:
    blob, given = builder.input(), builder.numbers("axes", 1) or []
    axes, rank = iter(builder.axes[blob]), len(builder.axes[blob]) + len(given)
    added = {axis % rank for axis in given if -rank <= axis < rank}
    if len(added) < len(given):
        builder.refuse(f"adds the axes {given} to {rank - len(given)}", f"different ones from {-rank} to {rank - 1}")
    return builder.reshape(blob, [builder.ones() if number in added else next(axes) for number in range(rank)])


def expand(builder: GraphBuilder, node: OnnxNode) -> Blob:
    target = builder.numbers("shape", 1) or []
    blob = with_axes(builder, builder.input(), len(target))
    before = len(builder.axes[blob]) - len(target)
    for axis, size in enumerate(target, before):
        sizes = builder.same(size)
        if sizes not in (builder.ones(), builder.axes[blob][axis]) and builder.axes[blob][axis] != builder.ones():
            builder.refuse(f"expands {builder.axes[blob][axis][0]} numbers to {size}", "axes of 1, or of that size")
        blob = tiled(builder, blob, axis, sizes)
    return blob


def tile(builder: GraphBuilder, node: OnnxNode) -> Blob:
    blob, repeats = builder.input(), builder.numbers("repeats", 1)
    if repeats is None or len(repeats) != len(builder.axes[blob]) or min(repeats, default=1) < 1:
        builder.refuse(f"has repeats {repeats}", "a number from 1 for each axis")
    for axis, number in enumerate(repeats):
        if number > 1:
            blob = builder.add("Tile", [blob], Tile(axis, number))
    return blob


# -------------------------------------------------------------------------------------------- pixels and channels
CHANNEL_AXIS, ROW_AXIS, COLUMN_AXIS = range(1, 4)


def depth_to_space(builder: GraphBuilder, node: OnnxNode) -> Blob:
    """Blocks of channels become blocks of pixels: channels are [b, b, C] with the mode DCR, [C, b, b] with CRD."""
    blob, block, mode = _blocks(builder)
    batch, channels, height, width = builder.axes[blob]
    if channels[0] % (block * block):
        builder.refuse(f"has {channels[0]} channels in blocks of {block} x {block}", "a multiple")
    b, rest = builder.same(block), builder.same(channels[0] // (block * block))
    parts, order = ([b, b, rest], (0, 3, 4, 1, 5, 2)) if mode == "DCR" else ([rest, b, b], (0, 1, 4, 2, 5, 3))
    blob = builder.reshape(blob, [batch, *parts, height, width])
    blob = builder.add("Permute", [blob], Permute(order))
    sides = [tuple(size * block for size in sizes) for sizes in (height, width)]
    return builder.reshape(blob, [batch, rest, *sides])


def space_to_depth(builder: GraphBuilder, node: OnnxNode) -> Blob:
    """The inverse."""
    blob, block, mode = _blocks(builder)
    batch, channels, *sides = builder.axes[blob]
    if any(sizes[0] % block for sizes in sides):
        builder.refuse(f"has {[sizes[0] for sizes in sides]} pixels in blocks of {block} x {block}", "multiples")
    b = builder.same(block)
    height, width = (tuple(size // block for size in sizes) for sizes in sides)
    blob = builder.reshape(blob, [batch, channels, height, b, width, b])
    blob = builder.add("Permute", [blob], Permute((0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4)))
    return builder.reshape(blob, [batch, product([channels, b, b], builder.batches), height, width])


def _blocks(builder: GraphBuilder) -> tuple[Blob, int, str]:
    blob, attributes = builder.input(), builder.node.attributes
    block, mode = attributes["blocksize"], attributes.get("mode", "DCR")
    if len(builder.axes[blob]) != COLUMN_AXIS + 1:
        builder.refuse(f"has a value with {len(builder.axes[blob])} axes", "4")
    if block < 1 or mode not in ("DCR", "CRD"):
        builder.refuse(f"has blocksize {block} and mode {mode!r}", "1 or more, and DCR or CRD")
    for axis in (CHANNEL_AXIS, ROW_AXIS, COLUMN_AXIS):
        builder.sizes(blob, axis)
    return blob, block, mode


OPERATORS: dict[str, Callable] = {
    "Cast": cast,
    "Concat": concat,
    "DepthToSpace": depth_to_space,
    "Dropout": dropout,
    "Expand": expand,
    "Flatten": flatten,
    "Gather": gather,
    "Identity": identity,
    "Reshape": reshape,
    "Slice": slice_,
    "SpaceToDepth": space_to_depth,
    "Split": split,
    "Squeeze": squeeze,
    "Tile": tile,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
}
