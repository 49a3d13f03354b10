"""Convolutions with one filter per channel, and their gradients."""

from __future__ import annotations

from ....compiler.cpu import VECTOR_BYTES
from ....products.pixel_tile import PANEL
from ...ir.graph import Shape
from ...ir.op import count
from ...ops.windows import Window
from ..emitter import Emitter
from ..storage import Storage, StorageKind
from .adjoint import adjoint_halo, may_adjoin
from .backward import Backward, BackwardBlobs
from .convolution import halo_of, inner_taps, plane_window, taps_of
from .curves import NO_EPILOGUE
from .depthwise_adjoint import convolve_phases, emit_lane_adjoint
from .depthwise_rows import convolve_depthwise, emit_rows, row_filters
from .filter_gradient import FILTER_GRADIENT_KERNELS, FilterWork, emit_filters
from .filters import PACK_KERNELS, no_bias
from .lowered import Context, Lowered, Lowering, Want
from .mask import emit_group_mask, only_masks


def lower_depthwise(context: Context) -> Lowered | None:
    window = plane_window(context)
    if window is None or not window.group == window.channels == window.outputs or context.group.addend:
        return None

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        emit_rows(emitter, row_filters(emitter, context.group, window, bottoms[0], tops[0].four[2:]), tops[0])

    want = Want(StorageKind.BLOCKED, halo_of(window, context.tops[0]))
    backward = depthwise_backward(context, window)
    return Lowered([want], StorageKind.BLOCKED, emit, algorithm="depthwise", backward=backward)


DEPTHWISE_KERNELS = convolve_depthwise, *PACK_KERNELS
DEPTHWISE = Lowering(
    lower_depthwise,
    DEPTHWISE_KERNELS,
    backward_kernels=(*DEPTHWISE_KERNELS, convolve_phases, *FILTER_GRADIENT_KERNELS),
)


def depthwise_backward(context: Context, window: Window) -> Backward | None:
    """None for a group with another operation than a ReLU."""
    node, group, top = context.group.main, context.group, context.tops[0]
    if not only_masks(group) or not may_adjoin(window):
        return None
    work = lane_work(window, top)

    def emit(emitter: Emitter, blobs: BackwardBlobs) -> None:
        (x,), (dy,), (dx,) = blobs.bottoms, blobs.top_gradients, blobs.bottom_gradients
        emit_group_mask(emitter, group, blobs)
        emit_lane_filters(emitter, work, window, x, dy, *(*blobs.weights[node], None)[:2], blobs.shared)
        if dx:
            emit_lane_adjoint(emitter, node, window, dy, dx, no_bias(emitter, window.channels), NO_EPILOGUE)

    return Backward(
        emit, halo=adjoint_halo(window, top), halo_for_bottoms=True, reads_bottoms=True,
        reads_tops=group.activation is not None, scratch=work.scratch, shared=work.shared,
    )  # fmt: skip


def lane_work(window: Window, top: Shape) -> FilterWork:
    """The gradient of the filters."""
    return FilterWork(
        pictures=window.outer, rows=top[2], columns=top[3], groups=1, outputs=window.channels, places=1, pixel=1,
        taps=count(window.kernel), row=PANEL * VECTOR_BYTES * window.padded[1] * window.stride[0],
    )  # fmt: skip


def emit_lane_filters(
    emitter: Emitter,
    work: FilterWork,
    window: Window,
    x: Storage,
    dy: Storage,
    filters: int | None,
    biases: int | None,
    shared: int,
) -> None:
    """The steps that add to the gradients at these offsets."""
    start, inside = taps_of(x, window, 1)
    emit_filters(
        emitter, work, dy, filters, biases, shared, taps=inner_taps(window, dy.shape, inside),
        x=x.strided._replace(offset=x.first + start, row=x.row * window.stride[0]), x_column=x.pixel * window.stride[1],
    )  # fmt: skip
