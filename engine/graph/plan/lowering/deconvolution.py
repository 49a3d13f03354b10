"""Deconvolutions of pictures: the steps of a convolution's gradients, the other way round.

A Deconvolution is the adjoint of the convolution of the same filters, from its top to its bottom:

    y     the gradient of that convolution's bottom (`adjoint.py`); of stride 1 also the convolution of x with these
          filters, inputs and outputs exchanged and taps last to first, which Winograd's algorithm may do
    dx    that convolution of dy
    dW    the gradient of its filters, as if dy were its bottom and x the gradient of its top
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ....compiler.cpu import LANES
from ...ops.windows import MOST_NUMBERS, Window
from ..emitter import Emitter
from ..steps import NO_PIXELS
from ..storage import Halo, Storage, StorageKind, wider
from .adjoint import adjoint_halo, emit_adjoint, may_adjoin
from .backward import Backward, BackwardBlobs
from .convolution import (
    CONVOLVE_KERNELS,
    convolution_work,
    emit_filter_sums,
    filter_work,
    halo_of,
    picture_window,
    stored_numbers,
)
from .curves import NO_EPILOGUE, emit_epilogue
from .depthwise import emit_lane_filters, lane_work
from .depthwise_adjoint import convolve_phases, emit_lane_adjoint
from .depthwise_rows import convolve_depthwise, emit_rows, plain_rows
from .filter_gradient import FILTER_GRADIENT_KERNELS, FilterWork, emit_filters
from .filters import PACK_KERNELS, bias_offset, exchanged_layout, filter_layout, no_bias, pack_diagonal
from .lowered import Context, Lowered, Lowering, Want, addend_wants
from .mask import emit_group_mask, only_masks
from .merged_groups import merge_groups
from .products import emit_sums, pixels_of
from .winograd.backward import TILE_GRADIENT_KERNELS, TileWork, emit_tile_gradients
from .winograd.convolve import WINOGRAD_KERNELS, OutputWork, emit_tiles
from .winograd.tilings import choose_tiling

# With fewer outputs most lanes would be idle, and the layer's own code is faster, though it runs on one thread. 56
# channels of 64 x 64, kernel 9, stride 3, one thread and two: 4 outputs 1.0 and 1.0 ms instead of 3.0 and 1.7, 1 output
# 0.3 instead of 3.0 and 1.6, 16 outputs 4.7 and 4.6 instead of 3.1 and 1.7 (EPYC Zen 5, AVX-512, 2026-11-29).
FEWEST_OUTPUTS = LANES // 4 + 1


def adjoint_window(context: Context) -> Window | None:
    """That of the convolution from the top to the bottom, [N, C, H, W] over H and W. None without one, for few outputs,
    and for sizes that are too large for steps."""
    window = picture_window(context)
    if window is None or not window.channels or window.outputs < FEWEST_OUTPUTS:
        return None
    turned = replace(window, size=context.tops[0][2:], channels=window.outputs, outputs=window.channels)
    if not may_adjoin(turned):
        return None
    bottom, top = context.bottoms[0], context.tops[0]
    sizes = stored_numbers(bottom, adjoint_halo(turned, bottom)), stored_numbers(top, halo_of(turned, bottom))
    return turned if max(sizes) <= MOST_NUMBERS else None


def deconvolution_backward(
    context: Context,
    halo: Halo,
    scratch: int,
    shared: int,
    add_filters: Callable[[Emitter, Storage, Storage, int, int], None],
    write_inputs: Callable[[Emitter, Storage, Storage], None],
) -> Backward | None:
    """The gradients of a deconvolution, None for a group with another operation than a ReLU. `halo`: the zeros around
    dy. `add_filters(emitter, x, dy, filters, shared)` emits the steps that add to the gradient of the filters,
    `write_inputs(emitter, dy, dx)` those that write dx."""
    node, group, top = context.group.main, context.group, context.tops[0]
    if not only_masks(group):
        return None
    biases = FilterWork(top[0], *top[2:], groups=1, outputs=top[1], places=0, pixel=1, taps=0, row=0)

    def emit(emitter: Emitter, blobs: BackwardBlobs) -> None:
        (x,), (dy,), (dx,) = blobs.bottoms, blobs.top_gradients, blobs.bottom_gradients
        emit_group_mask(emitter, group, blobs)
        of_filters, of_biases = (*blobs.weights[node], None)[:2]
        if of_filters is not None:
            add_filters(emitter, x, dy, of_filters, blobs.shared)
        emit_filters(emitter, biases, dy, None, of_biases, blobs.shared)
        if dx:
            write_inputs(emitter, dy, dx)

    return Backward(
        emit, halo=halo, reads_bottoms=True, reads_tops=group.activation is not None,
        scratch=max(scratch, biases.scratch), shared=max(shared, biases.shared),
    )  # fmt: skip


def lower_sums(context: Context) -> Lowered | None:
    """As plain sums, in groups of whole blocks."""
    node, group, given, bottom = context.group.main, context.group, adjoint_window(context), context.bottoms[0]
    window = given and merge_groups(given)
    if window is None:
        return None
    work = filter_work(window, bottom, planar=False)

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        bias, addend = bias_offset(emitter, node, window.channels), bottoms[-1] if group.addend else None
        epilogue = emit_epilogue(emitter, group.activation, window.channels)
        emit_adjoint(emitter, node, window, bottoms[0], tops[0], bias, addend, epilogue)

    def add_filters(emitter: Emitter, x: Storage, dy: Storage, filters: int, shared: int) -> None:
        emit_filter_sums(emitter, work, window, dy, x, filters, None, shared)

    def write_inputs(emitter: Emitter, dy: Storage, dx: Storage) -> None:
        product, bias = convolution_work(emitter, node, window, dy, dx.shape[2:]), no_bias(emitter, window.outputs)
        emit_sums(emitter, product, pixels_of(emitter, dx), bias, NO_PIXELS, NO_EPILOGUE)

    backward = deconvolution_backward(
        context, halo_of(window, bottom), work.scratch, work.shared, add_filters, write_inputs
    )
    want = Want(StorageKind.BLOCKED, adjoint_halo(window, bottom))
    return Lowered([want, *addend_wants(context)], StorageKind.BLOCKED, emit, algorithm="direct", backward=backward)


def lower_lanes(context: Context) -> Lowered | None:
    """With one filter per channel."""
    node, group, window, bottom = context.group.main, context.group, adjoint_window(context), context.bottoms[0]
    if window is None or not window.group == window.channels == window.outputs or group.addend:
        return None
    work = lane_work(window, bottom)

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        bias = bias_offset(emitter, node, window.channels)
        epilogue = emit_epilogue(emitter, group.activation, window.channels)
        emit_lane_adjoint(emitter, node, window, bottoms[0], tops[0], bias, epilogue)

    def add_filters(emitter: Emitter, x: Storage, dy: Storage, filters: int, shared: int) -> None:
        emit_lane_filters(emitter, work, window, dy, x, filters, None, shared)

    def write_inputs(emitter: Emitter, dy: Storage, dx: Storage) -> None:
        emit_rows(emitter, plain_rows(emitter, node, window, dy, dx.shape[2:]), dx)

    backward = deconvolution_backward(
        context, halo_of(window, bottom), work.scratch, work.shared, add_filters, write_inputs
    )
    want = Want(StorageKind.BLOCKED, adjoint_halo(window, bottom))
    return Lowered([want], StorageKind.BLOCKED, emit, algorithm="depthwise", backward=backward)


def lower_tiles(context: Context) -> Lowered | None:
    """By Winograd's algorithm."""
    node, group, window, bottom = context.group.main, context.group, adjoint_window(context), context.bottoms[0]
    if context.exact or window is None:
        return None
    before, after = (
        tuple(extent - 1 - pad for extent, pad in zip(window.extent, pads, strict=True))
        for pads in (window.before, window.after)
    )
    turned = replace(
        window, size=bottom[2:], channels=window.outputs, outputs=window.channels, before=before, after=after
    )
    tiling = choose_tiling(turned, context.tops[0][2:]) if min(*before, *after) >= 0 else None
    if tiling is None:
        return None
    forward, back = OutputWork(turned, tiling, context.tops[0][2:]), OutputWork(window, tiling, bottom[2:])
    gradients = TileWork(window, tiling, bottom[2:])

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        bias, addend = bias_offset(emitter, node, window.channels), bottoms[-1] if group.addend else None
        epilogue = emit_epilogue(emitter, group.activation, window.channels)
        layout = exchanged_layout(window)._replace(mirrored=1)
        emit_tiles(emitter, node, forward, layout, bottoms[0], tops[0], bias, addend, epilogue)

    def add_filters(emitter: Emitter, x: Storage, dy: Storage, filters: int, shared: int) -> None:
        blobs = BackwardBlobs([dy], [], [x], [None], {}, shared)
        emit_tile_gradients(emitter, node, gradients, blobs, filters, None)

    def write_inputs(emitter: Emitter, dy: Storage, dx: Storage) -> None:
        bias = no_bias(emitter, window.outputs)
        emit_tiles(emitter, node, back, filter_layout(window), dy, dx, bias, None, NO_EPILOGUE)

    backward = deconvolution_backward(
        context, back.halo, max(back.scratch, gradients.scratch), gradients.shared, add_filters, write_inputs
    )
    want = Want(StorageKind.BLOCKED, wider(forward.halo, gradients.halo))
    return Lowered(
        [want, *addend_wants(context)], StorageKind.BLOCKED, emit, forward.scratch, algorithm=tiling.name,
        backward=backward,
    )  # fmt: skip


TILES = Lowering(lower_tiles, WINOGRAD_KERNELS, backward_kernels=(*WINOGRAD_KERNELS, *TILE_GRADIENT_KERNELS))
LANES_ALONE = Lowering(
    lower_lanes,
    (convolve_phases, *PACK_KERNELS, pack_diagonal),
    backward_kernels=(convolve_depthwise, convolve_phases, *PACK_KERNELS, pack_diagonal, *FILTER_GRADIENT_KERNELS),
)
SUMS = Lowering(lower_sums, CONVOLVE_KERNELS, backward_kernels=(*CONVOLVE_KERNELS, *FILTER_GRADIENT_KERNELS))
