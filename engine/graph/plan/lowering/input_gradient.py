"""Gradients of the bottoms of convolutions as plain sums: products with the filters whose inputs and outputs are
exchanged.

A pixel of dx gets a term from each tap that reads it. With strides, these are other taps for each remainder of the
pixel's place: a phase, which is a product of its own with its own taps, so no zeros are multiplied.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ....compiler.cpu import FLOAT_BYTES, LANES
from ...ir.graph import Node, Shape
from ...ir.op import count
from ...ops.windows import Window
from ..emitter import ZEROS, Emitter
from ..steps import NO_PIXELS
from ..storage import Halo, Memory, Storage, StorageKind, blocks
from .curves import NO_EPILOGUE
from .filters import FilterLayout, panels_offset
from .moves import emit_move
from .products import Work, emit_sums

TURNED_BYTES = 4 << 20  # of BLOCKED gradients that wait to be moved


class AxisPhase(NamedTuple):
    """Of the places of an axis of dx, each `stride`-th from `first` on: how many, and the taps that read them with the
    place in dy of the first one's term, in the order of these."""

    first: int
    size: int
    terms: list[tuple[int, int]]


def axis_phases(window: Window, axis: int) -> list[AxisPhase]:
    stride, pad, dilation = window.stride[axis], window.before[axis], window.dilation[axis]
    found = []
    for first in range(min(stride, window.size[axis])):
        places = [first + pad - tap * dilation for tap in range(window.kernel[axis])]
        terms = [(tap, place // stride) for tap, place in enumerate(places) if place % stride == 0][::-1]
        found.append(AxisPhase(first, -(-(window.size[axis] - first) // stride), terms))
    return found


def gradient_halo(window: Window, top: Shape) -> Halo:
    """The zeros that are read around the gradient of the top."""
    before, behind = [], []
    for axis, size in enumerate(top[-2:]):
        reached = [(place, phase.size - 1 + place) for phase in axis_phases(window, axis) for _, place in phase.terms]
        before.append(max([0, *(-first for first, _ in reached)]))
        behind.append(max([0, *(last - size + 1 for _, last in reached)]))
    return (*before, *behind)


def exchanged_layout(window: Window) -> FilterLayout:
    """Of the filters of a convolution, by outputs of the exchanged ones, its inputs."""
    outputs, channels, taps = window.outputs // window.group, window.channels // window.group, count(window.kernel)
    size = outputs * channels * taps * FLOAT_BYTES
    return FilterLayout(
        groups=window.group, outputs=channels, channels=outputs, taps=taps, group=size, output=taps * FLOAT_BYTES,
        channel=channels * taps * FLOAT_BYTES, bytes=window.group * size, mirrored=0,
    )  # fmt: skip


def turned_pictures(window: Window) -> int:
    """How many pictures of a gradient that is not BLOCKED are made at a time."""
    picture = blocks(window.channels) * LANES * count(window.size) * FLOAT_BYTES
    return max(1, min(window.outer, TURNED_BYTES // picture))


def turned_bytes(window: Window) -> int:
    """Bytes of them, which all threads share."""
    return turned_pictures(window) * blocks(window.channels) * LANES * count(window.size) * FLOAT_BYTES


def emit_inputs(emitter: Emitter, node: Node, window: Window, dy: Storage, dx: Storage, turned: int) -> None:
    """The steps that write dx from dy, BLOCKED with its `gradient_halo`. A dx that is not BLOCKED is made so first, at
    the offset `turned`, `turned_bytes` of memory."""
    phases = [
        (*pair, phase_panels(emitter, node, window, *pair))
        for pair in itertools.product(axis_phases(window, 0), axis_phases(window, 1))
    ]
    if dx.kind is StorageKind.BLOCKED:
        emit_phases(emitter, window, phases, dy, dx)
        return
    for first, some in pictures(window.outer, turned_pictures(window)):
        made = Storage((some, *dx.shape[1:]), StorageKind.BLOCKED, Memory(0, 0, 0, turned))
        emit_phases(emitter, window, phases, some_pictures(dy, first, some), made)
        emit_move(emitter, made, some_pictures(dx, first, some))


def pictures(number: int, most: int) -> Iterator[tuple[int, int]]:
    """The first one and how many, of the pictures taken `most` at a time."""
    return ((first, min(most, number - first)) for first in range(0, number, most))


def some_pictures(storage: Storage, first: int, some: int) -> Storage:
    memory = Memory(some * storage.picture, 0, 0, storage.memory.offset + first * storage.picture)
    return Storage((some, *storage.shape[1:]), storage.kind, memory, storage.halo, storage.dtype)


def phase_panels(emitter: Emitter, node: Node, window: Window, rows: AxisPhase, columns: AxisPhase) -> int:
    """The offset of the filters of a phase: of its taps, in the order of its terms."""
    kept = [row * window.kernel[1] + column for row, _ in rows.terms for column, _ in columns.terms]
    return panels_offset(emitter, node, 0, exchanged_layout(window), LANES, kept=kept) if kept else ZEROS


def emit_phases(
    emitter: Emitter, window: Window, phases: list[tuple[AxisPhase, AxisPhase, int]], dy: Storage, dx: Storage
) -> None:
    planes, bias = blocks(window.outputs // window.group), emitter.constant(np.zeros(blocks(window.channels) * LANES))
    for rows, columns, panels in phases:
        size = rows.size, columns.size
        inside = [r * dy.row + c * dy.pixel for _, r in rows.terms for _, c in columns.terms]
        taps = np.arange(planes)[:, np.newaxis] * dy.plane + np.array(inside, np.int64)
        first = rows.first * dx.row + columns.first * dx.pixel
        work = Work(
            x=dy.first, x_picture=dy.picture, x_group=planes * dy.plane, pixels=dy.pixels(size=size),
            taps=taps.reshape(-1), run=LANES, w=panels, groups=window.group, outputs=window.channels,
            pictures=dx.four[0], inputs=planes * dy.plane,
        )  # fmt: skip

        def places(storage: Storage, first=first, size=size) -> np.ndarray:
            return first + storage.pixels(window.stride, size)

        emit_sums(emitter, work, dx, bias, NO_PIXELS, NO_EPILOGUE, places)
