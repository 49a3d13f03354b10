"""BatchNorm:  y = (x - mean[c]) / sqrt(variance[c] + eps)   for the channels c of axis 1.

With global statistics, mean and variance are the first two blobs over the third, the factor; if that is 0, both are 0.
Else they are the batch's own, the variance biased, and each run adds them to the blobs, as Caffe does:

    factor = f * factor + 1    mean_sum = f * mean_sum + mean    variance_sum = f * variance_sum + m/(m-1) * variance

with m numbers per channel and f = moving_average_fraction. A fork's disable_mean subtracts no mean, its
disable_variance divides by nothing; how it trains with them is not known, so that is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import NO_VALUES, Back, Gradient, Layers, Op, Run, count, same_shape
from .channels import channel_sums, moments, normalised_gradient
from .scale import affine


@dataclass(frozen=True)
class BatchNorm:
    """`use_global_stats`: use the statistics of the blobs; None: in the TEST phase. `disable_mean`: the mean is taken
    to be 0, `disable_variance`: variance + eps to be 1."""

    use_global_stats: bool | None = None
    moving_average_fraction: float = 0.999
    eps: float = 1e-5
    disable_mean: bool = False
    disable_variance: bool = False


def batch_norm_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    if len(bottoms[0]) < 2:
        raise node.error(f"has a bottom of shape {list(bottoms[0])}", "2 axes or more, channels on axis 1")
    return same_shape(node, bottoms)


def checked_batch_norm_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    if disables(node) and not uses_global_statistics(node):
        raise node.error("has disable_mean or disable_variance with the statistics of each batch", "stored ones")
    return batch_norm_shapes(node, bottoms)


def batch_norm_weights(node: Node, bottoms: list[Shape]) -> list[Shape]:
    channels = bottoms[0][1]
    return [(channels,), (channels,), (1,)]


def uses_global_statistics(node: Node) -> bool:
    """Whether a BatchNorm uses the statistics of its blobs: as its attribute says, else in the TEST phase."""
    stored = node.attributes.use_global_stats
    return node.phase == "TEST" if stored is None else stored


def disables(node: Node) -> bool:
    """Whether a BatchNorm does without its mean or variance."""
    return node.attributes.disable_mean or node.attributes.disable_variance


def global_statistics(node: Node) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance, float64 [C], in the blobs of a BatchNorm; 0 and 1 - eps where it does without them."""
    (mean, variance, factor), attributes = node.weights, node.attributes
    share = np.float64(0 if factor[0] == 0 else 1 / np.float64(factor[0]))
    return (
        np.zeros(mean.size) if attributes.disable_mean else mean * share,
        np.full(variance.size, 1 - attributes.eps) if attributes.disable_variance else variance * share,
    )


def prepare_batch_norm(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    (outer, channels), inner = bottoms[0][:2], count(bottoms[0], 2)
    stored, batch = uses_global_statistics(node), (np.empty(channels), np.empty(channels))
    factors = np.empty(channels, np.float32)

    def run(inputs, outputs):
        x = inputs[0].reshape(-1)
        if stored:
            mean, variance = global_statistics(node)
        else:
            mean, variance = batch
            moments.run(x, outer, channels, inner, mean, variance)
            _accumulate(node, outer * inner, mean, variance)
        with np.errstate(divide="ignore", invalid="ignore"):  # a negative variance gives NaN, as in Caffe
            factors[:] = 1 / np.sqrt(variance + node.attributes.eps)
        affine.run(x, mean.astype(np.float32), factors, NO_VALUES, outer, channels, inner, outputs[0].reshape(-1))

    run.factors = factors  # of the last run, for its gradient
    return run


def _accumulate(node: Node, number: int, mean: np.ndarray, variance: np.ndarray) -> None:
    fraction = node.attributes.moving_average_fraction
    unbiased = variance * (number / (number - 1) if number > 1 else 1)
    for blob, new in zip(node.weights, (mean, unbiased, 1), strict=True):
        blob[...] = fraction * blob.astype(np.float64) + new
    if node.held:
        node.held.written()


def batch_norm_macs(node: Node, bottoms: list[Shape], tops: list[Shape]) -> int:
    return count(tops[0])


# ------------------------------------------------------------------------------------------------------------- gradient
# Gradient of BatchNorm, whose blobs get none.
#
# With global statistics      dx = dy / sqrt(variance + eps)
# with the batch's own        dx = (dy - mean of dy - y * mean of dy * y) / sqrt(variance + eps)
def batch_norm_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    (outer, channels), inner = bottoms[0][:2], count(bottoms[0], 2)
    sums, products = np.empty(channels), np.empty(channels)
    stored, number = uses_global_statistics(node), outer * inner

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        if input_gradients[0] is None:
            return
        dy, dx = output_gradients[0].reshape(-1), input_gradients[0].reshape(-1)
        if stored:
            affine.run(dy, NO_VALUES, run.factors, NO_VALUES, outer, channels, inner, dx)
            return
        y = outputs[0].reshape(-1)
        channel_sums.run(y, dy, outer, channels, inner, sums, products)
        means, slopes = ((each / number).astype(np.float32) for each in (sums, products))
        normalised_gradient.run(y, dy, means, slopes, run.factors, outer, channels, inner, dx)

    return back


OPS = (
    Op(
        "BatchNorm", checked_batch_norm_shapes, prepare_batch_norm, batch_norm_weights, batch_norm_macs, in_place=True,
        kernels=(moments, affine),
        gradient=Gradient(batch_norm_back, kernels=(affine, channel_sums, normalised_gradient)),
    ),
)  # fmt: skip
