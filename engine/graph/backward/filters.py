"""The gradient of a convolution's weights:

    dW[o, c, k] += sum over pictures and output pixels p of  dy[o, p] * x[c, p*s - pad + k*dil]

A group is a product of matrices, the columns that the forward run multiplied times dy: their rows (a tap of the kernel,
over a stretch of output pixels) are copied out of the planes of `windows.py`, a few taps at a time, and dy is packed
transposed into panels. So the sums come as [taps, outputs]; they are kept like this over all pictures, and turned at
the end. Threads share the taps, so a sum does not depend on how many there are. A group of few outputs (depthwise) is
not worth a product: each weight is a sum of its own.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np

from ... import signatures as types
from ...cpu import LANES
from ...gemm import KC, MR, NC, NONE, multiply_column, pack_panels_transposed, panel_width, whole
from ...jit import F1, F1_IN, I1_IN, i64, inline, kernel
from ...lowlevel import no_rows
from ...memory import aligned_zeros
from ...pool import run_together
from ...simd import fma, load, load_part, reduce_add, store, zeros
from ...threads import choose_threads
from ..graph import Node, Shape
from ..layers.windows import Window, lay_out, plan_planes
from ..op import count

TAPS = 16  # whose rows are copied together: 16 * KC * 4 bytes = 24 KiB, which stay in L1 while they are multiplied


@inline
def copy_row(planes, at, starts, row, first, size, out, to):
    """out.flat[to:] = output pixels [first, first + size) of the tap at `at`; up to a vector behind is overwritten."""
    r, p = first // row, first
    while p < first + size:
        left = min((r + 1) * row, first + size) - p
        source, target = at + starts[r] + p - r * row, to + p - first
        for v in range(0, left, LANES):
            here = source + v
            store(
                out,
                target + v,
                load(planes, here) if here + LANES <= planes.size else load_part(planes, here, left - v),
            )
        p += left
        r += 1


@kernel(types.void(F1_IN, F1_IN, I1_IN, I1_IN, I1_IN, I1_IN, F1, F1, F1, F1, i64, i64))
def add_filter_sums(x, dy, counts, sizes, taps, starts, planes, panels, columns, sums, begin, end):
    """Adds those of the taps [begin, end) to sums [groups, taps, outputs a group].   Other arguments as `convolve` of
    the forward file; columns [TAPS * KC + LANES] is scratch."""
    images, groups, outputs, pixels, row = counts[0], counts[1], counts[2], counts[3], counts[4]
    picture, picks = sizes[0] * sizes[1] * sizes[2] * sizes[3], no_rows()
    stretches = max(1, (pixels + KC - 1) // KC)
    stretch = max(1, (pixels + stretches - 1) // stretches)
    for part in range(images * groups):
        g, source = part % groups, 0 if planes.size else part * picture
        if planes.size:
            lay_out(x, part * picture, sizes, planes)
        for k in range(0, pixels, stretch):
            deep = min(stretch, pixels - k)
            for n in range(0, outputs, NC):
                wide = min(NC, outputs - n)
                pack_panels_transposed(dy, (part * outputs + n) * pixels + k, pixels, deep, wide, panels)
                for t in range(begin, end, TAPS):
                    few = min(TAPS, end - t)
                    for i in range(few):
                        if planes.size:
                            copy_row(planes, taps[t + i], starts, row, k, deep, columns, i * deep)
                        else:
                            copy_row(x, source + taps[t + i], starts, row, k, deep, columns, i * deep)
                    at = n
                    while at < n + wide:
                        width, to = panel_width(n + wide - at), (g * taps.size + t) * outputs + at
                        multiply_column(
                            columns, 0, deep, 1, picks, -1, panels, (at - n) * deep, whole(width), deep,
                            sums, to, outputs, NONE, sums, to, outputs, few, width,
                        )  # fmt: skip
                        at += width


@kernel(types.void(F1_IN, F1_IN, I1_IN, I1_IN, I1_IN, I1_IN, F1, F1))
def add_filter_sums_directly(x, dy, counts, sizes, taps, starts, planes, sums):
    """The same for groups of few outputs. planes is never empty."""
    images, groups, outputs, pixels, row = counts[0], counts[1], counts[2], counts[3], counts[4]
    picture, full = sizes[0] * sizes[1] * sizes[2] * sizes[3], counts[4] // LANES * LANES
    for part in range(images * groups):
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


def prepare_filter_gradient(node: Node, window: Window, output: Shape, threads: int | None = None):
    """A function (pictures, output_gradients, gradient) that adds to the gradient of the weights of a convolution over
    `window` with outputs of size `output`, for lists of its bottoms and its tops' gradients."""
    plan, outputs = plan_planes(node, window, output), window.outputs // window.group
    directly, taps = outputs < MR, plan.taps.size
    counts = np.array([window.outer, window.group, outputs, count(output), plan.row], np.int64)
    indices = counts, plan.sizes, plan.taps, plan.starts
    floats = 0 if plan.as_it_is and not directly else plan.floats
    sums = np.zeros((window.group, taps, outputs), np.float32)
    if directly:
        shares = [(add_filter_sums_directly, [aligned_zeros(floats), sums.reshape(-1)])]
    else:
        macs = window.outer * count(output) * window.outputs * taps
        bounds = np.linspace(0, taps, min(choose_threads(threads, macs), taps) + 1).astype(int)
        shares = [
            (
                add_filter_sums,
                [*map(aligned_zeros, (floats, KC * NC + LANES, TAPS * KC + LANES)), sums.reshape(-1), *part],
            )
            for part in pairwise(map(int, bounds))
        ]

    def add_gradient(pictures, output_gradients, gradient):
        sums.fill(0)
        for x, dy in zip(pictures, output_gradients, strict=True):
            run_together([partial(add.run, x.reshape(-1), dy.reshape(-1), *indices, *rest) for add, rest in shares])
        rows = gradient.reshape(window.group, outputs, taps)
        np.add(rows, sums.transpose(0, 2, 1), out=rows)

    return add_gradient
