"""Layers into which one number per channel can be folded: Convolution, Deconvolution, InnerProduct.

Their output is W x + b, so factor * (W x + b) + offset is the same layer with other W and b.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..ir.graph import Graph, Node, Shape
from .affine import Affine

PRODUCERS = ("Convolution", "ConvolutionDepthwise", "DepthwiseConvolution", "Deconvolution", "InnerProduct")


def shared_weights(graph: Graph, node: Node) -> str | None:
    """Why the node's weights are not its own, or None."""
    names = {spec.name for spec in node.blob_specs if spec.name}
    for other in graph.nodes:
        if other is not node and names & {spec.name for spec in other.blob_specs}:
            return f"{node.name!r} shares weights with {other.name!r}"
    return None


def cannot_fold(graph: Graph, node: Node, output: Shape) -> str | None:
    """Why a number for each channel (axis 1) of the output cannot go into the node's weights, or None."""
    if not node.weights:
        return f"{node.name!r} has no weights"
    if len(node.bottoms) != 1 or len(node.tops) != 1:
        return f"{node.name!r} has {len(node.bottoms)} bottoms"
    if (axis := node.attributes.axis % max(len(output), 1)) != 1:
        return f"the channels of {node.name!r} are axis {axis}, not axis 1"
    return shared_weights(graph, node)


def fold_after(node: Node, affine: Affine) -> None:
    """Make `node` give factor * y + offset instead of y. Adds a bias where there was none."""
    outputs = node.attributes.num_output
    factor, offset = (np.broadcast_to(values, outputs) for values in (affine.factor, affine.offset))
    weights = node.weights[0].astype(np.float64)
    bias = node.weights[1].astype(np.float64).reshape(-1) if len(node.weights) > 1 else np.zeros(outputs)
    set_weights(node, _scaled(node, weights, factor), bias * factor + offset)


def _scaled(node: Node, weights: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """W with each output's weights times its factor."""
    if node.type == "Deconvolution":  # [inputs, outputs / group, ...], the inputs of a group one after another
        group = node.attributes.group
        split = weights.reshape(group, len(weights) // group, *weights.shape[1:])
        each = factor.reshape(group, 1, -1, *(1 for _ in weights.shape[2:]))
        return (split * each).reshape(weights.shape)
    if node.type == "InnerProduct" and node.attributes.transpose:
        return weights * factor
    return weights * factor.reshape(-1, *(1 for _ in weights.shape[1:]))


def set_weights(node: Node, weights: np.ndarray, bias: np.ndarray | None) -> None:
    """New weights and bias, given in float64; a new bias is said in the layer's attributes."""
    shape = node.weights[0].shape
    blobs = [np.ascontiguousarray(weights, np.float32).reshape(shape)]
    if bias is not None:
        blobs.append(
            np.ascontiguousarray(bias, np.float32).reshape(node.weights[1].shape if len(node.weights) > 1 else -1)
        )
        node.attributes = replace(node.attributes, bias_term=True)
    node.weights = blobs
