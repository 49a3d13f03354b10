"""3 x 3 and 5 x 5 convolutions of stride 1 with a quarter or a third of the multiplications.

    y = A' [ sum over channels of (G g G') * (B' d B) ] A        for tiles of m x m outputs, d their 6 x 6 inputs

Winograd's F(m x m, r x r) (A. Lavin, S. Gray, "Fast algorithms for convolutional neural networks", 2016). A tile of
side = m + r - 1 inputs costs side**2 multiplications a channel instead of (m*r)**2:

  F(4x4, 3x3)  36 for 144   F(2x2, 5x5)  36 for 100    the points 0, 1, -1, 2, -2 and infinity, so both have the same B
  F(2x2, 3x3)  16 for 36                               the points 0, 1, -1 and infinity; fewer filters to read

What is left of the sum over channels is side**2 products of matrices, tiles [block, channels] times filters
[channels, outputs], by `pixel_tiles`; all else is done for a vector of channels at a time. A block of tiles goes
through all three steps before the next, so it stays in near caches.

The differences in B' and A' of six points cost about two bits: errors reach 1e-5 of the largest output with up to 128
channels and 1.5e-5 with 2048, where plain sums have 4e-6 and 6e-6; those of four points cost none
(tests/engine/graph/plan/test_winograd.py). Plans can be made without it (`exact`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....cpu import LANES
from ....jit import kernel
from ....pixel_tile import PANEL, ROWS, sum_pixels
from ....simd import broadcast, load
from ...graph import Shape
from ...layers.windows import Window
from ..emitter import NO_LOW, STEP, ZEROS, Emitter, place_of_low
from ..storage import Kind, Storage, blocks
from .convolution import plane_window
from .lowered import Context, Lowered, Want, more_wants
from .products import pack_panels, place_bias
from .winograd_transforms import FOUR_POINTS, four_of_six, transform_four, transform_six, two_of_four, two_of_six

FEWEST = 16  # channels and outputs, below which the transforms cost more than they save
BLOCK_BYTES = 512 << 10  # of transformed tiles and products, about what L2 keeps
FILTER_BYTES = 1 << 20  # of all filters: more are read once only, so all tiles make one block
READING = 10  # multiplications that take as long as reading a filter from memory
TRANSFORMING = 1.25  # times the products, all in all
GAP = 16  # floats between points, which would otherwise lie a power of two apart, in the same few lines of L1
VALUES, SHARES = np.array([0, 1, -1, 2, -2]), np.array([1 / 4, -1 / 6, -1 / 6, 1 / 24, 1 / 24])


@dataclass(frozen=True)
class Tiling:
    """F(m x m, r x r)."""

    m: int
    r: int

    @property
    def side(self) -> int:
        return self.m + self.r - 1

    @property
    def points(self) -> int:
        return self.side**2

    def number(self, pictures: int, output: Shape) -> int:
        """Tiles that cover the outputs."""
        return pictures * -(-output[0] // self.m) * -(-output[1] // self.m)


TILINGS = (Tiling(4, 3), Tiling(2, 3), Tiling(2, 5))


@kernel(STEP)
def convolve_tiles(arena, weights, tables, at, item, thread):
    """A block of tiles, for a share of the outputs. Arguments as `lower_winograd` lists them."""
    x, x_plane, x_row, channels = tables[at], tables[at + 1], tables[at + 2], tables[at + 3]
    w, bias, low, outputs = tables[at + 4], tables[at + 5], broadcast(weights[tables[at + 6]]), tables[at + 7]
    y, y_plane, y_row = tables[at + 8], tables[at + 9], tables[at + 10]
    more, more_plane, more_row, more_tiles = tables[at + 11], tables[at + 12], tables[at + 13], tables[at + 14]
    tiles, count, block, shares, m = tables[at + 15], tables[at + 16], tables[at + 17], tables[at + 18], tables[at + 19]
    side, pixels, scratch, scratch_step = tables[at + 20], tables[at + 21], tables[at + 22], tables[at + 23]
    share, first = item % shares, item // shares * block
    here = min(block, count - first)
    panels = (outputs + PANEL - 1) // PANEL
    from_panel, to_panel = panels * share // shares, panels * (share + 1) // shares
    square, points = scratch + thread * scratch_step, side * side
    inputs, input_step = square + points * LANES, channels * block * LANES + GAP
    products, product_step = inputs + points * input_step, outputs * block * LANES + GAP
    for c in range(channels):
        for t in range(here):
            source, to = x + tables[tiles + 4 * (first + t)] + c * x_plane, inputs + (c * block + t) * LANES
            if side == FOUR_POINTS:
                transform_four(arena, source, x_row, square, to, input_step)
            else:
                transform_six(arena, source, x_row, square, to, input_step)
    for point in range(points):
        for panel in range(from_panel, to_panel):
            o = panel * PANEL
            sum_pixels(
                arena, weights, tables, inputs + point * input_step, pixels, pixels + block, channels, LANES,
                w + (point * outputs + o) * channels * LANES * LANES, ZEROS, -1, 0, 0, weights[NO_LOW],
                products + point * product_step + o * block * LANES, pixels, block * LANES,
                here, min(PANEL, outputs - o),
            )  # fmt: skip
    for o in range(from_panel * PANEL, min(outputs, to_panel * PANEL)):
        initial = load(weights, bias + o * LANES)
        for t in range(here):
            row, source = tiles + 4 * (first + t), products + (o * block + t) * LANES
            to, high, wide = y + tables[row + 1] + o * y_plane, tables[row + 2], tables[row + 3]
            added = -1 if more < 0 else more + tables[more_tiles + first + t] + o * more_plane
            if side == FOUR_POINTS:
                two_of_four(arena, source, product_step, initial, square, added, more_row, low, to, y_row, high, wide)
            elif m == 2:
                two_of_six(arena, source, product_step, initial, square, added, more_row, low, to, y_row, high, wide)
            else:
                four_of_six(arena, source, product_step, initial, square, added, more_row, low, to, y_row, high, wide)


def choose_tiling(window: Window, output: Shape) -> Tiling | None:
    """The cheapest, None where it is the plain sum: by multiplications and by filters to be read."""
    r = window.kernel[0]
    if (window.kernel, window.stride, window.dilation, window.group) != ((r, r), (1, 1), (1, 1), 1):
        return None
    if min(window.channels, window.outputs) < FEWEST:
        return None

    def cost(tiling: Tiling) -> float:
        return TRANSFORMING * tiling.points * (tiling.number(window.outer, output) + READING)

    best = min((tiling for tiling in TILINGS if tiling.r == r), key=cost, default=None)
    plain = r * r * (window.outer * output[0] * output[1] + READING)
    return best if best and cost(best) < plain else None


def lower_winograd(context: Context) -> Lowered | None:
    node, window = context.group.main, plane_window(context)
    tiling = None if context.exact or window is None else choose_tiling(window, context.tops[0][2:])
    if tiling is None:
        return None
    (rows, columns), m, side = context.tops[0][2:], tiling.m, tiling.side
    channels, outputs = blocks(window.channels), blocks(window.outputs)
    count = tiling.number(window.outer, (rows, columns))
    block = tiles_of_a_block(count, channels, outputs, tiling.points)
    reach = [
        -(-out // m) * m + side - m - p - i for out, p, i in zip((rows, columns), window.pad, window.size, strict=True)
    ]
    want = Want(Kind.BLOCKED, (*window.pad, *(max(0, each) for each in reach)))
    scratch = tiling.points * (LANES + (channels + outputs) * block * LANES + 2 * GAP)

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        x, y, more = bottoms[0], tops[0], bottoms[-1] if context.group.more else None
        starts = [(n, r, c) for n in range(window.outer) for r in range(0, rows, m) for c in range(0, columns, m)]

        def places(storage):
            return [n * storage.picture + r * storage.row + c * LANES for n, r, c in starts]

        written = [(min(m, rows - r), min(m, columns - c)) for _, r, c in starts]
        tiles = np.column_stack([places(x), places(y), written])
        added = [-1, 0, 0, 0] if more is None else [more.first, more.plane, more.row, emitter.table(places(more))]
        size = tiling.points * channels * outputs * LANES * LANES
        shares = max(1, min(-(-outputs // PANEL), emitter.threads)) if count <= block else 1
        numbers = [
            x.first - window.pad[0] * x.row - window.pad[1] * LANES, x.plane, x.row, channels,
            emitter.weights(node, size, lambda panels: pack_filters(node.weights[0], tiling, panels)),
            place_bias(emitter, node, window.outputs),
            place_of_low(context.group.rectified), outputs,
            y.first, y.plane, y.row, *added, emitter.table(tiles.reshape(-1)), count, block, shares, m, side,
            emitter.table(np.concatenate([np.arange(block), np.arange(channels) * block]) * LANES),
            emitter.scratch, emitter.scratch_step,
        ]  # fmt: skip
        emitter.step(convolve_tiles, numbers, -(-count // block) * shares)

    return Lowered([want, *more_wants(context)], Kind.BLOCKED, emit, scratch, algorithm=f"winograd {m}x{m}")


def tiles_of_a_block(count: int, channels: int, outputs: int, points: int) -> int:
    """As many tiles as near caches hold, in blocks of the same size; all of them where the filters are many."""
    if points * channels * outputs * LANES * LANES * 4 > FILTER_BYTES:
        most = count
    else:
        most = max(2 * ROWS, BLOCK_BYTES // (4 * points * (channels + outputs) * LANES))
    number = -(-count // most)
    return -(-count // number)


def pack_filters(weights: np.ndarray, tiling: Tiling, panels: np.ndarray) -> None:
    """[outputs, channels, r, r] -> for each point, panels of [channels, outputs] (`products.pack`)."""
    outputs, channels = weights.shape[:2]
    g = filter_transform(tiling)
    padded = np.zeros((outputs, blocks(channels) * LANES, tiling.r**2), np.float32)
    padded[:, :channels] = weights.reshape(outputs, channels, -1)
    with np.errstate(all="ignore"):  # inf and NaN are values like others
        points = np.kron(g, g) @ padded.reshape(-1, tiling.r**2).T
    for point, part in zip(points, np.split(panels, tiling.points), strict=True):
        pack_panels(point.reshape(outputs, -1), part)


def filter_transform(tiling: Tiling) -> np.ndarray:
    """G, float64 [side, r]: a row a point, its powers times a share; the last is infinity's."""
    if tiling.side == FOUR_POINTS:
        return np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
    powers = np.power.outer(VALUES.astype(np.float64), np.arange(tiling.r)) * SHARES[:, np.newaxis]
    return np.vstack([powers, np.eye(tiling.r)[-1]])
