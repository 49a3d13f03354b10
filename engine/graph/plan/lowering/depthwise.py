"""Convolutions with a filter for each channel, on BLOCKED pictures: a vector is LANES channels of a pixel."""

from __future__ import annotations

import numpy as np

from ....cpu import LANES
from ....jit import kernel
from ....lowlevel import whole_number
from ....simd import broadcast, fma, load, maximum, store
from ...op import count
from ..emitter import STEP, Emitter
from ..storage import Kind, Storage, blocks
from .convolution import halo_of, plane_window, taps_of
from .lowered import Context, Lowered, Want
from .products import place_bias

TOGETHER = 7  # pixels: their sums are in registers, and FMAs do not wait for each other; 7 divides 112, 56, 28, 14


@kernel(STEP)
def convolve_depthwise(arena, weights, tables, at, item, thread):
    """One block of channels of one picture. Arguments as `lower_depthwise` lists them."""
    x, x_picture, x_plane, x_row, step = tables[at], tables[at + 1], tables[at + 2], tables[at + 3], tables[at + 4]
    taps, n, w, bias, low = tables[at + 5], tables[at + 6], tables[at + 7], tables[at + 8], tables[at + 9]
    y, y_picture, y_plane, y_row = tables[at + 10], tables[at + 11], tables[at + 12], tables[at + 13]
    planes, rows, columns, slides = tables[at + 14], tables[at + 15], tables[at + 16], tables[at + 17]
    picture, plane = item // planes, item % planes
    x, y = x + picture * x_picture + plane * x_plane, y + picture * y_picture + plane * y_plane
    w, initial, bound = w + plane * n * LANES, load(weights, bias + plane * LANES), broadcast(weights[low])
    together = columns if columns >= TOGETHER else 0
    for r in range(rows):
        for p in range(0, together, TOGETHER):
            p = min(p, columns - TOGETHER)  # the last ones may be computed twice
            i, a, b, c, d, e, f, g = (
                x + r * x_row + p * step,
                initial,
                initial,
                initial,
                initial,
                initial,
                initial,
                initial,
            )
            if slides:
                for line in range(3):
                    at = i + whole_number(tables, taps + 3 * line)
                    left, middle = load(weights, w + 3 * line * LANES), load(weights, w + (3 * line + 1) * LANES)
                    right = load(weights, w + (3 * line + 2) * LANES)
                    a = fma(load(arena, at), left, a)
                    v = load(arena, at + LANES)
                    a, b = fma(v, middle, a), fma(v, left, b)
                    v = load(arena, at + 2 * LANES)
                    a, b, c = fma(v, right, a), fma(v, middle, b), fma(v, left, c)
                    v = load(arena, at + 3 * LANES)
                    b, c, d = fma(v, right, b), fma(v, middle, c), fma(v, left, d)
                    v = load(arena, at + 4 * LANES)
                    c, d, e = fma(v, right, c), fma(v, middle, d), fma(v, left, e)
                    v = load(arena, at + 5 * LANES)
                    d, e, f = fma(v, right, d), fma(v, middle, e), fma(v, left, f)
                    v = load(arena, at + 6 * LANES)
                    e, f, g = fma(v, right, e), fma(v, middle, f), fma(v, left, g)
                    v = load(arena, at + 7 * LANES)
                    f, g = fma(v, right, f), fma(v, middle, g)
                    g = fma(load(arena, at + 8 * LANES), right, g)
            else:
                for tap in range(n):
                    at, weight = i + whole_number(tables, taps + tap), load(weights, w + tap * LANES)
                    a = fma(load(arena, at), weight, a)
                    b = fma(load(arena, at + step), weight, b)
                    c = fma(load(arena, at + 2 * step), weight, c)
                    d = fma(load(arena, at + 3 * step), weight, d)
                    e = fma(load(arena, at + 4 * step), weight, e)
                    f = fma(load(arena, at + 5 * step), weight, f)
                    g = fma(load(arena, at + 6 * step), weight, g)
            to = y + r * y_row + p * LANES
            store(arena, to, maximum(bound, a))
            store(arena, to + LANES, maximum(bound, b))
            store(arena, to + 2 * LANES, maximum(bound, c))
            store(arena, to + 3 * LANES, maximum(bound, d))
            store(arena, to + 4 * LANES, maximum(bound, e))
            store(arena, to + 5 * LANES, maximum(bound, f))
            store(arena, to + 6 * LANES, maximum(bound, g))
        for p in range(together, columns):
            total = initial
            for tap in range(n):
                i = x + r * x_row + p * step + whole_number(tables, taps + tap)
                total = fma(load(arena, i), load(weights, w + tap * LANES), total)
            store(arena, y + r * y_row + p * LANES, maximum(bound, total))


def lower_depthwise(context: Context) -> Lowered | None:
    node, window = context.group.main, plane_window(context)
    if window is None or not window.group == window.channels == window.outputs or context.group.more:
        return None

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        x, y = bottoms[0], tops[0]
        start, taps = taps_of(x, window, 1)
        size = count(window.kernel)
        # each pixel of a row is read once for three outputs, instead of once for each
        slides = window.kernel == (3, 3) and window.stride[1] == window.dilation[1] == 1

        def pack(filters):
            weights = np.zeros((blocks(window.channels) * LANES, size), np.float32)
            weights[: window.channels] = node.weights[0].reshape(window.channels, size)
            filters.reshape(-1, size, LANES)[:] = weights.reshape(-1, LANES, size).transpose(0, 2, 1)

        numbers = [
            x.first + start, x.picture, x.plane, x.row * window.stride[0], x.pixel * window.stride[1],
            emitter.table(taps), size, emitter.weights(node, y.planes * LANES * size, pack),
            place_bias(emitter, node, window.channels),
            emitter.low if context.group.rectified else emitter.no_low,
            y.first, y.picture, y.plane, y.row, y.planes, *y.four[2:], int(slides),
        ]  # fmt: skip
        emitter.step(convolve_depthwise, numbers, window.outer * y.planes)

    halo = halo_of(window, context.tops[0])
    return Lowered([Want(Kind.BLOCKED, halo)], Kind.BLOCKED, emit, algorithm="depthwise")
