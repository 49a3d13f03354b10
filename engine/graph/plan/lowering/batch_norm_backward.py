"""Gradients of a normalisation by the statistics of each batch, of BLOCKED blobs, from its bottom alone.

With n = (x - mean) / deviation and g = dy, 0 where the group's ReLU gives 0, that is where n * gamma + beta is not
above 0, computed as forward:

    dgamma = sum of g * n      dbeta = sum of g      dx = (g - mean of g - n * mean of g * n) * factor

The sums are of g * (x - mean); n is made of them in float64.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler.cpu import FLOAT_BYTES, LANES, VECTOR_BYTES
from ....compiler.fields import read_fields
from ....compiler.jit import inline
from ....vectors.simd import element, fma, load, store, store_element, where_less, zeros
from ...ir.graph import Node, Shape
from ..emitter import Emitter
from ..steps import Strided, step_kernel
from ..storage import blocks
from .backward import Backward, BackwardBlobs
from .lines import (
    STRETCH_VECTORS,
    Lines,
    add_element,
    first_line,
    line_of,
    lines_of,
    sum_bytes,
    sum_of_parts,
)
from .normalisation import OF_BLOCK, OF_BLOCK_BYTES

GRADIENT_SUMS = 2  # vectors of a part: the sum of g, that of g * (x - mean)
SLOPES = 2  # of a block:  dx = factor * g + the first * (x - mean) + the second


class GradientSums(NamedTuple):
    x: Strided
    dy: Strided
    lines: Lines
    normalisation: int
    rectified: int  # 1: with a ReLU
    sums: int  # [parts, planes, GRADIENT_SUMS] vectors in the arena


@inline
def passed(x, d, mean, factor, offset, rectified):
    """x - mean, and d where the ReLU passes it on."""
    apart = x - mean
    if rectified:
        d = where_less(zeros(), fma(apart, factor, offset), d, zeros())
    return apart, d


@step_kernel(GradientSums)
def sum_gradients(arena, weights, tables, at, item, thread):
    """A part of a block of channels: writes its sums."""
    f = read_fields(tables, at, GradientSums)
    block, part, size = item % f.lines.planes, item // f.lines.planes, f.lines.columns * VECTOR_BYTES
    first, last = first_line(f.lines, part), first_line(f.lines, part + 1)
    together, own = max(1, STRETCH_VECTORS // f.lines.columns), f.normalisation + block * OF_BLOCK_BYTES
    mean, factor = load(arena, own + OF_BLOCK.mean), load(arena, own + OF_BLOCK.factor)
    offset, total, products = load(arena, own + OF_BLOCK.offset), zeros(), zeros()
    for start in range(first, last, together):
        a, b, c, d = zeros(), zeros(), zeros(), zeros()
        for line in range(start, min(last, start + together)):
            x, y = line_of(f.x, f.lines, block, line), line_of(f.dy, f.lines, block, line)
            for p in range(0, size - VECTOR_BYTES, 2 * VECTOR_BYTES):
                q = p + VECTOR_BYTES
                v, g = passed(load(arena, x + p), load(arena, y + p), mean, factor, offset, f.rectified)
                w, h = passed(load(arena, x + q), load(arena, y + q), mean, factor, offset, f.rectified)
                a, b, c, d = a + g, fma(g, v, b), c + h, fma(h, w, d)
            if f.lines.columns % 2:
                p = size - VECTOR_BYTES
                v, g = passed(load(arena, x + p), load(arena, y + p), mean, factor, offset, f.rectified)
                a, b = a + g, fma(g, v, b)
        total, products = total + (a + c), products + (b + d)
    to = f.sums + item * GRADIENT_SUMS * VECTOR_BYTES
    store(arena, to, total)
    store(arena, to + VECTOR_BYTES, products)


class NormalisedGradients(NamedTuple):
    lines: Lines
    normalisation: int
    sums: int
    slopes: int  # [planes, SLOPES] vectors in the arena
    channels: int
    gamma: int  # offsets of gradients, to which it adds
    beta: int
    has_gamma: int
    has_beta: int


@step_kernel(NormalisedGradients)
def find_slopes(arena, weights, tables, at, item, thread):
    """A block of channels: writes its slopes, and adds to the gradients of gamma and beta."""
    f = read_fields(tables, at, NormalisedGradients)
    to, number = f.slopes + item * SLOPES * VECTOR_BYTES, np.float64(f.lines.number * f.lines.columns)
    store(arena, to, zeros())
    store(arena, to + VECTOR_BYTES, zeros())
    for lane in range(min(LANES, f.channels - item * LANES)):
        own, c = f.normalisation + item * OF_BLOCK_BYTES + lane * FLOAT_BYTES, (item * LANES + lane) * FLOAT_BYTES
        factor = np.float64(element(arena, own + OF_BLOCK.factor))
        inverse, rest = np.float64(element(arena, own + OF_BLOCK.inverse)), element(arena, own + OF_BLOCK.rest)
        total = sum_of_parts(arena, f.lines, f.sums, item, GRADIENT_SUMS * VECTOR_BYTES, lane)
        products = sum_of_parts(arena, f.lines, f.sums + VECTOR_BYTES, item, GRADIENT_SUMS * VECTOR_BYTES, lane)
        products = products * inverse + total * rest
        slope = -factor * products / number
        store_element(arena, to + lane * FLOAT_BYTES, np.float32(slope * inverse))
        constant = slope * rest - factor * total / number
        store_element(arena, to + VECTOR_BYTES + lane * FLOAT_BYTES, np.float32(constant))
        if f.has_gamma:
            add_element(arena, f.gamma + c, products)
        if f.has_beta:
            add_element(arena, f.beta + c, total)


class NormalisedBack(NamedTuple):
    x: Strided
    dy: Strided
    dx: Strided
    lines: Lines
    normalisation: int
    slopes: int
    rectified: int
    masked: int  # 1: dx is 0 where x is not above 0


@step_kernel(NormalisedBack)
def normalise_back(arena, weights, tables, at, item, thread):
    """A part of a block of channels: writes dx, which may be dy."""
    f = read_fields(tables, at, NormalisedBack)
    block, part, size = item % f.lines.planes, item // f.lines.planes, f.lines.columns * VECTOR_BYTES
    own, to = f.normalisation + block * OF_BLOCK_BYTES, f.slopes + block * SLOPES * VECTOR_BYTES
    mean, factor = load(arena, own + OF_BLOCK.mean), load(arena, own + OF_BLOCK.factor)
    offset, slope, constant = load(arena, own + OF_BLOCK.offset), load(arena, to), load(arena, to + VECTOR_BYTES)
    for line in range(first_line(f.lines, part), first_line(f.lines, part + 1)):
        x, y = line_of(f.x, f.lines, block, line), line_of(f.dy, f.lines, block, line)
        z = line_of(f.dx, f.lines, block, line)
        for p in range(0, size, VECTOR_BYTES):
            u = load(arena, x + p)
            v, g = passed(u, load(arena, y + p), mean, factor, offset, f.rectified)
            d = fma(g, factor, fma(v, slope, constant))
            if f.masked:
                d = where_less(zeros(), u, d, zeros())
            store(arena, z + p, d)


def batch_norm_backward(shape: Shape, scaled: Node | None, rectified: bool) -> Backward:
    """Of a group with a bottom of this shape; `scaled` has gamma and beta, if there are some."""
    own = sum_bytes(shape, GRADIENT_SUMS)

    def emit(emitter: Emitter, blobs: BackwardBlobs) -> None:
        x, dy, dx = blobs.bottoms[0], blobs.top_gradients[0], blobs.bottom_gradients[0]
        given = [*blobs.weights[scaled][:2], None][:2] if scaled else [None, None]
        if dx is None and given == [None, None]:
            return
        lines, (at_x, at_dy, *rest) = lines_of(*(blob for blob in (x, dy, dx) if blob))
        items, slopes = lines.parts * lines.planes, blobs.shared + own
        shared = {"lines": lines, "normalisation": blobs.kept}
        emitter.step(sum_gradients, items, x=at_x, dy=at_dy, rectified=rectified, sums=blobs.shared, **shared)
        gamma, beta = given
        emitter.step(
            find_slopes, lines.planes, sums=blobs.shared, slopes=slopes, channels=shape[1], gamma=gamma or 0,
            beta=beta or 0, has_gamma=gamma is not None, has_beta=beta is not None, **shared,
        )  # fmt: skip
        if dx is not None:
            emitter.step(
                normalise_back, items, x=at_x, dy=at_dy, dx=rest[0], slopes=slopes, rectified=rectified,
                masked=blobs.masked, **shared,
            )  # fmt: skip

    return Backward(
        emit, reads_bottoms=True, masks=True, in_place=True, shared=own + blocks(shape[1]) * SLOPES * VECTOR_BYTES
    )


NORMALISE_BACK_KERNELS = (sum_gradients, find_slopes, normalise_back)
