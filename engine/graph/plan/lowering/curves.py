"""Element-wise functions of what has just been computed: bounds in the product's own code, other curves by a call.

A product's tile keeps results between two bounds before it stores them: ReLU and Clip cost nothing else. Every other
function is a loop over an item's outputs while they are in near caches, in one of the two kernels below, which
products call by address: their own code stays as it is, however many functions there are.

Channels past the last of a BLOCKED blob stay zeros, also where f(0) is not 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler import signatures as types
from ....compiler.cpu import LANES, VECTOR_BYTES
from ....compiler.jit import I1_IN, U1, U1_IN, Kernel, i64, inline, kernel
from ....compiler.pointer_call import pointer_call
from ....vectors.simd import load, store, where_less, zeros
from ...ir.graph import Node
from ...ops import OPS
from ...ops.curves import (
    CAPPED,
    CLIP,
    ELU_CURVE,
    EXP,
    HARD_SIGMOID,
    HARD_SWISH,
    LINEAR,
    MISH,
    RECTIFIED,
    SIGMOID,
    SMOOTH,
    SOFTPLUS,
    SWISH,
    TANH,
    THRESHOLD,
)
from ...ops.piecewise import capped, clip, hard_sigmoid, hard_swish, linear, threshold
from ...ops.relu import rectify
from ...ops.smooth import elu, mish, scaled_exp, scaled_tanh, sigmoid_curve, softplus, swish
from ..emitter import NO_HIGHEST, NO_LOWEST, ZEROS, Emitter
from ..storage import blocks
from .filters import numbers_offset

# arena, weights, tables, curve, x, its pixels, y, its pixels, count, a, b, kept
CURVE = types.void(U1, U1_IN, I1_IN, i64, i64, i64, i64, i64, i64, i64, i64, i64)
call_curve = pointer_call(CURVE)


class Curve(NamedTuple):
    """A function of each value; the constants are vectors of each block of channels."""

    address: int  # of its kernel; 0: none
    kind: int
    a: int
    b: int
    kept: int  # not 0 in the lanes that are channels


class Epilogue(NamedTuple):
    """What becomes of a result: max(lowest, min(highest, .)), then the curve."""

    lowest: int  # of a constant
    highest: int
    curve: Curve


@inline
def each_pixel(function, arena, weights, tables, x, x_pixels, y, y_pixels, count, a, b, kept):
    """y[p] = function(x[p], a, b) of one block of channels, for p < count; y may be x."""
    first, second, lanes = load(weights, a), load(weights, b), load(weights, kept)
    for p in range(count):
        v = function(load(arena, x + tables[x_pixels + p]), first, second)
        store(arena, y + tables[y_pixels + p], where_less(zeros(), lanes, v, zeros()))


@kernel(CURVE)
def apply_smooth(arena, weights, tables, kind, x, x_pixels, y, y_pixels, count, a, b, kept):
    """The functions of `smooth_activation`, of the pixels of one block of channels.

    x, y are offsets of a plane, x_pixels and y_pixels indexes of tables of `count` offsets from there on; y may be x.
    """
    if kind == TANH:
        each_pixel(scaled_tanh, arena, weights, tables, x, x_pixels, y, y_pixels, count, a, b, kept)
    elif kind == SIGMOID:
        each_pixel(sigmoid_curve, arena, weights, tables, x, x_pixels, y, y_pixels, count, a, b, kept)
    elif kind == SWISH:
        each_pixel(swish, arena, weights, tables, x, x_pixels, y, y_pixels, count, a, b, kept)
    elif kind == ELU_CURVE:
        each_pixel(elu, arena, weights, tables, x, x_pixels, y, y_pixels, count, a, b, kept)
    elif kind == EXP:
        each_pixel(scaled_exp, arena, weights, tables, x, x_pixels, y, y_pixels, count, a, b, kept)
    elif kind == MISH:
        each_pixel(mish, arena, weights, tables, x, x_pixels, y, y_pixels, count, a, b, kept)
    elif kind == SOFTPLUS:
        each_pixel(softplus, arena, weights, tables, x, x_pixels, y, y_pixels, count, a, b, kept)


@inline
def rectified(v, a, b):
    return rectify(v, a)


@kernel(CURVE)
def apply_piecewise(arena, weights, tables, kind, x, x_pixels, y, y_pixels, count, a, b, kept):
    """The functions of `piecewise_activation` and `relu`, as `apply_smooth`."""
    if kind == CLIP:
        each_pixel(clip, arena, weights, tables, x, x_pixels, y, y_pixels, count, a, b, kept)
    elif kind == THRESHOLD:
        each_pixel(threshold, arena, weights, tables, x, x_pixels, y, y_pixels, count, a, b, kept)
    elif kind == LINEAR:
        each_pixel(linear, arena, weights, tables, x, x_pixels, y, y_pixels, count, a, b, kept)
    elif kind == HARD_SIGMOID:
        each_pixel(hard_sigmoid, arena, weights, tables, x, x_pixels, y, y_pixels, count, a, b, kept)
    elif kind == HARD_SWISH:
        each_pixel(hard_swish, arena, weights, tables, x, x_pixels, y, y_pixels, count, a, b, kept)
    elif kind == CAPPED:
        each_pixel(capped, arena, weights, tables, x, x_pixels, y, y_pixels, count, a, b, kept)
    elif kind == RECTIFIED:
        each_pixel(rectified, arena, weights, tables, x, x_pixels, y, y_pixels, count, a, b, kept)


@inline
def apply_curve(arena, weights, tables, curve, block, y, pixels, step, count, vectors):
    """In place: the Curve of `vectors` blocks of channels, the first of which is number `block` and starts at y, the
    others `step` behind each other."""
    if curve.address != 0:
        for v in range(vectors):
            at, c = y + v * step, (block + v) * VECTOR_BYTES
            call_curve(
                curve.address,
                (
                    arena, weights, tables, curve.kind, at, pixels, at, pixels, count,
                    curve.a + c, curve.b + c, curve.kept + c,
                ),
            )  # fmt: skip


NO_CURVE = Curve(address=0, kind=0, a=0, b=0, kept=0)
NO_EPILOGUE = Epilogue(lowest=NO_LOWEST, highest=NO_HIGHEST, curve=NO_CURVE)


def has_curve(node: Node) -> bool:
    """Whether `node` is an element-wise function of the kernels here."""
    return OPS[node.type].curve(node) is not None


def kernel_of(node: Node) -> Kernel:
    kind, *_ = OPS[node.type].curve(node)
    return apply_smooth if kind in SMOOTH else apply_piecewise


def emit_curve(emitter: Emitter, node: Node, channels: int) -> Curve:
    """The constants of a node for which `has_curve`."""
    kind, a, b = OPS[node.type].curve(node)
    number = blocks(channels) * LANES
    first = numbers_offset(emitter, node, 0, channels) if node.weights else emitter.constant([a] * number)
    return Curve(
        address=kernel_of(node).address, kind=kind, a=first, b=emitter.constant([b] * number),
        kept=emitter.constant(np.arange(number) < channels),
    )  # fmt: skip


def emit_epilogue(emitter: Emitter, node: Node | None, channels: int) -> Epilogue:
    """The constants of the function `node` behind a product of so many channels; None: no function."""
    if node is None:
        return NO_EPILOGUE
    kind, a, b = OPS[node.type].curve(node)
    if kind == RECTIFIED and not a and not node.weights:
        return NO_EPILOGUE._replace(lowest=ZEROS)
    if kind == CLIP and a <= 0 <= b:
        return NO_EPILOGUE._replace(lowest=emitter.constant([a]), highest=emitter.constant([b]))
    if kind == CAPPED and not a:
        return NO_EPILOGUE._replace(lowest=ZEROS, highest=emitter.constant([b]))
    return NO_EPILOGUE._replace(curve=emit_curve(emitter, node, channels))
