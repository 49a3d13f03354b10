"""A net as Caffe saves it: with its Split layers, and what it fills in when it sets the layers up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...engine.graph.analysis.need_backward import loss_weights
from ...engine.graph.frontends.caffe.write import graph_message
from ...engine.graph.ir.graph import Graph
from ...engine.graph.ops import OPS
from ...formats.caffe.schema import NetParameter
from ...formats.caffe.splits import SplitNet, insert_splits

PHASES = ("TRAIN", "TEST")  # in the order of the enum
STATISTICS = 3  # blobs of BatchNorm, which learns none of them


def saved_net(graph: Graph) -> SplitNet:
    """The net of `graph` without weights."""
    split = insert_splits(graph_message(graph))
    made = NetParameter(name=split.net.name, layer=split.net.layer)
    for layer, number in zip(made.layer, split.numbers, strict=True):
        layer.phase = PHASES.index(graph.phase if number is None else graph.nodes[number].phase)
        if number is None:
            continue
        gradient = OPS[layer.type].gradient if layer.type in OPS else None
        if gradient and gradient.loss and not layer.loss_weight:
            layer.loss_weight.extend(loss_weights(graph.nodes[number]))
        if layer.type == "BatchNorm":
            while len(layer.param) < STATISTICS:
                layer.param.add(lr_mult=0)
    return SplitNet(made, split.numbers)


def numbered(split: SplitNet, arrays: Sequence[Sequence[np.ndarray]]) -> dict[int, Sequence[np.ndarray]]:
    """Arrays of each node by the number of its layer in the message."""
    return {index: () if number is None else arrays[number] for index, number in enumerate(split.numbers)}
