"""A depthwise convolution and the 1 x 1 convolution of its result, as one. What lies between is no blob: it is written
as the second one reads it, tile by tile (`pixel_tile.py`), into scratch memory that stays in near caches:

    [pixels / ROWS][channels / LANES][ROWS][LANES]

Small pictures go through one after the other convolution, as two steps; of large ones, each thread takes stretches of
rows through both.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ....cpu import LANES
from ....jit import kernel
from ....pixel_tile import PANEL, ROWS, sum_pixels
from ...graph import Shape
from ..emitter import STEP, Emitter, place_of_low
from ..storage import Kind, Storage, blocks
from .convolution import halo_of, place_filters, plane_window
from .depthwise import convolve_depthwise, filter_numbers, filter_rows
from .lowered import Context, Lowered, Want, more_wants
from .products import NEAR_BYTES, Work, added_numbers, emit_products, place_bias

STRETCH_BYTES = 100 << 10  # of what lies between: beside the filters, L2 keeps it
FEWEST = 48  # pixels of a stretch, for each of which all filters of the second convolution are read


@kernel(STEP)
def convolve_separable(arena, weights, tables, at, item, thread):
    """Some rows of one picture. Arguments as `lower_separable` lists them."""
    x, x_picture, x_plane, x_row, step = tables[at], tables[at + 1], tables[at + 2], tables[at + 3], tables[at + 4]
    taps, n, square, filters, bias = tables[at + 5], tables[at + 6], tables[at + 7], tables[at + 8], tables[at + 9]
    bound, rows, columns, planes = weights[tables[at + 10]], tables[at + 11], tables[at + 12], tables[at + 13]
    stretches, places, blocks_between, w, w_bias = (
        tables[at + 14], tables[at + 15], tables[at + 16], tables[at + 17], tables[at + 18],
    )  # fmt: skip
    more, more_picture, more_pixels, more_step, low = (
        tables[at + 19], tables[at + 20], tables[at + 21], tables[at + 22], weights[tables[at + 23]],
    )  # fmt: skip
    y, y_picture, y_pixels, y_step = tables[at + 24], tables[at + 25], tables[at + 26], tables[at + 27]
    outputs, between = tables[at + 28], tables[at + 29] + thread * tables[at + 30]
    stretch, picture = item % stretches, item // stretches
    first, last = rows * stretch // stretches, rows * (stretch + 1) // stretches
    for plane in range(planes):
        filter_rows(
            arena, weights, tables, x + picture * x_picture + plane * x_plane, x_row, step, taps, n,
            square, filters + plane * n * LANES, bias + plane * LANES, bound, first, last, columns,
            between + plane * ROWS * LANES, 0, places + first * columns, columns,
        )  # fmt: skip
    start = first * columns
    for block in range(0, outputs, PANEL):
        added = -1 if more < 0 else more + picture * more_picture + block * more_step
        sum_pixels(
            arena, weights, tables, between, places + start, blocks_between, planes, LANES,
            w + block * planes * LANES * LANES, w_bias + block * LANES, added, more_pixels + start, more_step, low,
            y + picture * y_picture + block * y_step, y_pixels + start, y_step,
            (last - first) * columns, min(PANEL, outputs - block),
        )  # fmt: skip


def lower_separable(context: Context) -> Lowered | None:
    group, top = context.group, context.tops[0]
    between = (top[0], context.bottoms[0][1], *top[2:])
    inner = Context(group.before, context.bottoms, [between], context.exact)
    window, outer = plane_window(inner), plane_window(replace(context, bottoms=[between]))
    if window is None or outer is None:
        return None
    pictures, channels, rows, columns = between
    planes, whole = blocks(channels), tiled_floats(between)
    at_once = 4 * pictures * whole <= NEAR_BYTES
    if (
        not at_once and max(window.stride) > 1
    ):  # most of what is moved is the bottom; a plane after the other is quicker
        return None
    high = max(STRETCH_BYTES // (4 * columns * planes * LANES), -(-FEWEST // columns))
    stretches = 1 if at_once else -(-rows // high)
    heights = np.diff(np.arange(stretches + 1) * rows // stretches).tolist()
    floats = [tiled_floats((1, channels, height, columns)) for height in heights]

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        y, more = tops[0], bottoms[-1] if group.more else None
        places = np.concatenate([tiled_places(height * columns, planes) for height in heights])
        filters = filter_numbers(emitter, group.before, window, bottoms[0], (rows, columns))
        w, taps = place_filters(emitter, group.main, outer, LANES), np.arange(planes) * ROWS * LANES
        if at_once:
            written = [emitter.scratch, whole, ROWS * LANES, 0, emitter.table(places), columns]
            emitter.step(convolve_depthwise, [*filters, *written], pictures * planes)
            work = Work(
                x=emitter.scratch, x_picture=whole, x_group=0, at=places, taps=taps, run=LANES, w=w,
                groups=1, outputs=top[1], pictures=pictures, inputs=whole,
            )  # fmt: skip
            emit_products(emitter, group, work, y, more)
            return
        numbers = [
            *filters, stretches, emitter.table(places), emitter.table(taps), w, place_bias(emitter, group.main, top[1]),
            *added_numbers(emitter, more), place_of_low(group.rectified),
            y.first, y.picture, emitter.table(y.pixels()), y.plane, blocks(top[1]),
            emitter.scratch, emitter.scratch_step,
        ]  # fmt: skip
        emitter.step(convolve_separable, numbers, pictures * stretches)

    wants = [Want(Kind.BLOCKED, halo_of(window, between)), *more_wants(context)]
    shared, own = (pictures * whole, 0) if at_once else (0, max(floats))
    return Lowered(wants, Kind.BLOCKED, emit, scratch=own, shared_scratch=shared, algorithm="separable")


def tiled_floats(shape: Shape) -> int:
    """Floats of a picture."""
    return -(-shape[2] * shape[3] // ROWS) * ROWS * blocks(shape[1]) * LANES


def tiled_places(pixels: int, planes: int) -> np.ndarray:
    """Where so many pixels are, in the tiles that `pixel_tiles` makes of them."""
    tiles = np.array_split(np.arange(pixels), -(-pixels // ROWS))
    return np.concatenate([i * planes * ROWS * LANES + np.arange(tile.size) * LANES for i, tile in enumerate(tiles)])
