"""LRN across channels of BLOCKED pictures, with the usual exponent 3/4:  y = x * s**-0.75.

dx = dy * s**-0.75 - 2 * 3/4 * share * x * (sum of dy * x * s**-1.75 over the channels around), s as forward.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler.cpu import FLOAT_BYTES, LANES, VECTOR_BYTES
from ....compiler.fields import read_fields
from ....compiler.jit import inline
from ....vectors.simd import broadcast, element, fma, load, square_root, store, where_less, zeros
from ...ops.normalise import WITHIN_CHANNEL
from ..emitter import Emitter
from ..steps import Scratch, Strided, step_kernel
from ..storage import Storage, StorageKind, blocks
from .backward import Backward, BackwardBlobs
from .lowered import BLOCKED, Context, Lowered, Lowering

USUAL_BETA = np.float32(0.75)


class NormalisedRows(NamedTuple):
    x: Strided
    y: Strided
    planes: int  # of a picture
    rows: int
    columns: int
    reach: int  # channels on each side of one whose squares are summed
    constants: int  # offset of two: k, and alpha over the size
    inside: int  # of a constant [channels]: 1, and 0 behind the last channel
    scratch: Scratch  # a line: the squares of all channels of a pixel, zeros around them


@step_kernel(NormalisedRows)
def normalise_rows(arena, weights, tables, at, item, thread):
    """One row of one picture: writes y [planes, columns, LANES], BLOCKED, from x, which does not overlap,
    by the squares of a pixel's channels side by side."""
    f = read_fields(tables, at, NormalisedRows)
    line = f.scratch.offset + thread * f.scratch.thread
    shift, share = broadcast(element(weights, f.constants)), broadcast(element(weights, f.constants + FLOAT_BYTES))
    picture, row = item // f.rows, item % f.rows
    x = f.x.offset + picture * f.x.picture + row * f.x.row
    y = f.y.offset + picture * f.y.picture + row * f.y.row
    edge = edge_of(f)
    clear_edges(arena, line, edge, f.planes)
    for p in range(0, f.columns * VECTOR_BYTES, VECTOR_BYTES):
        write_squares(arena, x + p, f.x.plane, f.planes, line + edge)
        for c in range(f.planes):  # y[c, p] from x[c, p] and the line around its channels
            total = sum_around(arena, line + edge + c * VECTOR_BYTES, f.reach)
            root = square_root(fma(total, share, shift))
            value = load(arena, x + c * f.x.plane + p) / (root * square_root(root))
            inside = load(weights, f.inside + c * VECTOR_BYTES)
            store(arena, y + c * f.y.plane + p, where_less(zeros(), inside, value, zeros()))


@inline
def edge_of(f):
    """Bytes in front of the channels of a line, and behind them."""
    return (f.reach + LANES - 1) // LANES * VECTOR_BYTES


@inline
def clear_edges(arena, line, edge, planes):
    for i in range(0, edge, VECTOR_BYTES):
        store(arena, line + i, zeros())  # line[:edge], line[edge + channels:]
        store(arena, line + edge + planes * VECTOR_BYTES + i, zeros())


@inline
def write_squares(arena, x, plane, planes, line):
    """line[c] = x[c]**2 for all channels of a pixel."""
    for c in range(planes):
        v = load(arena, x + c * plane)
        store(arena, line + c * VECTOR_BYTES, v * v)


@inline
def sum_around(arena, middle, reach):
    """The sums over the channels around each of LANES ones in a line."""
    total = zeros()
    for k in range(-reach, reach + 1):
        total = total + load(arena, middle + k * FLOAT_BYTES)
    return total


class NormalisedRowsBack(NamedTuple):
    x: Strided
    dy: Strided
    dx: Strided
    planes: int  # of a picture
    rows: int
    columns: int
    reach: int  # channels on each side of one whose squares are summed
    constants: int  # offset of three: k, alpha over the size, and that times -2 * 3/4
    inside: int  # of a constant [channels]: 1, and 0 behind the last channel
    mask: int  # 1: no gradient of values that are not above 0
    scratch: Scratch  # three lines: squares, ratios with zeros around them, and powers


@step_kernel(NormalisedRowsBack)
def normalise_rows_back(arena, weights, tables, at, item, thread):
    """One row of one picture: writes dx [planes, columns, LANES]; dx may be dy."""
    f = read_fields(tables, at, NormalisedRowsBack)
    shift, share = broadcast(element(weights, f.constants)), broadcast(element(weights, f.constants + FLOAT_BYTES))
    slope = broadcast(element(weights, f.constants + 2 * FLOAT_BYTES))
    picture, row, edge = item // f.rows, item % f.rows, edge_of(f)
    squares = f.scratch.offset + thread * f.scratch.thread + edge
    ratios = squares + f.planes * VECTOR_BYTES + 2 * edge
    powers = ratios + f.planes * VECTOR_BYTES + edge
    x = f.x.offset + picture * f.x.picture + row * f.x.row
    dx = f.dx.offset + picture * f.dx.picture + row * f.dx.row
    dy = f.dy.offset + picture * f.dy.picture + row * f.dy.row
    clear_edges(arena, squares - edge, edge, f.planes)
    clear_edges(arena, ratios - edge, edge, f.planes)
    for p in range(0, f.columns * VECTOR_BYTES, VECTOR_BYTES):
        write_squares(arena, x + p, f.x.plane, f.planes, squares)
        for c in range(f.planes):  # s**-0.75, and dy * x * s**-1.75
            i = c * VECTOR_BYTES
            scale = fma(sum_around(arena, squares + i, f.reach), share, shift)
            root = square_root(scale)
            power = broadcast(np.float32(1)) / (root * square_root(root))
            store(arena, powers + i, power)
            product = load(arena, dy + c * f.dy.plane + p) * load(arena, x + c * f.x.plane + p)
            inside = load(weights, f.inside + i)
            store(arena, ratios + i, where_less(zeros(), inside, product * power / scale, zeros()))
        for c in range(f.planes):
            i, v = c * VECTOR_BYTES, load(arena, x + c * f.x.plane + p)
            own = load(arena, dy + c * f.dy.plane + p) * load(arena, powers + i)
            own = fma(slope * v, sum_around(arena, ratios + i, f.reach), own)
            if f.mask:
                own = where_less(zeros(), v, own, zeros())
            own = where_less(zeros(), load(weights, f.inside + i), own, zeros())
            store(arena, dx + c * f.dx.plane + p, own)


def lower_lrn(context: Context) -> Lowered | None:
    parameter, shape = context.group.main.attributes, context.bottoms[0]
    if parameter.norm_region == WITHIN_CHANNEL or np.float32(parameter.beta) != USUAL_BETA:
        return None
    reach = min(parameter.local_size // 2, shape[1] - 1)
    share = np.float32(parameter.alpha) / np.float32(parameter.local_size)

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        x, y, (pictures, _, rows, columns) = bottoms[0], tops[0], tops[0].four
        constants = emitter.constant([parameter.k, share])
        emitter.step(
            normalise_rows, pictures * rows, x=x.strided, y=y.strided, planes=y.planes, rows=rows, columns=columns,
            reach=reach, constants=constants, inside=inside(emitter), scratch=emitter.scratch,
        )  # fmt: skip

    def emit_back(emitter: Emitter, blobs: BackwardBlobs) -> None:
        x, dy, dx = blobs.bottoms[0], blobs.top_gradients[0], blobs.bottom_gradients[0]
        pictures, _, rows, columns = x.four
        emitter.step(
            normalise_rows_back, pictures * rows, x=x.strided, dy=dy.strided, dx=dx.strided, planes=x.planes, rows=rows,
            columns=columns, reach=reach, constants=emitter.constant([parameter.k, share, -2 * USUAL_BETA * share]),
            inside=inside(emitter), mask=blobs.masked, scratch=emitter.scratch,
        )  # fmt: skip

    def inside(emitter: Emitter) -> int:
        return emitter.constant(np.arange(planes * LANES) < shape[1])

    planes, edges = blocks(shape[1]), 2 * -(-reach // LANES)
    backward = Backward(
        emit_back, reads_bottoms=True, masks=True, in_place=True, scratch=(3 * planes + 2 * edges) * VECTOR_BYTES
    )
    return Lowered([BLOCKED], StorageKind.BLOCKED, emit, scratch=(planes + edges) * VECTOR_BYTES, backward=backward)


ACROSS_CHANNELS = Lowering(lower_lrn, kernels=(normalise_rows,), backward_kernels=(normalise_rows_back,))
