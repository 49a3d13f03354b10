"""Element-wise steps over blobs that are stored alike: their rows of vectors, shared among items.

A PLANAR blob, and a BLOCKED one without a halo, has no gaps: its rows are stretches of all of it, and the last may be
shorter. The vectors behind a PLANAR blob's last value end within its memory.
"""

from __future__ import annotations

from typing import NamedTuple

from ....compiler.cpu import FLOAT_BYTES, VECTOR_BYTES
from ....compiler.jit import inline
from ...ir.op import count
from ..steps import Strided
from ..storage import NO_HALO, Storage, StorageKind

STRETCH = 64  # vectors of a row of a blob without gaps
ITEM_VECTORS = 1024  # of an item: some microseconds, if all comes from far caches


class SharedRows(NamedTuple):
    """`rows` of `size` bytes in each plane. An item has `together` planes, or one of the `parts` of a plane; the last
    row of the last plane has only `last` bytes."""

    planes: int
    rows: int
    size: int
    last: int
    together: int
    parts: int


class ItemRows(NamedTuple):
    """SharedRows [first, end) of the planes [plane, plane_end)."""

    plane: int
    plane_end: int
    first: int
    end: int


@inline
def rows_of_item(shared, item):
    """The ItemRows of an item of SharedRows."""
    group, part = item // shared.parts, item % shared.parts
    plane = group * shared.together
    first, end = shared.rows * part // shared.parts, shared.rows * (part + 1) // shared.parts
    return ItemRows(plane, min(shared.planes, plane + shared.together), first, end)


@inline
def row_size(shared, row):
    """Bytes of a row."""
    return shared.last if row == shared.rows - 1 else shared.size


def share_rows(*storages: Storage, by_plane: bool = False) -> tuple[SharedRows, int, list[Strided]]:
    """The rows of blobs of one shape and kind, the number of items, and where each blob's are. `by_plane`: planes are
    those of BLOCKED blobs also where these have no gaps."""
    first = storages[0]
    if first.kind is StorageKind.PLANAR or (not by_plane and all(each.halo == NO_HALO for each in storages)):
        planar = count(first.shape) * FLOAT_BYTES
        size = planar if first.kind is StorageKind.PLANAR else first.size
        vectors, row = -(-size // VECTOR_BYTES), STRETCH * VECTOR_BYTES
        rows = max(1, -(-vectors // STRETCH))
        last = vectors * VECTOR_BYTES - (rows - 1) * row
        parts = max(1, vectors // ITEM_VECTORS)
        where = [Strided(offset=each.first, picture=0, plane=0, row=row) for each in storages]
        return SharedRows(planes=1, rows=rows, size=row, last=last, together=1, parts=parts), parts, where
    rows, columns = first.four[2:]
    planes, size = first.four[0] * first.planes, columns * VECTOR_BYTES
    together = max(1, ITEM_VECTORS // max(1, rows * columns))
    parts = 1 if together > 1 else max(1, min(rows, rows * columns // ITEM_VECTORS))
    shared = SharedRows(planes=planes, rows=rows, size=size, last=size, together=together, parts=parts)
    return shared, -(-planes // together) * parts, [each.strided for each in storages]
