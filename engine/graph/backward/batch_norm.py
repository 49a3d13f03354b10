"""Gradient of BatchNorm, whose blobs get none.

With global statistics      dx = dy / sqrt(variance + eps)
with the batch's own        dx = (dy - mean of dy - y * mean of dy * y) / sqrt(variance + eps)
"""

from __future__ import annotations

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import Run, count
from ..ops.batch_norm import uses_global_statistics
from ..ops.scale import NONE, affine
from .channels import channel_sums, normalised_gradient
from .op import Back, Backward


def prepare_batch_norm(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run) -> Back:
    (outer, channels), inner = bottoms[0][:2], count(bottoms[0], 2)
    sums, products = np.empty(channels), np.empty(channels)
    stored, number = uses_global_statistics(node), outer * inner

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        if input_gradients[0] is None:
            return
        dy, dx = output_gradients[0].reshape(-1), input_gradients[0].reshape(-1)
        if stored:
            affine.run(dy, NONE, run.factors, NONE, outer, channels, inner, dx)
            return
        y = outputs[0].reshape(-1)
        channel_sums.run(y, dy, outer, channels, inner, sums, products)
        means, slopes = ((each / number).astype(np.float32) for each in (sums, products))
        normalised_gradient.run(y, dy, means, slopes, run.factors, outer, channels, inner, dx)

    return back


BACKWARDS = (Backward("BatchNorm", prepare_batch_norm),)
