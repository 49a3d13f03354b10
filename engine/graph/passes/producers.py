"""Layers into which one number per channel can be folded: Convolution, Deconvolution, InnerProduct.

Their output is W x + b, so factor * (W x + b) + offset is the same layer with other W and b, and so is
W (factor * x + offset) + b without padding.
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


def cannot_fold_before(graph: Graph, node: Node) -> str | None:
    """Why a number for each channel (axis 1) of the input cannot go into the node's weights, or None."""
    if node.type not in PRODUCERS:
        return f"{node.name!r} ({node.type}) has no weights to take it"
    if node.type == "Deconvolution":
        return f"{node.name!r} ({node.type}) adds up fewer of its inputs at the edges"
    if len(node.bottoms) != 1 or not node.weights:
        return f"{node.name!r} has {len(node.bottoms)} bottoms and {len(node.weights)} blobs"
    if node.attributes.axis != 1:
        return f"the inputs of {node.name!r} begin at axis {node.attributes.axis}"
    return shared_weights(graph, node)


def pads_input(node: Node) -> bool:
    """Whether zeros around the input of a Convolution stand for values of it: then no offset can be folded."""
    attributes = node.attributes
    return node.type != "InnerProduct" and any(attributes.pads_before + attributes.pads_after)


def fold_before(node: Node, bottom: Shape, affine: Affine) -> None:
    """Let `node` read x and give what it gives for factor * x + offset, where `bottom` is the shape of x."""
    weights = node.weights[0].astype(np.float64, order="C")
    bias = node.weights[1].astype(np.float64).reshape(-1) if len(node.weights) > 1 else None
    factor, offset = (np.broadcast_to(values, bottom[1]) for values in (affine.factor, affine.offset))
    groups = _by_channel(node, bottom, weights)
    if np.any(offset):
        shift = np.einsum("gocp,gc->go", groups, offset.reshape(len(groups), -1)).reshape(-1)
        bias = shift if bias is None else bias + shift
    groups *= factor.reshape(len(groups), 1, -1, 1)
    set_weights(node, weights, bias)


def _by_channel(node: Node, bottom: Shape, weights: np.ndarray) -> np.ndarray:
    """A view of W: [groups, outputs of a group, input channels of a group, weights of a channel]."""
    if node.type == "InnerProduct":
        rows = weights.T if node.attributes.transpose else weights
        return rows.reshape(1, len(rows), bottom[1], -1)
    groups = bottom[1] if node.attributes.group is None else node.attributes.group
    return weights.reshape(groups, len(weights) // groups, weights.shape[1], -1)


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
