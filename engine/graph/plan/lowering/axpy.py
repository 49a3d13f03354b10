"""Axpy of BLOCKED blobs: a number per picture and channel times x, plus z, and a function of the result."""

from __future__ import annotations

from typing import NamedTuple

from ....compiler.cpu import VECTOR_BYTES
from ....compiler.fields import read_fields
from ....vectors.simd import broadcast, element, fma, load, maximum, minimum, store
from ..emitter import Emitter
from ..steps import Strided, step_kernel
from ..storage import Storage, StorageKind
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


def lower_axpy(context: Context) -> Lowered:
    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        (factor, x, z), y, (rows, columns) = bottoms, tops[0], tops[0].four[2:]
        emitter.step(
            add_scaled, y.four[0] * y.planes, factor=factor.strided, x=x.strided, z=z.strided, y=y.strided, rows=rows,
            columns=columns, epilogue=emit_epilogue(emitter, context.group.activation, y.four[1]), planes=y.planes,
            pixels=emitter.table(y.pixels()),
        )  # fmt: skip

    return Lowered([BLOCKED] * 3, StorageKind.BLOCKED, emit)


AXPY = Lowering(lower_axpy, kernels=(add_scaled,))
