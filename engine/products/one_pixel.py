"""The sums of `pixel_tile.py` for a single pixel, of several panels at the same time.

The time is that of reading the weights once, and memory has a higher bandwidth for several streams at a time than for
one: 26 GB/s instead of 20 (9216 x 4096: 7.3 -> 5.8 ms; EPYC Zen 3, AVX2, one thread, 2026-11-22; perf --suite caffe
times this product).
"""

from __future__ import annotations

from ..compiler.cpu import FLOAT_BYTES, VECTOR_BYTES
from ..compiler.jit import inline
from ..vectors.simd import broadcast, element, fma, load, maximum, minimum, store
from ..vectors.views import whole_number
from .pixel_tile import PANEL

STREAMS = 4  # panels
assert STREAMS * PANEL == 8, "a to h"


@inline
def sum_one_pixel(
    arena, weights, tables, x, taps, groups, run, w, w_step, bias, addend, addend_step, lowest, highest, y, y_step
):
    """The same sums as `sum_pixels`, to the last bit, for STREAMS panels of one pixel. Writes 8 vectors, y_step apart.

    All offsets and steps are in bytes. The panels are `w_step` apart; `x`, `addend` (negative: none) and `y` are
    offsets of the pixel. y may be the addend.
    """
    a, b = load(weights, bias), load(weights, bias + VECTOR_BYTES)
    c, d = load(weights, bias + 2 * VECTOR_BYTES), load(weights, bias + 3 * VECTOR_BYTES)
    e, f = load(weights, bias + 4 * VECTOR_BYTES), load(weights, bias + 5 * VECTOR_BYTES)
    g, h = load(weights, bias + 6 * VECTOR_BYTES), load(weights, bias + 7 * VECTOR_BYTES)
    for group in range(groups):  #                             x[taps[group] : + run]
        first = x + whole_number(tables, taps + group)
        for at in range(first, first + run * FLOAT_BYTES, FLOAT_BYTES):  #    one value; weights[panel 0..3, :2 vectors]
            value, v = broadcast(element(arena, at)), w + w_step
            a, b = fma(value, load(weights, w), a), fma(value, load(weights, w + VECTOR_BYTES), b)
            c, d = fma(value, load(weights, v), c), fma(value, load(weights, v + VECTOR_BYTES), d)
            v += w_step
            e, f = fma(value, load(weights, v), e), fma(value, load(weights, v + VECTOR_BYTES), f)
            v += w_step
            g, h = fma(value, load(weights, v), g), fma(value, load(weights, v + VECTOR_BYTES), h)
            w += PANEL * VECTOR_BYTES
    if addend >= 0:
        a, b = a + load(arena, addend), b + load(arena, addend + addend_step)
        c, d = c + load(arena, addend + 2 * addend_step), d + load(arena, addend + 3 * addend_step)
        e, f = e + load(arena, addend + 4 * addend_step), f + load(arena, addend + 5 * addend_step)
        g, h = g + load(arena, addend + 6 * addend_step), h + load(arena, addend + 7 * addend_step)
    least, most = broadcast(lowest), broadcast(highest)
    store(arena, y, maximum(least, minimum(most, a)))
    store(arena, y + y_step, maximum(least, minimum(most, b)))
    store(arena, y + 2 * y_step, maximum(least, minimum(most, c)))
    store(arena, y + 3 * y_step, maximum(least, minimum(most, d)))
    store(arena, y + 4 * y_step, maximum(least, minimum(most, e)))
    store(arena, y + 5 * y_step, maximum(least, minimum(most, f)))
    store(arena, y + 6 * y_step, maximum(least, minimum(most, g)))
    store(arena, y + 7 * y_step, maximum(least, minimum(most, h)))
