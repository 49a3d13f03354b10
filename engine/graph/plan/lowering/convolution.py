"""Convolutions of pictures as plain sums, and what all their lowerings need: windows, halos, taps."""

from __future__ import annotations

import numpy as np

from ....compiler.cpu import LANES
from ...ir.graph import Shape
from ...ir.op import count
from ...ops.windows import MOST_NUMBERS, Window, window_of
from ..emitter import Emitter
from ..storage import Halo, Storage, StorageKind, blocks
from .filters import filter_layout, pack_filters, panels_offset
from .lowered import Context, Lowered, Lowering, Want, addend_wants
from .products import Work, convolve, emit_products

PLANE_AXES = 2


def lower_convolution(context: Context) -> Lowered | None:
    """A convolution of pictures whose groups are whole blocks, or that has one group."""
    node, window = context.group.main, plane_window(context)
    if window is None:
        return None
    channels, outputs = window.channels // window.group, window.outputs // window.group
    if window.group > 1 and (channels % LANES or outputs % LANES):
        return None
    planar = window.channels < LANES

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        x, y = bottoms[0], tops[0]
        planes = channels if planar else blocks(channels)
        start, taps = taps_of(x, window, planes)
        run = x.lanes
        if planar and window.dilation[1] == 1:
            run = window.kernel[1]
            taps = taps[::run]

        work = Work(
            x=x.first + start, x_picture=x.picture, x_group=planes * x.plane,
            pixels=x.pixels(window.stride, y.four[2:]), taps=taps, run=run,
            w=panels_offset(emitter, node, 0, filter_layout(node, window), x.lanes),
            groups=window.group, outputs=window.outputs, pictures=window.outer, inputs=planes * x.plane,
        )  # fmt: skip
        emit_products(emitter, context.group, work, y, bottoms[-1] if context.group.addend else None)

    want = Want(StorageKind.PADDED if planar else StorageKind.BLOCKED, halo_of(window, context.tops[0]))
    return Lowered([want, *addend_wants(context)], StorageKind.BLOCKED, emit, algorithm="direct")


DIRECT = Lowering(lower_convolution, kernels=(convolve, pack_filters))


def plane_window(context: Context) -> Window | None:
    """The window of a convolution of one bottom [N, C, H, W] over H and W."""
    node = context.group.main
    if len(node.bottoms) != 1 or len(context.bottoms[0]) != 2 + PLANE_AXES:
        return None
    window = window_of(node, context.bottoms[:1])
    if len(window.size) != PLANE_AXES:
        return None
    halo = halo_of(window, context.tops[0])
    sides = [sum(parts) for parts in zip(window.size, halo[:2], halo[2:], strict=True)]
    if (floats := window.outer * blocks(window.channels) * LANES * count(sides)) > MOST_NUMBERS:
        raise node.error(f"needs {floats} numbers for a padded picture", f"at most {MOST_NUMBERS}")
    return window


def halo_of(window: Window, top: Shape) -> Halo:
    """The padding that the windows touch: none below or to the right where no window extends there."""
    reach = [
        max(0, (out - 1) * s + e - p - i)
        for out, s, e, p, i in zip(top[-2:], window.stride, window.extent, window.before, window.size, strict=True)
    ]
    return (*window.before, *reach)


def taps_of(x: Storage, window: Window, planes: int) -> tuple[int, np.ndarray]:
    """The offset of the first output's first tap from the first pixel, and those of all taps of `planes` from that."""
    down, right = (np.arange(k) * d for k, d in zip(window.kernel, window.dilation, strict=True))
    inside = (down[:, np.newaxis] * x.row + right * x.pixel).reshape(-1)
    start = -window.before[0] * x.row - window.before[1] * x.pixel
    return start, (np.arange(planes)[:, np.newaxis] * x.plane + inside).reshape(-1)
