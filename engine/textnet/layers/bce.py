"""bce: the loss for K labels per row, each there or not. The logistic function, then cross-entropy against each target
t in [0, 1], summed over the labels:

    loss = sum_k max(x[k], 0) - x[k] * t[k] + ln(1 + exp(-|x[k]|))        dx = 1 / (1 + exp(-x)) - t

No logarithm is taken of a probability, so the loss stays finite where one underflows.
`test` writes the probabilities 1 / (1 + exp(-x)).
"""

from __future__ import annotations

from ....formats.network import GRAMMAR
from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.jit import F1, F2, F2_IN, inline, kernel
from ...vectors.elementary import sigmoid, softplus_rest
from ...vectors.simd import element, fma, load, load_part, maximum, reduce_add, store, store_part, zeros
from .layer import LOSS, TargetKind, TextLayer
from .sig import forward


@inline
def surprise(x, t):
    """-t * ln(s) - (1 - t) * ln(1 - s) for s = 1 / (1 + exp(-x)), vectors."""
    return fma(-x, t, maximum(zeros(), x)) + softplus_rest(x)


@inline
def label_entropy(x, target, dx, losses):
    """Writes dx [B, K] and losses [B] from x and target [B, K]; dx may be x."""
    rows, K = x.shape
    whole = K // LANES * LANES
    for b in range(rows):
        total = zeros()
        for at in range(b * K, b * K + whole, LANES):
            value, wanted = load(x, at), load(target, at)
            store(dx, at, sigmoid(value) - wanted)
            total = total + surprise(value, wanted)
        losses[b] = reduce_add(total)
        for at in range(b * K + whole, (b + 1) * K, LANES):  # once: the lanes past the row would count ln 2
            rest = K - whole
            value, wanted = load_part(x, at, rest), load_part(target, at, rest)
            store_part(dx, at, surprise(value, wanted), rest)
            losses[b] += reduce_add(load_part(dx, at, rest))
            store_part(dx, at, sigmoid(value) - wanted, rest)


@kernel(LOSS)
def loss(x, target, settings, dx, losses):
    """As `label_entropy`: targets are checked already."""
    label_entropy(x, target, dx, losses)


@inline
def all_shares(target):
    """Whether all targets are in [0, 1]."""
    found = True
    for at in range(target.size):
        found &= 0 <= element(target, at) <= 1
    return found


@kernel(types.void(F2_IN, F2_IN, F2, F1))
def bce_loss(x: types.Floats, target: types.Floats, dx: types.Floats, losses: types.Floats) -> None:
    """losses[b] = sum of -t * ln(s) - (1 - t) * ln(1 - s) for s = 1 / (1 + exp(-x[b])), t = target[b]; dx = s - t.

    x [B, K], target [B, K] in [0, 1], float32; writes dx [B, K] (may be x) and losses [B].
    ValueError on other shapes or a target that is not in [0, 1].
    """
    if target.shape != x.shape or dx.shape != x.shape or losses.size != x.shape[0]:
        raise ValueError("bce_loss: x [B, K], target [B, K], dx [B, K], losses [B] do not fit together")
    if not all_shares(target):
        raise ValueError("bce_loss: a target is not in [0, 1]")
    label_entropy(x, target, dx, losses)


LAYER = TextLayer(
    word=GRAMMAR["bce"],
    forward=forward,
    loss=loss,
    reads_input=False,
    targets=lambda outputs: outputs,
    target_kind=TargetKind.SHARES,
)
