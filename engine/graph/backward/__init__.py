"""Gradients of the layer types that have them: one file a family, as in `ops/`, and this table."""

from __future__ import annotations

from . import (
    activations,
    batch_norm,
    convolution,
    dropout,
    eltwise,
    inner_product,
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
from .op import Backward

MODULES = (
    convolution,
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
)

BACKWARDS: dict[str, Backward] = {each.type: each for module in MODULES for each in module.BACKWARDS}
