"""The filters of `winograd.py`: G g G' for each point, packed into panels of [channels, outputs] as in `filters.py`.

    filter_points(weights, x, x_step, arena, y, y_step, M, R)
    arena[y + (p * side + q) * y_step] = sum over a, b < R of G[p, a] * G[q, b] * weights[x + (a * R + b) * x_step]

for vectors of LANES outputs, at bytes; M and R are literals. The sums are of float64 and rounded once, at the end: a
filter's error is half a unit in the last place, except in about one of 10**8 cases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ....compiler import signatures as types
from ....compiler.cpu import FLOAT_BYTES, LANES, VECTOR_BYTES
from ....compiler.fields import read_fields
from ....compiler.jit import intrinsic
from ....compiler.llvm_ir import ir
from ....products.pixel_tile import PANEL
from ....vectors.llvm import FLAGS, VECTOR, element_pointer, require_literals, require_memory
from ....vectors.streaming import LINE_VECTORS, finish_streams, store_streaming
from ...ir.graph import Node, Shape
from ...ops.windows import Window
from ..emitter import Emitter
from ..steps import PackingSource, step_kernel
from ..storage import blocks
from .filters import FilterLayout, filter_layout, stretches_of, transpose
from .winograd_transforms import FOUR_POINTS

VALUES, SHARES = np.array([0, 1, -1, 2, -2]), np.array([1 / 4, -1 / 6, -1 / 6, 1 / 24, 1 / 24])
# Bytes between points, which would otherwise be a power of two apart, in the same few lines of L1. Packing ResNet-18,
# EPYC Zen 5, 8 lanes, 2026-11-28: 11.1 ms without, 6.4 with.
POINT_GAP = 64
DOUBLES = ir.VectorType(ir.DoubleType(), LANES)


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


def filter_transform(tiling: Tiling) -> np.ndarray:
    """G, float64 [side, r]: one row per point, its powers times a share; the last is infinity's."""
    if tiling.side == FOUR_POINTS:
        return np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
    powers = np.power.outer(VALUES.astype(np.float64), np.arange(tiling.r)) * SHARES[:, np.newaxis]
    return np.vstack([powers, np.eye(tiling.r)[-1]])


@intrinsic(prefer_literal=True)
def filter_points(typingctx, weights, x, x_step, arena, y, y_step, M, R):
    require_memory(weights)
    require_memory(arena)
    require_literals(M, R)
    i64 = types.int64
    tiling = Tiling(M.literal_value, R.literal_value)

    def codegen(context, builder, signature, args):
        def pointer(array, at, step, number):
            here = builder.add(args[at], builder.mul(args[step], ir.Constant(ir.IntType(64), number)))
            return element_pointer(context, builder, signature.args[array], args[array], here, VECTOR)

        g, r = filter_transform(tiling), tiling.r
        taps = [builder.load(pointer(0, 1, 2, number), align=4) for number in range(r * r)]
        taps = [builder.fpext(tap, DOUBLES) for tap in taps]
        for p, row in enumerate(g):
            columns = [_weighted(builder, row, taps[column::r]) for column in range(r)]
            for q, other in enumerate(g):
                value = builder.fptrunc(_weighted(builder, other, columns), VECTOR)
                to = pointer(3, 4, 5, p * tiling.side + q)
                if LINE_VECTORS == 1:
                    store_streaming(builder, value, to)
                else:  # the other vectors of the line come much later
                    builder.store(value, to, align=VECTOR_BYTES)
        return context.get_dummy_value()

    return types.void(weights, i64, i64, arena, i64, i64, M, R), codegen


def _weighted(builder, weights, values):
    """The sum of weights[i] * values[i]; terms of weight 0 are left out."""
    total = None
    for weight, value in zip(weights.tolist(), values, strict=True):
        if not weight:
            continue
        factor = ir.Constant(DOUBLES, [weight] * LANES)
        if total is not None:
            total = _multiply_add(builder, value, factor, total)
        else:
            total = value if weight == 1 else builder.fmul(value, factor, flags=FLAGS)
    return total


def _multiply_add(builder, value, factor, total):
    name, module = f"llvm.fmuladd.v{LANES}f64", builder.module
    kind = ir.FunctionType(DOUBLES, [DOUBLES] * 3)
    function = module.globals.get(name) or ir.Function(module, kind, name)
    return builder.call(function, [value, factor, total], fastmath=FLAGS)


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
        runs, run = (number, r_r) if s.mirrored else (1, number * r_r)
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
                if m == 4:
                    filter_points(arena, x, step, arena, y, f.point, 4, 3)
                elif r_r == 9:
                    filter_points(arena, x, step, arena, y, f.point, 2, 3)
                else:
                    filter_points(arena, x, step, arena, y, f.point, 2, 5)
    finish_streams()


def points_offset(emitter: Emitter, node: Node, window: Window, tiling: Tiling) -> int:
    """The offset of the panels of the first point; those of the others follow, point_bytes(window) apart."""
    layout, point = filter_layout(node, window), point_bytes(window)
    planes, panels = blocks(layout.channels), -(-blocks(layout.outputs) // PANEL)
    floats = point // FLOAT_BYTES * tiling.points
    stretches = stretches_of(floats, panels, planes)
    return emitter.packed(
        pack_points, panels * stretches, node, [0], floats,
        scratch=(tiling.r**2 + 1) * LANES * VECTOR_BYTES, layout=layout, point=point,
        stretches=stretches, m=tiling.m,
    )  # fmt: skip


def point_bytes(window: Window) -> int:
    """From a point's panels to the next one's."""
    return blocks(window.channels) * LANES * blocks(window.outputs) * VECTOR_BYTES + POINT_GAP
