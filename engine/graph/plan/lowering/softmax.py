"""Softmax over the last axis of PLANAR blobs."""

from __future__ import annotations

from typing import NamedTuple

from ....compiler.cpu import FLOAT_BYTES
from ....compiler.fields import read_fields
from ....vectors.views import view1
from ...ops.softmax import axis_sizes, softmax_row
from ..emitter import Emitter
from ..steps import step_kernel
from ..storage import Storage, StorageKind
from .lowered import PLANAR, Context, Lowered, Lowering


class SoftmaxRows(NamedTuple):
    x: int  # offset of the first row
    y: int
    size: int  # of a row


@step_kernel(SoftmaxRows)
def softmax_rows(arena, weights, tables, at, item, thread):
    """One row: writes y [items, size], PLANAR, from x; y may be x."""
    f = read_fields(tables, at, SoftmaxRows)
    offset = item * f.size * FLOAT_BYTES
    softmax_row(view1(arena, f.x + offset, f.size), view1(arena, f.y + offset, f.size), 0, 0, f.size)


def lower_softmax(context: Context) -> Lowered | None:
    outer, size, inner = axis_sizes(context.group.main, context.bottoms[0])
    if inner != 1 or not outer * size:
        return None

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        emitter.step(softmax_rows, outer, x=bottoms[0].first, y=tops[0].first, size=size)

    return Lowered([PLANAR], StorageKind.PLANAR, emit, in_place=True)


SOFTMAX = Lowering(lower_softmax, kernels=(softmax_rows,))
