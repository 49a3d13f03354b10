"""Sums over taps (`pixel_tile.py`), read directly from the bottom's storage: Convolution and InnerProduct.

A tap is an offset from a pixel; several adjacent ones are a run. Of a BLOCKED bottom, a run is LANES
channels of one pixel; of a PADDED one, a net's input with a few channels, a row of the kernel; of a matrix, LANES of a
row, or a whole one.
Weights are packed in panels of PANEL blocks of outputs (`filters.py`).

Threads share items: stretches of pixels, so long that their inputs stay in L2, and some panels of outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ....compiler.cpu import LANES, VECTOR_BYTES
from ....compiler.fields import read_fields, read_row
from ....products.one_pixel import STREAMS, sum_one_pixel
from ....products.pixel_tile import PANEL, ROWS, sum_pixels
from ....vectors.simd import element
from ..emitter import ITEM_MACS, Emitter
from ..groups import LayerGroup
from ..steps import NO_PIXELS, Pixels, step_kernel
from ..storage import Storage, blocks
from .curves import Epilogue, apply_curve, emit_epilogue
from .filters import bias_offset

# Bytes of inputs that L2 (512 KiB) keeps for all panels; of a stretch of more. With stretches MobileNet reached 1.03 to
# 1.05 of ONNX Runtime's speed (EPYC Zen 3, AVX2, one thread, 2026-11-22). perf --suite caffe times it.
NEAR_BYTES, PIXEL_STRETCH_BYTES = 448 << 10, 160 << 10


class PanelReads(NamedTuple):
    """The runs of taps whose weights are not all zeros."""

    first: int
    runs: int


class Products(NamedTuple):
    """Sums over taps. Offsets and steps are in bytes; a table of offsets is an index in `tables`."""

    x: int  # offset of the first tap of the first pixel
    x_picture: int  # from a picture to the next
    x_group: int  # from a group of channels to the next
    pixels: int  # table: a pixel, from x on
    taps: int  # table: a run of taps, from a pixel on
    runs: int  # how many
    run: int  # taps of one
    w: int  # the panels
    bias: int
    addend: Pixels
    epilogue: Epilogue
    y: Pixels
    groups: int
    blocks: int  # of LANES outputs, of a group
    count: int  # of pixels
    stretches: int  # of pixels
    chunks: int  # of panels
    reads: int  # table: PanelReads of each panel of a group; -1: all runs


@step_kernel(Products)
def convolve(arena, weights, tables, at, item, thread):
    """A stretch of pixels of some panels of outputs of one group of one picture.

    y[pixel, outputs] = epilogue(x[pixel, taps] @ w[taps, outputs] + bias[outputs] + addend[pixel, outputs])
    """
    f = read_fields(tables, at, Products)
    lowest, highest = element(weights, f.epilogue.lowest), element(weights, f.epilogue.highest)
    panels = (f.blocks + PANEL - 1) // PANEL
    stretch, rest = item % f.stretches, item // f.stretches
    chunk, rest = rest % f.chunks, rest // f.chunks
    group, picture = rest % f.groups, rest // f.groups
    first, last = f.count * stretch // f.stretches, f.count * (stretch + 1) // f.stretches
    panel, end = panels * chunk // f.chunks, panels * (chunk + 1) // f.chunks
    x, depth = f.x + picture * f.x_picture + group * f.x_group, f.runs * f.run
    while panel < end:  # y[first:last, outputs of the panel]
        block = group * f.blocks + panel * PANEL
        w, bias = f.w + block * depth * VECTOR_BYTES, f.bias + block * VECTOR_BYTES
        y = f.y.offset + picture * f.y.picture + block * f.y.plane
        addend = -1
        if f.addend.offset >= 0:
            addend = f.addend.offset + picture * f.addend.picture + block * f.addend.plane
        taps, runs = f.taps, f.runs
        if f.reads >= 0:
            part = read_row(tables, f.reads, panel, PanelReads)
            taps, runs = taps + part.first, part.runs
            w += part.first * f.run * min(PANEL, f.blocks - panel * PANEL) * VECTOR_BYTES
        if f.reads < 0 and last - first == 1 and (panel + STREAMS) * PANEL <= f.blocks and panel + STREAMS <= end:
            sum_one_pixel(
                arena, weights, tables, x + tables[f.pixels + first], f.taps, f.runs, f.run, w,
                PANEL * depth * VECTOR_BYTES, bias, -1 if addend < 0 else addend + tables[f.addend.table + first],
                f.addend.plane, lowest, highest, y + tables[f.y.table + first], f.y.plane,
            )  # fmt: skip
            done = STREAMS
        else:
            sum_pixels(
                arena, weights, tables, x, f.pixels + first, taps, runs, f.run, w, bias,
                addend, f.addend.table + first, f.addend.plane, lowest, highest, y, f.y.table + first, f.y.plane,
                last - first, min(PANEL, f.blocks - panel * PANEL),
            )  # fmt: skip
            done = 1
        vectors = min(done * PANEL, f.blocks - panel * PANEL)
        apply_curve(
            arena, weights, tables, f.epilogue.curve, block, y, f.y.table + first, f.y.plane, last - first, vectors
        )
        panel += done


def share_out(work: Work, parts: int, panels: int, threads: int) -> tuple[int, int]:
    """The numbers of stretches of pixels and chunks of panels into which each of the `parts` (pictures, groups) is
    divided."""
    most = max(1, len(work.pixels) // (2 * ROWS))
    stretches = 1 if work.inputs <= NEAR_BYTES else min(-(-work.inputs // PIXEL_STRETCH_BYTES), most)
    wanted = 1 if threads == 1 else min(32 * threads, max(1, work.macs // ITEM_MACS))
    chunks = max(1, min(panels, -(-wanted // (parts * stretches))))
    if parts * stretches * chunks < wanted:
        stretches = max(stretches, min(-(-wanted // (parts * chunks)), most))
    return max(1, stretches), chunks


@dataclass(frozen=True)
class Work:
    """A product for `emit_products`. Offsets and steps are in bytes.

    x, x_picture, x_group   offset of the first tap of the first pixel; from a picture, a group to the next
    pixels, taps, run       offsets of the pixels, from x on, and of runs of taps, from a pixel on
    w                       offset of the panels
    inputs                  bytes of a picture's group
    reads                   of each panel of a group, where it does not read all runs
    """

    x: int
    x_picture: int
    x_group: int
    pixels: np.ndarray
    taps: np.ndarray
    run: int
    w: int
    groups: int
    outputs: int
    pictures: int
    inputs: int
    reads: Sequence[PanelReads] = ()

    @property
    def macs(self) -> int:
        runs = sum(each.runs for each in self.reads) * PANEL * LANES * self.groups
        return self.pictures * len(self.pixels) * self.run * (runs or len(self.taps) * self.outputs)


def pixels_of(emitter: Emitter, storage: Storage | None, rows=Storage.pixels) -> Pixels:
    """The pixels of `storage`, those of a plane at the offsets rows(storage). None: no addend."""
    if storage is None:
        return NO_PIXELS
    table = emitter.table(rows(storage))
    return Pixels(offset=storage.first, picture=storage.picture, plane=storage.plane, table=table)


def emit_products(
    emitter: Emitter, group: LayerGroup, work: Work, y: Storage, addend: Storage | None, rows=Storage.pixels
) -> None:
    """The product of a group, with its bias and what follows. `rows(storage)` gives the offsets of the pixels of y and
    of the addend."""
    bias = bias_offset(emitter, group.main, work.outputs)
    epilogue = emit_epilogue(emitter, group.activation, work.outputs)
    emit_sums(emitter, work, pixels_of(emitter, y, rows), bias, pixels_of(emitter, addend, rows), epilogue)


def emit_sums(
    emitter: Emitter, work: Work, y: Pixels, bias: int, addend: Pixels, epilogue: Epilogue, barrier: bool = True
) -> None:
    """The step of `convolve`."""
    group_blocks, parts = blocks(work.outputs // work.groups), work.pictures * work.groups
    stretches, chunks = share_out(work, parts, -(-group_blocks // PANEL), emitter.threads)
    emitter.step(
        convolve, parts * stretches * chunks, x=work.x, x_picture=work.x_picture, x_group=work.x_group,
        pixels=emitter.table(work.pixels), taps=emitter.table(work.taps), runs=len(work.taps), run=work.run,
        w=work.w, bias=bias, addend=addend, epilogue=epilogue, y=y, groups=work.groups, blocks=group_blocks,
        count=len(work.pixels), stretches=stretches, chunks=chunks, barrier=barrier,
        reads=emitter.table([number for each in work.reads for number in each]) if work.reads else -1,
    )  # fmt: skip
