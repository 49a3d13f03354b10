"""BatchNormalization, InstanceNormalization, GroupNormalization."""

from __future__ import annotations

import numpy as np

from ......formats.onnx.records import OnnxNode
from ....ir.graph import Blob
from ....ops.batch_norm import BatchNorm
from ....ops.group_norm import GroupNorm
from ....ops.scale import Scale
from .builder import GraphBuilder

INFERENCE_UNSAID = 7  # since this opset there is no is_test
SCALE_PER_CHANNEL = 21  # of GroupNormalization, since this opset; before, one per group


def batch_normalization(builder: GraphBuilder, node: OnnxNode) -> Blob:
    if any(node.outputs[1:]) or node.attributes.get("training_mode"):
        builder.refuse("is for training", "inference")
    if node.version < INFERENCE_UNSAID and not node.attributes.get("is_test", 0):
        builder.refuse("has is_test 0", "1: inference")
    if not node.attributes.get("spatial", 1):
        builder.refuse("has spatial 0", "1: statistics of channels")
    scale, shift, mean, variance = (
        builder.needed_constant(1 + number, what) for number, what in enumerate(("scale", "B", "mean", "var"))
    )
    weights = mean, variance, np.ones(1, np.float32)
    attributes = BatchNorm(use_global_stats=True, eps=builder.number("epsilon", 1e-5))
    return _scaled(builder, builder.add("BatchNorm", [builder.input()], attributes, weights), scale, shift)


def instance_normalization(builder: GraphBuilder, node: OnnxNode) -> Blob:
    scale, shift = builder.needed_constant(1, "scale"), builder.needed_constant(2, "B")
    attributes = GroupNorm(None, builder.number("epsilon", 1e-5))
    return _scaled(builder, builder.add("GroupNorm", [builder.input()], attributes), scale, shift)


def group_normalization(builder: GraphBuilder, node: OnnxNode) -> Blob:
    blob, groups = builder.input(), node.attributes["num_groups"]
    scale, shift = builder.needed_constant(1, "scale"), builder.needed_constant(2, "bias")
    if node.version < SCALE_PER_CHANNEL and scale.size == shift.size == groups:
        each = builder.sizes(blob, 1) // max(1, groups)
        scale, shift = np.repeat(scale, each), np.repeat(shift, each)
    attributes = GroupNorm(groups, builder.number("epsilon", 1e-5))
    return _scaled(builder, builder.add("GroupNorm", [blob], attributes), scale, shift)


def _scaled(builder: GraphBuilder, blob: Blob, scale: np.ndarray, shift: np.ndarray) -> Blob:
    """`blob` times and plus a number per channel; itself where that changes nothing."""
    if (scale == 1).all() and (shift == 0).all():
        return blob
    return builder.add("Scale", [blob], Scale(bias_term=True), [scale, shift])


OPERATORS = {
    "BatchNormalization": batch_normalization,
    "GroupNormalization": group_normalization,
    "InstanceNormalization": instance_normalization,
}
