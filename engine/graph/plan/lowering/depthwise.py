"""Convolutions with one filter per channel, on BLOCKED pictures: a vector is LANES channels of a pixel."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

from ....compiler.cpu import FLOAT_BYTES, LANES, VECTOR_BYTES
from ....compiler.fields import read_fields
from ....compiler.jit import inline
from ....products.pixel_tile import PANEL
from ....products.row_tile import row_tile
from ....vectors.simd import element
from ...ir.graph import Node, Shape
from ...ir.op import count
from ...ops.windows import Window
from ..emitter import Emitter
from ..groups import LayerGroup
from ..steps import Strided, step_kernel
from ..storage import Storage, StorageKind
from .backward import Backward, BackwardBlobs
from .convolution import halo_of, inner_taps, plane_window, taps_of
from .curves import NO_EPILOGUE, Epilogue, apply_curve, emit_epilogue
from .filter_gradient import FILTER_GRADIENT_KERNELS, FilterWork, emit_filters
from .filters import FilterLayout, bias_offset, filter_layout, pack_filters, panels_offset
from .input_gradient import AxisPhase, axis_phases, gradient_halo
from .lowered import Context, Lowered, Lowering, Want
from .mask import emit_group_mask, only_masks

TOGETHER = 7  # pixels of a tile, which divides 112, 56, 28 and 14
SQUARE = 3  # the side of kernels with a faster tile (`row_tile.py`)


class RowFilters(NamedTuple):
    """A depthwise convolution of rows of x, except the output."""

    x: Strided  # from the first tap of the first output on; row: from an output row to the next
    step: int  # from an output column to the next
    taps: int  # table: a tap's offset, from the first one on
    size: int  # how many
    square: int  # 1: they are those of SQUARE
    w: int  # [planes, size, LANES]
    bias: int  # [planes, LANES]
    epilogue: Epilogue
    rows: int  # of outputs
    columns: int
    planes: int  # of a picture


class DepthwisePictures(NamedTuple):
    filters: RowFilters
    y: Strided
    columns: int  # table: offsets of a row's outputs
    columns_row: int  # from a row's table to the next one's


@inline
def filter_rows(arena, weights, tables, f, picture, plane, first, last, y, y_row, columns, columns_row):
    """Rows [first, last) of the outputs of one plane, by the RowFilters f. That of row r, column c is written at
    y + (r - first)*y_row + tables[columns + (r - first)*columns_row + c]."""
    x, step = f.x.offset + picture * f.x.picture + plane * f.x.plane, f.step
    w, bias = f.w + plane * f.size * VECTOR_BYTES, f.bias + plane * VECTOR_BYTES
    low, high = element(weights, f.epilogue.lowest), element(weights, f.epilogue.highest)
    together = f.columns if f.columns >= TOGETHER else 0
    for r in range(first, last):
        source, to, row = x + r * f.x.row, y + (r - first) * y_row, columns + (r - first) * columns_row
        for c in range(0, together, TOGETHER):  # y[r, c : c + TOGETHER]
            c = min(c, f.columns - TOGETHER)  # the last ones may be computed twice
            i, j = source + c * step, row + c
            if f.square and step == VECTOR_BYTES:
                row_tile(
                    arena, weights, tables, i, step, f.taps, f.size, w, bias, low, high, to, j, TOGETHER, 1, SQUARE
                )
            elif f.square and step == 2 * VECTOR_BYTES:
                row_tile(
                    arena, weights, tables, i, step, f.taps, f.size, w, bias, low, high, to, j, TOGETHER, 2, SQUARE
                )
            elif step == VECTOR_BYTES:
                row_tile(arena, weights, tables, i, step, f.taps, f.size, w, bias, low, high, to, j, TOGETHER, 1, 0)
            else:
                row_tile(arena, weights, tables, i, step, f.taps, f.size, w, bias, low, high, to, j, TOGETHER, 0, 0)
        for c in range(together, f.columns):  # y[r, c]
            i = source + c * step
            row_tile(arena, weights, tables, i, step, f.taps, f.size, w, bias, low, high, to, row + c, 1, 0, 0)
        apply_curve(arena, weights, tables, f.epilogue.curve, plane, to, row, 0, f.columns, 1)


@step_kernel(DepthwisePictures)
def convolve_depthwise(arena, weights, tables, at, item, thread):
    """One block of channels of one picture: writes y [rows, columns, LANES], BLOCKED, from x with its halo; they do not
    overlap."""
    f = read_fields(tables, at, DepthwisePictures)
    picture, plane = item // f.filters.planes, item % f.filters.planes
    y = f.y.offset + picture * f.y.picture + plane * f.y.plane
    filter_rows(
        arena, weights, tables, f.filters, picture, plane, 0, f.filters.rows, y, f.y.row, f.columns, f.columns_row
    )


def row_filters(emitter: Emitter, group: LayerGroup, window: Window, x: Storage, output: Shape) -> RowFilters:
    """The fields of a depthwise convolution of `x` with outputs of size `output`."""
    node, size = group.main, count(window.kernel)
    start, taps = taps_of(x, window, 1)
    return RowFilters(
        x=x.strided._replace(offset=x.first + start, row=x.row * window.stride[0]), step=x.pixel * window.stride[1],
        taps=emitter.table(taps), size=size, square=is_square(window),
        w=panels_offset(emitter, node, 0, lane_layout(node, window), 1, 1),
        bias=bias_offset(emitter, node, window.channels), rows=output[0], columns=output[1], planes=x.planes,
        epilogue=emit_epilogue(emitter, group.activation, window.channels),
    )  # fmt: skip


def is_square(window: Window) -> bool:
    """Whether the taps are those of SQUARE, those of a row side by side."""
    return window.kernel == (SQUARE, SQUARE) and window.dilation[1] == 1


def lane_layout(node: Node, window: Window) -> FilterLayout:
    """Of filters with one channel each, as those of one group."""
    output = count(window.kernel) * FLOAT_BYTES
    return filter_layout(node, window)._replace(groups=1, outputs=window.channels, group=0, output=output)


def lower_depthwise(context: Context) -> Lowered | None:
    window = plane_window(context)
    if window is None or not window.group == window.channels == window.outputs or context.group.addend:
        return None

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        y = tops[0]
        filters = row_filters(emitter, context.group, window, bottoms[0], y.four[2:])
        columns = emitter.table(np.arange(y.four[3]) * y.pixel)
        items = window.outer * y.planes
        emitter.step(convolve_depthwise, items, filters=filters, y=y.strided, columns=columns, columns_row=0)

    want = Want(StorageKind.BLOCKED, halo_of(window, context.tops[0]))
    backward = depthwise_backward(context, window)
    return Lowered([want], StorageKind.BLOCKED, emit, algorithm="depthwise", backward=backward)


DEPTHWISE_KERNELS = convolve_depthwise, pack_filters
DEPTHWISE = Lowering(
    lower_depthwise, DEPTHWISE_KERNELS, backward_kernels=(*DEPTHWISE_KERNELS, *FILTER_GRADIENT_KERNELS)
)


def depthwise_backward(context: Context, window: Window) -> Backward | None:
    """None for a group with another operation than a ReLU, and where strides leave out pixels of the bottom."""
    node, group, top = context.group.main, context.group, context.tops[0]
    phases = list(itertools.product(axis_phases(window, 0), axis_phases(window, 1)))
    if not only_masks(group) or node.held.mirrored or not all(rows.terms and columns.terms for rows, columns in phases):
        return None
    work = FilterWork(
        pictures=window.outer, rows=top[2], columns=top[3], groups=1, outputs=window.channels, places=1, pixel=1,
        taps=count(window.kernel), row=PANEL * VECTOR_BYTES * window.padded[1] * window.stride[0],
    )  # fmt: skip

    def emit(emitter: Emitter, blobs: BackwardBlobs) -> None:
        (x,), (dy,), (dx,) = blobs.bottoms, blobs.top_gradients, blobs.bottom_gradients
        emit_group_mask(emitter, group, blobs)
        start, inside = taps_of(x, window, 1)
        emit_filters(
            emitter, work, dy, *(*blobs.weights[node], None)[:2], blobs.shared, taps=inner_taps(window, top, inside),
            x=x.strided._replace(offset=x.first + start, row=x.row * window.stride[0]),
            x_column=x.pixel * window.stride[1],
        )  # fmt: skip
        if dx:
            for rows, columns in phases:
                emit_phase(emitter, node, window, rows, columns, dy, dx)

    return Backward(
        emit, halo=gradient_halo(window, top), reads_bottoms=True, reads_tops=group.activation is not None,
        scratch=work.scratch, shared=work.shared,
    )  # fmt: skip


def emit_phase(
    emitter: Emitter, node: Node, window: Window, rows: AxisPhase, columns: AxisPhase, dy: Storage, dx: Storage
) -> None:
    """The step that writes the pixels of a phase of dx."""
    kept = [row * window.kernel[1] + column for row, _ in rows.terms for column, _ in columns.terms]
    taps = [r * dy.row + c * dy.pixel for _, r in rows.terms for _, c in columns.terms]
    filters = RowFilters(
        x=dy.strided, step=dy.pixel, taps=emitter.table(taps), size=len(taps),
        square=is_square(window) and set(window.stride) == {1},
        w=panels_offset(emitter, node, 0, lane_layout(node, window), 1, 1, kept),
        bias=emitter.constant(np.zeros(dy.planes * LANES)), epilogue=NO_EPILOGUE, rows=rows.size, columns=columns.size,
        planes=dy.planes,
    )  # fmt: skip
    first = dx.first + rows.first * dx.row + columns.first * dx.pixel
    emitter.step(
        convolve_depthwise, window.outer * dx.planes, filters=filters, columns_row=0,
        columns=emitter.table(np.arange(columns.size) * dx.pixel * window.stride[1]),
        y=dx.strided._replace(offset=first, row=dx.row * window.stride[0]),
    )  # fmt: skip
