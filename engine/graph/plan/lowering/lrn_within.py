"""LRN within a channel of BLOCKED pictures, with the usual exponent 3/4:  y = x * s**-0.75,  s of the pixels around.

dx = dy * s**-0.75 - 2 * 3/4 * share * x * (sum of dy * x * s**-1.75 over the pixels around), s as forward. Sums are
those of columns first, then of the columns side by side.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler.cpu import FLOAT_BYTES, VECTOR_BYTES
from ....compiler.fields import read_fields
from ....compiler.jit import inline
from ....vectors.simd import broadcast, element, fma, load, square_root, store, where_less, zeros
from ...ops.normalise import WITHIN_CHANNEL
from ..emitter import Emitter
from ..steps import Scratch, Strided, step_kernel
from ..storage import Storage, StorageKind
from .backward import Backward, BackwardBlobs
from .lowered import BLOCKED, Context, Lowered, Lowering
from .lrn import USUAL_BETA

ROWS_PER_ITEM = 32  # not measured


class Around(NamedTuple):
    """The pixels of a plane, which `parts` items share by its rows, and how far those reach whose squares are summed:
    rows above and below, columns on each side."""

    rows: int
    columns: int
    parts: int
    down: int
    across: int


class NormalisedPlanes(NamedTuple):
    x: Strided
    y: Strided
    around: Around
    share: int  # offset of a constant: alpha over the number of pixels around
    scratch: Scratch  # a line


@step_kernel(NormalisedPlanes)
def normalise_planes(arena, weights, tables, at, item, thread):
    """Some rows of one block of channels of one picture: writes y from x, which does not overlap."""
    f = read_fields(tables, at, NormalisedPlanes)
    line, share = f.scratch.offset + thread * f.scratch.thread, broadcast(element(weights, f.share))
    plane, part = item // f.around.parts, item % f.around.parts
    x, y = f.x.offset + plane * f.x.plane, f.y.offset + plane * f.y.plane
    clear_sides(arena, line, f.around)
    for r in range(f.around.rows * part // f.around.parts, f.around.rows * (part + 1) // f.around.parts):
        sum_squares(arena, x, f.x.row, r, f.around, line)
        for p in range(0, f.around.columns * VECTOR_BYTES, VECTOR_BYTES):
            root = square_root(scale_of(arena, line + p, f.around.across, share))
            store(arena, y + r * f.y.row + p, load(arena, x + r * f.x.row + p) / (root * square_root(root)))


@inline
def clear_sides(arena, line, around):
    """Zeros in front of the columns of a line, and behind them."""
    for p in range(0, around.across * VECTOR_BYTES, VECTOR_BYTES):
        store(arena, line + p, zeros())
        store(arena, line + (around.across + around.columns) * VECTOR_BYTES + p, zeros())


@inline
def sum_squares(arena, x, row, r, around, line):
    """Writes the columns of a line: sums of x**2 over the rows around r."""
    first, end = max(0, r - around.down), min(around.rows, r + around.down + 1)
    to = line + around.across * VECTOR_BYTES
    for p in range(0, around.columns * VECTOR_BYTES, VECTOR_BYTES):
        total = zeros()
        for h in range(first, end):
            v = load(arena, x + h * row + p)
            total = fma(v, v, total)
        store(arena, to + p, total)


@inline
def sum_side_by_side(arena, at, across):
    """The sum of 2 * across + 1 vectors of a line."""
    total = load(arena, at)
    for k in range(1, 2 * across + 1):
        total = total + load(arena, at + k * VECTOR_BYTES)
    return total


@inline
def scale_of(arena, at, across, share):
    return fma(sum_side_by_side(arena, at, across), share, broadcast(np.float32(1)))


class NormalisedPlanesBack(NamedTuple):
    x: Strided
    dy: Strided
    dx: Strided
    around: Around
    constants: int  # offset of two: alpha over the number of pixels around, and that times -2 * 3/4
    mask: int  # 1: no gradient of values that are not above 0
    scratch: Scratch  # a line, then pairs of rows for each row around one: ratios, and dy * s**-0.75


@step_kernel(NormalisedPlanesBack)
def normalise_planes_back(arena, weights, tables, at, item, thread):
    """Some rows of one block of channels of one picture: writes dx, which may be dy if it is one item's."""
    f = read_fields(tables, at, NormalisedPlanesBack)
    line, share = f.scratch.offset + thread * f.scratch.thread, broadcast(element(weights, f.constants))
    plane, part, size = item // f.around.parts, item % f.around.parts, f.around.columns * VECTOR_BYTES
    x, dy, dx = (f.x.offset + plane * f.x.plane, f.dy.offset + plane * f.dy.plane, f.dx.offset + plane * f.dx.plane)
    ring, lines, rows = line + size + 2 * f.around.across * VECTOR_BYTES, 2 * f.around.down + 1, f.around.rows
    first, last = rows * part // f.around.parts, rows * (part + 1) // f.around.parts
    clear_sides(arena, line, f.around)
    end = min(rows, last + f.around.down)
    for r in range(max(0, first - f.around.down), end):
        sum_squares(arena, x, f.x.row, r, f.around, line)
        ratios = ring + r % lines * 2 * size
        for p in range(0, size, VECTOR_BYTES):
            scale = scale_of(arena, line + p, f.around.across, share)
            root = square_root(scale)
            own = load(arena, dy + r * f.dy.row + p) / (root * square_root(root))
            store(arena, ratios + size + p, own)
            store(arena, ratios + p, own * load(arena, x + r * f.x.row + p) / scale)
        if r - f.around.down >= first:
            write_gradients(arena, weights, f, r - f.around.down, x, dx, line, ring)
    for r in range(max(first, end - f.around.down), last):
        write_gradients(arena, weights, f, r, x, dx, line, ring)


@inline
def write_gradients(arena, weights, f, r, x, dx, line, ring):
    """A row of dx, from the rows of the ring around it."""
    size, lines = f.around.columns * VECTOR_BYTES, 2 * f.around.down + 1
    first, end = max(0, r - f.around.down), min(f.around.rows, r + f.around.down + 1)
    to, slope = line + f.around.across * VECTOR_BYTES, broadcast(element(weights, f.constants + FLOAT_BYTES))
    for p in range(0, size, VECTOR_BYTES):
        total = zeros()
        for n in range(first, end):
            total = total + load(arena, ring + n % lines * 2 * size + p)
        store(arena, to + p, total)
    owns = ring + r % lines * 2 * size + size
    for p in range(0, size, VECTOR_BYTES):
        v = load(arena, x + r * f.x.row + p)
        total = fma(slope * v, sum_side_by_side(arena, line + p, f.around.across), load(arena, owns + p))
        if f.mask:
            total = where_less(zeros(), v, total, zeros())
        store(arena, dx + r * f.dx.row + p, total)


def lower_within(context: Context) -> Lowered | None:
    parameter, shape = context.group.main.attributes, context.bottoms[0]
    if parameter.norm_region != WITHIN_CHANNEL or np.float32(parameter.beta) != USUAL_BETA:
        return None
    rows, columns = shape[2:]
    reach, parts = parameter.local_size // 2, max(1, rows // ROWS_PER_ITEM)
    around = Around(rows, columns, parts, min(reach, rows - 1), min(reach, columns - 1))
    share = np.float32(parameter.alpha / parameter.local_size**2)

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        x, y = bottoms[0], tops[0]
        emitter.step(
            normalise_planes, x.four[0] * x.planes * parts, x=x.strided, y=y.strided, around=around,
            share=emitter.constant([share]), scratch=emitter.scratch,
        )  # fmt: skip

    def emit_back(emitter: Emitter, blobs: BackwardBlobs) -> None:
        x, dy, dx = blobs.bottoms[0], blobs.top_gradients[0], blobs.bottom_gradients[0]
        emitter.step(
            normalise_planes_back, x.four[0] * x.planes * parts, x=x.strided, dy=dy.strided, dx=dx.strided,
            around=around, constants=emitter.constant([share, -2 * USUAL_BETA * share]), mask=blobs.masked,
            scratch=emitter.scratch,
        )  # fmt: skip

    line = (columns + 2 * around.across) * VECTOR_BYTES
    ring = (2 * around.down + 1) * 2 * columns * VECTOR_BYTES
    backward = Backward(emit_back, reads_bottoms=True, masks=True, in_place=parts == 1, scratch=line + ring)
    return Lowered([BLOCKED], StorageKind.BLOCKED, emit, scratch=line, backward=backward)


WITHIN_CHANNELS = Lowering(lower_within, kernels=(normalise_planes,), backward_kernels=(normalise_planes_back,))
