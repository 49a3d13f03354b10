"""Convolutions with a filter for each channel, on BLOCKED pictures: a vector is LANES channels of a pixel."""

from __future__ import annotations

import numpy as np

from ....cpu import LANES
from ....jit import inline, kernel
from ....simd import broadcast, fma, load, maximum, store
from ...op import count
from ..emitter import STEP, Emitter
from ..storage import Kind, Storage, blocks
from .convolution import halo_of, plane_window, taps_of
from .lowered import Context, Lowered, Want
from .products import place_bias

TOGETHER = 7  # pixels: their sums are in registers, and FMAs do not wait for each other; 7 divides 112, 56, 28, 14


@inline
def seven_pixels(arena, weights, tables, x, step, taps, n, w, initial, low, y):
    """Outputs of TOGETHER neighbouring pixels."""
    a, b, c, d, e, f, g = initial, initial, initial, initial, initial, initial, initial
    for tap in range(n):
        at, weight = x + tables[taps + tap], load(weights, w + tap * LANES)
        a = fma(load(arena, at), weight, a)
        b = fma(load(arena, at + step), weight, b)
        c = fma(load(arena, at + 2 * step), weight, c)
        d = fma(load(arena, at + 3 * step), weight, d)
        e = fma(load(arena, at + 4 * step), weight, e)
        f = fma(load(arena, at + 5 * step), weight, f)
        g = fma(load(arena, at + 6 * step), weight, g)
    store(arena, y, maximum(low, a))
    store(arena, y + LANES, maximum(low, b))
    store(arena, y + 2 * LANES, maximum(low, c))
    store(arena, y + 3 * LANES, maximum(low, d))
    store(arena, y + 4 * LANES, maximum(low, e))
    store(arena, y + 5 * LANES, maximum(low, f))
    store(arena, y + 6 * LANES, maximum(low, g))


@kernel(STEP)
def convolve_depthwise(arena, weights, tables, at, item, thread):
    """One block of channels of one picture. Arguments as `lower_depthwise` lists them."""
    x, x_picture, x_plane, x_row, x_step = tables[at], tables[at + 1], tables[at + 2], tables[at + 3], tables[at + 4]
    taps, n, w, bias, low = tables[at + 5], tables[at + 6], tables[at + 7], tables[at + 8], tables[at + 9]
    y, y_picture, y_plane, y_row = tables[at + 10], tables[at + 11], tables[at + 12], tables[at + 13]
    planes, rows, columns = tables[at + 14], tables[at + 15], tables[at + 16]
    picture, plane = item // planes, item % planes
    x, y = x + picture * x_picture + plane * x_plane, y + picture * y_picture + plane * y_plane
    w, initial, bound = w + plane * n * LANES, load(weights, bias + plane * LANES), broadcast(weights[low])
    for r in range(rows):
        source, target = x + r * x_row, y + r * y_row
        if columns >= TOGETHER:
            for p in range(0, columns, TOGETHER):
                here = min(p, columns - TOGETHER)  # the last ones may be computed twice
                seven_pixels(arena, weights, tables, source + here * x_step, x_step, taps, n, w, initial, bound,
                             target + here * LANES)  # fmt: skip
        else:
            for p in range(columns):
                total = initial
                for tap in range(n):
                    place = source + p * x_step + tables[taps + tap]
                    total = fma(load(arena, place), load(weights, w + tap * LANES), total)
                store(arena, target + p * LANES, maximum(bound, total))


def lower_depthwise(context: Context) -> Lowered | None:
    node, window = context.group.main, plane_window(context)
    if window is None or not window.group == window.channels == window.outputs or context.group.more:
        return None

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        x, y = bottoms[0], tops[0]
        start, taps = taps_of(x, window, 1)
        size = count(window.kernel)

        def pack(filters):
            weights = np.zeros((blocks(window.channels) * LANES, size), np.float32)
            weights[: window.channels] = node.weights[0].reshape(window.channels, size)
            filters.reshape(-1, size, LANES)[:] = weights.reshape(-1, LANES, size).transpose(0, 2, 1)

        numbers = [
            x.first + start, x.picture, x.plane, x.row * window.stride[0], x.pixel * window.stride[1],
            emitter.table(taps), size, emitter.weights(node, y.planes * LANES * size, pack),
            place_bias(emitter, node, window.channels),
            emitter.low if context.group.rectified else emitter.no_low,
            y.first, y.picture, y.plane, y.row, y.planes, *y.four[2:],
        ]  # fmt: skip
        emitter.step(convolve_depthwise, numbers, window.outer * y.planes)

    halo = halo_of(window, context.tops[0])
    return Lowered([Want(Kind.BLOCKED, halo)], Kind.BLOCKED, emit, algorithm="depthwise")
