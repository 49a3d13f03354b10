"""Sums over taps (`pixel_tile.py`), straight from where the bottom lies: what Convolution and InnerProduct are made of.

A tap is a place relative to a pixel; several that lie behind each other are a run. Of a BLOCKED bottom, a run is LANES
channels of one pixel; of a PADDED one, a net's input with a few channels, a row of the kernel; of a matrix, LANES of a
row, or a whole one.
Weights are packed for PANEL blocks of outputs:  [outputs / (PANEL * LANES)][taps][PANEL * LANES].

Threads share items: stretches of pixels, so long that their inputs stay in L2, and some panels of outputs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .... import signatures as types
from ....cpu import LANES
from ....jit import F1, F1_IN, i64, kernel
from ....one_pixel import STREAMS, sum_one_pixel
from ....pixel_tile import PANEL, ROWS, sum_pixels
from ....simd import copy_transposed
from ...graph import Node
from ..emitter import ITEM_MACS, STEP, Emitter, place_of_low
from ..groups import Group
from ..storage import Storage, blocks

NEAR_BYTES, STRETCH_BYTES = 448 << 10, 160 << 10  # of inputs that L2 keeps for all panels; of a stretch of more


@kernel(STEP)
def convolve(arena, weights, tables, at, item, thread):
    """A stretch of pixels of some panels of outputs of one group of one picture. Arguments as in `emit_products`."""
    x, x_picture, x_group, pixels, taps, groups = (
        tables[at], tables[at + 1], tables[at + 2], tables[at + 3], tables[at + 4], tables[at + 5],
    )  # fmt: skip
    w, bias, more, more_picture, more_pixels, more_step = (
        tables[at + 6], tables[at + 7], tables[at + 8], tables[at + 9], tables[at + 10], tables[at + 11],
    )  # fmt: skip
    low, y, y_picture, y_pixels, y_step = (
        weights[tables[at + 12]], tables[at + 13], tables[at + 14], tables[at + 15], tables[at + 16],
    )  # fmt: skip
    conv_groups, group_blocks, size, stretches, chunks, run = (
        tables[at + 17], tables[at + 18], tables[at + 19], tables[at + 20], tables[at + 21], tables[at + 22],
    )  # fmt: skip
    panels = (group_blocks + PANEL - 1) // PANEL
    stretch, rest = item % stretches, item // stretches
    chunk, rest = rest % chunks, rest // chunks
    group, picture = rest % conv_groups, rest // conv_groups
    first, last = size * stretch // stretches, size * (stretch + 1) // stretches
    depth = groups * run
    panel, end = panels * chunk // chunks, panels * (chunk + 1) // chunks
    x += picture * x_picture + group * x_group
    while panel < end:
        block = group * group_blocks + panel * PANEL
        added = -1 if more < 0 else more + picture * more_picture + block * more_step
        to = y + picture * y_picture + block * y_step
        if last - first == 1 and (panel + STREAMS) * PANEL <= group_blocks and panel + STREAMS <= end:
            sum_one_pixel(
                arena, weights, tables, x + tables[pixels + first], taps, groups, run,
                w + block * depth * LANES, PANEL * depth * LANES, bias + block * LANES,
                -1 if more < 0 else added + tables[more_pixels + first], more_step, low,
                to + tables[y_pixels + first], y_step,
            )  # fmt: skip
            panel += STREAMS
        else:
            sum_pixels(
                arena, weights, tables, x, pixels + first, taps, groups, run, w + block * depth * LANES,
                bias + block * LANES, added, more_pixels + first, more_step, low, to, y_pixels + first, y_step,
                last - first, min(PANEL, group_blocks - panel * PANEL),
            )  # fmt: skip
            panel += 1


def share_out(work: Work, parts: int, panels: int, threads: int) -> tuple[int, int]:
    """Into how many stretches of pixels and chunks of panels each of the `parts` (pictures, groups) is cut."""
    most = max(1, work.pixels // (2 * ROWS))
    stretches = 1 if work.inputs * 4 <= NEAR_BYTES else min(-(-work.inputs * 4 // STRETCH_BYTES), most)
    wanted = 1 if threads == 1 else min(32 * threads, max(1, work.macs // ITEM_MACS))
    chunks = max(1, min(panels, -(-wanted // (parts * stretches))))
    if parts * stretches * chunks < wanted:
        stretches = max(stretches, min(-(-wanted // (parts * chunks)), most))
    return max(1, stretches), chunks


@kernel(types.void(F1_IN, i64, i64, F1))
def pack(w, outputs, taps, panels):
    """w [outputs * taps] -> panels of PANEL * LANES outputs (at the end fewer, filled up with zeros to whole vectors),
    [taps, width] each. Writes panels."""
    width = PANEL * LANES
    for o in range(0, outputs, LANES):
        blocks_left = (outputs - o // width * width + LANES - 1) // LANES
        step, lanes = min(PANEL, blocks_left) * LANES, min(LANES, outputs - o)
        at, done = o // width * width * taps + o % width, 0
        if lanes == LANES:
            done = taps // LANES * LANES
            for t in range(0, done, LANES):
                copy_transposed(w, o * taps + t, taps, panels, at + t * step, step)
        for t in range(done, taps):
            for lane in range(lanes):
                panels[at + t * step + lane] = w[(o + lane) * taps + t]
            for lane in range(lanes, LANES):
                panels[at + t * step + lane] = 0


def pack_panels(weights: np.ndarray, panels: np.ndarray) -> None:
    """weights [outputs, taps] into panels, see `pack`."""
    pack.run(np.ascontiguousarray(weights, np.float32).reshape(-1), *weights.shape, panels)


def place_bias(emitter: Emitter, node: Node, outputs: int) -> int:
    """Where the bias is, or zeros, in whole vectors."""

    def write_to(bias):
        if len(node.weights) > 1:
            bias[:outputs] = node.weights[1]

    return emitter.weights(node, blocks(outputs) * LANES, write_to)


@dataclass(frozen=True)
class Work:
    """A product for `emit_products`. Places are in the arena, steps in floats.

    x, x_picture, x_group   the first tap of the first pixel; steps between pictures and groups
    at, taps, run           where pixels lie, from x on, and runs of taps, from a pixel on
    w                       place of the panels
    inputs                  floats of a picture's group
    """

    x: int
    x_picture: int
    x_group: int
    at: np.ndarray
    taps: np.ndarray
    run: int
    w: int
    groups: int
    outputs: int
    pictures: int
    inputs: int

    @property
    def pixels(self) -> int:
        return len(self.at)

    @property
    def depth(self) -> int:
        return len(self.taps) * self.run

    @property
    def macs(self) -> int:
        return self.pictures * self.pixels * self.depth * self.outputs


def added_numbers(emitter: Emitter, more: Storage | None, rows=Storage.pixels) -> list[int]:
    """Where what is added lies: place, picture, pixels, plane."""
    return [-1, 0, 0, 0] if more is None else [more.first, more.picture, emitter.table(rows(more)), more.plane]


def emit_products(
    emitter: Emitter, group: Group, work: Work, y: Storage, more: Storage | None, rows=Storage.pixels
) -> None:
    """The step of `convolve`. `rows(storage)` gives the places of the pixels of y and of what is added."""
    bias = place_bias(emitter, group.main, work.outputs)
    group_blocks, parts = blocks(work.outputs // work.groups), work.pictures * work.groups
    stretches, chunks = share_out(work, parts, -(-group_blocks // PANEL), emitter.threads)
    numbers = [
        work.x, work.x_picture, work.x_group, emitter.table(work.at), emitter.table(work.taps), len(work.taps),
        work.w, bias, *added_numbers(emitter, more, rows), place_of_low(group.rectified),
        y.first, y.picture, emitter.table(rows(y)), y.plane,
        work.groups, group_blocks, work.pixels, stretches, chunks, work.run,
    ]  # fmt: skip
    emitter.step(convolve, numbers, parts * stretches * chunks)
