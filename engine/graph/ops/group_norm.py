"""GroupNorm:  y = (x - mean) / sqrt(variance + eps)   by the mean and the biased variance of each group of channels of
each picture.

A group of one channel each is ONNX's InstanceNormalization without its scale and shift, which are a Scale layer.
(Caffe's MVN adds eps to the deviation instead.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import NO_VALUES, Back, Gradient, Layers, Op, Run, count, same_shape
from .channels import channel_sums, moments, normalised_gradient
from .scale import affine


@dataclass(frozen=True)
class GroupNorm:
    """`groups` of the channels, None for one per channel."""

    groups: int | None = None
    eps: float = 1e-5


def group_sizes(node: Node, bottom: Shape) -> tuple[int, int]:
    """The number of groups of all pictures, and of the numbers in each. Raises node.error."""
    if len(bottom) < 2:
        raise node.error(f"has a bottom of shape {list(bottom)}", "2 axes or more, channels on axis 1")
    groups = bottom[1] if node.attributes.groups is None else node.attributes.groups
    if groups < 1 or bottom[1] % groups:
        raise node.error(f"has {groups} groups of {bottom[1]} channels", "a divisor of the channels")
    return bottom[0] * groups, bottom[1] // groups * count(bottom, 2)


def group_norm_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    group_sizes(node, bottoms[0])
    return same_shape(node, bottoms)


def prepare_group_norm(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    groups, inner = group_sizes(node, bottoms[0])
    mean, variance = np.empty(groups), np.empty(groups)
    shift, factors = np.empty(groups, np.float32), np.empty(groups, np.float32)

    def run(inputs, outputs):
        x = inputs[0].reshape(-1)
        moments.run(x, 1, groups, inner, mean, variance)
        shift[:], factors[:] = mean, 1 / np.sqrt(variance + node.attributes.eps)
        affine.run(x, shift, factors, NO_VALUES, 1, groups, inner, outputs[0].reshape(-1))

    run.factors = factors  # of the last run, for its gradient
    return run


def group_norm_macs(node: Node, bottoms: list[Shape], tops: list[Shape]) -> int:
    return count(tops[0])


def group_norm_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    """dx = (dy - mean of dy - y * mean of dy * y) / sqrt(variance + eps)."""
    groups, inner = group_sizes(node, bottoms[0])
    sums, products = np.empty(groups), np.empty(groups)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        y, dy, dx = (array.reshape(-1) for array in (outputs[0], output_gradients[0], input_gradients[0]))
        channel_sums.run(y, dy, 1, groups, inner, sums, products)
        means, slopes = ((each / inner).astype(np.float32) for each in (sums, products))
        normalised_gradient.run(y, dy, means, slopes, run.factors, 1, groups, inner, dx)

    return back


OPS = (
    Op(
        "GroupNorm", group_norm_shapes, prepare_group_norm, macs=group_norm_macs, in_place=True,
        kernels=(moments, affine), attributes=GroupNorm,
        gradient=Gradient(group_norm_back, kernels=(channel_sums, normalised_gradient)),
    ),
)  # fmt: skip
