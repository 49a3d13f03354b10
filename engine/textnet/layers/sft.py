"""sft: the loss for soft targets. Softmax, then cross-entropy against K probabilities t in each row:

    loss = sum_k -t[k] * ln p[k] = T * ln(sum_j exp(x[j] - m)) - sum_k t[k] * (x[k] - m),   m = max x,  T = sum_k t[k]
    dx = T * p - t

With a one-hot t it is `sce`. T is 1 give or take a rounding, and gradients are those of the targets as they are.
`test` writes the posteriors p.
"""

from __future__ import annotations

import math

import numpy as np

from ....formats.network import GRAMMAR
from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.jit import F1, F2, F2_IN, inline, kernel
from ...vectors.simd import broadcast, fma, load, load_part, reduce_add, store, store_part, zeros
from .bce import all_shares
from .layer import LOSS, TargetKind, TextLayer
from .sce import forward
from .smx import row_exponentials, row_maximum


@inline
def weighted_row(x, target, at, K):
    """The sum of a row of targets, and that of targets times x - max x."""
    shift, whole = broadcast(row_maximum(x, at, K)), K // LANES * LANES
    total, weighted = zeros(), zeros()
    for k in range(0, whole, LANES):
        wanted = load(target, at + k)
        total = total + wanted
        weighted = fma(wanted, load(x, at + k) - shift, weighted)
    if whole < K:
        rest = K - whole
        wanted = load_part(target, at + whole, rest)
        total = total + wanted
        weighted = fma(wanted, load_part(x, at + whole, rest) - shift, weighted)
    return reduce_add(total), reduce_add(weighted)


@inline
def soft_cross_entropy(x, target, dx, losses):
    """Writes dx [B, K] and losses [B] from logits x and probabilities target [B, K]; dx may be x."""
    rows, K = x.shape
    whole = K // LANES * LANES
    for b in range(rows):
        at = b * K
        share, weighted = weighted_row(x, target, at, K)  # read first: dx may be x
        _, total = row_exponentials(x, dx, at, K)
        factor = broadcast(share / total)
        for k in range(0, whole, LANES):
            store(dx, at + k, fma(load(dx, at + k), factor, -load(target, at + k)))
        if whole < K:
            rest = K - whole
            gradient = fma(load_part(dx, at + whole, rest), factor, -load_part(target, at + whole, rest))
            store_part(dx, at + whole, gradient, rest)
        losses[b] = np.float32(np.float64(share) * math.log(total) - np.float64(weighted))


@kernel(LOSS)
def loss(x, target, settings, dx, losses):
    """As `soft_cross_entropy`: targets are checked already."""
    soft_cross_entropy(x, target, dx, losses)


@kernel(types.void(F2_IN, F2_IN, F2, F1))
def sft_loss(x: types.Floats, target: types.Floats, dx: types.Floats, losses: types.Floats) -> None:
    """losses[b] = sum of -target[b] * ln softmax(x[b]) and dx = softmax(x) * (sum of target[b]) - target.

    x [B, K], target [B, K] in [0, 1], float32; writes dx [B, K] (may be x) and losses [B].
    ValueError on other shapes or a target that is not in [0, 1].
    """
    if target.shape != x.shape or dx.shape != x.shape or losses.size != x.shape[0]:
        raise ValueError("sft_loss: x [B, K], target [B, K], dx [B, K], losses [B] do not fit together")
    if not all_shares(target):
        raise ValueError("sft_loss: a target is not in [0, 1]")
    soft_cross_entropy(x, target, dx, losses)


LAYER = TextLayer(
    word=GRAMMAR["sft"],
    forward=forward,
    loss=loss,
    reads_input=False,
    targets=lambda outputs: outputs,
    target_kind=TargetKind.PROBABILITIES,
)
