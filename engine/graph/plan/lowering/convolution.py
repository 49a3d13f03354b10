"""Convolutions of pictures as plain sums, and what all their lowerings need: windows, halos, taps."""

from __future__ import annotations

import itertools

import numpy as np

from ....compiler.cpu import FLOAT_BYTES, LANES
from ...ir.graph import Node, Shape
from ...ir.op import count
from ...ops.windows import MOST_NUMBERS, Window, window_of
from ..emitter import Emitter
from ..storage import Halo, Storage, StorageKind, blocks
from .adjoint import adjoint_halo, may_adjoin
from .backward import Backward, BackwardBlobs
from .filter_gradient import FILTER_GRADIENT_KERNELS, FilterWork, Tap, emit_filters
from .filters import PACK_KERNELS, filter_layout, pack_diagonal, panels_offset
from .input_gradient import emit_inputs, turned_bytes
from .lowered import Context, Lowered, Lowering, Want, addend_wants
from .mask import emit_group_mask, only_masks
from .merged_groups import merge_groups, panel_reads
from .products import Work, convolve, emit_products

PLANE_AXES = 2


def lower_convolution(context: Context) -> Lowered | None:
    """A convolution of pictures, in groups of whole blocks."""
    node, given = context.group.main, plane_window(context)
    window = given and merge_groups(given)
    if window is None:
        return None
    planar = window.channels < LANES

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        work = convolution_work(emitter, node, window, bottoms[0], tops[0].four[2:])
        emit_products(emitter, context.group, work, tops[0], bottoms[-1] if context.group.addend else None)

    want = Want(StorageKind.PADDED if planar else StorageKind.BLOCKED, halo_of(window, context.tops[0]))
    backward = convolution_backward(context, window, planar)
    return Lowered([want, *addend_wants(context)], StorageKind.BLOCKED, emit, algorithm="direct", backward=backward)


def convolution_work(emitter: Emitter, node: Node, window: Window, x: Storage, output: Shape) -> Work:
    """The product of a convolution of x, PADDED or BLOCKED, with the filters of `node`, for outputs of this size."""
    channels = window.channels // window.group
    planes = blocks(channels) if x.kind is StorageKind.BLOCKED else channels
    start, taps = taps_of(x, window, planes)
    run = pixel = min(x.lanes, channels)
    layout = filter_layout(window)
    if x.kind is StorageKind.PADDED and window.dilation[1] == 1:
        run = window.kernel[1]
        taps = taps[::run]
    return Work(
        x=x.first + start, x_picture=x.picture, x_group=planes * x.plane, pixels=x.pixels(window.stride, output),
        taps=taps, run=run, w=panels_offset(emitter, node, 0, layout, pixel), groups=window.group,
        outputs=window.outputs, pictures=window.outer, inputs=planes * x.plane,
        reads=panel_reads(layout, pixel, len(taps) // max(1, planes)),
    )  # fmt: skip


CONVOLVE_KERNELS = convolve, *PACK_KERNELS, pack_diagonal
DIRECT = Lowering(lower_convolution, CONVOLVE_KERNELS, backward_kernels=(*CONVOLVE_KERNELS, *FILTER_GRADIENT_KERNELS))


def convolution_backward(context: Context, window: Window, planar: bool) -> Backward | None:
    """The gradients as plain sums. None for a group with another operation than a ReLU."""
    node, group = context.group.main, context.group
    if not only_masks(group) or not window.channels or not may_adjoin(window):
        return None
    work = filter_work(window, context.tops[0], planar)

    def emit(emitter: Emitter, blobs: BackwardBlobs) -> None:
        (x, *_), (dy,), (dx, *_) = blobs.bottoms, blobs.top_gradients, blobs.bottom_gradients
        emit_group_mask(emitter, group, blobs)
        emit_filter_sums(emitter, work, window, x, dy, *(*blobs.weights[node], None)[:2], blobs.shared)
        if dx:
            emit_inputs(emitter, node, window, dy, dx, blobs.shared)

    return Backward(
        emit, halo=adjoint_halo(window, context.tops[0]), halo_for_bottoms=True, reads_bottoms=True,
        reads_tops=group.activation is not None, scratch=work.scratch,
        shared=max(work.shared, turned_bytes(window) if planar else 0),
    )  # fmt: skip


def filter_work(window: Window, top: Shape, planar: bool) -> FilterWork:
    """The gradient of the filters of a convolution, of a PADDED bottom if `planar`."""
    channels, taps, (rows, columns) = window.channels // window.group, count(window.kernel), top[2:]
    values = channels if planar else LANES
    return FilterWork(
        pictures=window.outer, rows=rows, columns=columns, groups=window.group, outputs=window.outputs // window.group,
        places=channels * taps if planar else channels, pixel=channels * taps if planar else LANES,
        taps=1 if planar else taps, row=values * FLOAT_BYTES * window.padded[1] * window.stride[0],
        merged=window.merged,
    )  # fmt: skip


def emit_filter_sums(
    emitter: Emitter,
    work: FilterWork,
    window: Window,
    x: Storage,
    dy: Storage,
    filters: int | None,
    biases: int | None,
    shared: int,
) -> None:
    """The steps that add to the gradients of a convolution of x at these offsets."""
    if x.kind is StorageKind.PADDED:
        start, places = taps_of(x, window, work.places // count(window.kernel))
        taps = [Tap(0, 0, work.rows, 0, work.columns)]
    else:
        start, inside = taps_of(x, window, 1)
        places, taps = np.arange(LANES) * FLOAT_BYTES, inner_taps(window, dy.shape, inside)
    emit_filters(
        emitter, work, dy, filters, biases, shared, places=places, taps=taps,
        x=x.strided._replace(offset=x.first + start, row=x.row * window.stride[0]),
        x_column=x.pixel * window.stride[1], x_group=work.planes * x.plane,
    )  # fmt: skip


def inner_taps(window: Window, top: Shape, offsets: np.ndarray) -> list[Tap]:
    """Each tap, at its offset, and the outputs for which it reads the picture and not the padding."""
    axes = []
    for size, kernel, stride, before, dilation, outputs in zip(
        window.size, window.kernel, window.stride, window.before, window.dilation, top[2:], strict=True
    ):
        places = [tap * dilation - before for tap in range(kernel)]
        firsts = [min(outputs, max(0, -(place // stride))) for place in places]
        lasts = [max(0, min(outputs, (size - 1 - place) // stride + 1)) for place in places]
        axes.append([(first, max(first, last)) for first, last in zip(firsts, lasts, strict=True)])
    pairs = itertools.product(*axes)
    return [Tap(int(offset), *rows, *columns) for offset, (rows, columns) in zip(offsets, pairs, strict=True)]


def plane_window(context: Context) -> Window | None:
    """The window of a convolution of one bottom [N, C, H, W] over H and W."""
    window = picture_window(context)
    if window is None:
        return None
    floats = stored_numbers(context.bottoms[0], halo_of(window, context.tops[0]))
    if floats > MOST_NUMBERS:
        raise context.group.main.error(f"needs {floats} numbers for a padded picture", f"at most {MOST_NUMBERS}")
    return window


def picture_window(context: Context) -> Window | None:
    """The same of any layer with a window, in memory of any size."""
    node = context.group.main
    if len(node.bottoms) != 1 or len(context.bottoms[0]) != 2 + PLANE_AXES:
        return None
    window = window_of(node, context.bottoms[:1])
    return window if len(window.size) == PLANE_AXES else None


def stored_numbers(shape: Shape, halo: Halo) -> int:
    """Those of a BLOCKED blob."""
    rows, columns = (sum(parts) for parts in zip(shape[2:], halo[:2], halo[2:], strict=True))
    return shape[0] * blocks(shape[1]) * LANES * rows * columns


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
