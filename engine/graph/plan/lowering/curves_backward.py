"""Gradients of element-wise functions, of blobs as they are stored, by the slopes that the layers' own code has.

A ReLU's are those of its top, which tells the same as its bottom as long as the slope is not negative.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler.cpu import LANES, VECTOR_BYTES
from ....compiler.fields import read_fields
from ....compiler.jit import inline
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
)
from ...ops.piecewise import capped_slope, clip_slope, hard_sigmoid_slope, hard_swish_slope
from ...ops.smooth import (
    elu_slope,
    exp_slope,
    mish_slope,
    sigmoid_curve_slope,
    softplus_slope,
    swish_slope,
    tanh_curve_slope,
)
from ..emitter import Emitter
from ..steps import Strided, step_kernel
from ..storage import Storage
from .backward import Backward, BackwardBlobs
from .channels_backward import emit_weight_gradients, shared_bytes
from .curves import Curve, emit_curve
from .rows import SharedRows, row_size, rows_of_item, share_rows


class SlopeRows(NamedTuple):
    x: Strided
    y: Strided
    dy: Strided
    dx: Strided
    shared: SharedRows
    curve: Curve
    blocks: int  # of channels, each of which has constants of its own; 1: of all the same


@inline
def slope_rows(function, arena, weights, f, item):
    """dx = function(x, y, dy, a, b) of some rows; dx may be dy."""
    some = rows_of_item(f.shared, item)
    for plane in range(some.plane, some.plane_end):
        c = plane % f.blocks * VECTOR_BYTES
        a, b = load(weights, f.curve.a + c), load(weights, f.curve.b + c)
        for row in range(some.first, some.end):
            x, y = f.x.offset + plane * f.x.plane + row * f.x.row, f.y.offset + plane * f.y.plane + row * f.y.row
            dx, dy = f.dx.offset + plane * f.dx.plane, f.dy.offset + plane * f.dy.plane
            dx, dy = dx + row * f.dx.row, dy + row * f.dy.row
            for p in range(0, row_size(f.shared, row), VECTOR_BYTES):
                d = function(load(arena, x + p), load(arena, y + p), load(arena, dy + p), a, b)
                store(arena, dx + p, d)


@inline
def rectified_slope(v, y, d, a, b):
    return where_less(zeros(), v, d, a * d)


@inline
def linear_slope(v, y, d, a, b):
    return a * d


@step_kernel(SlopeRows)
def smooth_slopes(arena, weights, tables, at, item, thread):
    """Some rows: dx of the functions of `smooth_activation`."""
    f = read_fields(tables, at, SlopeRows)
    kind = f.curve.kind
    if kind == TANH:
        slope_rows(tanh_curve_slope, arena, weights, f, item)
    elif kind == SIGMOID:
        slope_rows(sigmoid_curve_slope, arena, weights, f, item)
    elif kind == SWISH:
        slope_rows(swish_slope, arena, weights, f, item)
    elif kind == ELU_CURVE:
        slope_rows(elu_slope, arena, weights, f, item)
    elif kind == EXP:
        slope_rows(exp_slope, arena, weights, f, item)
    elif kind == MISH:
        slope_rows(mish_slope, arena, weights, f, item)
    elif kind == SOFTPLUS:
        slope_rows(softplus_slope, arena, weights, f, item)


@step_kernel(SlopeRows)
def piecewise_slopes(arena, weights, tables, at, item, thread):
    """Some rows: dx of the functions of `piecewise_activation` and of ReLU and PReLU."""
    f = read_fields(tables, at, SlopeRows)
    kind = f.curve.kind
    if kind == RECTIFIED:
        slope_rows(rectified_slope, arena, weights, f, item)
    elif kind == LINEAR:
        slope_rows(linear_slope, arena, weights, f, item)
    elif kind == CLIP:
        slope_rows(clip_slope, arena, weights, f, item)
    elif kind == HARD_SIGMOID:
        slope_rows(hard_sigmoid_slope, arena, weights, f, item)
    elif kind == HARD_SWISH:
        slope_rows(hard_swish_slope, arena, weights, f, item)
    elif kind == CAPPED:
        slope_rows(capped_slope, arena, weights, f, item)


def curve_backward(node: Node, shape: tuple[int, ...]) -> Backward | None:
    """The gradient of an element-wise function whose bottom has this shape; None without one."""
    if OPS[node.type].gradient is None:
        return None
    kind, a, _ = OPS[node.type].curve(node)
    by_top = kind == EXP or (kind == RECTIFIED and not node.weights and 0 <= a < np.inf)

    def emit(emitter: Emitter, blobs: BackwardBlobs) -> None:
        x, y = (blobs.tops if by_top else blobs.bottoms)[0], blobs.tops[0]
        dy, dx = blobs.top_gradients[0], blobs.bottom_gradients[0]
        if node.weights and (gradient := blobs.weights[node][0]) is not None:
            emit_weight_gradients(emitter, x, dy, blobs.shared, gradient, None, below=True, as_one=of_one(node))
        if dx is not None and not (blobs.top_is_masked and dx is dy):
            emit_slopes(emitter, node, [x, y, dy, dx])

    return Backward(
        emit, None, reads_bottoms=not by_top and kind != LINEAR, reads_tops=by_top, in_place=True,
        shared=shared_bytes(shape) if node.weights else 0,
    )  # fmt: skip


def of_one(node: Node) -> bool:
    """Whether all channels have one slope."""
    return node.weights[0].size == 1


def emit_slopes(emitter: Emitter, node: Node, blobs: list[Storage]) -> None:
    """Emit dx of the blobs x, y, dy and dx, which are of one kind."""
    of_channels = bool(node.weights) and not of_one(node)
    shared, items, (x, y, dy, dx) = share_rows(*blobs, by_plane=of_channels)
    curve = emit_curve(emitter, node, blobs[0].four[1] if of_channels else LANES)
    emitter.step(
        smooth_slopes if curve.kind in SMOOTH else piecewise_slopes, items, x=x, y=y, dy=dy, dx=dx, shared=shared,
        curve=curve, blocks=blobs[0].planes if of_channels else 1,
    )  # fmt: skip
