"""The adjoint of a convolution as plain sums: the gradient of its bottom, and Deconvolution.

A pixel of the result gets a term from each tap that reads it there. With strides, these are other taps for each
remainder of the pixel's place: a phase, which is a product of its own with its own taps, so no zeros are multiplied.
Its filters are the convolution's, whose inputs and outputs are exchanged.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

from ....compiler.cpu import LANES
from ....products.pixel_tile import PANEL
from ...ir.graph import Node, Shape
from ...ir.op import count
from ...ops.windows import Window
from ..emitter import Emitter
from ..steps import Pixels
from ..storage import Halo, Storage, blocks
from .curves import Epilogue
from .filters import exchanged_layout, phase_offsets
from .merged_groups import panel_reads
from .products import Work, emit_sums, pixels_of

MOST_PHASES, MOST_TAPS = 1 << 12, 1 << 16  # more have no steps; a stride of 64, and a kernel of 256 x 256


class AxisPhase(NamedTuple):
    """Of the places of an axis of the result, each `stride`-th from `first` on: how many, and the taps that read them,
    each with the place that it gives the first one's term, in the order of these places."""

    first: int
    size: int
    terms: list[tuple[int, int]]


def may_adjoin(window: Window) -> bool:
    """Whether the phases are few enough for steps."""
    phases = count([min(stride, size) for stride, size in zip(window.stride, window.size, strict=True)])
    return phases <= MOST_PHASES and count(window.kernel) <= MOST_TAPS


def axis_phases(window: Window, axis: int) -> list[AxisPhase]:
    stride, pad, dilation = window.stride[axis], window.before[axis], window.dilation[axis]
    found = []
    for first in range(min(stride, window.size[axis])):
        places = [first + pad - tap * dilation for tap in range(window.kernel[axis])]
        terms = [(tap, place // stride) for tap, place in enumerate(places) if place % stride == 0][::-1]
        found.append(AxisPhase(first, -(-(window.size[axis] - first) // stride), terms))
    return found


def phases_of(window: Window) -> list[tuple[AxisPhase, AxisPhase]]:
    """Those of rows and columns, by rows."""
    return list(itertools.product(axis_phases(window, 0), axis_phases(window, 1)))


def phase_taps(window: Window, phase: tuple[AxisPhase, AxisPhase]) -> list[int]:
    """The taps of a phase, in the order of its terms."""
    rows, columns = phase
    return [row * window.kernel[1] + column for row, _ in rows.terms for column, _ in columns.terms]


def phase_offsets_in(x: Storage, phase: tuple[AxisPhase, AxisPhase]) -> list[int]:
    """The offsets of its terms in a plane of x, from its first pixel on."""
    rows, columns = phase
    return [r * x.row + c * x.pixel for _, r in rows.terms for _, c in columns.terms]


def adjoint_halo(window: Window, top: Shape) -> Halo:
    """The zeros that are read around what has the shape of the convolution's top."""
    before, behind = [], []
    for axis, size in enumerate(top[-2:]):
        reached = [(place, phase.size - 1 + place) for phase in axis_phases(window, axis) for _, place in phase.terms]
        before.append(max([0, *(-first for first, _ in reached)]))
        behind.append(max([0, *(last - size + 1 for _, last in reached)]))
    return (*before, *behind)


def emit_adjoint(
    emitter: Emitter,
    node: Node,
    window: Window,
    x: Storage,
    y: Storage,
    bias: int,
    addend: Storage | None,
    epilogue: Epilogue,
) -> None:
    """The steps that write y, which has the shape of the convolution's bottom, from x, which has that of its top. Both
    are BLOCKED, x with its `adjoint_halo`. `node` has the convolution's filters."""
    channels, phases = window.outputs // window.group, phases_of(window)
    planes, run = blocks(channels), min(LANES, channels)
    taps = [phase_taps(window, phase) for phase in phases]
    layout = exchanged_layout(window)
    panels = phase_offsets(emitter, node, 0, layout, run, PANEL, taps)

    def pixels(storage: Storage | None, rows: AxisPhase, columns: AxisPhase) -> Pixels:
        found = pixels_of(emitter, storage, lambda each: each.pixels(window.stride, (rows.size, columns.size)))
        start = rows.first * storage.row + columns.first * storage.pixel if storage else 0
        return found._replace(offset=found.offset + start)

    for number, (phase, w) in enumerate(zip(phases, panels, strict=True)):
        rows, columns = phase
        inside = np.array(phase_offsets_in(x, phase), np.int64)
        work = Work(
            x=x.first, x_picture=x.picture, x_group=planes * x.plane, pixels=x.pixels(size=(rows.size, columns.size)),
            taps=(np.arange(planes)[:, np.newaxis] * x.plane + inside).reshape(-1), run=run, w=w, groups=window.group,
            outputs=window.channels, pictures=y.four[0], inputs=planes * x.plane,
            reads=panel_reads(layout, run, len(inside)),
        )  # fmt: skip
        last = number == len(phases) - 1  # no phase depends on another
        emit_sums(emitter, work, pixels(y, *phase), bias, pixels(addend, *phase), epilogue, barrier=last)
