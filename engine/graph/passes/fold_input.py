"""Fold the preparation of an input, (x - mean) * scale, into the net, so that it takes raw values.

    y = W ((x - mean) * scale) + b        becomes        y = (W * scale) x + (b - sum of W * scale * mean)

The sum is over the inputs of each output. It is exact without padding; with padding the zeros around the picture stand
for prepared values, so the mean becomes a Bias layer on the input instead, which comes before the padding, and only the
scale goes into W. Where the input has readers whose weights cannot take it, one Scale layer on the input does it all:
exact as well, but a layer more. The values of the preparation are taken out of the net's transform_param.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..graph import Blob, Graph, Node, Shape
from .producers import PARAMETERS, parameter_of, set_weights, shared_weights
from .report import Report

SHAPE_ONLY = ("PriorBox", "Silence")  # they do not read the input's values


def fold_input(
    graph: Graph, shapes: Mapping[Blob, Shape], blob: Blob, mean: Sequence[float] = (), scale: float = 1.0
) -> Report:
    """Folds the preparation of the input `blob`: a mean for all channels or one each, and a scale."""
    report = Report("fold input")
    channels = shapes[blob][1] if len(shapes[blob]) > 1 else 1
    if len(mean) not in (0, 1, channels):
        raise graph.producer(blob).error(f"{len(mean)} mean values for {channels} channels", f"1 or {channels}")
    means = np.broadcast_to(np.asarray(mean if len(mean) else [0.0], np.float64), channels)
    readers = [reader for reader in graph.readers(blob) if reader.type not in SHAPE_ONLY]
    reason = next(filter(None, (_obstacle(graph, reader) for reader in readers)), None)
    if reason or not readers:
        _insert(graph, blob, "Scale", np.full(channels, scale), -means * scale)
        report.changes.append(f"(x - mean) * scale is a Scale layer on {blob.name!r}")
        report.left.append(f"into the first layer: {reason or 'nobody reads the input'}")
    else:
        padded = [reader.name for reader in readers if _padded(reader)]
        if np.any(means) and padded:
            _insert(graph, blob, "Bias", -means)
            report.changes.append(f"the mean is a Bias layer on {blob.name!r}, since {padded[0]!r} pads its input")
            means = np.zeros(channels)
        for reader in readers:
            _fold(reader, shapes[blob], means, scale)
            report.changes.append(f"into {reader.type} {reader.name!r}")
    _clear_transform(graph.producer(blob))
    report.inputs.append(f"{blob.name!r}: raw values; (x - mean) * scale is done by the net from now on")
    return report


def _obstacle(graph: Graph, node: Node) -> str | None:
    if node.type not in PARAMETERS or node.type == "Deconvolution":
        return f"{node.name!r} ({node.type}) reads the input as well, and has no weights to take it"
    if len(node.bottoms) != 1 or not node.weights:
        return f"{node.name!r} has {len(node.bottoms)} bottoms and {len(node.weights)} blobs"
    if parameter_of(node).axis != 1:
        return f"the inputs of {node.name!r} begin at axis {parameter_of(node).axis}"
    return shared_weights(graph, node)


def _padded(node: Node) -> bool:
    if node.type == "InnerProduct":
        return False
    parameter = node.message.convolution_param
    return any(parameter.pad) or bool(parameter.pad_h or parameter.pad_w)


def _fold(node: Node, bottom: Shape, means: np.ndarray, scale: float) -> None:
    weights = node.weights[0].astype(np.float64) * scale
    bias = node.weights[1].astype(np.float64).reshape(-1) if len(node.weights) > 1 else None
    if np.any(means):
        shift = _sum_over_inputs(node, bottom, weights, means)
        bias = -shift if bias is None else bias - shift
    set_weights(node, weights, bias)


def _sum_over_inputs(node: Node, bottom: Shape, weights: np.ndarray, means: np.ndarray) -> np.ndarray:
    """What each output of W gives for inputs that are `means` everywhere: float64 [outputs]."""
    if node.type == "InnerProduct":
        rows = weights.T if node.message.inner_product_param.transpose else weights
        each = np.repeat(means, int(np.prod(bottom[2:], dtype=np.int64)))
        return rows.reshape(-1, each.size) @ each
    group = node.message.convolution_param.group if node.type == "Convolution" else len(means)
    split = weights.reshape(group, len(weights) // group, weights.shape[1], -1).sum(axis=-1)
    return np.einsum("goc,gc->go", split, means.reshape(group, -1)).reshape(-1)


def _insert(graph: Graph, blob: Blob, kind: str, *weights: np.ndarray) -> None:
    """A Scale (with bias) or Bias layer between the input and its readers."""
    producer = graph.producer(blob)
    name = _free_name(graph, f"{blob.name}_{kind.lower()}")
    message = type(producer.message)()
    if kind == "Scale":
        message.scale_param.bias_term = True
    top = Blob(name)
    graph.replace(blob, top)
    blobs = [np.ascontiguousarray(values, np.float32) for values in weights]
    graph.nodes.insert(graph.nodes.index(producer) + 1, Node(name, kind, [blob], [top], message, blobs, producer.phase))


def _free_name(graph: Graph, name: str) -> str:
    taken = {node.name for node in graph.nodes} | {top.name for node in graph.nodes for top in node.tops}
    return name if name not in taken else next(f"{name}_{n}" for n in range(2, 1 << 30) if f"{name}_{n}" not in taken)


def _clear_transform(node: Node) -> None:
    transform = node.message.transform_param
    for field in ("scale", "mean_value", "mean_file"):
        transform.ClearField(field)
    if not transform.ListFields():
        node.message.ClearField("transform_param")
