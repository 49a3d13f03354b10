"""Steps between gradients: that of a ReLU, in place, by what it gave; and the sum of two parts of a gradient."""

from __future__ import annotations

from typing import NamedTuple

from ....compiler.cpu import VECTOR_BYTES
from ....compiler.fields import read_fields
from ....vectors.simd import load, store, where_less, zeros
from ...ops import OPS
from ...ops.curves import RECTIFIED
from ..emitter import Emitter
from ..groups import LayerGroup
from ..steps import StepKernel, Strided, step_kernel
from ..storage import Storage
from .backward import BackwardBlobs
from .rows import SharedRows, row_size, rows_of_item, share_rows


class RowPairs(NamedTuple):
    x: Strided
    y: Strided
    shared: SharedRows


@step_kernel(RowPairs)
def mask_rows(arena, weights, tables, at, item, thread):
    """Some rows: y = 0 where x is not above 0."""
    f = read_fields(tables, at, RowPairs)
    some = rows_of_item(f.shared, item)
    for plane in range(some.plane, some.plane_end):
        for row in range(some.first, some.end):
            x = f.x.offset + plane * f.x.plane + row * f.x.row
            y = f.y.offset + plane * f.y.plane + row * f.y.row
            for p in range(0, row_size(f.shared, row), VECTOR_BYTES):
                store(arena, y + p, where_less(zeros(), load(arena, x + p), load(arena, y + p), zeros()))


@step_kernel(RowPairs)
def add_rows(arena, weights, tables, at, item, thread):
    """Some rows: y += x."""
    f = read_fields(tables, at, RowPairs)
    some = rows_of_item(f.shared, item)
    for plane in range(some.plane, some.plane_end):
        for row in range(some.first, some.end):
            x = f.x.offset + plane * f.x.plane + row * f.x.row
            y = f.y.offset + plane * f.y.plane + row * f.y.row
            for p in range(0, row_size(f.shared, row), VECTOR_BYTES):
                store(arena, y + p, load(arena, y + p) + load(arena, x + p))


def emit_mask(emitter: Emitter, y: Storage, dy: Storage) -> None:
    """Emit the gradient of a ReLU without a slope, in place: dy = 0 where the value y is 0, below 0 or NaN. Both are
    BLOCKED or both PLANAR; halos stay."""
    _emit(emitter, mask_rows, y, dy)


def emit_add(emitter: Emitter, source: Storage, target: Storage) -> None:
    """Emit target += source, of one shape, both BLOCKED or both PLANAR; halos stay."""
    _emit(emitter, add_rows, source, target)


def _emit(emitter: Emitter, kernel: StepKernel, x: Storage, y: Storage) -> None:
    shared, items, (first, second) = share_rows(x, y)
    emitter.step(kernel, items, x=first, y=second, shared=shared)


def only_masks(group: LayerGroup) -> bool:
    """Whether the gradient of what follows the group's main layer is at most a mask: nothing, or a ReLU without a
    slope."""
    if group.activation is None:
        return group.addend is None
    kind, slope, _ = OPS[group.activation.type].curve(group.activation)
    return group.addend is None and kind == RECTIFIED and not slope and not group.activation.weights


def emit_group_mask(emitter: Emitter, group: LayerGroup, blobs: BackwardBlobs) -> None:
    """Emit the gradient of the ReLU of a group that `only_masks`, in place, unless it is masked."""
    if group.activation is not None and not blobs.top_is_masked:
        emit_mask(emitter, blobs.tops[0], blobs.top_gradients[0])


GRADIENT_KERNELS = (mask_rows, add_rows)
