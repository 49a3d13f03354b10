"""InnerProduct of a matrix: its rows are the pixels of one picture, forward and in the gradient of the bottom."""

from __future__ import annotations

import numpy as np

from ....compiler.cpu import FLOAT_BYTES, LANES
from ...ir.graph import Node
from ...ir.op import count
from ..emitter import Emitter
from ..steps import NO_PIXELS
from ..storage import Memory, Storage, StorageKind
from .backward import Backward, BackwardBlobs
from .curves import NO_EPILOGUE
from .filter_gradient import FILTER_GRADIENT_KERNELS, FilterWork, emit_filters
from .filters import PACK_KERNELS, FilterLayout, no_bias, panels_offset
from .lowered import PLANAR, Context, Lowered, Lowering, addend_wants
from .mask import emit_group_mask, only_masks
from .moves import emit_move
from .outer_products import OUTER_SCRATCH, MatrixRows, add_outer_products, emit_outer_products
from .products import Work, convolve, emit_products, emit_sums, pixels_of


def lower_inner_product(context: Context) -> Lowered | None:
    node, top = context.group.main, context.tops[0]
    if len(top) != 2:
        return None
    (rows, outputs), depth = top, count(context.bottoms[0], 1)
    run = depth if depth % LANES else LANES

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        panels = panels_offset(emitter, node, 0, matrix_layout(node, outputs, depth), 1 if depth % LANES else LANES)
        work = Work(
            x=bottoms[0].first, x_picture=0, x_group=0, pixels=np.arange(rows) * depth * FLOAT_BYTES,
            taps=np.arange(0, depth, run) * FLOAT_BYTES, run=run, w=panels,
            groups=1, outputs=outputs, pictures=1, inputs=rows * depth * FLOAT_BYTES,
        )  # fmt: skip
        addend = bottoms[-1] if context.group.addend else None
        emit_products(emitter, context.group, work, tops[0], addend, row_offsets)

    backward = inner_product_backward(context, rows, outputs, depth)
    return Lowered([PLANAR, *addend_wants(context)], StorageKind.BLOCKED, emit, backward=backward)


ROW_KERNELS = convolve, *PACK_KERNELS
INNER_PRODUCT = Lowering(
    lower_inner_product, ROW_KERNELS, backward_kernels=(*ROW_KERNELS, *FILTER_GRADIENT_KERNELS, add_outer_products)
)


def matrix_layout(node: Node, outputs: int, depth: int) -> FilterLayout:
    """Of the weights [outputs, depth], or `transpose`d."""
    step = (1, outputs) if node.attributes.transpose else (depth, 1)
    return FilterLayout(
        groups=1, merged=1, outputs=outputs, channels=depth, taps=1, group=0, output=step[0] * FLOAT_BYTES,
        channel=step[1] * FLOAT_BYTES, bytes=outputs * depth * FLOAT_BYTES, mirrored=0,
    )  # fmt: skip


def row_offsets(storage: Storage) -> np.ndarray:
    return np.arange(storage.four[0]) * storage.picture


def inner_product_backward(context: Context, rows: int, outputs: int, depth: int) -> Backward | None:
    """None for a group with another operation than a ReLU."""
    node, group = context.group.main, context.group
    if not only_masks(group):
        return None
    biases = FilterWork(rows, 1, 1, 1, outputs, 0, 1, 0, 0)
    turned = Storage((rows, depth), StorageKind.BLOCKED, Memory(0, 0, 0)).size if depth % LANES else 0

    def emit(emitter: Emitter, blobs: BackwardBlobs) -> None:
        (x, *_), (dy,), (dx, *_) = blobs.bottoms, blobs.top_gradients, blobs.bottom_gradients
        emit_group_mask(emitter, group, blobs)
        filters, bias = (*blobs.weights[node], None)[:2]
        emit_filters(emitter, biases, dy, None, bias, blobs.shared)
        if filters is not None:
            given = MatrixRows(x.first, depth * FLOAT_BYTES, depth)
            pair = MatrixRows(dy.first, dy.picture, outputs), given
            emit_outer_products(emitter, *pair[:: -1 if node.attributes.transpose else 1], rows, filters)
        if dx:
            emit_rows(emitter, node, dy, dx, blobs.shared)

    return Backward(
        emit, reads_bottoms=True, reads_tops=group.activation is not None, scratch=max(biases.scratch, OUTER_SCRATCH),
        shared=max(biases.shared, turned),
    )  # fmt: skip


def emit_rows(emitter: Emitter, node: Node, dy: Storage, dx: Storage, turned: int) -> None:
    """The steps that write the rows of dx, PLANAR: by way of the memory at `turned` if they are not whole vectors."""
    (rows, outputs), depth = dy.shape, count(dx.shape, 1)
    layout = matrix_layout(node, outputs, depth)
    exchanged = layout._replace(outputs=depth, channels=outputs, output=layout.channel, channel=layout.output)
    work = Work(
        x=dy.first, x_picture=0, x_group=0, pixels=row_offsets(dy), taps=np.arange(dy.planes) * dy.plane, run=LANES,
        w=panels_offset(emitter, node, 0, exchanged, LANES), groups=1, outputs=depth, pictures=1,
        inputs=rows * dy.picture,
    )  # fmt: skip
    whole = depth % LANES == 0
    made = Storage((rows, depth), StorageKind.BLOCKED, dx.memory if whole else Memory(0, 0, 0, turned))
    emit_sums(emitter, work, pixels_of(emitter, made, row_offsets), no_bias(emitter, depth), NO_PIXELS, NO_EPILOGUE)
    if not whole:
        emit_move(emitter, made, Storage((rows, depth), StorageKind.PLANAR, dx.memory))
