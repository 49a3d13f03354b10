"""3 x 3 and 5 x 5 convolutions of stride 1 with a quarter or a third of the multiplications.

    y = A' [ sum over channels of (G g G') * (B' d B) ] A        for tiles of m x m outputs, d their 6 x 6 inputs

Winograd's F(m x m, r x r) (A. Lavin, S. Gray, "Fast algorithms for convolutional neural networks", 2016). A tile costs
36 multiplications a channel: with m = 4, r = 3 instead of 144, with m = 2, r = 5 instead of 100. Both take the points
0, 1, -1, 2, -2 and infinity, so they share B. What is left of the sum over channels is 36 products of matrices, tiles
[block, channels] times filters [channels, outputs]; all else is done for a vector of channels at a time: pictures are
laid out with LANES channels innermost, and a block of tiles goes through all three steps before the next, so it stays
in L2.

The differences in B' and A' cost about two bits: errors reach 1e-5 of the largest output, where the plain sum has 1e-6
(tests/engine/graph/test_winograd.py). Node.exact turns it off.
"""

from __future__ import annotations

import numpy as np

from ... import signatures as types
from ...cpu import LANES
from ...gemm import MR, NONE, multiply_column, panel_width
from ...jit import F1, F1_IN, I1_IN, inline, kernel
from ...lowlevel import no_rows
from ...memory import aligned_zeros
from ...simd import broadcast, copy_transposed, fma, load, store, zeros
from ..graph import Node, Shape
from ..op import Run
from .windows import Window

INPUT, POINTS = 6, 36  # inputs of a tile a side, products
TILES = {3: 4, 5: 2}  # outputs of a tile a side, by the kernel's side
FEWEST = 16  # channels and outputs, below which the transforms cost more than they save
FEWEST_TILES = 4  # fewer would wait for 36 filters a weight from memory
BLOCK_BYTES = 384 << 10  # of transformed tiles, which L2 keeps
F = np.float32
TWO, FOUR, FIVE, EIGHT = F(2), F(4), F(5), F(8)
VALUES, SHARES = np.array([0, 1, -1, 2, -2]), np.array([1 / 4, -1 / 6, -1 / 6, 1 / 24, 1 / 24])
NO_BIAS = np.zeros(0, np.float32)


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
def put_channels_inside(x, at, channels, height, width, top, left, rows, columns, out):
    """Channels' planes [height, width] at x[at:] -> out [channels / LANES, rows, columns, LANES], inside zeros."""
    plane = height * width
    for c in range(0, channels, LANES):
        for r in range(rows):
            to = (c // LANES * rows + r) * columns * LANES
            for i in range(0, columns * LANES, LANES):
                store(out, to + i, zeros())
            if top <= r and r < top + height:
                source, target = at + c * plane + (r - top) * width, to + left * LANES
                for p in range(0, width // LANES * LANES, LANES):
                    copy_transposed(x, source + p, plane, out, target + p * LANES, LANES)
                if width >= LANES:
                    copy_transposed(x, source + width - LANES, plane, out, target + (width - LANES) * LANES, LANES)
                else:
                    for p in range(width):
                        for lane in range(LANES):
                            out[target + p * LANES + lane] = x[source + lane * plane + p]


@inline
def put_channels_outside(blocked, rows, columns, channels, height, width, y, at):
    """blocked [channels / LANES, rows, columns, LANES] -> planes [channels, height, width] at y[at:]."""
    plane = height * width
    for c in range(0, channels, LANES):
        for r in range(height):
            source, target = (c // LANES * rows + r) * columns * LANES, at + c * plane + r * width
            for p in range(0, width // LANES * LANES, LANES):
                copy_transposed(blocked, source + p * LANES, LANES, y, target + p, plane)
            if width >= LANES:
                last = width - LANES
                copy_transposed(blocked, source + last * LANES, LANES, y, target + last, plane)
            else:
                for p in range(width):
                    for lane in range(LANES):
                        y[target + lane * plane + p] = blocked[source + p * LANES + lane]


@inline
def transform_input(blocked, at, columns, square, out, to, step):
    """The 36 values of a tile, for a vector of channels: out[to + n * step]."""
    for j in range(INPUT):
        i, row = at + j * LANES, columns * LANES
        points = to_points(
            load(blocked, i), load(blocked, i + row), load(blocked, i + 2 * row),
            load(blocked, i + 3 * row), load(blocked, i + 4 * row), load(blocked, i + 5 * row),
        )  # fmt: skip
        store(square, j * LANES, points[0])
        store(square, (INPUT + j) * LANES, points[1])
        store(square, (2 * INPUT + j) * LANES, points[2])
        store(square, (3 * INPUT + j) * LANES, points[3])
        store(square, (4 * INPUT + j) * LANES, points[4])
        store(square, (5 * INPUT + j) * LANES, points[5])
    for j in range(INPUT):
        i = j * INPUT * LANES
        points = to_points(
            load(square, i), load(square, i + LANES), load(square, i + 2 * LANES),
            load(square, i + 3 * LANES), load(square, i + 4 * LANES), load(square, i + 5 * LANES),
        )  # fmt: skip
        first = to + j * INPUT * step
        store(out, first, points[0])
        store(out, first + step, points[1])
        store(out, first + 2 * step, points[2])
        store(out, first + 3 * step, points[3])
        store(out, first + 4 * step, points[4])
        store(out, first + 5 * step, points[5])


@inline
def transform_to_four(products, at, step, initial, square, out, to, columns):
    """4 x 4 outputs of a vector of channels, plus `initial`."""
    for j in range(INPUT):
        i, row = at + j * step, INPUT * step
        values = four_from_points(
            load(products, i), load(products, i + row), load(products, i + 2 * row),
            load(products, i + 3 * row), load(products, i + 4 * row), load(products, i + 5 * row),
        )  # fmt: skip
        store(square, j * LANES, values[0])
        store(square, (INPUT + j) * LANES, values[1])
        store(square, (2 * INPUT + j) * LANES, values[2])
        store(square, (3 * INPUT + j) * LANES, values[3])
    for j in range(4):
        i, here = j * INPUT * LANES, to + j * columns * LANES
        values = four_from_points(
            load(square, i), load(square, i + LANES), load(square, i + 2 * LANES),
            load(square, i + 3 * LANES), load(square, i + 4 * LANES), load(square, i + 5 * LANES),
        )  # fmt: skip
        store(out, here, values[0] + initial)
        store(out, here + LANES, values[1] + initial)
        store(out, here + 2 * LANES, values[2] + initial)
        store(out, here + 3 * LANES, values[3] + initial)


@inline
def transform_to_two(products, at, step, initial, square, out, to, columns):
    """2 x 2 outputs of a vector of channels, plus `initial`."""
    for j in range(INPUT):
        i, row = at + j * step, INPUT * step
        values = two_from_points(
            load(products, i), load(products, i + row), load(products, i + 2 * row),
            load(products, i + 3 * row), load(products, i + 4 * row), load(products, i + 5 * row),
        )  # fmt: skip
        store(square, j * LANES, values[0])
        store(square, (INPUT + j) * LANES, values[1])
    for j in range(2):
        i, here = j * INPUT * LANES, to + j * columns * LANES
        values = two_from_points(
            load(square, i), load(square, i + LANES), load(square, i + 2 * LANES),
            load(square, i + 3 * LANES), load(square, i + 4 * LANES), load(square, i + 5 * LANES),
        )  # fmt: skip
        store(out, here, values[0] + initial)
        store(out, here + LANES, values[1] + initial)


@kernel(types.void(F1_IN, F1_IN, F1_IN, F1, I1_IN, F1, F1, F1, F1, F1))
def convolve_tiles(x, filters, bias, y, sizes, inside, tiles, products, outside, square):
    """All pictures. sizes: pictures, channels, height, width, outputs, rows and columns of y, pad of both, tiles of a
    block, outputs of a tile a side (m).

    filters holds 36 times [channels, outputs] in panels (`gemm.py`); the last five are scratch. Writes y.
    """
    pictures, channels, height, width, outputs = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    rows, columns, top, left, block, m = sizes[5], sizes[6], sizes[7], sizes[8], sizes[9], sizes[10]
    high, wide = (rows + m - 1) // m, (columns + m - 1) // m
    rows_inside, columns_inside = m * high + INPUT - m, m * wide + INPUT - m
    for n in range(pictures):
        at = n * channels * height * width
        put_channels_inside(x, at, channels, height, width, top, left, rows_inside, columns_inside, inside)
        for first in range(0, high * wide, block):
            here = min(block, high * wide - first)
            padded = (here + MR - 1) // MR * MR  # rows of zeros or of a block before, whose products nobody reads
            for t in range(here):
                r, c = (first + t) // wide * m, (first + t) % wide * m
                for v in range(0, channels, LANES):
                    source = ((v // LANES * rows_inside + r) * columns_inside + c) * LANES
                    transform_input(inside, source, columns_inside, square, tiles, t * channels + v, block * channels)
            for p in range(POINTS):
                o = 0
                while o < outputs:
                    step = panel_width(outputs - o)
                    multiply_column(
                        tiles, p * block * channels, channels, 1, no_rows(), -1,
                        filters, (p * outputs + o) * channels, step, channels,
                        products, 0, -1, NONE, products, p * block * outputs + o, outputs, padded, step,
                    )  # fmt: skip
                    o += step
            for t in range(here):
                r, c = (first + t) // wide * m, (first + t) % wide * m
                for v in range(0, outputs, LANES):
                    initial = load(bias, v) if bias.size else zeros()
                    to, at_products = ((v // LANES * m * high + r) * m * wide + c) * LANES, t * outputs + v
                    step = block * outputs
                    if m == 4:
                        transform_to_four(products, at_products, step, initial, square, outside, to, m * wide)
                    else:
                        transform_to_two(products, at_products, step, initial, square, outside, to, m * wide)
        put_channels_outside(outside, m * high, m * wide, outputs, rows, columns, y, n * outputs * rows * columns)


def is_suited(window: Window, output: Shape) -> bool:
    """Whether a convolution can be done like this, and should."""
    if len(output) != 2 or window.group != 1 or window.channels % LANES or window.outputs % LANES:
        return False
    side = window.kernel[0]
    if side not in TILES or (window.kernel, window.stride, window.dilation) != ((side, side), (1, 1), (1, 1)):
        return False
    tiles = -(-output[0] // TILES[side]) * -(-output[1] // TILES[side])
    return min(window.channels, window.outputs) >= FEWEST and tiles >= FEWEST_TILES


def prepare_winograd(node: Node, window: Window, output: Shape) -> Run:
    channels, outputs, m = window.channels, window.outputs, TILES[window.kernel[0]]
    high, wide = (-(-side // m) for side in output)
    most = BLOCK_BYTES // (4 * POINTS * max(channels, outputs)) // MR * MR
    block = max(4 * MR, min(most, -(-high * wide // MR) * MR))
    sizes = np.array([window.outer, channels, *window.size, outputs, *output, *window.pad, block, m], np.int64)
    scratch = [
        aligned_zeros(size)
        for size in (
            channels * (m * high + INPUT - m) * (m * wide + INPUT - m),
            POINTS * block * channels,
            POINTS * block * outputs,
            outputs * m * high * m * wide,
            POINTS * LANES,
        )
    ]
    filters = Filters(node, channels, outputs)

    def run(inputs, tops):
        bias = node.weights[1] if len(node.weights) > 1 else NO_BIAS
        for x, y in zip(inputs, tops, strict=True):
            convolve_tiles.run(x.reshape(-1), filters.packed(), bias, y.reshape(-1), sizes, *scratch)

    return run


class Filters:
    """A layer's filters as `convolve_tiles` reads them, made again when its weights were replaced or edited."""

    def __init__(self, node: Node, channels: int, outputs: int):
        self.node, self.channels, self.outputs = node, channels, outputs
        self.made_of: tuple | None = None
        self.panels = aligned_zeros(POINTS * channels * outputs)

    def packed(self) -> np.ndarray:
        """float32 [36 * channels * outputs]: for each point, panels of [channels, outputs]."""
        if self.made_of is None or self.made_of[0] is not self.node.weights[0] or self.made_of[1] != self.node.edits:
            self._pack(self.node.weights[0])
            self.made_of = self.node.weights[0], self.node.edits
        return self.panels

    def _pack(self, weights: np.ndarray) -> None:
        g = filter_transform(weights.shape[-1])
        points = np.einsum("ai,ocij,bj->abco", g, weights.astype(np.float64), g, optimize=True)
        points = points.reshape(POINTS, self.channels, self.outputs)
        at = 0
        for point in points:
            first = 0
            while first < self.outputs:
                width = int(panel_width.py_func(self.outputs - first))
                size = self.channels * width
                self.panels[at : at + size] = point[:, first : first + width].reshape(-1)
                at, first = at + size, first + width


def filter_transform(side: int) -> np.ndarray:
    """G for kernels of `side` taps: float64 [6, side]. A row a point: its powers; the last is infinity's."""
    powers = np.power.outer(VALUES.astype(np.float64), np.arange(side)) * SHARES[:, np.newaxis]
    return np.vstack([powers, np.eye(side)[-1]])
