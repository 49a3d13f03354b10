"""The layer types that the engine runs: one file a family, and this table."""

from __future__ import annotations

from ..ir.op import Op
from . import (
    activations,
    batch_norm,
    convolution,
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
    scale,
    shape_layers,
    softmax,
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
    activations,
    powers,
    dropout,
    softmax,
    eltwise,
    shape_layers,
    parameters,
    reductions,
    losses,
    detection,
)

OPS: dict[str, Op] = {op.type: op for module in MODULES for op in module.OPS}
