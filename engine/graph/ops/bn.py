"""BN of SegNet's and of PSPNet's Caffe, two layers of one name, for the channels c of axis 1.

SegNet's     blobs scale, shift               INFERENCE: y = scale[c] * x + shift[c]
                                              LEARN: y = scale[c] * n + shift[c], in both phases
PSPNet's     blobs slope, bias, mean, variance     y = slope[c] * n + bias[c]

where n = (x - mean[c]) / sqrt(variance[c] + eps). Mean and biased variance are the batch's own in SegNet's LEARN, whose
eps is 1e-9, and in PSPNet's where it is trained and not frozen; else the blobs', as they are. PSPNet's then writes

    mean = momentum * mean + (1 - momentum) * the batch's       variance likewise, with the biased one

The tops 1 and 2 of SegNet's LEARN are the batch's mean and variance, to which there is no gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import NO_VALUES, Back, Gradient, Layers, Op, Run, count
from .batch_norm import batch_norm_macs, batch_norm_shapes
from .channels import add_sums, channel_sums, moments, normalised_gradient
from .scale import affine

LEARN, INFERENCE = range(2)  # BNParameter.BNMode
LEARN_EPS = 1e-9


@dataclass(frozen=True)
class BN:
    """`bn_mode`: LEARN or INFERENCE of SegNet's, None for PSPNet's, to which the others belong. A `frozen` one is
    trained as it is tested, and its parameters stay."""

    bn_mode: int | None = None
    momentum: float = 0.9
    eps: float = 1e-5
    frozen: bool = False


def bn_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    if len(node.tops) > 1 and node.attributes.bn_mode != LEARN:
        raise node.error(f"has {len(node.tops)} tops", "1, or up to 3 in the mode LEARN of SegNet's BN")
    (top,) = batch_norm_shapes(node, bottoms)
    return [top, *[(1, top[1], 1, 1)] * (len(node.tops) - 1)]


def bn_weights(node: Node, bottoms: list[Shape]) -> list[Shape]:
    return [(1, bottoms[0][1], 1, 1)] * (4 if node.attributes.bn_mode is None else 2)


def normalises_batch(node: Node) -> bool:
    """Whether a BN takes the statistics of each batch."""
    attributes = node.attributes
    if attributes.bn_mode is None:
        return node.phase == "TRAIN" and not attributes.frozen
    return attributes.bn_mode == LEARN


def deviation(variance: np.ndarray, eps: float) -> np.ndarray:
    """sqrt(variance + eps) of float64; a negative sum gives NaN, as in the forks."""
    with np.errstate(invalid="ignore"):
        return np.sqrt(variance + np.float64(np.float32(eps)))


def stored_statistics(node: Node) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance, float64 [C], in the blobs of PSPNet's BN."""
    mean, variance = (blob.reshape(-1).astype(np.float64) for blob in node.weights[2:])
    return mean, variance


class Normalisation:
    """n = (x - shift) * factor of a layer's last run: float32 [C] each, or empty for 0 and 1."""

    shift, factor = NO_VALUES, NO_VALUES

    def set(self, mean: np.ndarray, variance: np.ndarray, eps: float) -> None:
        with np.errstate(divide="ignore"):
            self.shift, self.factor = mean.astype(np.float32), (1 / deviation(variance, eps)).astype(np.float32)


def prepare_bn(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    channels, sizes = bottoms[0][1], (*bottoms[0][:2], count(bottoms[0], 2))
    mean, variance, last = np.empty(channels), np.empty(channels), Normalisation()
    pspnets, batch, attributes = node.attributes.bn_mode is None, normalises_batch(node), node.attributes

    def run(inputs, outputs):
        x, (scale, offset) = inputs[0].reshape(-1), (blob.reshape(-1) for blob in node.weights[:2])
        if batch:
            moments.run(x, *sizes, mean, variance)
            last.set(mean, variance, attributes.eps if pspnets else LEARN_EPS)
            for top, values in zip(outputs[1:], (mean, variance), strict=False):
                top.reshape(-1)[:] = values
        elif pspnets:
            last.set(*stored_statistics(node), attributes.eps)
        factor = scale * last.factor if last.factor.size else scale
        affine.run(x, last.shift, factor, offset, *sizes, outputs[0].reshape(-1))
        if batch and pspnets:
            _average(node, mean, variance)

    run.last = last  # for its gradient
    return run


def _average(node: Node, mean: np.ndarray, variance: np.ndarray) -> None:
    momentum = node.attributes.momentum
    for blob, new in zip(node.weights[2:], (mean, variance), strict=True):
        blob[...] = momentum * blob.astype(np.float64) + (1 - momentum) * new.reshape(blob.shape)
    if node.held:
        node.held.written((2, 3))


# ------------------------------------------------------------------------------------------------------------- gradient
# dscale = sum of dy * n, dshift = sum of dy, both 0 where it is frozen. As all gradients of weights they are added to
# the former ones; SegNet's code overwrites those. dx = dy * scale / deviation of stored statistics,
# else (dy - mean of dy - n * mean of dy * n) * scale / deviation.
def bn_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    sizes = outer, channels, inner = *bottoms[0][:2], count(bottoms[0], 2)
    sums, products = np.empty(channels), np.empty(channels)
    batch, number, last = normalises_batch(node), outer * inner, run.last
    normal = np.empty(count(bottoms[0]), np.float32)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        dy, factor = output_gradients[0].reshape(-1), node.weights[0].reshape(-1)
        if last.factor.size:
            factor = factor * last.factor
        affine.run(inputs[0].reshape(-1), last.shift, last.factor, NO_VALUES, *sizes, normal)
        channel_sums.run(normal, dy, *sizes, sums, products)
        for gradient, found in zip(weight_gradients[:2], (products, sums), strict=True):
            if gradient is not None and not node.attributes.frozen:
                add_sums(gradient, found)
        if input_gradients[0] is None:
            return
        dx = input_gradients[0].reshape(-1)
        if batch:
            means, slopes = ((each / number).astype(np.float32) for each in (sums, products))
            normalised_gradient.run(normal, dy, means, slopes, factor, *sizes, dx)
        else:
            affine.run(dy, NO_VALUES, factor, NO_VALUES, *sizes, dx)

    return back


OPS = (
    Op(
        "BN", bn_shapes, prepare_bn, bn_weights, batch_norm_macs, tops=(1, 3), in_place=True, kernels=(moments, affine),
        gradient=Gradient(bn_back, kernels=(affine, channel_sums, normalised_gradient)),
    ),
)  # fmt: skip
