"""The layer types that the engine runs: one file a family, and this table."""

from __future__ import annotations

from ..op import Op
from . import activations, convolution, inputs

OPS: dict[str, Op] = {op.type: op for module in (inputs, activations, convolution) for op in module.OPS}
