"""The layer types that the engine runs: one file per family, and this table.

A new layer type of the package is
    an Op            in a file here: attributes, shapes, weights, cost, forward and gradient; and the file in MODULES
    a reader         of its parameters in frontends/caffe/attributes.py; their message, if Caffe's own has none for it,
                     in formats/caffe/layer_definitions.py (or `attributes` in the Op, for a type that is ONNX's alone)
and if it is to be faster, exported or coloured
    a Lowering       in plan/lowering/
    its ONNX nodes   in frontends/onnx/write/, or in the Op
    its kind         in drawing/kinds.py, or in the Op

One from outside the package is the same in a file of its own, and `frontends.caffe.attributes.register_op`.
"""

from __future__ import annotations

from ....errors import UsageError
from ..ir.graph import Node
from ..ir.op import Op
from . import (
    arrangement,
    axpy,
    batch_norm,
    bn,
    class_losses,
    contrastive,
    convolution,
    ctc,
    deconvolution,
    detection,
    dropout,
    eltwise,
    group_norm,
    im2col,
    inner_product,
    inputs,
    interp,
    losses,
    lstm_forms,
    multibox_loss,
    normalise,
    padding,
    parameters,
    part_pooling,
    piecewise,
    pooling,
    powers,
    proposal,
    pyramid,
    recurrent,
    reductions,
    region_pooling,
    relu,
    resize,
    reverse_time,
    scale,
    selection,
    shuffle,
    smooth,
    smooth_l1_loss,
    softmax,
    strided_slice,
    upsample,
    views,
    yolo,
)

MODULES = (
    inputs,
    convolution,
    deconvolution,
    inner_product,
    recurrent,
    lstm_forms,
    im2col,
    pooling,
    pyramid,
    batch_norm,
    bn,
    group_norm,
    scale,
    normalise,
    relu,
    smooth,
    piecewise,
    powers,
    dropout,
    softmax,
    eltwise,
    axpy,
    arrangement,
    strided_slice,
    reverse_time,
    shuffle,
    selection,
    padding,
    resize,
    interp,
    upsample,
    views,
    parameters,
    reductions,
    losses,
    class_losses,
    contrastive,
    detection,
    region_pooling,
    part_pooling,
    proposal,
    yolo,
    smooth_l1_loss,
    multibox_loss,
    ctc,
)

OPS: dict[str, Op] = {op.type: op for module in MODULES for op in module.OPS}
OWN = frozenset(OPS)


def caffe_types() -> list[str]:
    """The package's types that a layer of a Caffe file may have."""
    return [kind for kind in OWN if not OPS[kind].attributes]


def op_of(node: Node) -> Op | None:
    """The Op of a layer; None if its type is not known."""
    op = OPS.get(node.type)
    return None if op and op.attributes and not isinstance(node.attributes, op.attributes) else op


def register(op: Op) -> Op:
    """Make a layer type known to graphs. Raises UsageError for one of the package's."""
    if op.type in OWN:
        raise UsageError(f"the layer type {op.type!r} is taken")
    OPS[op.type] = op
    return op
