"""The layer types that the engine runs: one file per family, and this table.

A new layer type of the package is
    an Op            in a file here: attributes, shapes, weights, cost, forward and gradient; and the file in MODULES
    a reader         of its parameters in frontends/caffe/attributes.py; their message, if Caffe's own has none for it,
                     in formats/caffe/layer_definitions.py
and if it is to be faster, exported or coloured
    a Lowering       in plan/lowering/
    its ONNX nodes   in frontends/onnx/write/, or in the Op
    its kind         in drawing/kinds.py, or in the Op

One from outside the package is the same in a file of its own, and `frontends.caffe.attributes.register_layer`.
"""

from __future__ import annotations

from ....errors import UsageError
from ..ir.op import Op
from . import (
    arrangement,
    batch_norm,
    convolution,
    curves,
    deconvolution,
    detection,
    dropout,
    eltwise,
    inner_product,
    inputs,
    losses,
    normalise,
    parameters,
    pooling,
    powers,
    reductions,
    relu,
    scale,
    softmax,
    views,
)

MODULES = (
    inputs,
    convolution,
    deconvolution,
    inner_product,
    pooling,
    batch_norm,
    scale,
    normalise,
    relu,
    curves,
    powers,
    dropout,
    softmax,
    eltwise,
    arrangement,
    views,
    parameters,
    reductions,
    losses,
    detection,
)

OPS: dict[str, Op] = {op.type: op for module in MODULES for op in module.OPS}
OWN = frozenset(OPS)


def register(op: Op) -> Op:
    """Make a layer type known to graphs. Raises UsageError for one of the package's."""
    if op.type in OWN:
        raise UsageError(f"the layer type {op.type!r} is taken")
    OPS[op.type] = op
    return op
