"""sce: the loss for classes. Softmax, then cross-entropy against the class of each row.

    loss = -ln p[label] = ln(sum_j exp(x[j] - m)) - (x[label] - m)        dx = p - onehot(label)

The logarithm is taken of the sum, not of p, so the loss stays finite where p[label] underflows.
`test` writes the posteriors p.
"""

from __future__ import annotations

import math

import numpy as np

from ....formats.network import GRAMMAR
from ...compiler import signatures as types
from ...compiler.jit import F1, F2, F2_IN, inline, kernel
from ...vectors.elementary import ONE
from .layer import FORWARD, LOSS, TargetKind, TextLayer
from .smx import row_exponentials, scale_row, softmax


@inline
def cross_entropy(x, target, dx, losses):
    """Writes dx [B, K] and losses [B] from logits x [B, K] and classes target [B, 1]; dx may be x."""
    rows, K = x.shape
    for b in range(rows):
        label = int(target[b, 0])
        wanted = x[b, label]  # read first: dx may be x
        highest, total = row_exponentials(x, dx, b * K, K)
        scale_row(dx, b * K, K, ONE / total)
        dx[b, label] -= ONE
        losses[b] = np.float32(math.log(total) - (np.float64(wanted) - np.float64(highest)))


@kernel(FORWARD)
def forward(x, p, settings, y, scratch):
    """Writes the posteriors y [B, K] of x [B, K]; y may be x."""
    softmax(x, y)


@kernel(LOSS)
def loss(x, target, settings, dx, losses):
    """As `cross_entropy`: classes are checked already."""
    cross_entropy(x, target, dx, losses)


@kernel(types.void(F2_IN, F2_IN, F2, F1))
def sce_loss(x: types.Floats, target: types.Floats, dx: types.Floats, losses: types.Floats) -> None:
    """losses[b] = -ln softmax(x[b])[target[b, 0]] and dx = softmax(x) - onehot(target), summed over rows.

    x [B, K], target [B, 1] class numbers as float32; writes dx [B, K] (may be x) and losses [B].
    ValueError on other shapes or a target that is not a whole number in [0, K).
    """
    if target.shape != (x.shape[0], 1) or dx.shape != x.shape or losses.size != x.shape[0]:
        raise ValueError("sce_loss: x [B, K], target [B, 1], dx [B, K], losses [B] do not fit together")
    for b in range(x.shape[0]):
        if not (0 <= target[b, 0] < x.shape[1]) or target[b, 0] != math.floor(target[b, 0]):
            raise ValueError("sce_loss: a target is not a class number in [0, K)")
    cross_entropy(x, target, dx, losses)


LAYER = TextLayer(word=GRAMMAR["sce"], forward=forward, loss=loss, reads_input=False, target_kind=TargetKind.CLASS)
