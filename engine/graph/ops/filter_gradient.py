"""The gradient of a convolution's weights:

    dW[o, c, k] += sum over pictures and output pixels p of  dy[o, p] * x[c, p*s - pad + k*dil]

A group is a sum over pixels (`pixel_tile.py`), where a pixel there is a tap of the kernel here, and vice versa: taps
are offsets in the planes of `windows.py`, LANES output pixels of a row are adjacent, and dy is packed transposed into
panels [pixels, outputs], with zeros where a row ends within a vector. So only the planes of x are copied, and the sums
come as [taps, outputs]; they are kept like this over all pictures, and transposed at the end. Threads share the taps,
so a sum does not depend on their number. A group of few outputs (depthwise) is too small for a product: each weight is
a sum of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ...compiler import signatures as types
from ...compiler.cpu import FLOAT_BYTES, LANES, VECTOR_BYTES
from ...compiler.fields import numbers, read_fields
from ...compiler.jit import F1, F1_IN, I1_IN, inline, kernel
from ...products.gemm import MR, NO_LOWER_BOUND, whole
from ...products.pixel_tile import NO_UPPER_BOUND, PANEL, sum_pixels
from ...team.memory import aligned_zeros
from ...team.pool import run_together
from ...team.threads import choose_threads
from ...vectors.copying import copy_transposed
from ...vectors.simd import fma, load, load_part, reduce_add, zeros
from ...vectors.views import view1
from ..ir.graph import Node, Shape
from ..ir.op import count
from .windows import PictureCounts, Planes, PlaneSizes, Window, lay_out, picture_counts, plan_planes

PACKED_FLOATS = 1 << 16  # of dy, packed together: 256 KiB, which stay in L2 while all taps use them; derived
PANEL_FLOATS = PANEL * LANES  # of a row of a panel; so many zeros lie before the panels, for the sums to start from


@inline
def pack_rows(dy, at, pixels, high, row, outputs, panels):
    """dy[outputs, high rows], planes of `pixels` apart, into panels [high * whole(row), PANEL * LANES] (of a last one
    fewer outputs), from PANEL_FLOATS on; zeros after each row's and the outputs' end."""
    padded = whole(row)
    for o in range(0, outputs, LANES):
        panel = o // PANEL_FLOATS * PANEL_FLOATS
        width, lanes = min(PANEL_FLOATS, whole(outputs - panel)), min(LANES, outputs - o)
        to = PANEL_FLOATS + panel * high * padded + o - panel
        for r in range(high):
            source, target, done = at + o * pixels + r * row, to + r * padded * width, 0
            if lanes == LANES:
                done = row // LANES * LANES
                for p in range(0, done, LANES):
                    copy_transposed(dy, source + p, pixels, panels, target + p * width, width)
            for p in range(done, padded):
                for lane in range(LANES):
                    value = np.float32(0)
                    if lane < lanes and p < row:
                        value = dy[source + lane * pixels + p]
                    panels[target + p * width + lane] = value


class FilterCounts(NamedTuple):
    n: PictureCounts
    rows: int  # of output pixels, which `Planes.starts` has
    high: int  # rows that are packed together
    stretches: int  # of so many rows
    taps: int
    floats: int  # of the planes, behind which the sums are


@kernel(types.void(F1_IN, F1_IN, I1_IN, I1_IN, I1_IN, F1, F1))
def add_filter_sums(x, dy, counts, sizes, tables, work, panels):
    """Adds to the sums [groups, taps, whole(outputs per group)] behind the planes in `work`.

    counts, sizes: the numbers of FilterCounts and PlaneSizes. tables: offsets in bytes of the taps, of their sums, and
    of each vector of output pixels. panels is scratch.
    """
    f, picture = read_fields(counts, 0, FilterCounts), read_fields(sizes, 0, PlaneSizes).picture
    outputs, pixels, taps, vectors = f.n.outputs, f.n.pixels, f.taps, whole(f.n.row) // LANES
    for part in range(f.n.pictures * f.n.groups):
        lay_out(x, part * picture, sizes, view1(work, 0, f.floats))
        for stretch in range(f.stretches):  # dy[:, first : first + high, :]
            first = stretch * f.high
            high = min(f.high, f.rows - first)
            pack_rows(dy, part * outputs * pixels + first * f.n.row, pixels, high, f.n.row, outputs, panels)
            for o in range(0, outputs, PANEL_FLOATS):  # sums[:, o : o + PANEL_FLOATS]
                to = (f.floats + part % f.n.groups * taps * whole(outputs) + o) * FLOAT_BYTES
                sum_pixels(
                    work, panels, tables, 0, 0, 2 * taps + first * vectors, high * vectors, LANES,
                    (PANEL_FLOATS + o * high * vectors * LANES) * FLOAT_BYTES, 0, to, taps, VECTOR_BYTES,
                    NO_LOWER_BOUND, NO_UPPER_BOUND, to, taps, VECTOR_BYTES, taps,
                    min(PANEL, whole(outputs - o) // LANES),
                )  # fmt: skip


@kernel(types.void(F1_IN, F1_IN, I1_IN, I1_IN, I1_IN, I1_IN, F1, F1))
def add_filter_sums_directly(x, dy, counts, sizes, taps, starts, planes, sums):
    """The same for groups of few outputs; counts: the numbers of PictureCounts. planes is never empty."""
    n, picture = read_fields(counts, 0, PictureCounts), read_fields(sizes, 0, PlaneSizes).picture
    groups, outputs, pixels, row, full = n.groups, n.outputs, n.pixels, n.row, n.row // LANES * LANES
    for part in range(n.pictures * groups):
        lay_out(x, part * picture, sizes, planes)
        for o in range(outputs):
            for t in range(taps.size):
                total = zeros()
                for r in range(starts.size):
                    i, j = taps[t] + starts[r], (part * outputs + o) * pixels + r * row
                    for p in range(0, full, LANES):
                        total = fma(load(planes, i + p), load(dy, j + p), total)
                    if full < row:
                        left = row - full
                        total = fma(load_part(planes, i + full, left), load_part(dy, j + full, left), total)
                sums[(part % groups * taps.size + t) * outputs + o] += reduce_add(total)


@dataclass(frozen=True)
class Share:
    """The taps [first, last) of all groups: `add(x, dy)` adds to `sums` float32 [groups, taps, outputs per group]."""

    first: int
    last: int
    sums: np.ndarray
    add: Callable[[np.ndarray, np.ndarray], None]


def prepare_filter_gradient(node: Node, window: Window, output: Shape, threads: int | None = None):
    """A function (pictures, output_gradients, gradient) that adds to the gradient of the weights of a convolution over
    `window` with outputs of size `output`, for lists of its bottoms and its tops' gradients."""
    plan, outputs = plan_planes(node, window, output), window.outputs // window.group
    taps = plan.taps.size
    if outputs < MR:
        shares = [_share_directly(plan, window, output)]
    else:
        macs = window.outer * count(output) * window.outputs * taps
        bounds = np.linspace(0, taps, min(choose_threads(threads, macs), taps) + 1).astype(int)
        shares = [_share(plan, window, output, *part) for part in pairwise(map(int, bounds))]

    def add_gradient(pictures, output_gradients, gradient):
        for share in shares:
            share.sums.fill(0)
        for x, dy in zip(pictures, output_gradients, strict=True):
            run_together([partial(share.add, x.reshape(-1), dy.reshape(-1)) for share in shares])
        rows = gradient.reshape(window.group, outputs, taps)
        for share in shares:
            part = rows[:, :, share.first : share.last]
            np.add(part, share.sums.transpose(0, 2, 1), out=part)

    return add_gradient


def _share(plan: Planes, window: Window, output: Shape, first: int, last: int) -> Share:
    outputs, taps, rows = window.outputs // window.group, last - first, plan.starts.size
    width, padded = (-(-size // LANES) * LANES for size in (outputs, plan.row))
    high = max(1, min(rows, PACKED_FLOATS // (padded * width)))
    floats = plan.floats + LANES  # a row's last vector may extend beyond
    counts = FilterCounts(
        n=picture_counts(window, output, plan),
        rows=rows,
        high=high,
        stretches=-(-rows // high),
        taps=taps,
        floats=floats,
    )
    vectors = plan.starts[:, np.newaxis] + np.arange(0, plan.row, LANES)
    tables = np.concatenate([plan.taps[first:last], np.arange(taps) * width, vectors.reshape(-1)]) * FLOAT_BYTES
    work = aligned_zeros(floats + window.group * taps * width)
    panels = aligned_zeros(PANEL_FLOATS + high * padded * width)
    rest = np.array(numbers(counts), np.int64), plan.sizes, tables.astype(np.int64), work, panels
    sums = work[floats:].reshape(window.group, taps, width)[:, :, :outputs]
    return Share(first, last, sums, lambda x, dy: add_filter_sums.run(x, dy, *rest))


def _share_directly(plan: Planes, window: Window, output: Shape) -> Share:
    outputs, taps = window.outputs // window.group, plan.taps.size
    counts = np.array(numbers(picture_counts(window, output, plan)), np.int64)
    sums, planes = np.zeros((window.group, taps, outputs), np.float32), aligned_zeros(plan.floats)
    rest = counts, plan.sizes, plan.taps, plan.starts, planes, sums.reshape(-1)
    return Share(0, taps, sums, lambda x, dy: add_filter_sums_directly.run(x, dy, *rest))


FILTER_KERNELS = (add_filter_sums, add_filter_sums_directly)
