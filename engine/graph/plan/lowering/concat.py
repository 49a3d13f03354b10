"""Concat of BLOCKED blobs along the channels, where all but the last have whole blocks of them."""

from __future__ import annotations

from typing import NamedTuple

from ....compiler.cpu import LANES, VECTOR_BYTES
from ....compiler.fields import read_fields
from ....vectors.simd import load, store
from ...ops.arrangement import concat_axis
from ..emitter import Emitter
from ..steps import Strided, step_kernel
from ..storage import Storage, StorageKind
from .lowered import BLOCKED, Context, Lowered, Lowering


class CopiedBlocks(NamedTuple):
    x: Strided
    y: Strided  # of its first plane that x fills
    planes: int  # of a picture of x
    rows: int
    columns: int


@step_kernel(CopiedBlocks)
def copy_blocks(arena, weights, tables, at, item, thread):
    """One block of channels of one picture: writes y [rows, columns, LANES], BLOCKED, from x. They do not overlap."""
    f = read_fields(tables, at, CopiedBlocks)
    x = f.x.offset + item * f.x.plane
    y = f.y.offset + item // f.planes * f.y.picture + item % f.planes * f.y.plane
    for r in range(f.rows):
        for p in range(0, f.columns * VECTOR_BYTES, VECTOR_BYTES):  # y[r, p] = x[r, p]
            store(arena, y + r * f.y.row + p, load(arena, x + r * f.x.row + p))


def lower_concat(context: Context) -> Lowered | None:
    whole = all(shape[1] % LANES == 0 for shape in context.bottoms[:-1]) if len(context.tops[0]) > 1 else False
    if not whole or concat_axis(context.group.main, context.bottoms) != 1:
        return None

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        y, (rows, columns) = tops[0].strided, tops[0].four[2:]
        for x in bottoms:
            items = x.four[0] * x.planes
            emitter.step(copy_blocks, items, x=x.strided, y=y, planes=x.planes, rows=rows, columns=columns)
            y = y._replace(offset=y.offset + x.planes * y.plane)

    return Lowered([BLOCKED] * len(context.bottoms), StorageKind.BLOCKED, emit)


CONCAT = Lowering(lower_concat, kernels=(copy_blocks,))
