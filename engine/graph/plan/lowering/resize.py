"""Resize of BLOCKED pictures by linear interpolation, and Interp."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler.cpu import FLOAT_BYTES, VECTOR_BYTES
from ....compiler.fields import read_fields, read_row
from ....compiler.jit import inline
from ....vectors.elementary import ONE
from ....vectors.simd import broadcast, element, fma, load, store
from ...ir.graph import PICTURE_AXES
from ...ops.axes import ResizedAxis
from ...ops.interp import interp_axes
from ...ops.resize import resized_axes
from ..emitter import Emitter
from ..steps import Strided, step_kernel
from ..storage import Storage, StorageKind
from .backward import Backward, BackwardBlobs
from .lowered import BLOCKED, Context, Lowered, Lowering
from .summed_pixels import ROW_VECTORS, Parts, emit_sums, sum_pixels


class Between(NamedTuple):
    """Offsets of the two pixels, or rows, between which one lies."""

    first: int
    second: int


class InterpolatedPixels(NamedTuple):
    x: Strided
    y: Strided
    down: int  # table: a Between for each row of y
    across: int  # table: one for each column
    down_shares: int  # of constants: the share of the second one
    across_shares: int
    rows: int
    columns: int
    parts: int  # items that share a plane


@inline
def between(v, w, share):
    """(1 - share) * v + share * w, but v alone where the share is 0: w may be inf."""
    if share == 0:
        return v
    return fma(broadcast(share), w, broadcast(ONE - share) * v)


@step_kernel(InterpolatedPixels)
def interpolate_pixels(arena, weights, tables, at, item, thread):
    """Some rows of one block of channels of one picture: writes y [rows, columns, LANES], BLOCKED, from x; they do not
    overlap. First along the columns, then between rows."""
    f = read_fields(tables, at, InterpolatedPixels)
    plane, part = item // f.parts, item % f.parts
    x = f.x.offset + plane * f.x.plane
    for r in range(f.rows * part // f.parts, f.rows * (part + 1) // f.parts):
        down, y = read_row(tables, f.down, r, Between), f.y.offset + plane * f.y.plane + r * f.y.row
        above, below = x + down.first, x + down.second
        lower_share = element(weights, f.down_shares + r * FLOAT_BYTES)
        for c in range(f.columns):
            across = read_row(tables, f.across, c, Between)
            share = element(weights, f.across_shares + c * FLOAT_BYTES)
            v = between(load(arena, above + across.first), load(arena, above + across.second), share)
            w = between(load(arena, below + across.first), load(arena, below + across.second), share)
            store(arena, y + c * VECTOR_BYTES, between(v, w, lower_share))


RESIZED_AXES = {"Interp": interp_axes, "Resize": resized_axes}


def lower_resize(context: Context) -> Lowered | None:
    node = context.group.main
    axes = RESIZED_AXES[node.type](node, context.bottoms[0])
    if len(axes) > PICTURE_AXES - 2 or any(axis.share is None for axis in axes):
        return None
    still = np.zeros(1, np.int64)
    down, across = [*axes, ResizedAxis(1, still, still, np.zeros(1, np.float32))][:2]

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        x, y, rows, columns = bottoms[0], tops[0], len(down.first), len(across.first)
        parts = max(1, min(rows, rows * columns // ROW_VECTORS))
        emitter.step(
            interpolate_pixels, y.four[0] * y.planes * parts, x=x.strided, y=y.strided,
            down=emitter.table(np.stack([down.first, down.second], axis=1) * x.row),
            across=emitter.table(np.stack([across.first, across.second], axis=1) * x.pixel),
            down_shares=emitter.constant(down.share), across_shares=emitter.constant(across.share),
            rows=rows, columns=columns, parts=parts,
        )  # fmt: skip

    def emit_back(emitter: Emitter, blobs: BackwardBlobs) -> None:
        emit_sums(emitter, blobs, parts_of(down), parts_of(across))

    return Lowered([BLOCKED], StorageKind.BLOCKED, emit, backward=Backward(emit_back))


def parts_of(axis: ResizedAxis) -> Parts:
    """Both of each pixel, but of those that are one of the bottom's."""
    targets = np.arange(len(axis.first))
    pairs = (targets, axis.first, 1 - axis.share), (targets, axis.second, axis.share)
    target, source, share = (np.concatenate(each) for each in zip(*pairs, strict=True))
    kept = share != 0
    return Parts(target[kept], source[kept], share[kept])


RESIZE = Lowering(lower_resize, kernels=(interpolate_pixels,), backward_kernels=(sum_pixels,))
