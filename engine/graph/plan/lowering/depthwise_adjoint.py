"""The adjoint of a convolution with one filter per channel: the gradient of its bottom, and Deconvolution.

Its phases are those of `adjoint.py`. An item writes whole rows, pixels of all phases: with large strides, each phase by
itself would write one vector here and there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler.cpu import LANES
from ....compiler.fields import numbers, read_fields, read_row
from ...ir.graph import Node
from ...ir.op import count
from ...ops.windows import Window
from ..emitter import ITEM_MACS, Emitter
from ..steps import Strided, step_kernel
from ..storage import Storage
from .adjoint import phase_offsets_in, phase_taps, phases_of
from .curves import Epilogue
from .depthwise_rows import RowFilters, filter_rows, is_square, lane_layout
from .filters import phase_offsets


class RowPhase(NamedTuple):
    filters: RowFilters
    columns: int  # table: offsets of the phase's pixels in a row


class PhasePictures(NamedTuple):
    phases: int  # table: RowPhase, by phases of rows, then of columns
    row_phases: int
    column_phases: int
    y: Strided
    rows: int
    planes: int  # of a picture
    stretches: int  # of rows


@step_kernel(PhasePictures)
def convolve_phases(arena, weights, tables, at, item, thread):
    """A stretch of rows of one block of channels of one picture: writes y [rows, columns, LANES], BLOCKED."""
    f = read_fields(tables, at, PhasePictures)
    stretch, rest = item % f.stretches, item // f.stretches
    picture, plane = rest // f.planes, rest % f.planes
    y = f.y.offset + picture * f.y.picture + plane * f.y.plane
    for r in range(f.rows * stretch // f.stretches, f.rows * (stretch + 1) // f.stretches):
        row, number = r // f.row_phases, r % f.row_phases * f.column_phases
        for column in range(f.column_phases):
            p = read_row(tables, f.phases, number + column, RowPhase)
            filter_rows(
                arena, weights, tables, p.filters, picture, plane, row, row + 1, y + r * f.y.row, 0, p.columns, 0
            )


def emit_lane_adjoint(
    emitter: Emitter, node: Node, window: Window, x: Storage, y: Storage, bias: int, epilogue: Epilogue
) -> None:
    """The step that writes y, as `emit_adjoint` does."""
    phases, stride = phases_of(window), window.stride
    panels = phase_offsets(emitter, node, 0, lane_layout(window), 1, 1, [phase_taps(window, phase) for phase in phases])
    table: list[int] = []
    for (rows, columns), w in zip(phases, panels, strict=True):
        taps = phase_offsets_in(x, (rows, columns))
        filters = RowFilters(
            x=x.strided, step=x.pixel, taps=emitter.table(taps), size=len(taps),
            square=is_square(window) and set(stride) == {1}, w=w, bias=bias, epilogue=epilogue, rows=rows.size,
            columns=columns.size, planes=x.planes,
        )  # fmt: skip
        places = (columns.first + np.arange(columns.size) * stride[1]) * y.pixel
        table += numbers(RowPhase(filters, emitter.table(places)))
    row_phases, column_phases = map(min, stride, window.size)
    terms = count(window.kernel) * count(y.four[2:]) // count(stride)
    emitter.step(
        convolve_phases, y.four[0] * y.planes * (stretches := max(1, min(y.four[2], terms * LANES // ITEM_MACS))),
        phases=emitter.table(table), row_phases=row_phases, column_phases=column_phases, y=y.strided, rows=y.four[2],
        planes=y.planes, stretches=stretches,
    )  # fmt: skip
