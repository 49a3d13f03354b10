"""Fold the preparation of an input, (x - mean) * scale, into the net, which then takes raw values.

    y = W ((x - mean) * scale) + b        becomes        y = (W * scale) x + (b - sum of W * scale * mean)

Mean and scale are those of each input's channel, the sum is over the inputs of each output. This is exact without
padding; with padding the zeros around the picture stand for prepared values, so the mean becomes a Bias layer on the
input instead, which comes before the padding, and only the scale goes into W. Where the input has readers whose
weights cannot take it, one Scale layer on the input does it all: also exact, but one layer more. The values of the
preparation are removed from the net's own transform.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..ir.graph import Blob, Graph, Node, Shape
from ..ops.inputs import InputBlobs, Transform
from ..ops.scale import Bias, Scale
from ..ops.views import WITHOUT_RESULT
from .affine import Affine
from .preparation import Preparation
from .producers import cannot_fold_before, fold_before, pads_input
from .report import Report

SHAPE_ONLY = ("PriorBox", *WITHOUT_RESULT)  # they do not read the input's values


def fold_input(graph: Graph, shapes: Mapping[Blob, Shape], blob: Blob, preparation: Preparation) -> Report:
    """Folds the preparation of the input `blob`. Raises UsageError if it is one of another number of channels."""
    report = Report("fold input")
    means, scales = preparation.of_channels(blob.name, shapes[blob])
    readers = [reader for reader in graph.readers(blob) if reader.type not in SHAPE_ONLY]
    reason = next(filter(None, (cannot_fold_before(graph, reader) for reader in readers)), None)
    if reason or not readers:
        _insert(graph, blob, "Scale", scales, -means * scales, scalar=len(shapes[blob]) < 2)
        report.changes.append(f"(x - mean) * scale is a Scale layer on {blob.name!r}")
        report.left.append(f"into the first layer: {reason or 'nothing reads the input'}")
    else:
        padded = [reader.name for reader in readers if pads_input(reader)]
        if np.any(means) and padded:
            _insert(graph, blob, "Bias", -means)
            report.changes.append(f"the mean is a Bias layer on {blob.name!r}, since {padded[0]!r} pads its input")
            means = np.zeros_like(means)
        for reader in readers:
            fold_before(reader, shapes[blob], Affine(scales, -means * scales))
            report.changes.append(f"into {reader.type} {reader.name!r}")
    _clear_transform(graph.producer(blob))
    report.inputs.append(f"{blob.name!r}: raw values; (x - mean) * scale is done by the net from now on")
    return report


def _insert(graph: Graph, blob: Blob, kind: str, *weights: np.ndarray, scalar: bool = False) -> None:
    """A Scale (with bias) or Bias layer between the input and its readers: by channel or, if `scalar`, as a whole."""
    producer = graph.producer(blob)
    name = _free_name(graph, f"{blob.name}_{kind.lower()}")
    attributes = Bias() if kind == "Bias" else Scale(bias_term=True)
    if scalar:  # the input has no axis of channels
        attributes = replace(attributes, axis=0, num_axes=0)
        weights = tuple(values.reshape(()) for values in weights)
    top = Blob(name)
    graph.replace(blob, top)
    blobs = [np.array(values, np.float32) for values in weights]
    node = Node(name, kind, [blob], [top], attributes, blobs, producer.phase)
    graph.nodes.insert(graph.nodes.index(producer) + 1, node)


def _free_name(graph: Graph, name: str) -> str:
    taken = {node.name for node in graph.nodes} | {top.name for node in graph.nodes for top in node.tops}
    return name if name not in taken else next(f"{name}_{n}" for n in range(2, 1 << 30) if f"{name}_{n}" not in taken)


def _clear_transform(node: Node) -> None:
    if isinstance(node.attributes, InputBlobs) and node.attributes.transform:
        left = replace(node.attributes.transform, scale=None, mean_value=(), mean_file="")
        node.attributes = replace(node.attributes, transform=None if left == Transform() else left)
