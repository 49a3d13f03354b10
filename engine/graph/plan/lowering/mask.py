"""Steps on two storages of one kind and shape, in place: the sum of two parts of a gradient."""

from __future__ import annotations

from typing import NamedTuple

from ....compiler.cpu import FLOAT_BYTES, VECTOR_BYTES
from ....compiler.fields import read_fields
from ....vectors.simd import element, load, store, store_element
from ...ir.op import count
from ..emitter import Emitter
from ..steps import Strided, step_kernel
from ..storage import Storage, StorageKind

PART_FLOATS = 16 << 10  # of a blob that is one piece: some microseconds


class PairedRows(NamedTuple):
    x: Strided
    y: Strided
    rows: int
    size: int  # bytes of a row
    parts: int  # items that share the row of a plane that has one


@step_kernel(PairedRows)
def add_rows(arena, weights, tables, at, item, thread):
    """y += x in one plane, or in a part of one."""
    f = read_fields(tables, at, PairedRows)
    plane, part = item // f.parts, item % f.parts
    floats = f.size // FLOAT_BYTES
    first, last = floats * part // f.parts * FLOAT_BYTES, floats * (part + 1) // f.parts * FLOAT_BYTES
    whole = first + (last - first) // VECTOR_BYTES * VECTOR_BYTES
    for r in range(f.rows):
        x, y = f.x.offset + plane * f.x.plane + r * f.x.row, f.y.offset + plane * f.y.plane + r * f.y.row
        for i in range(first, whole, VECTOR_BYTES):
            store(arena, y + i, load(arena, y + i) + load(arena, x + i))
        for i in range(whole, last, FLOAT_BYTES):
            store_element(arena, y + i, element(arena, y + i) + element(arena, x + i))


def emit_add(emitter: Emitter, x: Storage, y: Storage) -> None:
    """y += x, of one kind."""
    if x.kind is StorageKind.PLANAR:
        size = count(x.shape)
        planes, rows, size, parts = 1, 1, size * FLOAT_BYTES, max(1, size // PART_FLOATS)
    else:
        planes, rows, size, parts = x.four[0] * x.planes, x.four[2], x.four[3] * x.pixel, 1
    emitter.step(add_rows, planes * parts, x=x.strided, y=y.strided, rows=rows, size=size, parts=parts)


GRADIENT_KERNELS = (add_rows,)
