"""Convolution:  y[o, p] = b[o] + sum over channels c of o's group and taps k of  W[o, c, k] * x[c, p*s - pad + k*dil].

A group is a product of matrices: its weights [outputs, channels * taps] times columns [channels * taps, pixels], which
are never stored as a whole: stretches of them are packed into the panels of `gemm.py` where they are used.
This is for convolutions of any kind; those of pictures have faster lowerings (`plan/lowering/`).
"""

from __future__ import annotations

import numpy as np

from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.fields import numbers, read_fields
from ...compiler.jit import F1, F1_IN, I1_IN, inline, kernel
from ...products.gemm import NC, NO_LOWER_BOUND, multiply_column, panel_width, whole
from ...team.memory import aligned_zeros
from ...vectors.simd import broadcast, load, load_part, store, store_part
from ...vectors.views import no_rows
from ..ir.graph import Node, Shape
from ..ir.op import MANY, NO_VALUES, Back, Gradient, Layers, Op, Run, count
from .adjoint import bias_sums, mirror_filters, mirrored, spread
from .channels import channel_sums
from .filter_gradient import FILTER_KERNELS, prepare_filter_gradient
from .windows import PictureCounts, PlaneSizes, filter_shapes, lay_out, picture_counts, plan_planes, window_of

# Taps summed at a time: a panel streams from L2, NR * 1024 * 4 bytes = 96 KiB, and y is written once. 512 channels of
# 14 x 14 pixels by 1 x 1: 1.25 ms instead of 1.6 with 256 (EPYC Zen 3, AVX2, one thread, 2026-11-22).
CONVOLUTION_KC = 1024


@inline
def pack_pixels(planes, at, taps, first, depth, starts, row, n, columns, out):
    """Taps [first, first + depth) of output pixels [n, n + columns) into panels (`gemm.py`).

    A vector that overlaps the end of an output row is written whole; the next row overwrites its end.
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

    counts, sizes: the numbers of PictureCounts and PlaneSizes; taps, starts as in Planes. planes has no elements where
    x is read as it is; panels [CONVOLUTION_KC * NC + LANES] is scratch. x, w, y in Caffe's layout, flat; bias may be
    empty. Writes y.
    """
    f, picture = read_fields(counts, 0, PictureCounts), read_fields(sizes, 0, PlaneSizes).picture
    groups, outputs, pixels, row, depth, picks = f.groups, f.outputs, f.pixels, f.row, taps.size, no_rows()
    stretches = max(1, (depth + CONVOLUTION_KC - 1) // CONVOLUTION_KC)
    stretch = max(1, (depth + stretches - 1) // stretches)
    for part in range(f.pictures * groups):
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
                        y, to, init_m, NO_LOWER_BOUND, y, to, pixels, outputs, width,
                    )  # fmt: skip
                    at += width


def convolution_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    window = window_of(node, bottoms)
    output = window.convolved()
    if not all(side > 0 for side in output):
        raise node.error(
            f"has a kernel that reaches over {list(window.extent)} pixels",
            f"at most {list(window.padded)}, the padded bottom",
        )
    return [(*bottoms[0][: window.axis], window.outputs, *output)] * len(bottoms)


def convolution_weights(node: Node, bottoms: list[Shape]) -> list[Shape]:
    window = window_of(node, bottoms)
    return filter_shapes(node, window, window.outputs, window.channels)


def prepare_convolution(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    window = window_of(node, bottoms)
    output = tops[0][window.axis + 1 :]
    plan = plan_planes(node, window, output)
    counts = np.array(numbers(picture_counts(window, output, plan)), np.int64)
    indices = counts, plan.sizes, plan.taps, plan.starts
    planes = aligned_zeros(0 if plan.as_it_is else plan.floats + LANES)
    scratch = planes, aligned_zeros(CONVOLUTION_KC * NC + LANES)

    def run(inputs, outputs):
        weights, bias = node.weights[0].reshape(-1), node.weights[1] if len(node.weights) > 1 else NO_VALUES
        for x, y in zip(inputs, outputs, strict=True):
            convolve.run(x.reshape(-1), weights, bias, y.reshape(-1), *indices, *scratch)

    return run


def convolution_macs(node: Node, bottoms: list[Shape], tops: list[Shape]) -> int:
    return len(tops) * count(tops[0]) * count(convolution_weights(node, bottoms)[0], 1)


# ------------------------------------------------------------------------------------------------------------- gradient
def convolution_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    window = window_of(node, bottoms)
    weigh = prepare_filter_gradient(node, window, tops[0][window.axis + 1 :], layers.threads)
    reached = zip(window.extent, window.before, window.after, strict=True)
    is_mirrored = set(window.stride) <= {1} and all(extent > max(pads) for extent, *pads in reached)
    adjoint = (mirrored if is_mirrored else spread)(node, window, tops[0], bottoms[0], layers)
    add_bias = bias_sums(window, tops[0])

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        if weight_gradients[0] is not None:
            weigh(inputs, output_gradients, weight_gradients[0])
        for gradient in weight_gradients[1:]:
            if gradient is not None:
                add_bias(output_gradients, gradient)
        adjoint(output_gradients, input_gradients)

    return back


CONVOLUTION_GRADIENT = Gradient(
    convolution_back, kernels=(*FILTER_KERNELS, channel_sums, mirror_filters), layers=("Convolution", "Deconvolution")
)
OPS = tuple(
    Op(
        kind, convolution_shapes, prepare_convolution, convolution_weights, convolution_macs, (1, MANY), (1, MANY),
        kernels=(convolve,), gradient=CONVOLUTION_GRADIENT,
    )
    for kind in ("Convolution", "ConvolutionDepthwise", "DepthwiseConvolution")
)  # fmt: skip
