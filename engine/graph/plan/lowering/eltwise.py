"""Eltwise of BLOCKED blobs, two at a time."""

from __future__ import annotations

from typing import NamedTuple

from ....compiler.cpu import FLOAT_BYTES, VECTOR_BYTES
from ....compiler.fields import read_fields
from ....vectors.simd import broadcast, element, load, maximum, minimum, store
from ...ops.eltwise import combination
from ..emitter import Emitter
from ..steps import Strided, step_kernel
from ..storage import Storage, StorageKind
from .curves import Epilogue, apply_curve, emit_epilogue
from .eltwise_backward import combine_back, eltwise_backward
from .lowered import BLOCKED, Context, Lowered, Lowering
from .mask import only_masks


class CombinedBlocks(NamedTuple):
    x: Strided
    y: Strided
    z: Strided  # the result; it may be y
    rows: int
    columns: int
    operation: int  # EltwiseParameter.EltwiseOp
    factors: int  # offset of two constants: the factors of x and y in a sum
    epilogue: Epilogue
    planes: int  # of a picture
    pixels: int  # table: offsets of the pixels of z in a plane


@step_kernel(CombinedBlocks)
def combine_blocks(arena, weights, tables, at, item, thread):
    """One block of channels of one picture: writes z [rows, columns, LANES], BLOCKED, from x and y; z may be y."""
    f = read_fields(tables, at, CombinedBlocks)
    a, b = broadcast(element(weights, f.factors)), broadcast(element(weights, f.factors + FLOAT_BYTES))
    lowest, highest = broadcast(element(weights, f.epilogue.lowest)), broadcast(element(weights, f.epilogue.highest))
    x, y, z = f.x.offset + item * f.x.plane, f.y.offset + item * f.y.plane, f.z.offset + item * f.z.plane
    for r in range(f.rows):
        for p in range(0, f.columns * VECTOR_BYTES, VECTOR_BYTES):  # z[r, p] from x[r, p] and y[r, p]
            v, w = load(arena, x + r * f.x.row + p), load(arena, y + r * f.y.row + p)
            v = combination(f.operation, v, w, a, b)
            store(arena, z + r * f.z.row + p, maximum(lowest, minimum(highest, v)))
    apply_curve(arena, weights, tables, f.epilogue.curve, item % f.planes, z, f.pixels, 0, f.rows * f.columns, 1)


def lower_eltwise(context: Context) -> Lowered | None:
    """The first two bottoms, then one more at a time: Caffe's order, also for equal values and NaN."""
    node = context.group.main
    parameter = node.attributes
    coefficients = list(parameter.coeff) or [1.0] * len(node.bottoms)

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        z, (first, *others), (rows, columns) = tops[0], bottoms, tops[0].four[2:]
        for number, other in enumerate(others, 1):
            x, y = (first, other) if number == 1 else (other, z)
            pair = [coefficients[0], coefficients[1]] if number == 1 else [coefficients[number], 1.0]
            factors = emitter.constant(pair)
            last = number == len(others)
            emitter.step(
                combine_blocks, z.four[0] * z.planes, x=x.strided, y=y.strided, z=z.strided, rows=rows, columns=columns,
                operation=parameter.operation, factors=factors,
                epilogue=emit_epilogue(emitter, context.group.activation if last else None, z.four[1]),
                planes=z.planes, pixels=emitter.table(z.pixels()),
            )  # fmt: skip

    activation = context.group.activation
    backward = eltwise_backward(node, coefficients, activation) if only_masks(context.group) else None
    return Lowered([BLOCKED] * len(node.bottoms), StorageKind.BLOCKED, emit, backward=backward)


ELTWISE = Lowering(lower_eltwise, kernels=(combine_blocks,), backward_kernels=(combine_back,))
