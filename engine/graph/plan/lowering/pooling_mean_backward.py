"""The gradient of the mean of each window of BLOCKED pictures: dy over the window's size, to all its pixels.

Each row of windows is spread over a line of pixels, in the order of the windows, and a row of pixels is the sum of the
lines of the rows of windows that hold it: nothing is cleared, and a thread writes only its own rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler.cpu import VECTOR_BYTES
from ....compiler.fields import read_fields, read_row
from ....compiler.jit import inline
from ....vectors.simd import broadcast, load, store, where_less, zeros
from ...ops.pooling import PoolingAxis, Side, window_table
from ..emitter import Emitter
from ..steps import Scratch, Strided, step_kernel
from ..storage import Storage
from .pooling_max import Holders, holders_of

MEAN_ROWS_PER_ITEM = 32  # of dx; not measured


class SpreadMeans(NamedTuple):
    x: Strided
    dy: Strided
    dx: Strided
    down: int  # table of a Side for each row of y
    across: int  # table of a Side for each column of y
    holders: int  # table of the Holders of each row of x
    columns: int  # of y
    H: int  # of x
    W: int
    parts: int  # items that share a plane, by rows of dx
    lines: int  # the most rows of windows that hold a row of x
    mask: int  # 1: no gradient of values that are not above 0
    scratch: Scratch  # the lines, [W, LANES] each


@inline
def spread_row(arena, tables, f, dy, r, line):
    """Writes to line [W, LANES] what one of its rows of pixels gets from row r of windows."""
    down, step = read_row(tables, f.down, r, Side), VECTOR_BYTES
    for w in range(f.W):
        store(arena, line + w * step, zeros())
    for c in range(f.columns):
        across = read_row(tables, f.across, c, Side)
        share = load(arena, dy + r * f.dy.row + c * step) / broadcast(np.float32(down.length * across.length))
        for i in range(line + across.first * step, line + across.last * step, step):
            store(arena, i, load(arena, i) + share)


@step_kernel(SpreadMeans)
def spread_means(arena, weights, tables, at, item, thread):
    """Some rows of one block of channels of one picture: writes dx [rows, W, LANES]. x is read for the mask only."""
    f = read_fields(tables, at, SpreadMeans)
    plane, part = item // f.parts, item % f.parts
    x, dx, dy = (f.x.offset + plane * f.x.plane, f.dx.offset + plane * f.dx.plane, f.dy.offset + plane * f.dy.plane)
    lines, size, step = f.scratch.offset + thread * f.scratch.thread, f.W * VECTOR_BYTES, VECTOR_BYTES
    first, last = f.H * part // f.parts, f.H * (part + 1) // f.parts
    spread = read_row(tables, f.holders, first, Holders).first
    for h in range(first, last):
        held = read_row(tables, f.holders, h, Holders)
        while spread < held.last:
            spread_row(arena, tables, f, dy, spread, lines + spread % f.lines * size)
            spread += 1
        for p in range(0, size, step):
            total = zeros()
            for r in range(held.first, held.last):
                total = total + load(arena, lines + r % f.lines * size + p)
            if f.mask:
                total = where_less(zeros(), load(arena, x + h * f.x.row + p), total, zeros())
            store(arena, dx + h * f.dx.row + p, total)


def most_holders(axis: PoolingAxis) -> int:
    return max(1, int(np.diff(holders_of(axis)).max()))


def scratch_of_means(axes: list[PoolingAxis]) -> int:
    """Bytes that a thread needs."""
    down, across = axes
    return most_holders(down) * across.size * VECTOR_BYTES


def emit_means(emitter: Emitter, axes: list[PoolingAxis], x: Storage, dy: Storage, dx: Storage, mask: bool) -> None:
    """Emit dx; all BLOCKED. `mask`: 0 where x is not above 0."""
    (rows, columns), (down, across) = x.four[2:], (emitter.table(window_table(axis)) for axis in axes)
    parts = max(1, rows // MEAN_ROWS_PER_ITEM)
    emitter.step(
        spread_means, x.four[0] * x.planes * parts, x=x.strided, dy=dy.strided, dx=dx.strided, down=down, across=across,
        holders=emitter.table(holders_of(axes[0])), columns=dy.four[3], H=rows, W=columns, parts=parts,
        lines=most_holders(axes[0]), mask=mask, scratch=emitter.scratch,
    )  # fmt: skip
