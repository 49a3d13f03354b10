"""Layers whose pixels are pixels of the bottom, row by row and column by column, or one value: Resize to the nearest
pixel, Upsample by a scale, Pad, and Crop, StridedSlice, CropCenter and Reverse of pictures."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler.cpu import LANES, VECTOR_BYTES
from ....compiler.fields import read_fields
from ....vectors.simd import load, store
from ...ir.graph import PICTURE_AXES, Node, Shape
from ...ops import OPS
from ...ops.arrangement import crop_window
from ...ops.axes import ResizedAxis
from ...ops.resize import resized_axes
from ...ops.strided_slice import RANGES, taken_ranges
from ...ops.upsample import has_places, upsampled_axes
from ..emitter import Emitter
from ..steps import Strided, step_kernel
from ..storage import Storage, StorageKind
from .backward import Backward, BackwardBlobs
from .constants import emit_fill
from .lowered import AS_STORED, BLOCKED, PLANAR, Context, Lowered, Lowering
from .pieces import Piece, copy_channels, copy_runs, emit_piece, is_of_channels
from .summed_pixels import ROW_VECTORS, emit_sums, parts_of_one, sum_pixels

NO_PIXEL = -1


class GatheredPixels(NamedTuple):
    x: Strided
    y: Strided
    planes: int  # of a picture
    down: int  # table: the offset in a plane of x of each row of y, or NO_PIXEL
    across: int  # table: that in a row of x of each column, or NO_PIXEL
    rows: int
    columns: int
    parts: int  # items that share a plane
    fill: int  # of a constant [channels]: where there is no pixel


@step_kernel(GatheredPixels)
def gather_pixels(arena, weights, tables, at, item, thread):
    """Some rows of one block of channels of one picture: writes y [rows, columns, LANES], BLOCKED, from x; they do not
    overlap."""
    f = read_fields(tables, at, GatheredPixels)
    plane, part = item // f.parts, item % f.parts
    x, fill = f.x.offset + plane * f.x.plane, load(weights, f.fill + plane % f.planes * VECTOR_BYTES)
    for r in range(f.rows * part // f.parts, f.rows * (part + 1) // f.parts):
        down, y = tables[f.down + r], f.y.offset + plane * f.y.plane + r * f.y.row
        for c in range(f.columns):  # y[r, c] = x[down[r], across[c]]
            across, v = tables[f.across + c], fill
            if down >= 0 and across >= 0:
                v = load(arena, x + down + across)
            store(arena, y + c * VECTOR_BYTES, v)


class Gathered(NamedTuple):
    """Of each row and column of the top the one of the bottom, or NO_PIXEL for `fill`."""

    rows: np.ndarray
    columns: np.ndarray
    fill: float = 0.0


def resized(node: Node, bottoms: list[Shape]) -> Gathered | None:
    return _from_axes(resized_axes(node, bottoms[0])) if node.attributes.mode == "nearest" else None


def upsampled(node: Node, bottoms: list[Shape]) -> Gathered | None:
    if has_places(node) or len(bottoms[0]) != PICTURE_AXES:
        return None
    return _from_axes(upsampled_axes(node, bottoms[0]))


def _from_axes(axes: list[ResizedAxis]) -> Gathered | None:
    if len(axes) > PICTURE_AXES - 2:
        return None
    rows, columns = [*(axis.first for axis in axes), np.zeros(1, np.int64)][:2]
    return Gathered(rows, columns)


def padded(node: Node, bottoms: list[Shape]) -> Gathered | None:
    attributes, found = node.attributes, []
    pads = list(zip(attributes.pads_before, attributes.pads_after, strict=True))
    if len(pads) != PICTURE_AXES or pads[:2] != [(0, 0)] * 2:
        return None
    filled = {"constant_values": NO_PIXEL} if attributes.mode == "constant" else {}
    for size, (before, after) in zip(bottoms[0][2:], pads[2:], strict=True):
        kept = np.arange(max(0, -before), size + min(0, after))
        found.append(np.pad(kept, (max(0, before), max(0, after)), attributes.mode, **filled))
    return Gathered(*found, attributes.value)


def sliced(node: Node, bottoms: list[Shape]) -> Gathered | None:
    return _from_ranges(taken_ranges(node, bottoms[0]), bottoms[0])


def cropped(node: Node, bottoms: list[Shape]) -> Gathered | None:
    return _from_ranges([range(part.start, part.stop) for part in crop_window(node, bottoms)], bottoms[0])


def _from_ranges(ranges: list[range], shape: Shape) -> Gathered | None:
    if len(shape) != PICTURE_AXES or ranges[:2] != [range(size) for size in shape[:2]]:
        return None
    return Gathered(*(np.array(each, np.int64) for each in ranges[2:]))


GATHERED = {
    "Resize": resized,
    "Upsample": upsampled,
    "Pad": padded,
    "Crop": cropped,
    **dict.fromkeys(RANGES, sliced),
}


def lower_gather(context: Context) -> Lowered | None:
    node, (pictures, channels, *_) = context.group.main, context.bottoms[0]
    how = GATHERED[node.type](node, context.bottoms)
    if how is None:
        return None

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        x, y, rows, columns = bottoms[0], tops[0], len(how.rows), len(how.columns)
        down = np.where(how.rows < 0, NO_PIXEL, how.rows * x.row)
        across = np.where(how.columns < 0, NO_PIXEL, how.columns * x.pixel)
        parts = max(1, min(rows, rows * columns // ROW_VECTORS))
        emitter.step(
            gather_pixels, pictures * y.planes * parts, x=x.strided, y=y.strided, planes=y.planes,
            down=emitter.table(down), across=emitter.table(across), rows=rows, columns=columns, parts=parts,
            fill=emitter.constant(np.where(np.arange(y.planes * LANES) < channels, how.fill, 0)),
        )  # fmt: skip

    def emit_back(emitter: Emitter, blobs: BackwardBlobs) -> None:
        emit_sums(emitter, blobs, *(parts_of_one(each) for each in (how.rows, how.columns)))
        for given in blobs.bottom_gradients[1:]:  # of a blob that only says the shape
            if given:
                emit_fill(emitter, given.memory.offset, given.size, np.float32(0))

    wants = [BLOCKED, AS_STORED][: len(context.bottoms)]
    backward = Backward(emit_back) if OPS[node.type].gradient else None
    return Lowered(wants, StorageKind.BLOCKED, emit, backward=backward)


def lower_one_piece(context: Context) -> Lowered | None:
    """Adjacent indices of one axis, of blobs that are not pictures or of channels."""
    node, shape = context.group.main, context.bottoms[0]
    if node.type == "Crop":
        ranges = [range(part.start, part.stop) for part in crop_window(node, context.bottoms)]
    else:
        ranges = taken_ranges(node, shape)
    cut = [axis for axis, (part, size) in enumerate(zip(ranges, shape, strict=True)) if part != range(size)]
    if len(cut) != 1 or ranges[cut[0]].step != 1:
        return None
    axis, part = cut[0], ranges[cut[0]]
    want = BLOCKED if is_of_channels(axis, shape) else PLANAR

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        emit_piece(emitter, Piece(bottoms[0], tops[0], axis, part.start, 0, len(part), True), barrier=True)

    return Lowered([want, AS_STORED][: len(context.bottoms)], want.kind, emit)


GATHER = Lowering(lower_gather, kernels=(gather_pixels,), backward_kernels=(sum_pixels,))
ONE_PIECE = Lowering(lower_one_piece, kernels=(copy_channels, copy_runs), any_rank=True)
