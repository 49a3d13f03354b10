"""Softmax over the last axis of PLANAR blobs."""

from __future__ import annotations

from typing import NamedTuple

from ....fields import read_fields
from ...layers.softmax import axis_sizes, softmax_row
from ..emitter import Emitter
from ..steps import step_kernel
from ..storage import Kind, Storage
from .lowered import PLANAR, Context, Lowered


class SoftmaxRows(NamedTuple):
    x: int  # offset of the first row
    y: int
    size: int  # of a row


@step_kernel(SoftmaxRows)
def softmax_rows(arena, weights, tables, at, item, thread):
    """One row of x [items, size] into y."""
    f = read_fields(tables, at, SoftmaxRows)
    softmax_row(arena, arena, f.x + item * f.size, f.y + item * f.size, f.size)


def lower_softmax(context: Context) -> Lowered | None:
    outer, size, inner = axis_sizes(context.group.main, context.bottoms[0])
    if inner != 1 or not outer * size:
        return None

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        emitter.step(softmax_rows, outer, x=bottoms[0].first, y=tops[0].first, size=size)

    return Lowered([PLANAR], Kind.PLANAR, emit, in_place=True)
