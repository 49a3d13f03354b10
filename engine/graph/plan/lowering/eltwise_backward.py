"""Gradients of Eltwise of BLOCKED blobs: all bottoms' from one pass over dy, row by row.

SUM coefficient * dy    PROD dy times the other bottoms    MAX, MIN dy where the bottom was taken

dy counts as 0 where the group's ReLU gives 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler.cpu import FLOAT_BYTES, VECTOR_BYTES
from ....compiler.fields import numbers, read_fields, read_row
from ....compiler.jit import inline
from ....vectors.simd import broadcast, element, load, store, where_equal, where_less, zeros
from ...ir.graph import Node
from ...ops.eltwise import ELTWISE_MIN, ELTWISE_PROD, ELTWISE_SUM
from ..emitter import Emitter
from ..steps import Strided, step_kernel
from .backward import Backward, BackwardBlobs
from .rows import SharedRows, row_size, rows_of_item, share_rows


class CombinedBack(NamedTuple):
    y: Strided
    dy: Strided
    bottoms: int  # table of the Strided of each
    gradients: int  # table of an OwnGradient for each that is wanted, that of the first bottom last
    wanted: int
    number: int  # of bottoms
    operation: int
    shared: SharedRows
    mask: int  # 1: dy is 0 where y is not above 0
    factors: int  # of a constant: the factor of each bottom


class OwnGradient(NamedTuple):
    dx: Strided
    bottom: int  # its number


@inline
def sign_of(operation):
    """With it, the value that is taken is the larger one."""
    return broadcast(np.float32(-1 if operation == ELTWISE_MIN else 1))


@inline
def taken(arena, tables, f, at, p):
    """The number of the bottom that is taken; of equal ones the second before the first, and these before others."""
    sign = sign_of(f.operation)
    v = sign * load(arena, row_of(tables, f, 0, at) + p)
    w = sign * load(arena, row_of(tables, f, 1, at) + p)
    best, winner = where_less(w, v, v, w), where_less(w, v, zeros(), broadcast(np.float32(1)))
    for n in range(2, f.number):
        v = sign * load(arena, row_of(tables, f, n, at) + p)
        winner = where_less(best, v, broadcast(np.float32(n)), winner)
        best = where_less(best, v, v, best)
    return winner


@inline
def row_of(tables, f, bottom, at):
    x = read_row(tables, f.bottoms, bottom, Strided)
    return x.offset + at[0] * x.plane + at[1] * x.row


@inline
def combine_row_back(arena, weights, tables, f, own, dy, y, at, size):
    """dx of a row of one bottom."""
    dx = own.dx.offset + at[0] * own.dx.plane + at[1] * own.dx.row
    factor = broadcast(element(weights, f.factors + own.bottom * FLOAT_BYTES))
    for p in range(0, size, VECTOR_BYTES):
        d = load(arena, dy + p)
        if f.mask:
            d = where_less(zeros(), load(arena, y + p), d, zeros())
        if f.operation == ELTWISE_SUM:
            d = factor * d
        elif f.operation == ELTWISE_PROD:
            for n in range(f.number):
                if n != own.bottom:
                    d = d * load(arena, row_of(tables, f, n, at) + p)
        else:
            d = where_equal(taken(arena, tables, f, at, p), broadcast(np.float32(own.bottom)), d, zeros())
        store(arena, dx + p, d)


@step_kernel(CombinedBack)
def combine_back(arena, weights, tables, at, item, thread):
    """Some rows: writes dx of all bottoms; that of the first may be dy."""
    f = read_fields(tables, at, CombinedBack)
    some = rows_of_item(f.shared, item)
    for plane in range(some.plane, some.plane_end):
        for row in range(some.first, some.end):
            dy, y = f.dy.offset + plane * f.dy.plane + row * f.dy.row, f.y.offset + plane * f.y.plane + row * f.y.row
            for n in range(f.wanted):
                own = read_row(tables, f.gradients, n, OwnGradient)
                combine_row_back(arena, weights, tables, f, own, dy, y, (plane, row), row_size(f.shared, row))


def eltwise_backward(node: Node, coefficients: list[float], relu: Node | None) -> Backward:
    """The gradient, with that of a ReLU behind it, if there is one."""
    operation = node.attributes.operation

    def emit(emitter: Emitter, blobs: BackwardBlobs) -> None:
        wanted = [(n, dx) for n, dx in enumerate(blobs.bottom_gradients) if dx is not None]
        dy, rectified = blobs.top_gradients[0], relu is not None and not blobs.top_is_masked
        done = operation == ELTWISE_SUM and not rectified
        wanted = [(n, dx) for n, dx in wanted if not (done and dx is dy and coefficients[n] == 1)]
        if not wanted:
            return
        shared, items, (at_y, at_dy, *others) = share_rows(
            blobs.tops[0], dy, *blobs.bottoms, *(dx for _, dx in wanted)
        )  # fmt: skip
        bottoms, gradients = others[: len(blobs.bottoms)], others[len(blobs.bottoms) :]
        own = [OwnGradient(at, n) for (n, _), at in zip(wanted, gradients, strict=True)]
        emitter.step(
            combine_back, items, y=at_y, dy=at_dy, bottoms=emitter.table(np.array([numbers(x) for x in bottoms])),
            gradients=emitter.table(np.array([numbers(each) for each in reversed(own)])), wanted=len(own),
            number=len(bottoms), operation=operation, shared=shared, mask=rectified,
            factors=emitter.constant(coefficients),
        )  # fmt: skip

    return Backward(emit, reads_bottoms=operation != ELTWISE_SUM, reads_tops=relu is not None, in_place=True)
