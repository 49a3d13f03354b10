"""LRN across channels of BLOCKED pictures, with the usual exponent 3/4:  y = x * s**-0.75."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler.cpu import FLOAT_BYTES, LANES, VECTOR_BYTES
from ....compiler.fields import read_fields
from ....vectors.simd import broadcast, element, fma, load, square_root, store, zeros
from ...ops.normalise import WITHIN_CHANNEL
from ..emitter import Emitter
from ..steps import Scratch, Strided, step_kernel
from ..storage import Storage, StorageKind
from .lowered import BLOCKED, Context, Lowered, Lowering

USUAL_BETA = np.float32(0.75)


class NormalisedRows(NamedTuple):
    x: Strided
    y: Strided
    planes: int  # of a picture
    rows: int
    columns: int
    reach: int  # channels on each side of one whose squares are summed
    constants: int  # offset of two: k, and alpha over the size
    scratch: Scratch  # a line: the squares of all channels of a pixel, zeros around them


@step_kernel(NormalisedRows)
def normalise_rows(arena, weights, tables, at, item, thread):
    """One row of one picture: writes y [planes, columns, LANES], BLOCKED, from x, which does not overlap,
    by the squares of a pixel's channels side by side."""
    f = read_fields(tables, at, NormalisedRows)
    line = f.scratch.offset + thread * f.scratch.thread
    shift, share = broadcast(element(weights, f.constants)), broadcast(element(weights, f.constants + FLOAT_BYTES))
    picture, row = item // f.rows, item % f.rows
    x = f.x.offset + picture * f.x.picture + row * f.x.row
    y = f.y.offset + picture * f.y.picture + row * f.y.row
    edge = (f.reach + LANES - 1) // LANES * VECTOR_BYTES
    for i in range(0, edge, VECTOR_BYTES):
        store(arena, line + i, zeros())  # line[:edge], line[edge + channels:]
        store(arena, line + edge + f.planes * VECTOR_BYTES + i, zeros())
    for p in range(0, f.columns * VECTOR_BYTES, VECTOR_BYTES):
        for c in range(f.planes):  # line[edge + channels of c] = x[c, p]**2
            v = load(arena, x + c * f.x.plane + p)
            store(arena, line + edge + c * VECTOR_BYTES, v * v)
        for c in range(f.planes):  # y[c, p] from x[c, p] and the line around its channels
            total, middle = zeros(), line + edge + c * VECTOR_BYTES
            for k in range(-f.reach, f.reach + 1):
                total = total + load(arena, middle + k * FLOAT_BYTES)
            root = square_root(fma(total, share, shift))
            store(arena, y + c * f.y.plane + p, load(arena, x + c * f.x.plane + p) / (root * square_root(root)))


def lower_lrn(context: Context) -> Lowered | None:
    parameter, shape = context.group.main.attributes, context.bottoms[0]
    if parameter.norm_region == WITHIN_CHANNEL or np.float32(parameter.beta) != USUAL_BETA or shape[1] % LANES:
        return None
    reach = parameter.local_size // 2
    share = np.float32(parameter.alpha) / np.float32(parameter.local_size)

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        x, y, (pictures, _, rows, columns) = bottoms[0], tops[0], tops[0].four
        constants = emitter.constant([parameter.k, share])
        emitter.step(
            normalise_rows, pictures * rows, x=x.strided, y=y.strided, planes=y.planes, rows=rows, columns=columns,
            reach=reach, constants=constants, scratch=emitter.scratch,
        )  # fmt: skip

    return Lowered(
        [BLOCKED], StorageKind.BLOCKED, emit, scratch=(shape[1] // LANES + 2 * -(-reach // LANES)) * VECTOR_BYTES
    )


ACROSS_CHANNELS = Lowering(lower_lrn, kernels=(normalise_rows,))
