"""Concat of BLOCKED blobs along the channels, where all but the last have whole blocks of them."""

from __future__ import annotations

from ....cpu import LANES
from ....jit import kernel
from ....simd import load, store
from ...layers.shape_layers import concat_axis
from ..emitter import STEP, Emitter
from ..storage import Kind, Storage
from .lowered import BLOCKED, Context, Lowered


@kernel(STEP)
def copy_blocks(arena, weights, tables, at, item, thread):
    """One block of channels of one picture. Arguments as `lower_concat` lists them."""
    x, x_plane, x_row, y, y_picture, y_plane, y_row = (
        tables[at], tables[at + 1], tables[at + 2], tables[at + 3], tables[at + 4], tables[at + 5], tables[at + 6],
    )  # fmt: skip
    planes, rows, columns = tables[at + 7], tables[at + 8], tables[at + 9]
    x, y = x + item * x_plane, y + item // planes * y_picture + item % planes * y_plane
    for r in range(rows):
        for p in range(0, columns * LANES, LANES):
            store(arena, y + r * y_row + p, load(arena, x + r * x_row + p))


def lower_concat(context: Context) -> Lowered | None:
    whole = all(shape[1] % LANES == 0 for shape in context.bottoms[:-1]) if len(context.tops[0]) > 1 else False
    if not whole or concat_axis(context.group.main, context.bottoms) != 1:
        return None

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        y, start = tops[0], 0
        for x in bottoms:
            numbers = [
                x.first, x.plane, x.row, y.first + start * y.plane, y.picture, y.plane, y.row, x.planes, *y.four[2:],
            ]  # fmt: skip
            emitter.step(copy_blocks, numbers, x.four[0] * x.planes)
            start += x.planes

    return Lowered([BLOCKED] * len(context.bottoms), Kind.BLOCKED, emit)
