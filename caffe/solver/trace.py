"""debug_info: the mean magnitude of every blob, weight and gradient, layer by layer, Caffe's Split layers included."""

from __future__ import annotations

import numpy as np

from ...engine.graph.analysis.need_backward import Need
from ...engine.graph.frontends.caffe.write import graph_message
from ...engine.graph.ir.graph import Blob, Graph, Node
from ...formats.caffe.schema import Message
from ...formats.caffe.splits import insert_splits
from ..net import CaffeNet
from .events import Norms, Tell, Traced

Layer = tuple[Message, Node | None, list[Blob]]


class Trace:
    """Of the passes of a net. `weights` and `gradients` are the vectors of all of them."""

    def __init__(self, net: CaffeNet, weights: np.ndarray, gradients: np.ndarray, tell: Tell):
        self.net, self.tell, self._vectors = net, tell, (weights, gradients)
        net._session_with_gradients()
        self._layers = split_layers(net.graph)
        self._messages = {node: message for message, node, _ in self._layers if node}
        self._splits = {blobs[0]: message.name for message, node, blobs in self._layers if node is None}

    def forward(self) -> None:
        """After a run forward."""
        plan = self.net.session.kept_plan()
        for message, node, blobs in self._layers:
            for name, blob in zip(message.top, blobs, strict=True):
                self._tell(False, message.name, "top blob", name, "data", plan.values(blob))
            for number, weight in enumerate(node.weights if node else ()):
                self._tell(False, message.name, "param blob", str(number), "data", weight)

    def backward(self) -> None:
        """Run backward, and tell of each layer when it is done."""
        self.net._gradients.backward(self.net.session, 0, len(self.net.graph.nodes) - 1, {}, watch=self._show)
        first, second = ([float(np.linalg.norm(vector, order)) for vector in self._vectors] for order in (1, 2))
        self.tell(Norms((first[0], first[1]), (second[0], second[1])))

    def _show(self, node: Node, need: Need, given: list[np.ndarray | None]) -> None:
        message, plan = self._messages[node], self.net.session.kept_plan()
        for top in reversed(node.tops):
            if top in self._splits:
                self._tell(True, self._splits[top], "bottom blob", top.name, "diff", plan.gradient(top))
        for name, array in zip(message.bottom, given, strict=True):
            if array is not None:
                self._tell(True, message.name, "bottom blob", name, "diff", array)
        for number, needed in enumerate(need.weights):
            if needed:
                gradient = self.net._gradients.weights[node][number]
                self._tell(True, message.name, "param blob", str(number), "diff", gradient)

    def _tell(self, backward: bool, layer: str, role: str, blob: str, kind: str, array: np.ndarray) -> None:
        magnitude = float(np.abs(array).sum(dtype=np.float64) / max(array.size, 1))
        self.tell(Traced(backward, layer, role, blob, kind, magnitude))


def split_layers(graph: Graph) -> list[Layer]:
    """The layers of Caffe's net: their messages, their nodes, None for a Split, and the blobs of their tops."""
    split, found = insert_splits(graph_message(graph)), list[Layer]()
    node: Node | None = None
    for message, number in zip(split.net.layer, split.numbers, strict=True):
        if number is not None:
            node, above = graph.nodes[number], message
            found.append((message, node, node.tops))
        elif node is not None:
            blob = next(top for top, name in zip(node.tops, above.top, strict=True) if name == message.bottom[0])
            found.append((message, None, [blob] * len(message.top)))
    return found
