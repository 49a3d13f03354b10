"""Convolutions with a filter for each channel, on BLOCKED pictures: a vector is LANES channels of a pixel."""

from __future__ import annotations

import numpy as np

from ....cpu import LANES
from ....jit import inline, kernel
from ....row_tile import row_tile
from ...graph import Shape
from ...layers.windows import Window
from ...op import count
from ..emitter import STEP, Emitter, place_of_low
from ..groups import Group
from ..storage import Kind, Storage, blocks
from .convolution import halo_of, plane_window, taps_of
from .lowered import Context, Lowered, Want
from .products import place_bias

TOGETHER = 7  # pixels, which divides 112, 56, 28 and 14
SQUARE = 3  # the side of kernels that have a quicker tile


@inline
def filter_rows(
    arena, weights, tables, x, x_row, step, taps, n, square, w, bias, low, first, last, columns,
    y, y_row, places, places_row,
):  # fmt: skip
    """Rows [first, last) of the outputs of a block of channels. That of row r, column c is written at
    y + (r - first)*y_row + tables[places + (r - first)*places_row + c]. `square`: the taps are those of SQUARE."""
    together = columns if columns >= TOGETHER else 0
    for r in range(first, last):
        source, to, line = x + r * x_row, y + (r - first) * y_row, places + (r - first) * places_row
        for p in range(0, together, TOGETHER):
            p = min(p, columns - TOGETHER)  # the last ones may be computed twice
            i, place = source + p * step, line + p
            if square and step == LANES:
                row_tile(arena, weights, tables, i, step, taps, n, w, bias, low, to, place, TOGETHER, 1, SQUARE)
            elif square and step == 2 * LANES:
                row_tile(arena, weights, tables, i, step, taps, n, w, bias, low, to, place, TOGETHER, 2, SQUARE)
            elif step == LANES:
                row_tile(arena, weights, tables, i, step, taps, n, w, bias, low, to, place, TOGETHER, 1, 0)
            else:
                row_tile(arena, weights, tables, i, step, taps, n, w, bias, low, to, place, TOGETHER, 0, 0)
        for p in range(together, columns):
            row_tile(arena, weights, tables, source + p * step, step, taps, n, w, bias, low, to, line + p, 1, 0, 0)


@kernel(STEP)
def convolve_depthwise(arena, weights, tables, at, item, thread):
    """One block of channels of one picture. Arguments as `lower_depthwise` lists them."""
    x, x_picture, x_plane, x_row, step = tables[at], tables[at + 1], tables[at + 2], tables[at + 3], tables[at + 4]
    taps, n, square, w, bias = tables[at + 5], tables[at + 6], tables[at + 7], tables[at + 8], tables[at + 9]
    low, rows, columns, planes = weights[tables[at + 10]], tables[at + 11], tables[at + 12], tables[at + 13]
    y, y_picture, y_plane, y_row = tables[at + 14], tables[at + 15], tables[at + 16], tables[at + 17]
    places, places_row = tables[at + 18], tables[at + 19]
    picture, plane = item // planes, item % planes
    filter_rows(
        arena, weights, tables, x + picture * x_picture + plane * x_plane, x_row, step, taps, n,
        square, w + plane * n * LANES, bias + plane * LANES, low, 0, rows, columns,
        y + picture * y_picture + plane * y_plane, y_row, places, places_row,
    )  # fmt: skip


def filter_numbers(emitter: Emitter, group: Group, window: Window, x: Storage, output: Shape) -> list[int]:
    """The arguments of a depthwise convolution but for where it writes: x to planes."""
    node, size = group.main, count(window.kernel)
    start, taps = taps_of(x, window, 1)
    square = window.kernel == (SQUARE, SQUARE) and window.dilation[1] == 1

    def pack(filters):
        weights = np.zeros((blocks(window.channels) * LANES, size), np.float32)
        weights[: window.channels] = node.weights[0].reshape(window.channels, size)
        filters.reshape(-1, size, LANES)[:] = weights.reshape(-1, LANES, size).transpose(0, 2, 1)

    return [
        x.first + start, x.picture, x.plane, x.row * window.stride[0], x.pixel * window.stride[1],
        emitter.table(taps), size, int(square), emitter.weights(node, x.planes * LANES * size, pack),
        place_bias(emitter, node, window.channels), place_of_low(group.rectified),
        *output, x.planes,
    ]  # fmt: skip


def lower_depthwise(context: Context) -> Lowered | None:
    window = plane_window(context)
    if window is None or not window.group == window.channels == window.outputs or context.group.more:
        return None

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        y = tops[0]
        numbers = [
            *filter_numbers(emitter, context.group, window, bottoms[0], y.four[2:]),
            y.first, y.picture, y.plane, y.row, emitter.table(np.arange(y.four[3]) * y.pixel), 0,
        ]  # fmt: skip
        emitter.step(convolve_depthwise, numbers, window.outer * y.planes)

    halo = halo_of(window, context.tops[0])
    return Lowered([Want(Kind.BLOCKED, halo)], Kind.BLOCKED, emit, algorithm="depthwise")
