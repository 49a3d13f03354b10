"""Winograd's F(m x m, r x r): the matrices of each tiling, and which one is the cheapest.

    y = A' [ (G g G') * (B' d B) ] A        for m x m outputs y of r x r taps g and d, their side x side inputs

side = m + r - 1 numbers are polynomials' values at as many points, 0, 1, -1, 2, -2, 1/2, -1/2 from the left, and one at
infinity. With p[i] the points, and N(x) the product of (x - p[k]) over all of them, each but infinity:

    G[i, j] = p[i]**j / N[i], where N[i] is that of (p[i] - p[k]) over k != i       infinity: the last tap
    A'[j, i] = p[i]**j                                                              infinity: 1 in the last row
    B'[i, j] = the coefficient of x**j in N(x) / (x - p[i])                         infinity: that of N(x)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from .....compiler.cpu import LANES, VECTOR_BYTES
from .....products.pixel_tile import ROWS
from ....ir.graph import Shape
from ....ops.windows import Window
from ...storage import blocks

POINTS = np.array([0, 1, -1, 2, -2, 0.5, -0.5])
# The figures of this cost model were set on EPYC Zen 3 (AVX2, 2 cores), 2026-11-22; single measurements are not
# recorded. perf --suite caffe times ResNet-18 and CIFAR, which depend on them most. FILTER_READ_COST on EPYC Zen 5, one
# thread, 2026-11-28: ResNet-18 9.3 ms with 10 and with 14 of 16 lanes, but 97 and 58 MB of packed filters; of 8 lanes
# 14.7 ms with 7 and with 10, 17.6 with 14.
LEAST_CHANNELS = 16  # channels and outputs; with fewer the transforms take longer than they save
BLOCK_BYTES = 512 << 10  # of transformed tiles and products, about the size of L2
FILTER_BYTES = 1 << 20  # of all filters, that near caches keep
# Tiles of a block with more filters. EPYC Zen 5, one thread, 2026-11-28: AlexNet's conv2 and ResNet's 28 x 28 of 8
# pictures take 6.5 and 2.6 ms with 32 to 128, 7.7 and 2.9 with all at a time, 28 x 28 of 32 pictures 11 and 14.
FAR_BLOCK = 64
FILTER_READ_COST = 14 if LANES == 16 else 10  # multiplications that take as long as reading a filter from memory
# Of filters that near caches keep. EPYC Zen 5, one thread, pictures of 7 x 7 to 14 x 14, 2026-11-28: 1 to 5 where they
# are in L2 already.
NEAR_READ_COST = 6
TRANSFORM_COST = 1.25  # the time of all three steps over that of the products


@dataclass(frozen=True)
class Tiling:
    """F(m x m, r x r)."""

    m: int
    r: int

    @property
    def name(self) -> str:
        """Of the algorithm."""
        return f"winograd {self.m}x{self.m}"

    @property
    def side(self) -> int:
        return self.m + self.r - 1

    @property
    def points(self) -> int:
        return self.side**2

    def number(self, pictures: int, output: Shape) -> int:
        """Tiles that cover the outputs."""
        return pictures * -(-output[0] // self.m) * -(-output[1] // self.m)


TILINGS = (Tiling(4, 3), Tiling(2, 3), Tiling(4, 5), Tiling(2, 5))


@cache
def matrices(tiling: Tiling) -> dict[str, np.ndarray]:
    """ "G" [side, r], "A'" [m, side] and "B'" [side, side], float64, and their transposes "G'", "A", "B"."""
    points, others = POINTS[: tiling.side - 1], range(tiling.side - 1)
    without = [np.delete(points, i) for i in others]
    numbers = [np.prod(point - rest) for point, rest in zip(points, without, strict=True)]
    powers = np.power.outer(points, np.arange(max(tiling.m, tiling.r)))
    infinity = np.eye(tiling.side)
    g = np.vstack([powers[:, : tiling.r] / np.reshape(numbers, (-1, 1)), infinity[-1, -tiling.r :]])
    a = np.vstack([powers[:, : tiling.m], infinity[-1, -tiling.m :]])
    b = [np.pad(np.poly(rest)[::-1], (0, 1)) for rest in without] + [np.poly(points)[::-1]]
    made = {"G": g, "A": a, "B'": np.array(b)}
    return made | {"G'": g.T, "A'": a.T, "B": made["B'"].T}


def choose_tiling(window: Window, output: Shape) -> Tiling | None:
    """The cheapest tiling, None where the plain sum is cheaper: by multiplications and filters to be read."""
    r = window.kernel[0]
    if (window.kernel, window.stride, window.dilation, window.group) != ((r, r), (1, 1), (1, 1), 1):
        return None
    if min(window.channels, window.outputs) < LEAST_CHANNELS:
        return None

    def cost(products: int, tiles: int) -> float:
        size = products * blocks(window.channels) * blocks(window.outputs) * LANES * VECTOR_BYTES
        return products * (tiles + (NEAR_READ_COST if size <= FILTER_BYTES else FILTER_READ_COST))

    ways = {
        tiling: TRANSFORM_COST * cost(tiling.points, tiling.number(window.outer, output))
        for tiling in TILINGS
        if tiling.r == r
    }
    best = min(ways, key=ways.__getitem__, default=None)
    return best if best and ways[best] < cost(r * r, window.outer * output[0] * output[1]) else None


def tiles_per_block(count: int, channels: int, outputs: int, points: int) -> int:
    """The tiles of a block: as many as near caches hold, or FAR_BLOCK, in blocks of the same size."""
    most = FAR_BLOCK
    if points * channels * outputs * LANES * VECTOR_BYTES <= FILTER_BYTES:
        most = max(2 * ROWS, BLOCK_BYTES // (points * (channels + outputs) * VECTOR_BYTES))
    number = -(-count // most)
    return -(-count // number)
