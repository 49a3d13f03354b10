"""Rows of convolutions with one filter per channel, on BLOCKED pictures: a vector is LANES channels of a pixel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler.cpu import FLOAT_BYTES, VECTOR_BYTES
from ....compiler.fields import read_fields
from ....compiler.jit import inline
from ....products.row_tile import row_tile
from ....vectors.simd import element
from ...ir.graph import Node, Shape
from ...ir.op import count
from ...ops.windows import Window
from ..emitter import Emitter
from ..groups import LayerGroup
from ..steps import Strided, step_kernel
from ..storage import Storage
from .convolution import taps_of
from .curves import NO_EPILOGUE, Epilogue, apply_curve, emit_epilogue
from .filters import FilterLayout, bias_offset, filter_layout, no_bias, panels_offset

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
    """The fields of a depthwise convolution of `x` with outputs of size `output`, and what follows."""
    return plain_rows(emitter, group.main, window, x, output)._replace(
        bias=bias_offset(emitter, group.main, window.channels),
        epilogue=emit_epilogue(emitter, group.activation, window.channels),
    )


def plain_rows(emitter: Emitter, node: Node, window: Window, x: Storage, output: Shape) -> RowFilters:
    """The same without a bias."""
    start, taps = taps_of(x, window, 1)
    return RowFilters(
        x=x.strided._replace(offset=x.first + start, row=x.row * window.stride[0]), step=x.pixel * window.stride[1],
        taps=emitter.table(taps), size=taps.size, square=is_square(window),
        w=panels_offset(emitter, node, 0, lane_layout(window), 1, 1), bias=no_bias(emitter, window.channels),
        rows=output[0], columns=output[1], planes=x.planes, epilogue=NO_EPILOGUE,
    )  # fmt: skip


def emit_rows(emitter: Emitter, filters: RowFilters, y: Storage) -> None:
    """The step of `convolve_depthwise`."""
    columns = emitter.table(np.arange(y.four[3]) * y.pixel)
    emitter.step(convolve_depthwise, y.four[0] * y.planes, filters=filters, y=y.strided, columns=columns, columns_row=0)


def is_square(window: Window) -> bool:
    """Whether the taps are those of SQUARE, those of a row side by side."""
    return window.kernel == (SQUARE, SQUARE) and window.dilation[1] == 1


def lane_layout(window: Window) -> FilterLayout:
    """Of filters with one channel each, as those of one group."""
    output = count(window.kernel) * FLOAT_BYTES
    return filter_layout(window)._replace(groups=1, outputs=window.channels, group=0, output=output)
