"""3 x 3 and 5 x 5 convolutions of stride 1 with a quarter or a third of the multiplications.

    y = A' [ sum over channels of (G g G') * (B' d B) ] A        for tiles of m x m outputs, d their 6 x 6 inputs

Winograd's F(m x m, r x r) (A. Lavin, S. Gray, "Fast algorithms for convolutional neural networks", 2016). A tile of
side = m + r - 1 inputs takes side**2 multiplications per channel instead of (m*r)**2:

  F(4x4, 3x3)  36 for 144   F(2x2, 5x5)  36 for 100    the points 0, 1, -1, 2, -2 and infinity, so both have the same B
  F(2x2, 3x3)  16 for 36                               the points 0, 1, -1 and infinity; fewer filters to read

The sum over channels is side**2 products of matrices, tiles [block, channels] times filters
[channels, outputs], by `pixel_tiles`; the transforms run on a vector of channels at a time. A block of tiles goes
through all three steps before the next, so it stays in near caches.

The differences in B' and A' of six points lose about two bits: errors reach 1e-5 of the largest output with up to 128
channels and 1.5e-5 with 2048, where plain sums have 4e-6 and 6e-6; those of four points lose none
(tests/engine/graph/plan/test_winograd.py). Plans can be made without it (`exact`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler.cpu import LANES, VECTOR_BYTES
from ....compiler.fields import read_fields, read_row
from ....products.pixel_tile import PANEL, ROWS, sum_pixels
from ....vectors.simd import broadcast, element, load
from ...ir.graph import Shape
from ...ops.windows import Window
from ..emitter import NO_HIGHEST, NO_LOWEST, ZEROS, Emitter
from ..steps import NO_BLOB, Scratch, Strided, step_kernel
from ..storage import Storage, StorageKind, blocks
from .convolution import plane_window
from .curves import Epilogue, apply_curve, emit_epilogue
from .filters import bias_offset, pack_filters
from .lowered import Context, Lowered, Lowering, Want, addend_wants
from .winograd_filters import POINT_GAP, TILINGS, Tiling, pack_points, point_bytes, points_offset
from .winograd_transforms import FOUR_POINTS, four_of_six, transform_four, transform_six, two_of_four, two_of_six

# The figures of this cost model were set on EPYC Zen 3 (AVX2, 2 cores), 2026-11-22; single measurements are not
# recorded. perf --suite caffe times ResNet-18 and CIFAR, which depend on them most. FILTER_READ_COST on EPYC Zen 5, one
# thread, 2026-11-28: ResNet-18 9.3 ms with 10 and with 14 of 16 lanes, but 97 and 58 MB of packed filters; of 8 lanes
# 14.7 ms with 7 and with 10, 17.6 with 14.
LEAST_CHANNELS = 16  # channels and outputs; with fewer the transforms take longer than they save
BLOCK_BYTES = 512 << 10  # of transformed tiles and products, about the size of L2
FILTER_BYTES = 1 << 20  # of all filters: more are read only once, so all tiles make one block
FILTER_READ_COST = 14 if LANES == 16 else 10  # multiplications that take as long as reading a filter from memory
TRANSFORM_COST = 1.25  # the time of all three steps over that of the products


class OutputTile(NamedTuple):
    """A tile of outputs: offsets from its blobs' first pixels, and the m x m outputs, or fewer, that are written."""

    x: int
    y: int
    addend: int
    rows: int
    columns: int
    pixel: int  # the number of its first output among all, tile by tile


class WinogradTiles(NamedTuple):
    x: Strided  # from the first input of the first tile on
    channels: int  # blocks of LANES
    w: int  # the panels of each point
    w_point: int  # from a point's panels to the next one's
    bias: int
    addend: Strided  # or NO_BLOB
    epilogue: Epilogue
    y: Strided
    outputs: int  # blocks of LANES
    tiles: int  # table of OutputTiles
    y_pixels: int  # table: offsets of all outputs in a plane, tile by tile
    count: int  # of tiles
    block: int  # tiles of an item
    shares: int  # of the outputs, into which a block's work is divided
    m: int
    side: int
    pixels: int  # table: offsets of the block's tiles in a block of channels
    taps: int  # table: offsets of the blocks of channels
    scratch: Scratch


@step_kernel(WinogradTiles)
def convolve_tiles(arena, weights, tables, at, item, thread):
    """A block of tiles, for a share of the outputs: writes their pixels of y, BLOCKED, from x with its halo and the
    addend.

    scratch: square [points, LANES], inputs [points, channels, block, LANES], products [points, outputs, block, LANES]
    """
    f = read_fields(tables, at, WinogradTiles)
    channels, block, side = f.channels, f.block, f.side
    lowest, highest = broadcast(element(weights, f.epilogue.lowest)), broadcast(element(weights, f.epilogue.highest))
    share, first = item % f.shares, item // f.shares * block
    here = min(block, f.count - first)
    panels = (f.outputs + PANEL - 1) // PANEL
    from_panel, to_panel = panels * share // f.shares, panels * (share + 1) // f.shares
    square, points = f.scratch.offset + thread * f.scratch.thread, side * side
    inputs, input_step = square + points * VECTOR_BYTES, channels * block * VECTOR_BYTES + POINT_GAP
    products, product_step = inputs + points * input_step, f.outputs * block * VECTOR_BYTES + POINT_GAP
    for c in range(channels):
        for t in range(here):  # inputs[:, c, t] = B' x[tile, channels of c] B
            source = f.x.offset + read_row(tables, f.tiles, first + t, OutputTile).x + c * f.x.plane
            to = inputs + (c * block + t) * VECTOR_BYTES
            if side == FOUR_POINTS:
                transform_four(arena, source, f.x.row, square, to, input_step)
            else:
                transform_six(arena, source, f.x.row, square, to, input_step)
    for point in range(points):
        for panel in range(from_panel, to_panel):  # products[point, o:] = w[point, :, o:].T @ inputs[point]
            o = panel * PANEL
            sum_pixels(
                arena, weights, tables, inputs + point * input_step, f.pixels, f.taps, channels, LANES,
                f.w + point * f.w_point + o * channels * LANES * VECTOR_BYTES, ZEROS,
                -1, 0, 0, element(weights, NO_LOWEST), element(weights, NO_HIGHEST),
                products + point * product_step + o * block * VECTOR_BYTES, f.pixels, block * VECTOR_BYTES,
                here, min(PANEL, f.outputs - o),
            )  # fmt: skip
    for o in range(from_panel * PANEL, min(f.outputs, to_panel * PANEL)):
        initial = load(weights, f.bias + o * VECTOR_BYTES)
        for t in range(here):  # y[tile, outputs of o] = A' products[:, o, t] A
            tile = read_row(tables, f.tiles, first + t, OutputTile)
            source, to = products + (o * block + t) * VECTOR_BYTES, f.y.offset + tile.y + o * f.y.plane
            addend = -1
            if f.addend.offset >= 0:
                addend = f.addend.offset + tile.addend + o * f.addend.plane
            if side == FOUR_POINTS:
                two_of_four(
                    arena, source, product_step, initial, square, addend, f.addend.row, lowest, highest, to, f.y.row,
                    tile.rows, tile.columns,
                )  # fmt: skip
            elif f.m == 2:
                two_of_six(
                    arena, source, product_step, initial, square, addend, f.addend.row, lowest, highest, to, f.y.row,
                    tile.rows, tile.columns,
                )  # fmt: skip
            else:
                four_of_six(
                    arena, source, product_step, initial, square, addend, f.addend.row, lowest, highest, to, f.y.row,
                    tile.rows, tile.columns,
                )  # fmt: skip
        begin = read_row(tables, f.tiles, first, OutputTile)
        end = read_row(tables, f.tiles, first + here - 1, OutputTile)
        apply_curve(
            arena, weights, tables, f.epilogue.curve, o, f.y.offset + o * f.y.plane, f.y_pixels + begin.pixel, 0,
            end.pixel + end.rows * end.columns - begin.pixel, 1,
        )  # fmt: skip


def choose_tiling(window: Window, output: Shape) -> Tiling | None:
    """The cheapest tiling, None where the plain sum is cheaper: by multiplications and filters to be read."""
    r = window.kernel[0]
    if (window.kernel, window.stride, window.dilation, window.group) != ((r, r), (1, 1), (1, 1), 1):
        return None
    if min(window.channels, window.outputs) < LEAST_CHANNELS:
        return None

    def cost(tiling: Tiling) -> float:
        return TRANSFORM_COST * tiling.points * (tiling.number(window.outer, output) + FILTER_READ_COST)

    best = min((tiling for tiling in TILINGS if tiling.r == r), key=cost, default=None)
    plain = r * r * (window.outer * output[0] * output[1] + FILTER_READ_COST)
    return best if best and cost(best) < plain else None


def lower_winograd(context: Context) -> Lowered | None:
    node, window = context.group.main, plane_window(context)
    tiling = None if context.exact or window is None else choose_tiling(window, context.tops[0][2:])
    if tiling is None:
        return None
    (rows, columns), m, side = context.tops[0][2:], tiling.m, tiling.side
    channels, outputs = blocks(window.channels), blocks(window.outputs)
    count = tiling.number(window.outer, (rows, columns))
    block = tiles_per_block(count, channels, outputs, tiling.points)
    reach = [
        -(-out // m) * m + side - m - p - i
        for out, p, i in zip((rows, columns), window.before, window.size, strict=True)
    ]
    want = Want(StorageKind.BLOCKED, (*window.before, *(max(0, each) for each in reach)))
    scratch = tiling.points * ((1 + (channels + outputs) * block) * VECTOR_BYTES + 2 * POINT_GAP)

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        x, y, addend = bottoms[0], tops[0], bottoms[-1] if context.group.addend else None
        n, r, c = np.ogrid[: window.outer, 0:rows:m, 0:columns:m]

        def offsets(storage):
            return n * storage.picture + r * storage.row + c * storage.pixel

        high, wide = np.minimum(m, rows - r), np.minimum(m, columns - c)
        sizes = np.broadcast_to(high * wide, (window.outer, *(high * wide).shape[1:]))
        tiles = OutputTile(
            x=offsets(x), y=offsets(y), addend=offsets(addend) if addend else 0, rows=high, columns=wide,
            pixel=(np.cumsum(sizes) - sizes.reshape(-1)).reshape(sizes.shape),
        )  # fmt: skip
        epilogue = emit_epilogue(emitter, context.group.activation, window.outputs)
        pixels = _tile_pixels(y, offsets(y), high, wide, m) if epilogue.curve.address else np.zeros(0)
        shares = max(1, min(-(-outputs // PANEL), emitter.threads)) if count <= block else 1
        emitter.step(
            convolve_tiles, -(-count // block) * shares,
            x=x.strided._replace(offset=x.first - window.before[0] * x.row - window.before[1] * x.pixel),
            channels=channels, w=points_offset(emitter, node, window, tiling), w_point=point_bytes(window),
            bias=bias_offset(emitter, node, window.outputs), addend=addend.strided if addend else NO_BLOB,
            epilogue=epilogue, y=y.strided, outputs=outputs,
            tiles=emitter.table(np.stack(np.broadcast_arrays(*tiles), axis=-1)), y_pixels=emitter.table(pixels),
            count=count, block=block,
            shares=shares, m=m, side=side, pixels=emitter.table(np.arange(block) * VECTOR_BYTES),
            taps=emitter.table(np.arange(channels) * block * VECTOR_BYTES), scratch=emitter.scratch,
        )  # fmt: skip

    return Lowered([want, *addend_wants(context)], StorageKind.BLOCKED, emit, scratch, algorithm=f"winograd {m}x{m}")


WINOGRAD = Lowering(lower_winograd, kernels=(convolve_tiles, pack_points, pack_filters))


def _tile_pixels(y: Storage, tiles: np.ndarray, high: np.ndarray, wide: np.ndarray, m: int) -> np.ndarray:
    """Offsets of the outputs of the tiles that start at the offsets `tiles` [pictures, rows, columns], tile by tile;
    `high` and `wide`, which broadcast to that shape, are their sizes."""
    i, j = np.arange(m)[:, np.newaxis], np.arange(m)
    inside = (i < high[..., np.newaxis, np.newaxis]) & (j < wide[..., np.newaxis, np.newaxis])
    all_pixels = tiles[..., np.newaxis, np.newaxis] + i * y.row + j * y.pixel
    return all_pixels[np.broadcast_to(inside, all_pixels.shape)]


def tiles_per_block(count: int, channels: int, outputs: int, points: int) -> int:
    """The tiles of a block: as many as near caches hold, in blocks of the same size; all tiles where there are many
    filters."""
    if points * channels * outputs * LANES * VECTOR_BYTES > FILTER_BYTES:
        most = count
    else:
        most = max(2 * ROWS, BLOCK_BYTES // (points * (channels + outputs) * VECTOR_BYTES))
    number = -(-count // most)
    return -(-count // number)
