"""MaxPool, AveragePool, and pools of the whole map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ......errors import InputError
from ......formats.onnx.records import OnnxNode
from ....ir.graph import PICTURE_AXES, Blob, Node, Shape
from ....ops.pooling import POOL_AVE, POOL_MAX, Pooling, pooling_windows, window_table
from .builder import GraphBuilder, product
from .sides import read_sides


def pool(kind: int) -> Callable:
    def read(builder: GraphBuilder, node: OnnxNode) -> Blob:
        if any(node.outputs[1:]):
            builder.refuse("gives the indices of its maxima", "its values alone")
        blob = builder.input()
        axes = builder.axes[blob]
        if len(axes) not in (PICTURE_AXES - 1, PICTURE_AXES):
            builder.refuse(f"pools {len(axes) - 2} spatial axes", "1 or 2")
        sides = read_sides(builder, blob)
        if set(sides.dilation) != {1}:
            builder.refuse(f"has dilations {list(sides.dilation)}", "1")
        before, after = sides.pads()
        if sides.kernel == sides.size and not any(before + after):
            return global_pool(kind)(builder, node)
        missing = PICTURE_AXES - len(axes)
        blob = builder.reshape(blob, [*axes[:2], *[builder.ones()] * missing, *axes[2:]])
        attributes = Pooling(
            kind,
            _two(sides.kernel, 1),
            _two(sides.stride, 1),
            _two(before, 0),
            _two(after, 0),
            "up_inside" if node.attributes.get("ceil_mode", 0) else "down",
            "padded" if kind == POOL_AVE and node.attributes.get("count_include_pad", 0) else DIVISORS[kind],
        )
        shape = tuple(sizes[0] for sizes in builder.axes[blob])
        blob = builder.add("Pooling", [blob], as_caffe(attributes, shape))
        found = builder.axes[blob]
        return builder.reshape(blob, [*found[:2], *found[2 + missing :]])

    return read


def as_caffe(attributes: Pooling, bottom: Shape) -> Pooling:
    """The first of several ways to say the same windows: as Caffe does, with as much padding behind as before, rounded
    up or down; else with the padding behind that windows reach; else as given."""
    wanted, before = _windows(attributes, bottom), attributes.pads_before
    same = replace(attributes, pads_after=before, divisor="padded")
    reached = tuple(
        max(0, axis.stride * (axis.number - 1) + axis.kernel - axis.size - axis.before)
        for axis in pooling_windows(Node("", "Pooling", [], [], attributes), bottom)
    )
    ways = [replace(same, round_mode=mode) for mode in ("up", "down")]
    ways += [replace(attributes, pads_after=reached, round_mode="down", divisor=each) for each in ("padded", "picture")]
    return next((way for way in ways if _windows(way, bottom) == wanted), attributes)


def _windows(attributes: Pooling, bottom: Shape) -> list[list[list[int]]] | None:
    """The first and last pixel, and of a mean the divisor, of each window, by axis; None where there are none."""
    try:
        axes = pooling_windows(Node("", "Pooling", [], [], attributes), bottom)
    except InputError:
        return None
    columns = 3 if attributes.pool == POOL_AVE else 2
    return [window_table(axis)[:, :columns].tolist() for axis in axes]


DIVISORS = {POOL_MAX: "padded", POOL_AVE: "picture"}


def _two(values, filling: int) -> tuple[int, int]:
    """A number for both axes of a picture, of which a row has the second."""
    first, second = (*[filling] * (2 - len(values)), *values)
    return first, second


def global_pool(kind: int) -> Callable:
    def read(builder: GraphBuilder, node: OnnxNode) -> Blob:
        blob = builder.input()
        axes = builder.axes[blob]
        if len(axes) < PICTURE_AXES - 1:
            builder.refuse(f"pools a value with {len(axes)} axes", "3 or more")
        if len(axes) != PICTURE_AXES:
            blob = builder.reshape(blob, [*axes[:2], builder.ones(), product(axes[2:], builder.batches)])
        blob = builder.add("Pooling", [blob], Pooling(kind, None))
        return builder.reshape(blob, [*axes[:2], *[builder.ones()] * (len(axes) - 2)])

    return read


OPERATORS = {
    "AveragePool": pool(POOL_AVE),
    "GlobalAveragePool": global_pool(POOL_AVE),
    "GlobalMaxPool": global_pool(POOL_MAX),
    "MaxPool": pool(POOL_MAX),
}
