"""Gradients of filters and biases as plain sums over pixels (`filter_tile.py`), of a BLOCKED gradient of the top.

The sums of a panel of PANEL blocks of outputs lie as the panels of `filters.py`, [planes][taps][places of a
plane][PANEL * LANES]. The places of a plane are the channels of a block of a BLOCKED bottom, for one tap at a time,
whose pixels on padding are left out; of a PADDED one, which is one plane, all taps of all channels, halo included.

An item is a panel, a plane and a part of the pixels. Where the first two give too few items, pixels are
divided into parts, as many as the shape says, not the threads; a second step adds the parts in their order, so any
number of threads gives the same bits. A single part is added to the gradient right away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ....compiler.cpu import LANES, VECTOR_BYTES
from ....compiler.fields import read_fields, read_row
from ....products.filter_tile import sum_filters
from ....products.pixel_tile import PANEL
from ..emitter import Emitter
from ..steps import NO_BLOB, Strided, step_kernel
from ..storage import Storage, blocks
from .filter_sums import FilterPlaces, add_biases, add_sums, bias_sums_at, filter_sums_at, places_read
from .lane_sums import sum_lanes, sum_rows

ENOUGH_ITEMS = 16  # for several threads
PARTS_BYTES = 1 << 20  # of all parts: L2
# Bytes of x and dy of the pixels that are summed at a time, which stay in L1, and the fewest pixels, so that adding
# their sums to memory does not show. Gradients of quick's conv1 and of ResNet's 56 x 56 and 28 x 28 by these two
# numbers, of the peak (EPYC Zen 5, 2026-11-28): AVX-512: 16 KiB, 128: 85, 84, 92 %; 16, 256: 89, 90, 95;
# 32, 256: 80, 89, 96; 48, 256: 82, 88, 94. AVX2: 16, 256: 90, 84, 85; 48, 256: 89, 80, 84.
NEAR_PIXELS_BYTES, FEWEST_PIXELS = 24 << 10, 256


class Tap(NamedTuple):
    """A tap of all places of a plane, and the outputs that read it inside the picture."""

    offset: int
    first_row: int
    last_row: int  # the row behind the last
    first_column: int
    last_column: int


class FilterSums(NamedTuple):
    to: FilterPlaces
    x: Strided  # from the first tap of the first output on; row: from an output row to the next
    x_column: int  # from an output column to the next
    x_group: int  # from a group of channels to the next
    places: int  # table: of the places of a plane; -1: the one place of each output is the channel of its number
    taps: int  # table: Tap
    dy: Strided
    rows: int  # of outputs
    columns: int
    pictures: int
    together: int  # pictures whose pixels are summed at a time
    stretches: int  # of rows of a picture


@step_kernel(FilterSums)
def sum_filter_parts(arena, weights, tables, at, item, thread):
    """A part of the pixels for a panel of outputs and a plane of inputs of a group: their sums, or, of a single part,
    added to the gradient. The first plane's items do the biases."""
    f = read_fields(tables, at, FilterSums)
    t = f.to
    planes, panels = max(1, t.planes), (t.blocks + PANEL - 1) // PANEL
    plane, rest = item % planes, item // planes
    panel, rest = rest % panels, rest // panels
    group, part = rest % t.groups, rest // t.groups
    units = (f.pictures + f.together - 1) // f.together * f.stretches
    first, last = units * part // t.parts, units * (part + 1) // t.parts
    vectors, (begin_place, end_place) = min(PANEL, t.blocks - panel * PANEL), places_read(t, panel, plane)
    tile = t.scratch.offset + thread * t.scratch.thread
    sums = tile + 2 * LANES * VECTOR_BYTES
    biases = sums + t.taps * t.pixel * PANEL * VECTOR_BYTES
    if t.sums >= 0:
        biases = t.sums + part * t.part + bias_sums_at(t, group, panel)
        sums = t.sums + part * t.part + filter_sums_at(t, group, panel, plane)
    for unit in range(first, last):
        n, stretch = unit // f.stretches * f.together, unit % f.stretches
        pictures = min(f.together, f.pictures - n)
        begin, end = f.rows * stretch // f.stretches, f.rows * (stretch + 1) // f.stretches
        x = f.x.offset + n * f.x.picture + group * f.x_group + plane * f.x.plane
        dy = f.dy.offset + n * f.dy.picture + (group * t.blocks + panel * PANEL) * f.dy.plane
        for number in range(t.taps if begin_place < end_place else 0):
            tap = read_row(tables, f.taps, number, Tap)
            r, c = max(begin, tap.first_row), tap.first_column
            high, wide = min(end, tap.last_row) - r, tap.last_column - c
            of_x, of_dy = x + tap.offset + r * f.x.row + c * f.x_column, dy + r * f.dy.row + c * VECTOR_BYTES
            to = sums + number * t.pixel * vectors * VECTOR_BYTES
            if f.places >= 0:
                sum_filters(
                    arena, tables, of_x, f.x.picture, f.x.row, f.x_column, f.places + begin_place,
                    end_place - begin_place, of_dy, f.dy.picture, f.dy.row, VECTOR_BYTES, f.dy.plane, pictures, high,
                    wide, to + begin_place * vectors * VECTOR_BYTES, vectors * VECTOR_BYTES, unit > first, vectors,
                )  # fmt: skip
            else:
                for v in range(vectors):
                    sum_lanes(
                        arena, of_x + (panel * PANEL + v) * f.x.plane, f.x.picture, f.x.row, f.x_column,
                        of_dy + v * f.dy.plane, f.dy.picture, f.dy.row, pictures, high, wide, to + v * VECTOR_BYTES,
                        unit > first,
                    )  # fmt: skip
        if t.has_biases and plane == 0:
            for v in range(vectors):
                sum_rows(
                    arena, dy + v * f.dy.plane + begin * f.dy.row, f.dy.picture, f.dy.row, pictures, end - begin,
                    f.columns, biases + v * VECTOR_BYTES, unit > first,
                )  # fmt: skip
    if t.sums < 0:
        if t.taps > 0:
            add_sums(arena, t, sums, group, panel, plane, tile)
        if t.has_biases and plane == 0:
            add_biases(arena, t, biases, group, panel)


@step_kernel(FilterPlaces)
def add_filter_parts(arena, weights, tables, at, item, thread):
    """A panel of outputs and a plane of inputs of a group: adds the sums of all parts, in order, to the gradients."""
    f = read_fields(tables, at, FilterPlaces)
    planes, panels = max(1, f.planes), (f.blocks + PANEL - 1) // PANEL
    plane, rest = item % planes, item // planes
    panel, group = rest % panels, rest // panels
    if f.taps > 0:
        tile = f.scratch.offset + thread * f.scratch.thread
        add_sums(arena, f, f.sums + filter_sums_at(f, group, panel, plane), group, panel, plane, tile)
    if f.has_biases and plane == 0:
        add_biases(arena, f, f.sums + bias_sums_at(f, group, panel), group, panel)


@dataclass(frozen=True)
class FilterWork:
    """What the shapes say of the gradient of the filters of a layer: all numbers but those of storages.

    outputs, places    of a group; `pixel` places are those of a plane, `taps` the taps of each
    row                bytes of x, of a plane, for a row of outputs
    merged             groups of the filters that are one
    """

    pictures: int
    rows: int
    columns: int
    groups: int
    outputs: int
    places: int
    pixel: int
    taps: int
    row: int
    merged: int = 1

    @property
    def planes(self) -> int:
        return -(-self.places // self.pixel) if self.taps else 0

    @property
    def panels(self) -> int:
        return -(-blocks(self.outputs) // PANEL)

    @property
    def part(self) -> int:
        """Bytes of the sums of a part of the pixels."""
        return self.groups * blocks(self.outputs) * (self.planes * self.taps * self.pixel + 1) * VECTOR_BYTES

    @property
    def stretches(self) -> int:
        """Of the rows of a picture."""
        near = NEAR_PIXELS_BYTES // (self.row + min(PANEL, blocks(self.outputs)) * self.columns * VECTOR_BYTES)
        return -(-self.rows // max(1, near, -(-FEWEST_PIXELS // self.columns)))

    @property
    def together(self) -> int:
        """Pictures that are summed at a time."""
        return min(self.pictures, -(-FEWEST_PIXELS // (self.rows * self.columns))) if self.stretches == 1 else 1

    @property
    def parts(self) -> int:
        units, items = -(-self.pictures // self.together) * self.stretches, self.groups * self.panels * self.planes
        return max(1, min(-(-ENOUGH_ITEMS // max(1, items)), units, PARTS_BYTES // self.part))

    @property
    def scratch(self) -> int:
        """Bytes of each thread."""
        sums = PANEL * (self.taps * self.pixel + 1) if self.parts == 1 else 0
        return (2 * LANES + sums) * VECTOR_BYTES

    @property
    def shared(self) -> int:
        """Bytes that all threads share."""
        return self.parts * self.part if self.parts > 1 else 0


def emit_filters(
    emitter: Emitter,
    work: FilterWork,
    dy: Storage,
    filters: int | None,
    biases: int | None,
    shared: int,
    *,
    x: Strided = NO_BLOB,
    x_column: int = 0,
    x_group: int = 0,
    places: Sequence[int] | np.ndarray | None = None,
    taps: Sequence[Tap] = (),
) -> None:
    """The steps that add to the gradients at these offsets of the arena, None for one that is not wanted. `shared` is
    the offset of `work.shared` bytes; of x, which biases do not need, the fields of `FilterSums`."""
    if filters is None and biases is None:
        return
    parts, part = work.parts, work.part
    if filters is None:
        work, taps = replace(work, taps=0), []
    to = FilterPlaces(
        groups=work.groups, merged=work.merged, blocks=blocks(work.outputs), outputs=work.outputs, planes=work.planes,
        taps=work.taps, pixel=work.pixel, places=work.places, parts=parts, sums=shared if parts > 1 else -1, part=part,
        filters=filters or 0, biases=biases or 0, has_biases=biases is not None, scratch=emitter.scratch,
    )  # fmt: skip
    items = work.groups * work.panels * max(1, work.planes)
    emitter.step(
        sum_filter_parts, parts * items, to=to, x=x, x_column=x_column, x_group=x_group,
        places=-1 if places is None else emitter.table(places), dy=dy.strided, rows=work.rows, columns=work.columns,
        taps=emitter.table([number for tap in taps for number in tap]), pictures=work.pictures, together=work.together,
        stretches=work.stretches,
    )  # fmt: skip
    if parts > 1:
        emitter.step(add_filter_parts, items, **to._asdict())


FILTER_GRADIENT_KERNELS = (sum_filter_parts, add_filter_parts)
