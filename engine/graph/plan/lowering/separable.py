"""A depthwise convolution and the 1 x 1 convolution of its result, as one. The intermediate result is not a blob: it is
written in the order in which the second one reads it, tile by tile (`pixel_tile.py`), to scratch memory that stays in
near caches:

    [pixels / ROWS][channels / LANES][ROWS][LANES]

Small pictures are convolved in two steps; of large ones, each thread takes stretches of rows through both.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ....compiler.cpu import LANES, VECTOR_BYTES
from ....compiler.fields import read_fields
from ....products.pixel_tile import PANEL, ROWS, sum_pixels
from ....vectors.simd import element
from ...ir.graph import Shape
from ..emitter import Emitter
from ..steps import Pixels, Scratch, Strided, step_kernel
from ..storage import Storage, StorageKind, blocks
from .convolution import halo_of, plane_window
from .curves import Epilogue, apply_curve, emit_epilogue
from .depthwise_rows import RowFilters, convolve_depthwise, filter_rows, row_filters
from .filters import PACK_KERNELS, bias_offset, filter_layout, panels_offset
from .lowered import Context, Lowered, Lowering, Want, addend_wants
from .products import NEAR_BYTES, Work, convolve, emit_products, pixels_of

# Chosen on EPYC Zen 3 (AVX2, 2 cores), 2026-11-22, with perf --suite caffe: MobileNet, with fused pairs, reached 1.07
# of ONNX Runtime's speed on one thread, 1.02 without.
ROW_STRETCH_BYTES = 100 << 10  # of the intermediate result: beside the filters, L2 keeps it
LEAST_STRETCH_PIXELS = 48  # as each stretch reads all filters of the second convolution


class SeparablePictures(NamedTuple):
    filters: RowFilters  # of the depthwise convolution
    stretches: int  # of rows, of a picture
    intermediate: Scratch  # written by the first convolution, read by the second
    tiled: int  # table: offsets of the intermediate pixels of all rows, those of each stretch from its start on
    taps: int  # table: offsets of its blocks of channels
    w: int  # of the second convolution, as are all that follow: the panels
    bias: int
    addend: Pixels
    epilogue: Epilogue
    y: Pixels
    outputs: int  # blocks of LANES


@step_kernel(SeparablePictures)
def convolve_separable(arena, weights, tables, at, item, thread):
    """A stretch of rows of one picture through both convolutions: writes y [outputs / LANES, rows, columns, LANES],
    BLOCKED, from x with its halo and the addend; scratch: the intermediate result."""
    f = read_fields(tables, at, SeparablePictures)
    stretch, picture, planes = item % f.stretches, item // f.stretches, f.filters.planes
    first, last = f.filters.rows * stretch // f.stretches, f.filters.rows * (stretch + 1) // f.stretches
    start, columns = first * f.filters.columns, f.filters.columns
    lowest, highest = element(weights, f.epilogue.lowest), element(weights, f.epilogue.highest)
    intermediate = f.intermediate.offset + thread * f.intermediate.thread
    for plane in range(planes):  # intermediate[first:last, :, channels of plane]
        to = intermediate + plane * ROWS * VECTOR_BYTES
        filter_rows(arena, weights, tables, f.filters, picture, plane, first, last, to, 0, f.tiled + start, columns)
    for block in range(0, f.outputs, PANEL):  # y[first:last, :, outputs of the panel]
        addend, y = -1, f.y.offset + picture * f.y.picture + block * f.y.plane
        vectors, count = min(PANEL, f.outputs - block), (last - first) * columns
        if f.addend.offset >= 0:
            addend = f.addend.offset + picture * f.addend.picture + block * f.addend.plane
        sum_pixels(
            arena, weights, tables, intermediate, f.tiled + start, f.taps, planes, LANES,
            f.w + block * planes * LANES * VECTOR_BYTES, f.bias + block * VECTOR_BYTES,
            addend, f.addend.table + start, f.addend.plane, lowest, highest,
            y, f.y.table + start, f.y.plane, count, vectors,
        )  # fmt: skip
        apply_curve(arena, weights, tables, f.epilogue.curve, block, y, f.y.table + start, f.y.plane, count, vectors)


def lower_separable(context: Context) -> Lowered | None:
    group, top = context.group, context.tops[0]
    intermediate = (top[0], context.bottoms[0][1], *top[2:])
    inner = Context(group.depthwise, context.bottoms, [intermediate], context.exact)
    window, outer = plane_window(inner), plane_window(replace(context, bottoms=[intermediate]))
    if window is None or outer is None:
        return None
    pictures, channels, rows, columns = intermediate
    planes, whole = blocks(channels), tiled_bytes(intermediate)
    at_once = pictures * whole <= NEAR_BYTES
    if not at_once and max(window.stride) > 1:  # the bottom is most of the traffic: plane by plane is faster
        return None
    high = max(ROW_STRETCH_BYTES // (columns * planes * VECTOR_BYTES), -(-LEAST_STRETCH_PIXELS // columns))
    stretches = 1 if at_once else -(-rows // high)
    heights = np.diff(np.arange(stretches + 1) * rows // stretches).tolist()
    sizes = [tiled_bytes((1, channels, height, columns)) for height in heights]

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        y, addend = tops[0], bottoms[-1] if group.addend else None
        tiled = np.concatenate([tiled_offsets(height * columns, planes) for height in heights])
        filters = row_filters(emitter, group.depthwise, window, bottoms[0], (rows, columns))
        w, taps = (
            panels_offset(emitter, group.main, 0, filter_layout(outer), LANES),
            np.arange(planes) * ROWS * VECTOR_BYTES,
        )
        if at_once:
            x = Strided(offset=emitter.scratch.offset, picture=whole, plane=ROWS * VECTOR_BYTES, row=0)
            table = emitter.table(tiled)
            emitter.step(
                convolve_depthwise, pictures * planes, filters=filters, y=x, columns=table, columns_row=columns
            )
            work = Work(
                x=x.offset, x_picture=x.picture, x_group=0, pixels=tiled, taps=taps, run=LANES, w=w,
                groups=1, outputs=top[1], pictures=pictures, inputs=whole,
            )  # fmt: skip
            emit_products(emitter, group, work, y, addend)
            return
        emitter.step(
            convolve_separable, pictures * stretches, filters=filters, stretches=stretches,
            intermediate=emitter.scratch, tiled=emitter.table(tiled), taps=emitter.table(taps),
            w=w, bias=bias_offset(emitter, group.main, top[1]), addend=pixels_of(emitter, addend),
            epilogue=emit_epilogue(emitter, group.activation, top[1]), y=pixels_of(emitter, y), outputs=blocks(top[1]),
        )  # fmt: skip

    wants = [Want(StorageKind.BLOCKED, halo_of(window, intermediate)), *addend_wants(context)]
    shared, own = (pictures * whole, 0) if at_once else (0, max(sizes))
    return Lowered(wants, StorageKind.BLOCKED, emit, scratch=own, shared_scratch=shared, algorithm="separable")


SEPARABLE = Lowering(lower_separable, kernels=(convolve_separable, convolve_depthwise, convolve, *PACK_KERNELS))


def tiled_bytes(shape: Shape) -> int:
    """Bytes of a picture."""
    return -(-shape[2] * shape[3] // ROWS) * ROWS * blocks(shape[1]) * VECTOR_BYTES


def tiled_offsets(pixels: int, planes: int) -> np.ndarray:
    """Offsets of the pixels in the tiles of `pixel_tiles`."""
    tiles = np.array_split(np.arange(pixels), -(-pixels // ROWS))
    return np.concatenate([(i * planes * ROWS + np.arange(tile.size)) * VECTOR_BYTES for i, tile in enumerate(tiles)])
