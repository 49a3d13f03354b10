"""Axpy of BLOCKED blobs: a number per picture and channel times x, plus z, and a function of the result.

dfactor = sum of dy * x over a plane        dx = factor * dy        dz = dy
"""

from __future__ import annotations

from typing import NamedTuple

from ....compiler.cpu import VECTOR_BYTES
from ....compiler.fields import read_fields
from ....vectors.simd import broadcast, element, fma, load, maximum, minimum, store, zeros
from ..emitter import Emitter
from ..steps import NO_BLOB, Strided, step_kernel
from ..storage import Storage, StorageKind
from .backward import Backward, BackwardBlobs
from .curves import Epilogue, apply_curve, emit_epilogue
from .lowered import BLOCKED, Context, Lowered, Lowering


class ScaledSum(NamedTuple):
    factor: Strided  # [pictures, channels]
    x: Strided
    z: Strided
    y: Strided  # the result; it may be x or z
    rows: int
    columns: int
    epilogue: Epilogue
    planes: int  # of a picture
    pixels: int  # table: offsets of the pixels of y in a plane


@step_kernel(ScaledSum)
def add_scaled(arena, weights, tables, at, item, thread):
    """One block of channels of one picture: writes y [rows, columns, LANES], BLOCKED, from factor, x and z."""
    f = read_fields(tables, at, ScaledSum)
    lowest, highest = broadcast(element(weights, f.epilogue.lowest)), broadcast(element(weights, f.epilogue.highest))
    factor = load(arena, f.factor.offset + item * f.factor.plane)
    x, z, y = f.x.offset + item * f.x.plane, f.z.offset + item * f.z.plane, f.y.offset + item * f.y.plane
    for r in range(f.rows):
        for p in range(0, f.columns * VECTOR_BYTES, VECTOR_BYTES):  # y[r, p] from x[r, p] and z[r, p]
            v = fma(factor, load(arena, x + r * f.x.row + p), load(arena, z + r * f.z.row + p))
            store(arena, y + r * f.y.row + p, maximum(lowest, minimum(highest, v)))
    apply_curve(arena, weights, tables, f.epilogue.curve, item % f.planes, y, f.pixels, 0, f.rows * f.columns, 1)


class ScaledSumBack(NamedTuple):
    """A gradient that is not needed is NO_BLOB."""

    factor: Strided
    x: Strided
    dy: Strided
    dfactor: Strided
    dx: Strided
    dz: Strided
    rows: int
    columns: int


@step_kernel(ScaledSumBack)
def add_scaled_back(arena, weights, tables, at, item, thread):
    """One block of channels of one picture: writes the gradients."""
    f = read_fields(tables, at, ScaledSumBack)
    factor, total = load(arena, f.factor.offset + item * f.factor.plane), zeros()
    x, dy = f.x.offset + item * f.x.plane, f.dy.offset + item * f.dy.plane
    dx, dz = f.dx.offset + item * f.dx.plane, f.dz.offset + item * f.dz.plane
    for r in range(f.rows):
        products = zeros()
        for p in range(0, f.columns * VECTOR_BYTES, VECTOR_BYTES):
            d = load(arena, dy + r * f.dy.row + p)
            if f.dfactor.offset >= 0:
                products = fma(d, load(arena, x + r * f.x.row + p), products)
            if f.dx.offset >= 0:
                store(arena, dx + r * f.dx.row + p, factor * d)
            if f.dz.offset >= 0:
                store(arena, dz + r * f.dz.row + p, d)
        total = total + products
    if f.dfactor.offset >= 0:
        store(arena, f.dfactor.offset + item * f.dfactor.plane, total)


def lower_axpy(context: Context) -> Lowered:
    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        (factor, x, z), y, (rows, columns) = bottoms, tops[0], tops[0].four[2:]
        emitter.step(
            add_scaled, y.four[0] * y.planes, factor=factor.strided, x=x.strided, z=z.strided, y=y.strided, rows=rows,
            columns=columns, epilogue=emit_epilogue(emitter, context.group.activation, y.four[1]), planes=y.planes,
            pixels=emitter.table(y.pixels()),
        )  # fmt: skip

    def emit_back(emitter: Emitter, blobs: BackwardBlobs) -> None:
        (factor, x, _), dy = blobs.bottoms, blobs.top_gradients[0]
        dfactor, dx, dz = (each.strided if each else NO_BLOB for each in blobs.bottom_gradients)
        emitter.step(
            add_scaled_back, dy.four[0] * dy.planes, factor=factor.strided, x=x.strided, dy=dy.strided,
            dfactor=dfactor, dx=dx, dz=dz, rows=dy.four[2], columns=dy.four[3],
        )  # fmt: skip

    backward = None if context.group.activation else Backward(emit_back, reads_bottoms=True)
    return Lowered([BLOCKED] * 3, StorageKind.BLOCKED, emit, backward=backward)


AXPY = Lowering(lower_axpy, kernels=(add_scaled,), backward_kernels=(add_scaled_back,))
