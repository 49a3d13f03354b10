"""Gradients of `convolve.py` where tiles are few and filters many: the sums of `gradients.py` in another order.

All tiles are transformed first, and lie in memory of all threads: [planes, points, tiles, LANES]. Then an item is a
panel of outputs and a block of inputs, whose sums over all tiles are added to the gradient right away; or, for dx, a
panel of inputs. That one transforms the filters itself, some blocks of outputs at a time, into its scratch: all of
them, transformed, would be written to memory and read again, which takes longer.
"""

from __future__ import annotations

from typing import NamedTuple

from .....compiler.cpu import FLOAT_BYTES, LANES, VECTOR_BYTES
from .....compiler.fields import read_fields, read_row
from .....compiler.jit import inline
from .....products.filter_tile import sum_filters
from .....products.pixel_tile import PANEL, sum_blocks
from .....vectors.simd import element, load, load_part, store, store_part, zeros
from ...emitter import NO_HIGHEST, NO_LOWEST
from ...steps import Scratch, Strided, step_kernel
from ..filter_gradient import FilterPlaces, add_sums
from .filters import POINT_GAP
from .gradients import GradientTile
from .transforms import add_inputs, gather_taps, spread_outputs, transform_filter, transform_inputs

# Of outputs, whose filters are transformed at a time: with 1, dx is read and written twice as often.
DEEP_BLOCKS = 2


class FewTiles(NamedTuple):
    to: FilterPlaces  # `has_biases` and `taps` say what is wanted
    x: Strided  # from the first input of the first tile on
    channels: int  # blocks of LANES
    dy: Strided
    outputs: int  # blocks of LANES
    dx: Strided  # as x
    dx_start: int  # of the first picture, halo included
    w: int  # the panels of the exchanged filters, not transformed
    tiles: int  # table: GradientTile
    number: int  # of tiles of a picture
    count: int  # of all tiles
    inputs: int  # V: [channels, points, count, LANES]
    products: int  # M: [outputs, points, count, LANES]
    point: int  # from a point to the next
    m: int
    side: int
    pixels: int  # table: offsets of the tiles
    taps: int  # table: offsets of DEEP_BLOCKS blocks of outputs
    places: int  # table: offsets of the channels of a block
    scratch: Scratch


@step_kernel(FewTiles)
def transform_tiles(arena, weights, tables, at, item, thread):
    """M of all tiles for a block of outputs, and its part of the biases' gradient; or V for a block of inputs."""
    f = read_fields(tables, at, FewTiles)
    square, plane = f.scratch.offset + thread * f.scratch.thread, f.side * f.side * f.point
    for t in range(f.count):
        picture, tile = t // f.number, read_row(tables, f.tiles, t % f.number, GradientTile)
        if item < f.outputs:
            spread_outputs(
                arena, f.dy.offset + picture * f.dy.picture + item * f.dy.plane + tile.dy, f.dy.row, VECTOR_BYTES,
                square, f.products + item * plane + t * VECTOR_BYTES, f.side * f.point, f.point, f.m, f.side - f.m + 1,
            )  # fmt: skip
        else:
            c = item - f.outputs
            transform_inputs(
                arena, f.x.offset + picture * f.x.picture + c * f.x.plane + tile.x, f.x.row, VECTOR_BYTES,
                square, f.inputs + c * plane + t * VECTOR_BYTES, f.side * f.point, f.point, f.side,
            )  # fmt: skip
    if item < f.outputs and f.to.has_biases:
        total, ones = zeros(), f.products + item * plane + (f.side + 1) * f.point
        for t in range(f.count):
            total = total + load(arena, ones + t * VECTOR_BYTES)
        number, to = min(LANES, f.to.outputs - item * LANES), f.to.biases + item * LANES * FLOAT_BYTES
        store_part(arena, to, load_part(arena, to, number) + total, number)


@step_kernel(FewTiles)
def sum_points(arena, weights, tables, at, item, thread):
    """Add the sums over all tiles, for a panel of outputs and a block of inputs, to the gradient of the filters."""
    f = read_fields(tables, at, FewTiles)
    panel, c, points, r = item // f.channels, item % f.channels, f.side * f.side, f.side - f.m + 1
    vectors, places = min(PANEL, f.outputs - panel * PANEL), min(LANES, f.to.places - c * LANES)
    square = f.scratch.offset + thread * f.scratch.thread
    sums, step = square + 2 * points * VECTOR_BYTES, PANEL * LANES * VECTOR_BYTES + POINT_GAP
    taps, tap = sums + points * step, LANES * vectors * VECTOR_BYTES
    for point in range(points):
        sum_filters(
            arena, tables, f.inputs + (c * points + point) * f.point, 0, 0, VECTOR_BYTES, f.places, places,
            f.products + (panel * PANEL * points + point) * f.point, 0, 0, VECTOR_BYTES, points * f.point, 1, 1,
            f.count, sums + point * step, vectors * VECTOR_BYTES, 0, vectors,
        )  # fmt: skip
    for place in range(places * vectors):  # of a channel, for LANES outputs
        gather_taps(
            arena, sums + place * VECTOR_BYTES, f.side * step, step, square, taps + place * VECTOR_BYTES, r * tap, tap,
            f.m, r,
        )  # fmt: skip
    add_sums(arena, f.to, taps, 0, panel, c, square)


@inline
def transform_some_filters(weights, arena, f, w, o, deep, vectors, to, step):
    """The filters of `deep` blocks of outputs from block o on, of the panel of `vectors` at w: [points, deep * LANES,
    vectors]."""
    r_r = (f.side - f.m + 1) * (f.side - f.m + 1)
    for n in range(deep):
        for k in range(LANES * vectors):
            transform_filter(
                weights, w + ((o + n) * r_r * LANES * vectors + k) * VECTOR_BYTES, LANES * vectors * VECTOR_BYTES,
                arena, to + (n * LANES * vectors + k) * VECTOR_BYTES, step, f.m, f.side - f.m + 1,
            )  # fmt: skip


@step_kernel(FewTiles)
def add_points(arena, weights, tables, at, item, thread):
    """dx of a panel of inputs."""
    f = read_fields(tables, at, FewTiles)
    points, c, r = f.side * f.side, item * PANEL, f.side - f.m + 1
    vectors, size = min(PANEL, f.channels - c), f.count * VECTOR_BYTES
    w = f.w + c * f.outputs * LANES * r * r * VECTOR_BYTES
    square = f.scratch.offset + thread * f.scratch.thread
    nothing = square + 2 * points * VECTOR_BYTES
    filters, filter_step = nothing + PANEL * VECTOR_BYTES, DEEP_BLOCKS * LANES * PANEL * VECTOR_BYTES + POINT_GAP
    sums, sum_step = filters + points * filter_step, PANEL * size + POINT_GAP
    for v in range(PANEL):
        store(arena, nothing + v * VECTOR_BYTES, zeros())
    for o in range(0, f.outputs, DEEP_BLOCKS):
        deep = min(DEEP_BLOCKS, f.outputs - o)
        transform_some_filters(weights, arena, f, w, o, deep, vectors, filters, filter_step)
        for point in range(points):
            to = sums + point * sum_step
            sum_blocks(
                arena, arena, tables, f.products + (o * points + point) * f.point, f.pixels, f.taps, deep,
                filters + point * filter_step, nothing, to if o > 0 else -1, f.pixels, size,
                element(weights, NO_LOWEST), element(weights, NO_HIGHEST), to, f.pixels, size, f.count, vectors,
            )  # fmt: skip
    for t in range(f.count):
        picture, number = t // f.number, t % f.number
        start = picture * f.dx.picture + c * f.dx.plane
        if number == 0:
            for at in range(f.dx_start + start, f.dx_start + start + vectors * f.dx.plane, VECTOR_BYTES):
                store(arena, at, zeros())
        dx = f.dx.offset + start + read_row(tables, f.tiles, number, GradientTile).dx
        for v in range(vectors):
            add_inputs(
                arena, sums + v * size + t * VECTOR_BYTES, f.side * sum_step, sum_step, square,
                dx + v * f.dx.plane, f.dx.row, VECTOR_BYTES, f.side,
            )  # fmt: skip
