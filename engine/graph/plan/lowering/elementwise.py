"""Element-wise functions by themselves, on a blob as it is stored: a PLANAR one is a row of vectors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....compiler.cpu import FLOAT_BYTES, LANES, VECTOR_BYTES
from ....compiler.fields import read_fields
from ...ir.graph import PICTURE_AXES
from ...ir.op import count
from ..emitter import Emitter
from ..steps import Strided, step_kernel
from ..storage import Storage, StorageKind
from .backward import Backward
from .channels_backward import CHANNELS_BACK_KERNELS
from .curves import Curve, apply_piecewise, apply_smooth, call_curve, emit_curve, has_curve
from .curves_backward import curve_backward, piecewise_slopes, smooth_slopes
from .filters import PACK_KERNELS
from .lowered import AS_STORED, BLOCKED, Context, Lowered, Lowering, Want

CURVED_VECTORS = 2048  # some 10 microseconds of the slower functions


class CurvedPixels(NamedTuple):
    x: Strided
    y: Strided
    x_pixels: int  # table: offsets in a plane
    y_pixels: int
    count: int
    planes: int  # of a picture
    parts: int  # items that share a plane
    curve: Curve


@step_kernel(CurvedPixels)
def curve_pixels(arena, weights, tables, at, item, thread):
    """A part of the pixels of one plane: writes y from x; y may be x."""
    f = read_fields(tables, at, CurvedPixels)
    plane, part = item // f.parts, item % f.parts
    first, last = f.count * part // f.parts, f.count * (part + 1) // f.parts
    c = plane % f.planes * VECTOR_BYTES
    call_curve(
        f.curve.address,
        (
            arena, weights, tables, f.curve.kind, f.x.offset + plane * f.x.plane, f.x_pixels + first,
            f.y.offset + plane * f.y.plane, f.y_pixels + first, last - first, f.curve.a + c, f.curve.b + c,
            f.curve.kept + c,
        ),
    )  # fmt: skip


def lower_elementwise(context: Context) -> Lowered | None:
    """In blocks where it has weights, as its gradient needs."""
    node, shape = context.group.main, context.bottoms[0]
    if not has_curve(node) or (node.weights and len(shape) > PICTURE_AXES):
        return None
    return _lowered(context, BLOCKED if node.weights else AS_STORED, curve_backward(node, shape))


def lower_one_slope(context: Context) -> Lowered | None:
    """A PReLU of one slope as it is stored, without a gradient."""
    weights = context.group.main.weights
    return _lowered(context, AS_STORED, None) if weights and weights[0].size == 1 else None


def _lowered(context: Context, want: Want, backward: Backward | None) -> Lowered | None:
    node, shape = context.group.main, context.bottoms[0]

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        x, y = bottoms[0], tops[0]
        if x.kind is StorageKind.PLANAR:
            pictures, planes, channels = 1, 1, LANES
            pixels = np.arange(-(-count(shape) * FLOAT_BYTES // VECTOR_BYTES)) * VECTOR_BYTES
            x_pixels = y_pixels = emitter.table(pixels)
        else:
            pictures, planes, channels = x.four[0], x.planes, x.four[1]
            pixels = x.pixels()
            x_pixels, y_pixels = emitter.table(pixels), emitter.table(y.pixels())
        parts = -(-len(pixels) // CURVED_VECTORS)
        emitter.step(
            curve_pixels, pictures * planes * parts, x=x.strided, y=y.strided, x_pixels=x_pixels, y_pixels=y_pixels,
            count=len(pixels), planes=planes, parts=parts, curve=emit_curve(emitter, node, channels),
        )  # fmt: skip

    return Lowered([want], want.kind, emit, in_place=True, backward=backward)


SMOOTH_CURVE = Lowering(
    lower_elementwise, kernels=(curve_pixels, apply_smooth), any_rank=True, backward_kernels=(smooth_slopes,)
)
ONE_SLOPE = Lowering(lower_one_slope, kernels=(curve_pixels, apply_piecewise, *PACK_KERNELS), any_rank=True)
PIECEWISE_CURVE = Lowering(
    lower_elementwise, kernels=(curve_pixels, apply_piecewise, *PACK_KERNELS), any_rank=True,
    backward_kernels=(piecewise_slopes, *CHANNELS_BACK_KERNELS),
)  # fmt: skip
