"""Softmax over the last axis of PLANAR blobs."""

from __future__ import annotations

from ....jit import kernel
from ...layers.softmax import axis_sizes, softmax_row
from ..emitter import STEP, Emitter
from ..storage import Kind, Storage
from .lowered import PLANAR, Context, Lowered


@kernel(STEP)
def softmax_rows(arena, weights, tables, at, item, thread):
    """One row: arguments are the places of x and y, and the size of a row."""
    x, y, size = tables[at], tables[at + 1], tables[at + 2]
    softmax_row(arena, arena, x + item * size, y + item * size, size)


def lower_softmax(context: Context) -> Lowered | None:
    outer, size, inner = axis_sizes(context.group.main, context.bottoms[0])
    if inner != 1 or not outer * size:
        return None

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        emitter.step(softmax_rows, [bottoms[0].first, tops[0].first, size], outer)

    return Lowered([PLANAR], Kind.PLANAR, emit, in_place=True)
