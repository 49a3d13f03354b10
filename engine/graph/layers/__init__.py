"""The layer types that the engine runs: one file a family, and this table."""

from __future__ import annotations

from ..op import Op
from . import (
    activations,
    batch_norm,
    convolution,
    deconvolution,
    inner_product,
    inputs,
    normalise,
    pooling,
    scale,
)

MODULES = (inputs, activations, batch_norm, convolution, deconvolution, inner_product, normalise, pooling, scale)

OPS: dict[str, Op] = {op.type: op for module in MODULES for op in module.OPS}
