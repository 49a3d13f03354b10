"""Gradients of operations on each channel by itself, y = factor * x + offset, of BLOCKED blobs.

    dx = dy * factor        dfactor = sum of dy * x        doffset = sum of dy

The sums are over a batch for weights, over a plane for a second bottom.
"""

from __future__ import annotations

from typing import NamedTuple

from ....compiler.cpu import FLOAT_BYTES, LANES, VECTOR_BYTES
from ....compiler.fields import read_fields
from ....compiler.jit import inline
from ....vectors.simd import fma, load, store, where_less, zeros
from ...ir.graph import Shape
from ..emitter import Emitter
from ..steps import NO_BLOB, Strided, step_kernel
from ..storage import Storage
from .lines import STRETCH_VECTORS, Lines, add_element, first_line, line_of, lines_of, sum_bytes, sum_of_parts

CHANNEL_SUMS = 2  # vectors of a part: the sum of dy, that of dy * x


class ChannelSums(NamedTuple):
    x: Strided  # NO_BLOB: the sum of products is 0
    dy: Strided
    lines: Lines
    sums: int  # [parts, planes, CHANNEL_SUMS] vectors in the arena
    below: int  # 1: only of x below 0


@inline
def add_line(arena, x, y, size, total, products, has_x, below):
    """The sums of a line, which starts at y, and at x of the other blob, on top of those given."""
    for p in range(0, size, VECTOR_BYTES):
        d = load(arena, y + p)
        total = total + d
        if has_x:
            v = load(arena, x + p)
            products = fma(d, where_less(zeros(), v, zeros(), v) if below else v, products)
    return total, products


@step_kernel(ChannelSums)
def sum_channels(arena, weights, tables, at, item, thread):
    """A part of a block of channels: writes its sums."""
    f = read_fields(tables, at, ChannelSums)
    block, part, size = item % f.lines.planes, item // f.lines.planes, f.lines.columns * VECTOR_BYTES
    first, last = first_line(f.lines, part), first_line(f.lines, part + 1)
    together, total, products = max(1, STRETCH_VECTORS // f.lines.columns), zeros(), zeros()
    for start in range(first, last, together):
        a, b = zeros(), zeros()
        for line in range(start, min(last, start + together)):
            x, y = line_of(f.x, f.lines, block, line), line_of(f.dy, f.lines, block, line)
            a, b = add_line(arena, x, y, size, a, b, f.x.offset >= 0, f.below)
        total, products = total + a, products + b
    to = f.sums + item * CHANNEL_SUMS * VECTOR_BYTES
    store(arena, to, total)
    store(arena, to + VECTOR_BYTES, products)


class ChannelGradients(NamedTuple):
    lines: Lines
    sums: int  # the first vector of the first part
    channels: int
    gradient: int  # offset of a gradient, to which it adds
    together: int  # blocks of an item
    step: int  # from the gradient of a channel to that of the next


@step_kernel(ChannelGradients)
def add_channel_sums(arena, weights, tables, at, item, thread):
    """Some blocks of channels: adds the sums of all parts to the gradient [channels], or to that of all channels."""
    f = read_fields(tables, at, ChannelGradients)
    for channel in range(item * f.together * LANES, min(f.channels, (item + 1) * f.together * LANES)):
        block, lane = channel // LANES, channel % LANES
        total = sum_of_parts(arena, f.lines, f.sums, block, CHANNEL_SUMS * VECTOR_BYTES, lane)
        add_element(arena, f.gradient + channel * f.step, total)


class PlaneSums(NamedTuple):
    x: Strided  # NO_BLOB: the sum of dy alone
    dy: Strided
    sums: Strided
    rows: int
    columns: int


@step_kernel(PlaneSums)
def sum_planes(arena, weights, tables, at, item, thread):
    """One block of channels of one picture: writes the sum of dy, or of dy * x, over its pixels."""
    f = read_fields(tables, at, PlaneSums)
    x, y, size = f.x.offset + item * f.x.plane, f.dy.offset + item * f.dy.plane, f.columns * VECTOR_BYTES
    total, products = zeros(), zeros()
    for r in range(f.rows):
        a, b = add_line(arena, x + r * f.x.row, y + r * f.dy.row, size, zeros(), zeros(), f.x.offset >= 0, 0)
        total, products = total + a, products + b
    store(arena, f.sums.offset + item * f.sums.plane, products if f.x.offset >= 0 else total)


def emit_weight_gradients(
    emitter: Emitter,
    x: Storage | None,
    dy: Storage,
    shared: int,
    factor: int | None,
    offset: int | None,
    *,
    below: bool = False,
    as_one: bool = False,
) -> None:
    """Add to the gradients at these offsets; None where none is needed. `x` is read for the first. `below`: only where
    x is below 0. `as_one`: of all channels together."""
    found = [(number, gradient) for number, gradient in enumerate((offset, factor)) if gradient is not None]
    if not found:
        return
    reads_x = factor is not None and x is not None
    lines, (at_dy, *at_x) = lines_of(dy, x) if reads_x else lines_of(dy)
    emitter.step(
        sum_channels, lines.parts * lines.planes, x=at_x[0] if reads_x else NO_BLOB, dy=at_dy, lines=lines,
        sums=shared, below=below,
    )  # fmt: skip
    for number, gradient in found:
        emitter.step(
            add_channel_sums, 1 if as_one else lines.planes, lines=lines, sums=shared + number * VECTOR_BYTES,
            channels=dy.shape[1], gradient=gradient, together=lines.planes if as_one else 1,
            step=0 if as_one else FLOAT_BYTES,
        )  # fmt: skip


def emit_operand_gradient(emitter: Emitter, x: Storage | None, dy: Storage, gradient: Storage) -> None:
    """Write the gradient of a second bottom, a number for each picture and channel; without x that of an offset."""
    rows, columns = dy.four[2:]
    emitter.step(
        sum_planes, dy.four[0] * dy.planes, x=x.strided if x else NO_BLOB, dy=dy.strided, sums=gradient.strided,
        rows=rows, columns=columns,
    )  # fmt: skip


def shared_bytes(shape: Shape) -> int:
    """What `emit_weight_gradients` needs."""
    return sum_bytes(shape, CHANNEL_SUMS)


CHANNELS_BACK_KERNELS = (sum_channels, add_channel_sums, sum_planes)
