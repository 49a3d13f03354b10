"""3 x 3 and 5 x 5 convolutions of stride 1 with a quarter or a third of the multiplications.

    y = A' [ sum over channels of (G g G') * (B' d B) ] A        for tiles of m x m outputs, d their 6 x 6 inputs

Winograd's F(m x m, r x r) (A. Lavin, S. Gray, "Fast algorithms for convolutional neural networks", 2016). A tile costs
36 multiplications a channel: with m = 4, r = 3 instead of 144, with m = 2, r = 5 instead of 100. Both take the points
0, 1, -1, 2, -2 and infinity, so they share B. What is left of the sum over channels is 36 products of matrices, tiles
[block, channels] times filters [channels, outputs], by `pixel_tile`; all else is done for a vector of channels at a
time. A block of tiles goes through all three steps before the next, so it stays in near caches.

The differences in B' and A' cost about two bits: errors reach 1e-5 of the largest output, where the plain sum has 1e-6
(tests/engine/graph/plan/test_winograd.py). Plans can be made without it (`exact`).
"""

from __future__ import annotations

import numpy as np

from ....cpu import LANES
from ....jit import inline, kernel
from ....simd import broadcast, fma, load, maximum, store
from ...graph import Shape
from ...layers.windows import Window
from ..emitter import NO_LOW, STEP, ZEROS, Emitter
from ..storage import Kind, Storage, blocks
from .lowered import Context, Lowered, Want
from .products import PANEL, ROWS, more_wants, pack_panels, padded_bias, plane_window, sum_pixels

INPUT, POINTS = 6, 36  # inputs of a tile a side, products
TILES = {3: 4, 5: 2}  # outputs of a tile a side, by the kernel's side
FEWEST = 16  # channels and outputs, below which the transforms cost more than they save
FEWEST_TILES = 5  # fewer would wait for 36 filters a weight from memory
BLOCK_BYTES = 512 << 10  # of transformed tiles and products, about what L2 keeps
FILTER_BYTES = 1 << 20  # of all filters: more are read once only, so all tiles make one block
GAP = 16  # floats between points, which would otherwise lie a power of two apart, in the same few lines of L1
F = np.float32
TWO, FOUR, FIVE, EIGHT = F(2), F(4), F(5), F(8)
VALUES, SHARES = np.array([0, 1, -1, 2, -2]), np.array([1 / 4, -1 / 6, -1 / 6, 1 / 24, 1 / 24])


@inline
def to_points(d0, d1, d2, d3, d4, d5):
    """B' d for a column of six."""
    two, four = broadcast(TWO), broadcast(FOUR)
    even, odd = fma(-four, d2, d4), fma(-four, d1, d3)
    outer, inner = d4 - d2, two * (d3 - d1)
    first = fma(four, d0, fma(-broadcast(FIVE), d2, d4))
    last = fma(four, d1, fma(-broadcast(FIVE), d3, d5))
    return first, even + odd, even - odd, outer + inner, outer - inner, last


@inline
def two_from_points(m0, m1, m2, m3, m4, m5):
    """A' m for a column of six, where m is 2."""
    return m0 + (m1 + m2) + (m3 + m4), fma(broadcast(TWO), m3 - m4, m1 - m2) + m5


@inline
def four_from_points(m0, m1, m2, m3, m4, m5):
    """A' m for a column of six, where m is 4."""
    sum12, sum34, apart12, apart34 = m1 + m2, m3 + m4, m1 - m2, m3 - m4
    return (
        m0 + sum12 + sum34,
        fma(broadcast(TWO), apart34, apart12),
        fma(broadcast(FOUR), sum34, sum12),
        fma(broadcast(EIGHT), apart34, apart12) + m5,
    )


@inline
def transform_input(arena, at, row, square, to, step):
    """The 36 values of a tile, for a vector of channels: arena[to + n * step]."""
    for j in range(INPUT):
        i = at + j * LANES
        points = to_points(
            load(arena, i), load(arena, i + row), load(arena, i + 2 * row),
            load(arena, i + 3 * row), load(arena, i + 4 * row), load(arena, i + 5 * row),
        )  # fmt: skip
        store(arena, square + j * LANES, points[0])
        store(arena, square + (INPUT + j) * LANES, points[1])
        store(arena, square + (2 * INPUT + j) * LANES, points[2])
        store(arena, square + (3 * INPUT + j) * LANES, points[3])
        store(arena, square + (4 * INPUT + j) * LANES, points[4])
        store(arena, square + (5 * INPUT + j) * LANES, points[5])
    for j in range(INPUT):
        i = square + j * INPUT * LANES
        points = to_points(
            load(arena, i), load(arena, i + LANES), load(arena, i + 2 * LANES),
            load(arena, i + 3 * LANES), load(arena, i + 4 * LANES), load(arena, i + 5 * LANES),
        )  # fmt: skip
        first = to + j * INPUT * step
        store(arena, first, points[0])
        store(arena, first + step, points[1])
        store(arena, first + 2 * step, points[2])
        store(arena, first + 3 * step, points[3])
        store(arena, first + 4 * step, points[4])
        store(arena, first + 5 * step, points[5])


@inline
def finish(arena, value, initial, more, to, low):
    """One pixel of a vector of outputs."""
    value = value + initial
    if more >= 0:
        value = value + load(arena, more)
    store(arena, to, maximum(low, value))


@inline
def transform_to_four(arena, at, step, initial, square, more, more_row, low, to, row, high, wide):
    """4 x 4 outputs of a vector of channels, of which `high` x `wide` are written."""
    for j in range(INPUT):
        i, below = at + j * step, INPUT * step
        values = four_from_points(
            load(arena, i), load(arena, i + below), load(arena, i + 2 * below),
            load(arena, i + 3 * below), load(arena, i + 4 * below), load(arena, i + 5 * below),
        )  # fmt: skip
        store(arena, square + j * LANES, values[0])
        store(arena, square + (INPUT + j) * LANES, values[1])
        store(arena, square + (2 * INPUT + j) * LANES, values[2])
        store(arena, square + (3 * INPUT + j) * LANES, values[3])
    for j in range(high):
        i, here, added = square + j * INPUT * LANES, to + j * row, more + j * more_row if more >= 0 else -1
        next_added = LANES if more >= 0 else 0
        values = four_from_points(
            load(arena, i), load(arena, i + LANES), load(arena, i + 2 * LANES),
            load(arena, i + 3 * LANES), load(arena, i + 4 * LANES), load(arena, i + 5 * LANES),
        )  # fmt: skip
        finish(arena, values[0], initial, added, here, low)
        if wide > 1:
            finish(arena, values[1], initial, added + next_added, here + LANES, low)
        if wide > 2:  # noqa: PLR2004 (columns)
            finish(arena, values[2], initial, added + 2 * next_added, here + 2 * LANES, low)
        if wide > 3:  # noqa: PLR2004
            finish(arena, values[3], initial, added + 3 * next_added, here + 3 * LANES, low)


@inline
def transform_to_two(arena, at, step, initial, square, more, more_row, low, to, row, high, wide):
    """2 x 2 outputs of a vector of channels, of which `high` x `wide` are written."""
    for j in range(INPUT):
        i, below = at + j * step, INPUT * step
        values = two_from_points(
            load(arena, i), load(arena, i + below), load(arena, i + 2 * below),
            load(arena, i + 3 * below), load(arena, i + 4 * below), load(arena, i + 5 * below),
        )  # fmt: skip
        store(arena, square + j * LANES, values[0])
        store(arena, square + (INPUT + j) * LANES, values[1])
    for j in range(high):
        i, here, added = square + j * INPUT * LANES, to + j * row, more + j * more_row if more >= 0 else -1
        values = two_from_points(
            load(arena, i), load(arena, i + LANES), load(arena, i + 2 * LANES),
            load(arena, i + 3 * LANES), load(arena, i + 4 * LANES), load(arena, i + 5 * LANES),
        )  # fmt: skip
        finish(arena, values[0], initial, added, here, low)
        if wide > 1:
            finish(arena, values[1], initial, added + LANES if more >= 0 else -1, here + LANES, low)


@kernel(STEP)
def convolve_tiles(arena, weights, tables, at, item, thread):
    """A block of tiles, for a share of the outputs. Arguments as `lower_winograd` lists them."""
    x, x_plane, x_row, channels = tables[at], tables[at + 1], tables[at + 2], tables[at + 3]
    w, bias, low, outputs = tables[at + 4], tables[at + 5], broadcast(weights[tables[at + 6]]), tables[at + 7]
    y, y_plane, y_row = tables[at + 8], tables[at + 9], tables[at + 10]
    more, more_plane, more_row, more_tiles = tables[at + 11], tables[at + 12], tables[at + 13], tables[at + 14]
    tiles, count, block, shares, m = tables[at + 15], tables[at + 16], tables[at + 17], tables[at + 18], tables[at + 19]
    pixels, scratch, scratch_step = tables[at + 20], tables[at + 21], tables[at + 22]
    share, first = item % shares, item // shares * block
    here = min(block, count - first)
    panels = (outputs + PANEL - 1) // PANEL
    from_panel, to_panel = panels * share // shares, panels * (share + 1) // shares
    square = scratch + thread * scratch_step
    inputs, input_step = square + POINTS * LANES, channels * block * LANES + GAP
    products, product_step = inputs + POINTS * input_step, outputs * block * LANES + GAP
    for c in range(channels):
        for t in range(here):
            source = x + tables[tiles + 4 * (first + t)] + c * x_plane
            transform_input(arena, source, x_row, square, inputs + (c * block + t) * LANES, input_step)
    for point in range(POINTS):
        for panel in range(from_panel, to_panel):
            o = panel * PANEL
            sum_pixels(
                arena, weights, tables, inputs + point * input_step, pixels, pixels + block, channels,
                w + (point * outputs + o) * channels * LANES * LANES, ZEROS, -1, 0, 0, weights[NO_LOW],
                products + point * product_step + o * block * LANES, pixels, block * LANES,
                0, here, min(PANEL, outputs - o), 0,
            )  # fmt: skip
    for o in range(from_panel * PANEL, min(outputs, to_panel * PANEL)):
        initial = load(weights, bias + o * LANES)
        for t in range(here):
            row = tiles + 4 * (first + t)
            high, wide = tables[row + 2], tables[row + 3]
            source, to = products + (o * block + t) * LANES, y + tables[row + 1] + o * y_plane
            added = -1 if more < 0 else more + tables[more_tiles + first + t] + o * more_plane
            if m == 2:  # noqa: PLR2004 (outputs of a tile a side)
                transform_to_two(arena, source, product_step, initial, square, added, more_row, low, to, y_row, high, wide)
            else:
                transform_to_four(arena, source, product_step, initial, square, added, more_row, low, to, y_row, high, wide)


def is_suited(window: Window, output: Shape) -> bool:
    """Whether a convolution can be done like this, and should."""
    side = window.kernel[0]
    if side not in TILES or (window.kernel, window.stride, window.dilation) != ((side, side), (1, 1), (1, 1)):
        return False
    tiles = window.outer * -(-output[0] // TILES[side]) * -(-output[1] // TILES[side])
    return window.group == 1 and min(window.channels, window.outputs) >= FEWEST and tiles >= FEWEST_TILES


def lower_winograd(context: Context) -> Lowered | None:
    node, window = context.group.main, plane_window(context)
    if context.exact or window is None or not is_suited(window, context.tops[0][2:]):
        return None
    (rows, columns), m = context.tops[0][2:], TILES[window.kernel[0]]
    high, wide = -(-rows // m), -(-columns // m)
    channels, outputs = blocks(window.channels), blocks(window.outputs)
    count = window.outer * high * wide
    block = tiles_of_a_block(count, channels, outputs)
    overhang = (m * high + INPUT - m - window.pad[0] - window.size[0], m * wide + INPUT - m - window.pad[1] - window.size[1])
    want = Want(Kind.BLOCKED, (*window.pad, *(max(0, each) for each in overhang)))
    scratch = POINTS * (LANES + (channels + outputs) * block * LANES + 2 * GAP)

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        x, y, more = bottoms[0], tops[0], bottoms[-1] if context.group.more else None
        starts = [(n, r, c) for n in range(window.outer) for r in range(0, rows, m) for c in range(0, columns, m)]
        tiles = [
            (n * x.picture + r * x.row + c * LANES, n * y.picture + r * y.row + c * LANES, min(m, rows - r), min(m, columns - c))
            for n, r, c in starts
        ]
        added = [-1, 0, 0, 0]
        if more is not None:
            places = [n * more.picture + r * more.row + c * LANES for n, r, c in starts]
            added = [more.first, more.plane, more.row, emitter.table(places)]
        size = POINTS * channels * outputs * LANES * LANES
        shares = max(1, min(-(-outputs // PANEL), emitter.threads)) if count <= block else 1
        steps = np.concatenate([np.arange(block), np.arange(channels) * block]) * LANES
        numbers = [
            x.first - window.pad[0] * x.row - window.pad[1] * LANES, x.plane, x.row, channels,
            emitter.weights(node, size, lambda: pack_filters(node.weights[0])),
            emitter.weights(node, outputs * LANES, lambda: padded_bias(node, window.outputs)),
            emitter.low if context.group.rectified else emitter.no_low, outputs,
            y.first, y.plane, y.row, *added,
            emitter.table(np.array(tiles).reshape(-1)), count, block, shares, m,
            emitter.table(steps), emitter.scratch, emitter.scratch_step,
        ]  # fmt: skip
        emitter.step(convolve_tiles, numbers, -(-count // block) * shares)

    return Lowered([want, *more_wants(context)], Kind.BLOCKED, emit, scratch, algorithm=f"winograd {m}x{m}")


def tiles_of_a_block(count: int, channels: int, outputs: int) -> int:
    """As many tiles as near caches hold, in blocks of the same size; all of them where the filters are many."""
    if POINTS * channels * outputs * LANES * LANES * 4 > FILTER_BYTES:
        most = count
    else:
        most = max(2 * ROWS, BLOCK_BYTES // (4 * POINTS * (channels + outputs) * LANES))
    number = -(-count // most)
    return -(-count // number)


def pack_filters(weights: np.ndarray) -> np.ndarray:
    """[outputs, channels, r, r] -> for each point, panels of [channels, outputs] (`products.pack_panels`)."""
    outputs, channels, side = weights.shape[:3]
    g = filter_transform(side)
    padded = np.zeros((outputs, blocks(channels) * LANES, side * side), np.float32)
    padded[:, :channels] = weights.reshape(outputs, channels, -1)
    points = (padded.reshape(-1, side * side) @ np.kron(g, g).T.astype(np.float64)).astype(np.float32)
    points = points.reshape(outputs, -1, POINTS)
    return np.concatenate([pack_panels(np.ascontiguousarray(points[:, :, p])) for p in range(POINTS)])


def filter_transform(side: int) -> np.ndarray:
    """G for kernels of `side` taps: float64 [6, side]. A row a point: its powers; the last is infinity's."""
    powers = np.power.outer(VALUES.astype(np.float64), np.arange(side)) * SHARES[:, np.newaxis]
    return np.vstack([powers, np.eye(side)[-1]])
