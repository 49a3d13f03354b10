"""The layers of a graph as OpenCV numbers and names them.

Layer 0, "_input", stands for all inputs. The others follow in the order of the file, except Input and data layers. A
Convolution is called as its blob in the file, others as the layer; a second layer of a name gets "_1". The outputs of
an ONNX model are layers at the end, with the outputs' names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..conversion import ArrayLike, as_numbers
from ..engine.graph.frontends.onnx.origin import is_from_onnx, model_outputs
from ..engine.graph.ir.graph import Blob, Graph, Node
from ..errors import UsageError
from .constants import DNN_TARGET_CPU

INPUT_NAME, INPUT_TYPE = "_input", "__NetInputLayer__"


@dataclass(eq=False)
class DnnLayer:
    """A layer of a Net. `name` and `type` are those of the file; `preferableTarget` is the CPU."""

    name: str
    type: str
    _tops: Sequence[Blob]
    _node: Node | None = None
    preferableTarget: int = DNN_TARGET_CPU

    @property
    def blobs(self) -> tuple[np.ndarray, ...]:
        """Copies of its weights, float32 in Caffe's shapes; none where the model has none.

        Assigned, a list of arrays takes their place: as many as there are, of as many values each; of a layer without
        weights as yet, what the layer asks for when the net runs. Raises UsageError.
        """
        return tuple(blob.copy() for blob in self._node.weights) if self._node else ()

    @blobs.setter
    def blobs(self, arrays: Sequence[ArrayLike]) -> None:
        node = self._node
        if node is None:
            raise UsageError(f"the layer {self.name!r} has no weights")
        if isinstance(arrays, np.ndarray):
            raise UsageError(f"blobs of {self.name!r} is an array, expected a list of arrays")
        given = [np.array(as_numbers(each, f"blob of {self.name!r}"), np.float32) for each in arrays]
        if node.weights and len(given) != len(node.weights):
            raise UsageError(f"{self.name!r} was given {len(given)} blobs, expected {len(node.weights)}")
        for number, array in enumerate(given):
            self._write(number, array)

    def outputNameToIndex(self, outputName: str) -> int:
        """The number of the layer's output of this name; 0 for the layer's own, -1 for others."""
        names = [top.name for top in self._tops]
        return names.index(outputName) if outputName in names else 0 if outputName == self.name else -1

    def _write(self, number: int, array: np.ndarray) -> None:
        """Into the weights that are there, or beside them for those that are missing."""
        node = self._node
        if node is None or number > len(node.weights) or (node.held and number == len(node.weights)):
            raise UsageError(f"the layer {self.name!r} has no blob {number}")
        if number == len(node.weights):
            node.weights = [*node.weights, array]
            return
        own = node.weights[number]
        if own.size != array.size:
            found = f"blob {number} of {self.name!r} was given an array {list(array.shape)}"
            raise UsageError(f"{found}, expected {list(own.shape)}")
        own[...] = array.reshape(own.shape)
        if node.held:
            node.held.written()


def layers_of(graph: Graph) -> list[DnnLayer]:
    """All layers, by number."""
    return [DnnLayer(INPUT_NAME, INPUT_TYPE, graph.inputs), *_of_nodes(graph), *_of_outputs(graph)]


def _of_nodes(graph: Graph) -> Iterator[DnnLayer]:
    inputs, by_blob = set(graph.inputs), not is_from_onnx(graph)
    nodes = [node for node in graph.nodes if not inputs.intersection(node.tops)]
    names = [node.tops[0].name if by_blob and node.type == "Convolution" else node.name for node in nodes]
    for node, name in zip(nodes, numbered(names), strict=True):
        yield DnnLayer(name, node.type, node.tops, node)


def numbered(names: Sequence[str]) -> list[str]:
    """Each name once: the second of the same gets "_1", the third "_2"."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        found.append(f"{name}_{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return found


def _of_outputs(graph: Graph) -> Iterator[DnnLayer]:
    if is_from_onnx(graph):
        taken = {node.name: node.tops for node in graph.nodes}
        for blob in model_outputs(graph):
            if taken.get(blob.name, [])[:1] != [blob]:
                yield DnnLayer(blob.name, "Identity", [blob])


def unconnected(graph: Graph, layers: Sequence[DnnLayer]) -> list[int]:
    """The numbers of the layers of which no other layer reads an output."""
    read = {bottom for node in graph.nodes for bottom in node.bottoms}
    read |= {top for layer in layers if layer.type == "Identity" and layer._node is None for top in layer._tops}
    return [
        number
        for number, layer in enumerate(layers)
        if number and ((layer._node is None) or not read.intersection(layer._tops))
    ]
