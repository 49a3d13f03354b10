"""ROIPooling of BLOCKED pictures: the largest value of each cell of a region, LANES channels at a time."""

from __future__ import annotations

from typing import NamedTuple

from ....compiler.cpu import FLOAT_BYTES, VECTOR_BYTES
from ....compiler.fields import read_fields
from ....vectors.simd import broadcast, element, load, maximum, store, zeros
from ...ops.pooling import LOWEST_FLOAT32
from ...ops.region_pooling import REGION, picture_of, regions_of, whole_cell, whole_side
from ..emitter import Emitter
from ..steps import Strided, step_kernel
from ..storage import Storage, StorageKind
from .lowered import BLOCKED, PLANAR, Context, Lowered, Lowering

PLANES_PER_ITEM = 8  # blocks of channels, for which the cells are found once; not measured


class PooledRegions(NamedTuple):
    x: Strided
    y: Strided  # a picture per region
    rois: int  # offset of [R, REGION]
    scale: int  # offset in the constants
    pictures: int
    height: int  # of x
    width: int
    rows: int  # of cells
    columns: int
    planes: int  # blocks of channels
    parts: int  # items that share a region, by its planes


@step_kernel(PooledRegions, fastmath=set())
def pool_regions(arena, weights, tables, at, item, thread):
    """Some blocks of channels of one region: writes y [rows, columns, LANES], BLOCKED, for each."""
    f = read_fields(tables, at, PooledRegions)
    region, part = item // f.parts, item % f.parts
    first, last = f.planes * part // f.parts, f.planes * (part + 1) // f.parts
    i, scale = f.rois + region * REGION * FLOAT_BYTES, element(weights, f.scale)
    x1, y1 = element(arena, i + FLOAT_BYTES), element(arena, i + 2 * FLOAT_BYTES)
    x2, y2 = element(arena, i + 3 * FLOAT_BYTES), element(arena, i + 4 * FLOAT_BYTES)
    picture = picture_of(element(arena, i), x1, y1, x2, y2, f.pictures)
    y_start, y_step = whole_side(y1, y2, scale, f.rows)
    x_start, x_step = whole_side(x1, x2, scale, f.columns)
    for r in range(f.rows):
        top, bottom = whole_cell(y_start, y_step, r, f.height)
        for c in range(f.columns):  # y[r, c] from x[top:bottom, left:right]
            left, right = whole_cell(x_start, x_step, c, f.width)
            empty = picture < 0 or top >= bottom or left >= right
            for plane in range(first, last):
                x = f.x.offset + picture * f.x.picture + plane * f.x.plane
                highest = zeros() if empty else broadcast(LOWEST_FLOAT32)
                if not empty:
                    for h in range(top, bottom):
                        for w in range(left, right):
                            highest = maximum(load(arena, x + h * f.x.row + w * VECTOR_BYTES), highest)
                y = f.y.offset + region * f.y.picture + plane * f.y.plane
                store(arena, y + r * f.y.row + c * VECTOR_BYTES, highest)


def lower_regions(context: Context) -> Lowered | None:
    node, parameter = context.group.main, context.group.main.attributes
    regions = regions_of(node, context.bottoms)

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        x, rois, y = bottoms[0], bottoms[1], tops[0]
        parts = -(-x.planes // PLANES_PER_ITEM)
        emitter.step(
            pool_regions, regions * parts, x=x.strided, y=y.strided, rois=rois.first,
            scale=emitter.constant([parameter.spatial_scale]), pictures=x.four[0], height=x.four[2], width=x.four[3],
            rows=parameter.pooled_h, columns=parameter.pooled_w, planes=x.planes, parts=parts,
        )  # fmt: skip

    return Lowered([BLOCKED, PLANAR], StorageKind.BLOCKED, emit)


REGION_POOLING = Lowering(lower_regions, kernels=(pool_regions,))
