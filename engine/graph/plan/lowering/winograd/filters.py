"""The filters of `convolve.py`: G g G' for each point, packed into panels of [channels, outputs] as in `filters.py`."""

from __future__ import annotations

from typing import NamedTuple

from .....compiler.cpu import FLOAT_BYTES, LANES, VECTOR_BYTES
from .....compiler.fields import read_fields
from .....products.pixel_tile import PANEL
from .....vectors.streaming import finish_streams
from ....ir.graph import Node
from ...emitter import Emitter
from ...steps import PackingSource, step_kernel
from ...storage import blocks
from ..filters import FilterLayout, stretches_of, transpose
from .squares import filter_points
from .tilings import Tiling

# Bytes between points, which would otherwise be a power of two apart, in the same few lines of L1. Packing ResNet-18,
# EPYC Zen 5, 8 lanes, 2026-11-28: 11.1 ms without, 6.4 with.
POINT_GAP = 64


class WinogradFilters(NamedTuple):
    source: PackingSource
    to: int
    layout: FilterLayout
    point: int  # from a point's panels to the next one's
    stretches: int  # of blocks of channels, which are items
    m: int


@step_kernel(WinogradFilters)
def pack_points(arena, weights, tables, at, item, thread):
    """A stretch of channels of one panel, for all points: writes the transformed filters [points, panels, channels,
    panel] from a parameter [outputs, channels, taps].

    scratch: the filters of a block of channels [channels][taps] for LANES outputs, and LANES vectors behind them.
    """
    f = read_fields(tables, at, WinogradFilters)
    s, m, r_r, end = f.layout, f.m, f.layout.taps, f.source.first + f.layout.bytes
    tile = f.source.scratch.offset + thread * f.source.scratch.thread
    all_blocks, planes = (s.outputs + LANES - 1) // LANES, (s.channels + LANES - 1) // LANES
    stretch, panel = item % f.stretches, item // f.stretches
    here = min(PANEL, all_blocks - panel * PANEL)
    first, step = tile, VECTOR_BYTES
    if s.mirrored:
        first, step = tile + (r_r - 1) * VECTOR_BYTES, -VECTOR_BYTES
    for plane in range(planes * stretch // f.stretches, planes * (stretch + 1) // f.stretches):
        c = plane * LANES
        number = min(LANES, s.channels - c)
        runs, run = (1, number * r_r) if s.channel == r_r * FLOAT_BYTES else (number, r_r)
        for v in range(here):
            o = (panel * PANEL + v) * LANES
            source = f.source.first + o * s.output + c * s.channel
            for k in range(runs):
                for n in range(0, run, LANES):
                    transpose(
                        weights, source + k * s.channel + n * FLOAT_BYTES, s.output, min(LANES, s.outputs - o),
                        min(LANES, run - n), end, arena, tile + (k * r_r + n) * VECTOR_BYTES,
                    )  # fmt: skip
            to = f.to + ((panel * PANEL * planes * LANES + c * here) + v) * VECTOR_BYTES
            for k in range(number):  # filters[:, c + k, outputs of v]
                x, y = first + k * r_r * VECTOR_BYTES, to + k * here * VECTOR_BYTES
                if m == 4 and r_r == 25:
                    filter_points(arena, x, step, arena, y, f.point, 4, 5)
                elif m == 4:
                    filter_points(arena, x, step, arena, y, f.point, 4, 3)
                elif r_r == 9:
                    filter_points(arena, x, step, arena, y, f.point, 2, 3)
                else:
                    filter_points(arena, x, step, arena, y, f.point, 2, 5)
    finish_streams()


def points_offset(emitter: Emitter, node: Node, layout: FilterLayout, tiling: Tiling) -> int:
    """The offset of the panels of the first point; those of the others follow, point_bytes(layout) apart."""
    point = point_bytes(layout)
    planes, panels = blocks(layout.channels), -(-blocks(layout.outputs) // PANEL)
    floats = point // FLOAT_BYTES * tiling.points
    stretches = stretches_of(floats, panels, planes)
    return emitter.packed(
        pack_points, panels * stretches, node, [0], floats,
        scratch=(tiling.r**2 + 1) * LANES * VECTOR_BYTES, layout=layout, point=point,
        stretches=stretches, m=tiling.m,
    )  # fmt: skip


def point_bytes(layout: FilterLayout) -> int:
    """From a point's panels to the next one's."""
    return blocks(layout.channels) * LANES * blocks(layout.outputs) * VECTOR_BYTES + POINT_GAP
