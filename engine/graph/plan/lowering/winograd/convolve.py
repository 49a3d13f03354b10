"""3 x 3 and 5 x 5 convolutions of stride 1 with a quarter or less of the multiplications.

    y = A' [ sum over channels of (G g G') * (B' d B) ] A        for tiles of m x m outputs, d their side x side inputs

Winograd's F(m x m, r x r) (A. Lavin, S. Gray, "Fast algorithms for convolutional neural networks", 2016). A tile of
side = m + r - 1 inputs takes side**2 multiplications per channel instead of (m*r)**2 (`tilings.py`):

  F(4x4, 3x3)  36 for 144      F(4x4, 5x5)  64 for 400
  F(2x2, 3x3)  16 for 36       F(2x2, 5x5)  36 for 100      fewer filters to read, for few tiles

The sum over channels is side**2 products of matrices, tiles [block, channels] times filters
[channels, outputs], by `pixel_tiles`; the transforms run on a vector of channels at a time. A block of tiles goes
through all three steps before the next, so it stays in near caches.

The differences in B' and A' of six and eight points lose two to three bits (tests/engine/graph/plan/test_winograd.py
has the errors); those of four points lose none. Plans can be made without it (`exact`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .....compiler.cpu import LANES, VECTOR_BYTES
from .....compiler.fields import read_fields, read_row
from .....products.pixel_tile import PANEL, sum_blocks
from .....vectors.simd import broadcast, element, load
from ....ir.graph import Node, Shape
from ....ops.windows import Window
from ...emitter import NO_HIGHEST, NO_LOWEST, ZEROS, Emitter
from ...steps import NO_BLOB, Scratch, Strided, step_kernel
from ...storage import Halo, Storage, StorageKind, blocks
from ..convolution import plane_window
from ..curves import Epilogue, apply_curve, emit_epilogue
from ..filters import PACK_KERNELS, FilterLayout, bias_offset, filter_layout
from ..lowered import Context, Lowered, Lowering, Want, addend_wants
from .backward import TILE_GRADIENT_KERNELS, tiles_backward
from .filters import POINT_GAP, pack_points, point_bytes, points_offset
from .tilings import Tiling, choose_tiling, tiles_per_block
from .transforms import finish_outputs, transform_inputs


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

    scratch: square [2 * points, LANES], inputs [points, channels, block, LANES],
    products [points, outputs, block, LANES]
    """
    f = read_fields(tables, at, WinogradTiles)
    channels, block, side = f.channels, f.block, f.side
    lowest, highest = broadcast(element(weights, f.epilogue.lowest)), broadcast(element(weights, f.epilogue.highest))
    share, first = item % f.shares, item // f.shares * block
    here = min(block, f.count - first)
    panels = (f.outputs + PANEL - 1) // PANEL
    from_panel, to_panel = panels * share // f.shares, panels * (share + 1) // f.shares
    square, points = f.scratch.offset + thread * f.scratch.thread, side * side
    inputs, input_step = square + 2 * points * VECTOR_BYTES, channels * block * VECTOR_BYTES + POINT_GAP
    products, product_step = inputs + points * input_step, f.outputs * block * VECTOR_BYTES + POINT_GAP
    for c in range(channels):
        for t in range(here):  # inputs[:, c, t] = B' x[tile, channels of c] B
            source = f.x.offset + read_row(tables, f.tiles, first + t, OutputTile).x + c * f.x.plane
            to = inputs + (c * block + t) * VECTOR_BYTES
            transform_inputs(
                arena, source, f.x.row, VECTOR_BYTES, square, to, side * input_step, input_step, side
            )  # fmt: skip
    for point in range(points):
        for panel in range(from_panel, to_panel):  # products[point, o:] = w[point, :, o:].T @ inputs[point]
            o = panel * PANEL
            sum_blocks(
                arena, weights, tables, inputs + point * input_step, f.pixels, f.taps, channels,
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
            finish_outputs(
                arena, source, side * product_step, product_step, square, to, f.y.row, VECTOR_BYTES, addend,
                f.addend.row, tile.rows, tile.columns, initial, lowest, highest, f.m, side - f.m + 1,
            )  # fmt: skip
        begin = read_row(tables, f.tiles, first, OutputTile)
        end = read_row(tables, f.tiles, first + here - 1, OutputTile)
        apply_curve(
            arena, weights, tables, f.epilogue.curve, o, f.y.offset + o * f.y.plane, f.y_pixels + begin.pixel, 0,
            end.pixel + end.rows * end.columns - begin.pixel, 1,
        )  # fmt: skip


@dataclass(frozen=True)
class OutputWork:
    """What the shapes say of a convolution with outputs of size `output`."""

    window: Window
    tiling: Tiling
    output: Shape

    @property
    def count(self) -> int:
        """All tiles."""
        return self.tiling.number(self.window.outer, self.output)

    @property
    def number(self) -> int:
        """Blocks of tiles."""
        planes = blocks(self.window.channels), blocks(self.window.outputs)
        number = -(-self.count // tiles_per_block(self.count, *planes, self.tiling.points))
        return number + (number % 2 if number > 1 else 0)  # two threads have as much to do

    @property
    def block(self) -> int:
        """The tiles of a block."""
        return -(-self.count // self.number)

    @property
    def halo(self) -> Halo:
        """The zeros that are read around x."""
        tiling, window = self.tiling, self.window
        reach = [
            -(-out // tiling.m) * tiling.m + tiling.r - 1 - p - i
            for out, p, i in zip(self.output, window.before, window.size, strict=True)
        ]
        return (*window.before, *(max(0, each) for each in reach))

    @property
    def scratch(self) -> int:
        """Bytes of each thread."""
        planes = blocks(self.window.channels) + blocks(self.window.outputs)
        return self.tiling.points * ((2 + planes * self.block) * VECTOR_BYTES + 2 * POINT_GAP)


def lower_winograd(context: Context) -> Lowered | None:
    node, group, window, output = context.group.main, context.group, plane_window(context), context.tops[0][2:]
    tiling = None if context.exact or window is None else choose_tiling(window, output)
    if tiling is None:
        return None
    work = OutputWork(window, tiling, output)

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        bias, addend = bias_offset(emitter, node, window.outputs), bottoms[-1] if group.addend else None
        epilogue = emit_epilogue(emitter, group.activation, window.outputs)
        emit_tiles(emitter, node, work, filter_layout(window), bottoms[0], tops[0], bias, addend, epilogue)

    return Lowered(
        [Want(StorageKind.BLOCKED, work.halo), *addend_wants(context)], StorageKind.BLOCKED, emit, work.scratch,
        algorithm=tiling.name, backward=tiles_backward(context, window, tiling, work.halo),
    )  # fmt: skip


WINOGRAD_KERNELS = convolve_tiles, pack_points, *PACK_KERNELS
WINOGRAD = Lowering(lower_winograd, WINOGRAD_KERNELS, backward_kernels=(*WINOGRAD_KERNELS, *TILE_GRADIENT_KERNELS))


def emit_tiles(
    emitter: Emitter,
    node: Node,
    work: OutputWork,
    layout: FilterLayout,
    x: Storage,
    y: Storage,
    bias: int,
    addend: Storage | None,
    epilogue: Epilogue,
) -> None:
    """The step of `convolve_tiles`, with the filters of `node`."""
    window, m, (rows, columns), count, block = work.window, work.tiling.m, work.output, work.count, work.block
    channels, outputs = blocks(window.channels), blocks(window.outputs)
    n, r, c = np.ogrid[: window.outer, 0:rows:m, 0:columns:m]

    def offsets(storage):
        return n * storage.picture + r * storage.row + c * storage.pixel

    high, wide = np.minimum(m, rows - r), np.minimum(m, columns - c)
    sizes = np.broadcast_to(high * wide, (window.outer, *(high * wide).shape[1:]))
    tiles = OutputTile(
        x=offsets(x), y=offsets(y), addend=offsets(addend) if addend else 0, rows=high, columns=wide,
        pixel=(np.cumsum(sizes) - sizes.reshape(-1)).reshape(sizes.shape),
    )  # fmt: skip
    pixels = _tile_pixels(y, offsets(y), high, wide, m) if epilogue.curve.address else np.zeros(0)
    shares = max(1, min(-(-outputs // PANEL), emitter.threads // work.number))
    emitter.step(
        convolve_tiles, work.number * shares,
        x=x.strided._replace(offset=x.first - window.before[0] * x.row - window.before[1] * x.pixel),
        channels=channels, w=points_offset(emitter, node, layout, work.tiling), w_point=point_bytes(layout),
        bias=bias, addend=addend.strided if addend else NO_BLOB, epilogue=epilogue, y=y.strided, outputs=outputs,
        tiles=emitter.table(np.stack(np.broadcast_arrays(*tiles), axis=-1)), y_pixels=emitter.table(pixels),
        count=count, block=block, shares=shares, m=m, side=work.tiling.side,
        pixels=emitter.table(np.arange(block) * VECTOR_BYTES),
        taps=emitter.table(np.arange(channels) * block * VECTOR_BYTES), scratch=emitter.scratch,
    )  # fmt: skip


def _tile_pixels(y: Storage, tiles: np.ndarray, high: np.ndarray, wide: np.ndarray, m: int) -> np.ndarray:
    """Offsets of the outputs of the tiles that start at the offsets `tiles` [pictures, rows, columns], tile by tile;
    `high` and `wide`, which broadcast to that shape, are their sizes."""
    i, j = np.arange(m)[:, np.newaxis], np.arange(m)
    inside = (i < high[..., np.newaxis, np.newaxis]) & (j < wide[..., np.newaxis, np.newaxis])
    all_pixels = tiles[..., np.newaxis, np.newaxis] + i * y.row + j * y.pixel
    return all_pixels[np.broadcast_to(inside, all_pixels.shape)]
