"""Gradients of `convolve.py`, by the adjoint of its three steps, tile by tile: many tiles.

    V = B' d B,  M = A dy A'        of each tile, its side x side inputs d and its m x m outputs
    dg = G' [ sum over tiles of V * M ] G
    dd = B [ sum over outputs of (G g G') * M ] B'        added up where tiles overlap

So both gradients share M, and both are products of matrices at each point: of V and M over tiles, by `filter_tiles`,
and of M and the filters over outputs, by `pixel_tiles`, whose results take the place of V. Tiles cover dy, so that
neither padding nor the size of dx matters; what tiles add outside dx is added to its halo. The gradient of a bias is
the sum of M at the point (1, 1), which is the sum of a tile's outputs.

An item is a part of the pictures, as many as the shape says, not the threads. It has sums of its own, which
`add_filter_parts` adds in their order, so that any number of threads gives the same bits.
"""

from __future__ import annotations

from typing import NamedTuple

from .....compiler.cpu import LANES, VECTOR_BYTES
from .....compiler.fields import read_fields, read_row
from .....compiler.jit import inline
from .....products.filter_tile import sum_filters
from .....products.pixel_tile import PANEL, sum_blocks
from .....vectors.simd import element, load, store, zeros
from ...emitter import NO_HIGHEST, NO_LOWEST, ZEROS
from ...steps import Scratch, Strided, step_kernel
from ..filter_gradient import FilterPlaces, bias_sums_at, filter_sums_at
from .filters import POINT_GAP
from .transforms import add_inputs, gather_taps, spread_outputs, transform_inputs


class GradientTile(NamedTuple):
    """A tile of a picture: offsets from the first tile of x, dy and dx."""

    x: int
    dy: int
    dx: int


class TileGradients(NamedTuple):
    to: FilterPlaces  # `has_biases` and `taps` say what is wanted
    x: Strided  # from the first input of the first tile on
    channels: int  # blocks of LANES
    dy: Strided
    outputs: int  # blocks of LANES
    dx: Strided  # as x; offset -1: not wanted
    dx_start: int  # of the first picture, halo included
    w: int  # the panels of each point, of the exchanged filters
    w_point: int
    tiles: int  # table: GradientTile
    number: int  # of tiles of a picture
    pictures: int
    together: int  # pictures of an item
    block: int  # tiles
    m: int
    side: int
    pixels: int  # table: offsets of the block's tiles in a block of channels
    taps: int  # table: offsets of the blocks of outputs
    places: int  # table: offsets of the channels of a block
    scratch: Scratch


class BlockPlaces(NamedTuple):
    """Where an item's numbers are in its scratch; steps from a point to the next."""

    square: int  # [2 * points, LANES]
    inputs: int  # V, then dd: [points, channels, block, LANES]
    input_step: int
    outputs: int  # M: [points, outputs, block, LANES]
    output_step: int
    sums: int  # [panels, channels, points, LANES, PANEL * LANES]


@inline
def block_places(f, thread):
    square, points = f.scratch.offset + thread * f.scratch.thread, f.side * f.side
    inputs, input_step = square + 2 * points * VECTOR_BYTES, f.channels * f.block * VECTOR_BYTES + POINT_GAP
    outputs, output_step = inputs + points * input_step, f.outputs * f.block * VECTOR_BYTES + POINT_GAP
    return BlockPlaces(square, inputs, input_step, outputs, output_step, outputs + points * output_step)


@inline
def sums_of(f, panel, plane):
    """Where a panel's and a block of channels' sums of the first point are, from `sums` on; and from point to point."""
    points, vectors = f.side * f.side, min(PANEL, f.outputs - panel * PANEL)
    step = vectors * LANES * VECTOR_BYTES + POINT_GAP
    return (
        panel * PANEL * LANES * VECTOR_BYTES + panel * POINT_GAP
    ) * f.channels * points + plane * points * step, step


@inline
def transform_block(arena, tables, f, b, first, here):
    """M of a block of tiles and, if filters' gradients are wanted, V."""
    for t in range(here):
        picture, tile = (first + t) // f.number, read_row(tables, f.tiles, (first + t) % f.number, GradientTile)
        if f.to.taps > 0:
            x = f.x.offset + picture * f.x.picture + tile.x
            for c in range(f.channels):
                transform_inputs(
                    arena, x + c * f.x.plane, f.x.row, VECTOR_BYTES, b.square,
                    b.inputs + (c * f.block + t) * VECTOR_BYTES, f.side * b.input_step, b.input_step, f.side,
                )  # fmt: skip
        dy = f.dy.offset + picture * f.dy.picture + tile.dy
        for o in range(f.outputs):
            spread_outputs(
                arena, dy + o * f.dy.plane, f.dy.row, VECTOR_BYTES, b.square,
                b.outputs + (o * f.block + t) * VECTOR_BYTES, f.side * b.output_step, b.output_step, f.m,
                f.side - f.m + 1,
            )  # fmt: skip


@inline
def sum_block(arena, tables, f, b, here, more):
    """Add a block of tiles to the sums of the item."""
    for point in range(f.side * f.side):
        for panel in range((f.outputs + PANEL - 1) // PANEL):
            vectors = min(PANEL, f.outputs - panel * PANEL)
            for c in range(f.channels):
                sums, step = sums_of(f, panel, c)
                sum_filters(
                    arena, tables, b.inputs + point * b.input_step + c * f.block * VECTOR_BYTES, 0, 0, VECTOR_BYTES,
                    f.places, min(LANES, f.to.places - c * LANES),
                    b.outputs + point * b.output_step + panel * PANEL * f.block * VECTOR_BYTES, 0, 0, VECTOR_BYTES,
                    f.block * VECTOR_BYTES, 1, 1, here, b.sums + sums + point * step, vectors * VECTOR_BYTES, more,
                    vectors,
                )  # fmt: skip


@inline
def sum_biases(arena, f, b, here, to, more):
    """Add M at the point (1, 1) to the sums of the biases."""
    for o in range(f.outputs):
        total = load(arena, to + o * VECTOR_BYTES) if more else zeros()
        start = b.outputs + (f.side + 1) * b.output_step + o * f.block * VECTOR_BYTES
        for t in range(here):
            total = total + load(arena, start + t * VECTOR_BYTES)
        store(arena, to + o * VECTOR_BYTES, total)


@inline
def add_block(arena, weights, tables, f, b, first, here):
    """Add a block of tiles to dx, whose pictures are zeros at first."""
    for point in range(f.side * f.side):
        for panel in range((f.channels + PANEL - 1) // PANEL):
            c = panel * PANEL
            sum_blocks(
                arena, weights, tables, b.outputs + point * b.output_step, f.pixels, f.taps, f.outputs,
                f.w + point * f.w_point + c * f.outputs * LANES * VECTOR_BYTES, ZEROS,
                -1, 0, 0, element(weights, NO_LOWEST), element(weights, NO_HIGHEST),
                b.inputs + point * b.input_step + c * f.block * VECTOR_BYTES, f.pixels, f.block * VECTOR_BYTES, here,
                min(PANEL, f.channels - c),
            )  # fmt: skip
    for t in range(here):
        picture, number = (first + t) // f.number, (first + t) % f.number
        if number == 0:
            start = f.dx_start + picture * f.dx.picture
            for at in range(start, start + f.dx.picture, VECTOR_BYTES):
                store(arena, at, zeros())
        dx = f.dx.offset + picture * f.dx.picture + read_row(tables, f.tiles, number, GradientTile).dx
        for c in range(f.channels):
            add_inputs(
                arena, b.inputs + (c * f.block + t) * VECTOR_BYTES, f.side * b.input_step, b.input_step, b.square,
                dx + c * f.dx.plane, f.dx.row, VECTOR_BYTES, f.side,
            )  # fmt: skip


@inline
def write_part(arena, f, b, to):
    """The sums of an item over its tiles, of all points, as sums of taps at `to`."""
    r = f.side - f.m + 1
    for panel in range((f.outputs + PANEL - 1) // PANEL):
        vectors = min(PANEL, f.outputs - panel * PANEL)
        for c in range(f.channels):
            sums, step = sums_of(f, panel, c)
            taps, tap = to + filter_sums_at(f.to, 0, panel, c), LANES * vectors * VECTOR_BYTES
            for place in range(min(LANES, f.to.places - c * LANES) * vectors):  # of a channel, for LANES outputs
                gather_taps(
                    arena, b.sums + sums + place * VECTOR_BYTES, f.side * step, step, b.square,
                    taps + place * VECTOR_BYTES, r * tap, tap, f.m, r,
                )  # fmt: skip


@step_kernel(TileGradients)
def sum_tiles(arena, weights, tables, at, item, thread):
    """Some pictures: their part of the gradients of filters and biases, and their dx."""
    f = read_fields(tables, at, TileGradients)
    b = block_places(f, thread)
    first, end = item * f.together * f.number, min(f.pictures, (item + 1) * f.together) * f.number
    part = f.to.sums + item * f.to.part
    for tile in range(first, end, max(1, f.block)):
        here = min(f.block, end - tile)
        transform_block(arena, tables, f, b, tile, here)
        if f.to.taps > 0:
            sum_block(arena, tables, f, b, here, 1 if tile > first else 0)
        if f.to.has_biases:
            sum_biases(arena, f, b, here, part + bias_sums_at(f.to, 0, 0), tile > first)
        if f.dx.offset >= 0:
            add_block(arena, weights, tables, f, b, tile, here)
    if f.to.taps > 0:
        write_part(arena, f, b, part)
