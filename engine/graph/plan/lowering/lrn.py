"""LRN across channels of BLOCKED pictures, with the usual exponent 3/4:  y = x * s**-0.75."""

from __future__ import annotations

import numpy as np

from ....cpu import LANES
from ....jit import kernel
from ....simd import broadcast, fma, load, square_root, store, zeros
from ...layers.normalise import WITHIN_CHANNEL
from ..emitter import STEP, Emitter
from ..storage import Kind, Storage
from .lowered import BLOCKED, Context, Lowered

USUAL_BETA = np.float32(0.75)


@kernel(STEP)
def normalise_rows(arena, weights, tables, at, item, thread):
    """One row of one picture: the squares of a pixel's channels side by side in scratch, zeros around them."""
    x, x_picture, x_plane, x_row, y, y_picture, y_plane, y_row = (
        tables[at], tables[at + 1], tables[at + 2], tables[at + 3],
        tables[at + 4], tables[at + 5], tables[at + 6], tables[at + 7],
    )  # fmt: skip
    planes, rows, columns, reach, factors, line = (
        tables[at + 8], tables[at + 9], tables[at + 10], tables[at + 11], tables[at + 12],
        tables[at + 13] + thread * tables[at + 14],
    )  # fmt: skip
    shift, share = broadcast(weights[factors]), broadcast(weights[factors + 1])
    picture, row = item // rows, item % rows
    x, y = x + picture * x_picture + row * x_row, y + picture * y_picture + row * y_row
    edge = (reach + LANES - 1) // LANES * LANES
    for i in range(0, edge, LANES):
        store(arena, line + i, zeros())
        store(arena, line + edge + planes * LANES + i, zeros())
    for p in range(0, columns * LANES, LANES):
        for c in range(planes):
            v = load(arena, x + c * x_plane + p)
            store(arena, line + edge + c * LANES, v * v)
        for c in range(planes):
            total, middle = zeros(), line + edge + c * LANES
            for k in range(-reach, reach + 1):
                total = total + load(arena, middle + k)
            root = square_root(fma(total, share, shift))
            store(arena, y + c * y_plane + p, load(arena, x + c * x_plane + p) / (root * square_root(root)))


def lower_lrn(context: Context) -> Lowered | None:
    parameter, shape = context.group.main.message.lrn_param, context.bottoms[0]
    if parameter.norm_region == WITHIN_CHANNEL or np.float32(parameter.beta) != USUAL_BETA or shape[1] % LANES:
        return None
    reach = parameter.local_size // 2
    edge = -(-reach // LANES) * LANES
    share = np.float32(parameter.alpha) / np.float32(parameter.local_size)

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        x, y = bottoms[0], tops[0]
        factors = emitter.weights(context.group.main, 2, lambda constants: np.copyto(constants, [parameter.k, share]))
        numbers = [
            x.first, x.picture, x.plane, x.row, y.first, y.picture, y.plane, y.row,
            y.planes, *y.four[2:], reach, factors, emitter.scratch, emitter.scratch_step,
        ]  # fmt: skip
        emitter.step(normalise_rows, numbers, y.four[0] * y.four[2])

    return Lowered([BLOCKED], Kind.BLOCKED, emit, scratch=shape[1] + 2 * edge)
