"""Eltwise of BLOCKED blobs, two at a time."""

from __future__ import annotations

import numpy as np

from ....cpu import LANES
from ....jit import kernel
from ....simd import broadcast, load, maximum, store
from ...layers.eltwise import combination
from ..emitter import STEP, Emitter, place_of_low
from ..storage import Kind, Storage
from .lowered import BLOCKED, Context, Lowered


@kernel(STEP)
def combine_blocks(arena, weights, tables, at, item, thread):
    """One block of channels of one picture. Arguments as `lower_eltwise` lists them."""
    x, x_plane, x_row, y, y_plane, y_row, z, z_plane, z_row = (
        tables[at], tables[at + 1], tables[at + 2], tables[at + 3], tables[at + 4], tables[at + 5],
        tables[at + 6], tables[at + 7], tables[at + 8],
    )  # fmt: skip
    rows, columns, kind, factors, low = (
        tables[at + 9],
        tables[at + 10],
        tables[at + 11],
        tables[at + 12],
        tables[at + 13],
    )
    a, b, bound = broadcast(weights[factors]), broadcast(weights[factors + 1]), broadcast(weights[low])
    x, y, z = x + item * x_plane, y + item * y_plane, z + item * z_plane
    for r in range(rows):
        for p in range(0, columns * LANES, LANES):
            v, w = load(arena, x + r * x_row + p), load(arena, y + r * y_row + p)
            store(arena, z + r * z_row + p, maximum(bound, combination(kind, v, w, a, b)))


def lower_eltwise(context: Context) -> Lowered | None:
    """The first two bottoms, then one more at a time: Caffe's order, also in which of two equal (or NaN) wins."""
    node = context.group.main
    parameter = node.message.eltwise_param
    coefficients = list(parameter.coeff) or [1.0] * len(node.bottoms)

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        z, (first, *others) = tops[0], bottoms
        for number, other in enumerate(others, 1):
            x, y = (first, other) if number == 1 else (other, z)
            pair = [coefficients[0], coefficients[1]] if number == 1 else [coefficients[number], 1.0]
            factors = emitter.weights(node, 2, lambda constants, pair=pair: np.copyto(constants, pair))
            last = number == len(others)
            numbers = [
                *(each for blob in (x, y, z) for each in (blob.first, blob.plane, blob.row)), *z.four[2:],
                parameter.operation, factors,
                place_of_low(last and context.group.rectified),
            ]  # fmt: skip
            emitter.step(combine_blocks, numbers, z.four[0] * z.planes)

    return Lowered([BLOCKED] * len(node.bottoms), Kind.BLOCKED, emit)
