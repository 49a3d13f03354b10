"""Filters, biases and slopes as kernels read them: made of parameters, LANES outputs side by side.

    [groups][outputs / (width * LANES)][planes][taps of a channel][pixel][width * LANES]

A panel is `width` vectors of outputs, of a last one fewer, whose lanes behind the last output are zeros. A plane is
`pixel` channels that the kernel reads side by side; those behind the last are zeros. What is not written here is zero
from the start.

Taps may be divided into phases, products of their own: then this is the layout of each, one behind the other, and the
taps of a channel are those of the phase.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ....compiler.cpu import FLOAT_BYTES, LANES, VECTOR_BYTES
from ....compiler.fields import numbers, read_fields, read_row
from ....compiler.jit import inline
from ....products.pixel_tile import PANEL
from ....vectors.copying import copy_transposed
from ....vectors.simd import element, load, load_part, prefetch, store, store_element, zeros
from ....vectors.streaming import LINE_VECTORS, finish_streams, stream
from ...ir.graph import Node
from ...ir.op import count
from ...ops.windows import Window
from ..emitter import Emitter
from ..steps import PackingSource, step_kernel
from ..storage import blocks

# EPYC with AVX-512, 2026-11-28, packing all of ResNet-18: 10.3 ms without fetching ahead, 8.1 with 256 bytes, 9.1 with
# 512; with stores past the caches 4.4.
AHEAD = 256  # bytes that are fetched before they are needed, from each of LANES outputs
ITEM_FLOATS = 16 << 10  # of constants: some microseconds, which are worth handing to another thread


class FilterLayout(NamedTuple):
    """Where the filters of a parameter lie; steps and sizes are in bytes. A channel's taps lie behind each other."""

    groups: int
    merged: int  # groups of the parameter that are one group, on its diagonal
    outputs: int  # of a group
    channels: int  # of a group
    taps: int  # of a channel
    group: int  # from a group of the parameter to the next
    output: int
    channel: int
    bytes: int  # of the parameter
    mirrored: int  # 1: of the adjoint, a channel's last tap comes first


class PackedTap(NamedTuple):
    """Where a tap is packed."""

    phase: int  # from the first panel on, that of its phase, in bytes; -1: it is left out
    taps: int  # of its phase
    place: int  # among these


class PackedFilters(NamedTuple):
    source: PackingSource
    to: int
    layout: FilterLayout
    pixel: int
    width: int
    stretches: int  # of planes, which are items
    taps: int  # table: PackedTap of each tap of a channel


@inline
def transpose(weights, at, step, lanes, number, end, arena, to):
    """arena[to + n * VECTOR_BYTES][lane] = weights[at + lane * step + n * FLOAT_BYTES], n < number, lane < lanes, and
    0 in other lanes. LANES vectors may be written. weights[end:] is not to be read."""
    if lanes == LANES and step == FLOAT_BYTES:
        for n in range(number):
            store(arena, to + n * VECTOR_BYTES, load(weights, at + n * FLOAT_BYTES))
    elif lanes == LANES and at + (LANES - 1) * step + VECTOR_BYTES <= end:
        for lane in range(LANES):
            prefetch(weights, at + lane * step + AHEAD)
        copy_transposed(weights, at, step, arena, to, VECTOR_BYTES)
    else:
        for n in range(number):
            line = to + n * VECTOR_BYTES
            store(arena, line, zeros())
            for lane in range(lanes):
                value = element(weights, at + lane * step + n * FLOAT_BYTES)
                store_element(arena, line + lane * FLOAT_BYTES, value)


@step_kernel(PackedFilters)
def pack_filters(arena, weights, tables, at, item, thread):
    """A stretch of planes of one panel of one group: writes its part of the panels of `filter_layout` from a parameter
    [outputs, channels, taps] of the group; scratch: the filters of
    the outputs of a line, transposed."""
    f = read_fields(tables, at, PackedFilters)
    s, pixel, width = f.layout, f.pixel, f.width
    tile, end = f.source.scratch.offset + thread * f.source.scratch.thread, f.source.first + s.bytes
    all_blocks, planes = (s.outputs + LANES - 1) // LANES, (s.channels + pixel - 1) // pixel
    panels = (all_blocks + width - 1) // width
    stretch, rest = item % f.stretches, item // f.stretches
    panel, group = rest % panels, rest // panels
    first = planes * stretch // f.stretches * pixel
    last = min(s.channels, planes * (stretch + 1) // f.stretches * pixel)
    here = min(width, all_blocks - panel * width)
    start = (group * all_blocks + panel * width) * planes * pixel
    source = f.source.first + group * s.group + panel * width * LANES * s.output
    channels = last - first if s.channel == s.taps * FLOAT_BYTES else 1  # that lie in one run
    for c in range(first, last, max(1, channels)):
        for n in range(0, channels * s.taps, LANES):
            number = min(LANES, channels * s.taps - n)
            for v in range(0, here, LINE_VECTORS):
                vectors = 1 if LINE_VECTORS == 1 else min(LINE_VECTORS, here - v)  # a constant where it can be
                for i in range(vectors):
                    output = v + i
                    lanes = min(LANES, s.outputs - (panel * width + output) * LANES)
                    begin = source + output * LANES * s.output + c * s.channel + n * FLOAT_BYTES
                    transpose(weights, begin, s.output, lanes, number, end, arena, tile + i * LANES * VECTOR_BYTES)
                channel, tap = c + n // s.taps, n % s.taps
                lane, line = channel % pixel, start + channel // pixel * pixel * here  # of a phase of one tap
                for k in range(number):  # filters[channel, tap, outputs of v and those behind it in the line]
                    p = read_row(tables, f.taps, tap, PackedTap)
                    target = f.to + p.phase + (p.taps * line + (p.place * pixel + lane) * here + v) * VECTOR_BYTES
                    for i in range(vectors if p.phase >= 0 else 0):
                        stream(arena, target + i * VECTOR_BYTES, load(arena, tile + (i * LANES + k) * VECTOR_BYTES))
                    tap += 1
                    if tap == s.taps:
                        tap, lane = 0, lane + 1
                        if lane == pixel:
                            lane, line = 0, line + pixel * here
    finish_streams()


class PackedRows(NamedTuple):
    source: PackingSource
    to: int
    layout: FilterLayout
    pixel: int
    width: int
    stretches: int  # of planes, which are items


@step_kernel(PackedRows)
def pack_rows(arena, weights, tables, at, item, thread):
    """The same as `pack_filters` for filters of one tap whose outputs lie side by side in the parameter: a stretch of
    planes of all panels of a group. Whole rows of the parameter are read: of a large one, parts of rows took three
    times as long, and lanes that were transposed seven times."""
    f = read_fields(tables, at, PackedRows)
    s, pixel, width = f.layout, f.pixel, max(1, f.width)
    all_blocks, planes = (s.outputs + LANES - 1) // LANES, (s.channels + pixel - 1) // pixel
    stretch, group = item % f.stretches, item // f.stretches
    first = planes * stretch // f.stretches * pixel
    last = min(s.channels, planes * (stretch + 1) // f.stretches * pixel)
    size, whole = planes * pixel * VECTOR_BYTES, s.outputs // LANES  # of a block; blocks of all lanes
    for c in range(first, last):
        source = f.source.first + group * s.group + c * s.channel
        for block in range(0, all_blocks, width):
            here = min(width, all_blocks - block)
            to = f.to + (group * all_blocks + block) * size + c * here * VECTOR_BYTES
            for v in range(min(here, whole - block)):
                stream(arena, to + v * VECTOR_BYTES, load(weights, source + (block + v) * VECTOR_BYTES))
            if block + here > whole:
                value = load_part(weights, source + whole * VECTOR_BYTES, s.outputs % LANES)
                stream(arena, to + (here - 1) * VECTOR_BYTES, value)
    finish_streams()


@step_kernel(PackedFilters)
def pack_diagonal(arena, weights, tables, at, item, thread):
    """The same of groups that are merged: writes the numbers on their diagonal, which are few, one by one."""
    f = read_fields(tables, at, PackedFilters)
    s, pixel, width = f.layout, f.pixel, f.width
    all_blocks, planes = (s.outputs + LANES - 1) // LANES, (s.channels + pixel - 1) // pixel
    panels = (all_blocks + width - 1) // width
    stretch, rest = item % f.stretches, item // f.stretches
    panel, group = rest % panels, rest // panels
    first, last = planes * stretch // f.stretches * pixel, planes * (stretch + 1) // f.stretches * pixel
    here, outputs, channels = min(width, all_blocks - panel * width), s.outputs // s.merged, s.channels // s.merged
    start = (group * all_blocks + panel * width) * planes * pixel
    for o in range(panel * width * LANES, min(s.outputs, (panel * width + here) * LANES)):
        part, v, output = o // outputs, o // LANES - panel * width, o % LANES
        source = f.source.first + (group * s.merged + part) * s.group + o % outputs * s.output
        for channel in range(max(first, part * channels), min(last, (part + 1) * channels)):
            lane, line = channel % pixel, start + channel // pixel * pixel * here  # of a phase of one tap
            for tap in range(s.taps):
                p = read_row(tables, f.taps, tap, PackedTap)
                if p.phase >= 0:
                    value = element(weights, source + channel % channels * s.channel + tap * FLOAT_BYTES)
                    target = f.to + p.phase + (p.taps * line + (p.place * pixel + lane) * here + v) * VECTOR_BYTES
                    store_element(arena, target + output * FLOAT_BYTES, value)


def filter_layout(window: Window) -> FilterLayout:
    """Of the filters of a convolution."""
    outputs, channels, taps = window.outputs // window.group, window.channels // window.group, count(window.kernel)
    output = channels // window.merged * taps * FLOAT_BYTES
    return FilterLayout(
        groups=window.group, merged=window.merged, outputs=outputs, channels=channels, taps=taps,
        group=outputs // window.merged * output, output=output, channel=taps * FLOAT_BYTES,
        bytes=window.outputs * output, mirrored=0,
    )  # fmt: skip


def exchanged_layout(window: Window) -> FilterLayout:
    """The same of its adjoint, whose outputs are its inputs, and vice versa."""
    layout = filter_layout(window)
    return layout._replace(
        outputs=layout.channels, channels=layout.outputs, output=layout.channel, channel=layout.output
    )


def panels_offset(emitter: Emitter, node: Node, blob: int, layout: FilterLayout, pixel: int, width: int = PANEL) -> int:
    """The offset of the filters in this blob of `node`, packed."""
    (offset,) = phase_offsets(emitter, node, blob, layout, pixel, width, [range(layout.taps)])
    return offset


def phase_offsets(
    emitter: Emitter,
    node: Node,
    blob: int,
    layout: FilterLayout,
    pixel: int,
    width: int,
    phases: Sequence[Sequence[int]],
) -> list[int]:
    """The same of each phase, of its taps in their order; a tap is in one phase, or left out."""
    planes, panels = -(-layout.channels // pixel), layout.groups * -(-blocks(layout.outputs) // width)
    tap_floats = layout.groups * blocks(layout.outputs) * LANES * planes * pixel
    taps, offsets, floats = [PackedTap(-1, 0, 0)] * layout.taps, [], 0
    for phase in phases:
        offsets.append(floats * FLOAT_BYTES)
        for place, tap in enumerate(phase):
            taps[tap] = PackedTap(offsets[-1], len(phase), place)
        floats += len(phase) * tap_floats
    common = {"layout": layout, "pixel": pixel, "width": width}
    if layout.merged == 1 and layout.taps == 1 and layout.output == FLOAT_BYTES and floats:
        stretches = stretches_of(floats, layout.groups, planes)
        items = layout.groups * stretches
        start = emitter.packed(pack_rows, items, node, [blob], floats, stretches=stretches, **common)
    else:
        stretches = stretches_of(floats, panels, planes)
        start = emitter.packed(
            pack_diagonal if layout.merged > 1 else pack_filters, panels * stretches, node, [blob], floats,
            scratch=LINE_VECTORS * LANES * VECTOR_BYTES, stretches=stretches,
            taps=emitter.packing.table([number for tap in taps for number in numbers(tap)]),
            **common,
        )  # fmt: skip
    return [start + offset for offset in offsets]


def stretches_of(floats: int, panels: int, planes: int) -> int:
    """Into how many stretches of planes each panel is cut, for constants of so many floats."""
    return max(1, min(planes, -(-floats // (ITEM_FLOATS * panels))))


def numbers_offset(emitter: Emitter, node: Node, blob: int, number: int) -> int:
    """The offset of this blob of `node`, `number` numbers in whole vectors; if it has one, so often."""
    size = node.held.owner.slices[node.held.numbers[blob]].size * FLOAT_BYTES
    step = FLOAT_BYTES if number * FLOAT_BYTES == size else 0
    layout = FilterLayout(
        groups=1, merged=1, outputs=number, channels=1, taps=1, group=0, output=step, channel=0, bytes=size, mirrored=0
    )
    return panels_offset(emitter, node, blob, layout, 1, blocks(number))


def bias_offset(emitter: Emitter, node: Node, outputs: int) -> int:
    """The offset of the bias, or of zeros, in whole vectors."""
    return numbers_offset(emitter, node, 1, outputs) if len(node.held.numbers) > 1 else no_bias(emitter, outputs)


def no_bias(emitter: Emitter, outputs: int) -> int:
    """The offset of zeros."""
    return emitter.constant([0.0] * blocks(outputs) * LANES)


PACK_KERNELS = pack_filters, pack_rows
