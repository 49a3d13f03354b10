"""InnerProduct of a matrix: its rows are the pixels of one picture."""

from __future__ import annotations

import numpy as np

from ....compiler.cpu import FLOAT_BYTES, LANES
from ...ir.op import count
from ..emitter import Emitter
from ..storage import Kind, Storage, blocks
from .lowered import PLANAR, Context, Lowered, addend_wants
from .products import Work, emit_products, pack_panels


def lower_inner_product(context: Context) -> Lowered | None:
    node, top = context.group.main, context.tops[0]
    if len(top) != 2:
        return None
    (rows, outputs), depth = top, count(context.bottoms[0], 1)
    run, transposed = depth if depth % LANES else LANES, node.attributes.transpose

    def emit(emitter: Emitter, bottoms: list[Storage], tops: list[Storage]) -> None:
        def pack_weights(panels):
            pack_panels(node.weights[0].T if transposed else node.weights[0].reshape(outputs, depth), panels)

        work = Work(
            x=bottoms[0].first, x_picture=0, x_group=0, pixels=np.arange(rows) * depth * FLOAT_BYTES,
            taps=np.arange(0, depth, run) * FLOAT_BYTES, run=run,
            w=emitter.weights(node, blocks(outputs) * LANES * depth, pack_weights),
            groups=1, outputs=outputs, pictures=1, inputs=rows * depth * FLOAT_BYTES,
        )  # fmt: skip
        addend = bottoms[-1] if context.group.addend else None
        emit_products(emitter, context.group, work, tops[0], addend, lambda storage: np.arange(rows) * storage.picture)

    return Lowered([PLANAR, *addend_wants(context)], Kind.BLOCKED, emit)
