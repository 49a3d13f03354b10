"""InnerProduct of a matrix: its rows are the pixels of one picture."""

from __future__ import annotations

import numpy as np

from ....compiler.cpu import FLOAT_BYTES, LANES
from ...ir.op import count
from ..emitter import Emitter
from ..storage import Storage, StorageKind
from .filters import FilterLayout, pack_filters, panels_offset
from .lowered import PLANAR, Context, Lowered, Lowering, addend_wants
from .products import Work, convolve, emit_products


def lower_inner_product(context: Context) -> Lowered | None:
    node, top = context.group.main, context.tops[0]
    if len(top) != 2:
        return None
    (rows, outputs), depth = top, count(context.bottoms[0], 1)
    run, transposed = depth if depth % LANES else LANES, node.attributes.transpose

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        steps = (FLOAT_BYTES, outputs * FLOAT_BYTES) if transposed else (depth * FLOAT_BYTES, FLOAT_BYTES)
        layout = FilterLayout(
            groups=1, outputs=outputs, channels=depth, taps=1, group=0, output=steps[0], channel=steps[1],
            bytes=outputs * depth * FLOAT_BYTES, mirrored=0,
        )  # fmt: skip
        work = Work(
            x=bottoms[0].first, x_picture=0, x_group=0, pixels=np.arange(rows) * depth * FLOAT_BYTES,
            taps=np.arange(0, depth, run) * FLOAT_BYTES, run=run,
            w=panels_offset(emitter, node, 0, layout, 1 if depth % LANES else LANES),
            groups=1, outputs=outputs, pictures=1, inputs=rows * depth * FLOAT_BYTES,
        )  # fmt: skip
        addend = bottoms[-1] if context.group.addend else None
        emit_products(emitter, context.group, work, tops[0], addend, lambda storage: np.arange(rows) * storage.picture)

    return Lowered([PLANAR, *addend_wants(context)], StorageKind.BLOCKED, emit)


INNER_PRODUCT = Lowering(lower_inner_product, kernels=(convolve, pack_filters))
