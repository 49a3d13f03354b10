"""Pooling of BLOCKED pictures: the largest value or the mean of each window, LANES channels at a time."""

from __future__ import annotations

import numpy as np

from ....cpu import LANES
from ....jit import kernel
from ....simd import broadcast, load, maximum, store, zeros
from ...layers.pooling import AVE, LOWEST, pooling_windows, window_table
from ..emitter import STEP, Emitter
from ..storage import Kind, Storage
from .lowered import BLOCKED, Context, Lowered

COLUMNS = 3  # of a window table
ROWS_OF_AN_ITEM = 16


@kernel(STEP)
def pool(arena, weights, tables, at, item, thread):
    """Some rows of outputs of one block of channels of one picture. Arguments as `lower_pooling` lists them."""
    x, x_plane, x_row, y, y_plane, y_row = (
        tables[at], tables[at + 1], tables[at + 2], tables[at + 3], tables[at + 4], tables[at + 5],
    )  # fmt: skip
    windows, rows, columns, parts, mean = (
        tables[at + 6],
        tables[at + 7],
        tables[at + 8],
        tables[at + 9],
        tables[at + 10],
    )
    plane, part = item // parts, item % parts
    x, y, across = x + plane * x_plane, y + plane * y_plane, windows + rows * COLUMNS
    for r in range(rows * part // parts, rows * (part + 1) // parts):
        top, bottom, high = tables[windows + r * 3], tables[windows + r * 3 + 1], tables[windows + r * 3 + 2]
        for c in range(columns):
            left, right = tables[across + c * COLUMNS], tables[across + c * COLUMNS + 1]
            if mean:
                total = zeros()
                for h in range(top, bottom):
                    for w in range(left, right):
                        total = total + load(arena, x + h * x_row + w * LANES)
                divisor = broadcast(np.float32(high * tables[across + c * COLUMNS + 2]))
                store(arena, y + r * y_row + c * LANES, total / divisor)
            else:
                highest = broadcast(LOWEST)
                for h in range(top, bottom):
                    for w in range(left, right):
                        highest = maximum(load(arena, x + h * x_row + w * LANES), highest)
                store(arena, y + r * y_row + c * LANES, highest)


def lower_pooling(context: Context) -> Lowered | None:
    node = context.group.main
    if len(node.tops) != 1:
        return None

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        x, y = bottoms[0], tops[0]
        tables = [window_table(*window) for window in pooling_windows(node, x.shape)]
        rows, columns = y.four[2:]
        parts = max(1, rows // ROWS_OF_AN_ITEM)
        numbers = [
            x.first, x.plane, x.row, y.first, y.plane, y.row, emitter.table(np.concatenate(tables).reshape(-1)),
            rows, columns, parts, int(node.message.pooling_param.pool == AVE),
        ]  # fmt: skip
        emitter.step(pool, numbers, y.four[0] * y.planes * parts)

    return Lowered([BLOCKED], Kind.BLOCKED, emit)
