"""Convolution:  y[o, p] = b[o] + sum over channels c of o's group and taps k of  W[o, c, k] * x[c, p*s - pad + k*dil].

A group is a product of matrices: its weights [outputs, channels * taps] times columns [channels * taps, pixels], which
are never stored as a whole: stretches of them are packed into the panels of `gemm.py` right where they are used.
Where a group has fewer outputs than a tile has rows (depthwise), packing would not pay: the sums of four vectors of
pixels are taken in registers, straight from the planes (`windows.py`).
"""

from __future__ import annotations

import numpy as np

from ... import signatures as types
from ...cpu import LANES
from ...gemm import MR, NC, NONE, multiply_column, panel_width, whole
from ...jit import F1, F1_IN, I1_IN, inline, kernel
from ...lowlevel import no_rows
from ...memory import aligned_zeros
from ...simd import broadcast, element, fma, load, load_part, store, store_part
from ..graph import Node, Shape
from ..op import MANY, Op, Run, count
from .windows import filter_shapes, lay_out, plan_planes, read_window
from .winograd import is_suited, prepare_winograd

NO_BIAS = np.zeros(0, np.float32)
DEPTH = 1024  # taps summed at a time: a panel streams from L2, NR * 1024 * 4 bytes = 96 KiB, and y is written once


@inline
def pack_pixels(planes, at, taps, first, depth, starts, row, n, columns, out):
    """Taps [first, first + depth) of output pixels [n, n + columns) into panels (`gemm.py`).

    A vector that overlaps the end of an output row is written whole; what lies behind it is written afterwards.
    """
    last, begin = n + columns, n
    while n < last:
        width = panel_width(last - n)
        step, to = whole(width), (n - begin) * depth
        top = n // row
        for t in range(first, first + depth):
            r, p = top, n
            while p < n + width:
                left = min((r + 1) * row, n + width) - p
                source, target = at + taps[t] + starts[r] + p - r * row, to + p - n
                for v in range(0, left, LANES):
                    here = source + v
                    whole_vector = here + LANES <= planes.size
                    store(out, target + v, load(planes, here) if whole_vector else load_part(planes, here, left - v))
                p += left
                r += 1
            to += step
        n += width


@inline
def fill(y, at, size, value):
    """y.flat[at:at+size] = value."""
    values, full = broadcast(value), size // LANES * LANES
    for i in range(0, full, LANES):
        store(y, at + i, values)
    if full < size:
        store_part(y, at + full, values, size - full)


@kernel(types.void(F1_IN, F1_IN, F1_IN, F1, I1_IN, I1_IN, I1_IN, I1_IN, F1, F1))
def convolve(x, w, bias, y, counts, sizes, taps, starts, planes, panels):
    """All pictures and groups, by products of matrices.

    counts: pictures, groups, outputs a group, pixels, pixels a row of `starts`. planes has no elements where x is read
    as it is; panels [DEPTH * NC + LANES] is scratch. x, w, y in Caffe's layout, flat; bias may be empty. Writes y.
    """
    images, groups, outputs, pixels, row = counts[0], counts[1], counts[2], counts[3], counts[4]
    depth, picture, picks = taps.size, sizes[0] * sizes[1] * sizes[2] * sizes[3], no_rows()
    stretches = max(1, (depth + DEPTH - 1) // DEPTH)
    stretch = max(1, (depth + stretches - 1) // stretches)
    for part in range(images * groups):
        g = part % groups
        if planes.size:
            lay_out(x, part * picture, sizes, planes)
        for k in range(0, max(1, depth), stretch):
            deep = min(stretch, depth - k)
            for n in range(0, pixels, NC):
                wide = min(NC, pixels - n)
                if planes.size:
                    pack_pixels(planes, 0, taps, k, deep, starts, row, n, wide, panels)
                else:
                    pack_pixels(x, part * picture, taps, k, deep, starts, row, n, wide, panels)
                if k == 0 and bias.size:
                    for o in range(outputs):
                        fill(y, (part * outputs + o) * pixels + n, wide, bias[g * outputs + o])
                init_m = pixels if k or bias.size else -1
                at = n
                while at < n + wide:
                    width = panel_width(n + wide - at)
                    to = part * outputs * pixels + at
                    multiply_column(
                        w, g * outputs * depth + k, depth, 1, picks, -1, panels, (at - n) * deep, whole(width), deep,
                        y, to, init_m, NONE, y, to, pixels, outputs, width,
                    )  # fmt: skip
                    at += width


@kernel(types.void(F1_IN, F1_IN, F1_IN, F1, I1_IN, I1_IN, I1_IN, I1_IN, F1))
def convolve_directly(x, w, bias, y, counts, sizes, taps, starts, planes):
    """The same for groups of few outputs. planes has LANES elements more than it needs."""
    images, groups, outputs, pixels, row = counts[0], counts[1], counts[2], counts[3], counts[4]
    depth, picture = taps.size, sizes[0] * sizes[1] * sizes[2] * sizes[3]
    for part in range(images * groups):
        lay_out(x, part * picture, sizes, planes)
        for o in range(outputs):
            number = part % groups * outputs + o
            initial = broadcast(bias[number] if bias.size else np.float32(0))
            for r in range(starts.size):
                at, to = starts[r], (part * outputs + o) * pixels + r * row
                together = row // (4 * LANES) * 4 * LANES
                for p in range(0, together, 4 * LANES):
                    one, two, three, four = initial, initial, initial, initial
                    for t in range(depth):
                        weight, i = broadcast(element(w, number * depth + t)), at + p + taps[t]
                        one = fma(weight, load(planes, i), one)
                        two = fma(weight, load(planes, i + LANES), two)
                        three = fma(weight, load(planes, i + 2 * LANES), three)
                        four = fma(weight, load(planes, i + 3 * LANES), four)
                    store(y, to + p, one)
                    store(y, to + p + LANES, two)
                    store(y, to + p + 2 * LANES, three)
                    store(y, to + p + 3 * LANES, four)
                for p in range(together, row, LANES):
                    one = initial
                    for t in range(depth):
                        one = fma(broadcast(element(w, number * depth + t)), load(planes, at + p + taps[t]), one)
                    if p + LANES <= row:
                        store(y, to + p, one)
                    else:
                        store_part(y, to + p, one, row - p)


def convolution_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    window = read_window(node, bottoms)
    output = window.convolved()
    if not all(side > 0 for side in output):
        raise node.error(
            f"has a kernel that reaches over {list(window.extent)} pixels",
            f"at most {[i + 2 * p for i, p in zip(window.size, window.pad, strict=True)]}, the padded bottom",
        )
    return [(*bottoms[0][: window.axis], window.outputs, *output)] * len(bottoms)


def convolution_weights(node: Node, bottoms: list[Shape]) -> list[Shape]:
    window = read_window(node, bottoms)
    return filter_shapes(node, window, window.outputs, window.channels)


def prepare_convolution(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    window = read_window(node, bottoms)
    output = tops[0][window.axis + 1 :]
    if not node.exact and is_suited(window, output):
        return prepare_winograd(node, window, output)
    plan = plan_planes(node, window, output)
    outputs = window.outputs // window.group
    counts = np.array([window.outer, window.group, outputs, count(output), plan.row], np.int64)
    indices = counts, plan.sizes, plan.taps, plan.starts
    directly = outputs < MR
    planes = aligned_zeros(0 if plan.as_it_is and not directly else plan.floats + LANES)
    scratch = [planes] if directly else [planes, aligned_zeros(DEPTH * NC + LANES)]
    multiply = convolve_directly if directly else convolve

    def run(inputs, outputs):
        weights, bias = node.weights[0].reshape(-1), node.weights[1] if len(node.weights) > 1 else NO_BIAS
        for x, y in zip(inputs, outputs, strict=True):
            multiply.run(x.reshape(-1), weights, bias, y.reshape(-1), *indices, *scratch)

    return run


def convolution_macs(node: Node, bottoms: list[Shape], tops: list[Shape]) -> int:
    return len(tops) * count(tops[0]) * count(convolution_weights(node, bottoms)[0], 1)


OPS = tuple(
    Op(kind, convolution_shapes, prepare_convolution, convolution_weights, convolution_macs, (1, MANY), (1, MANY))
    for kind in ("Convolution", "ConvolutionDepthwise", "DepthwiseConvolution")
)
