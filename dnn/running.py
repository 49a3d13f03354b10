"""The part of a graph that gives some blobs, ready to run for inputs of given shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..engine.graph.analysis.shapes import infer_shapes, weight_shapes
from ..engine.graph.ir.graph import Blob, Graph, Node, Shape
from ..engine.graph.ir.op import count
from ..engine.graph.ops.inputs import InputBlobs
from ..engine.graph.plan import Plan
from .results import as_opencv


def needed_nodes(graph: Graph, wanted: Sequence[Blob]) -> list[Node]:
    """The nodes on which these blobs depend, in their order."""
    needed, found = set(wanted), []
    for node in reversed(graph.nodes):
        if needed.intersection(node.tops):
            needed.update(node.bottoms)
            found.append(node)
    return found[::-1]


class Part:
    """`wanted` blobs of a graph. The nodes, and so the weights, are the graph's own.

    A wanted blob that a layer reads too gets a reader of its own, so that nothing works in its place. `shapes` are
    those of inputs. Raises InputError for shapes that do not fit, and for a layer that has no weights.
    """

    def __init__(
        self,
        graph: Graph,
        wanted: Sequence[Blob],
        shapes: Mapping[Blob, Shape],
        *,
        fuse: bool,
        exact: bool,
    ):
        nodes = [_alone(node, shapes) for node in needed_nodes(graph, wanted)]
        read = {bottom for node in nodes for bottom in node.bottoms}
        splits = {blob: Blob(f"{blob.name} (kept)") for blob in wanted if blob in read}
        nodes += [Node(blob.name, "Split", [blob], [top]) for blob, top in splits.items()]
        part = Graph(nodes, graph.phase, graph.path, graph.streams, graph.name)
        self.given = [blob for blob in part.inputs if blob in shapes]
        names = {blob.name: shapes[blob] for blob in self.given}
        _check_weights(part, names)
        self.plan = Plan(part, names, fuse=fuse, exact=exact)
        makers = {top: node for node in nodes for top in node.tops}
        self._results = [(makers[blob], splits.get(blob, blob)) for blob in wanted]
        self.seconds: dict[Node, float] = {}  # of the last run; of layers that run inside another, none

    @staticmethod
    def inputs_of(graph: Graph, wanted: Sequence[Blob]) -> set[Blob]:
        """The inputs that these blobs need."""
        nodes = needed_nodes(graph, wanted)
        read = {*wanted, *(bottom for node in nodes for bottom in node.bottoms)}
        return read.intersection(graph.inputs)

    def run(self, inputs: Mapping[Blob, np.ndarray]) -> tuple[np.ndarray, ...]:
        """The wanted blobs, float32, as OpenCV returns them: copies."""
        for blob in self.given:
            np.copyto(self.plan.inputs[blob], inputs[blob])
        _, parts = self.plan.timed_forward()
        self.seconds = {}
        for (group, _), seconds in parts.items():
            if group:
                self.seconds[group.main] = self.seconds.get(group.main, 0.0) + seconds
        return tuple(self._result(node, top) for node, top in self._results)

    def _result(self, node: Node, top: Blob) -> np.ndarray:
        images = self.plan.shapes[node.bottoms[0]][0] if node.bottoms else 1
        return as_opencv(node, self.plan.array(top).copy(), images)


def _alone(node: Node, shapes: Mapping[Blob, Shape]) -> Node:
    """Of a source with several tops, such as data and labels, those of known shapes."""
    known = [top for top in node.tops if top in shapes]
    if node.bottoms or len(known) == len(node.tops) or not known:
        return node
    return Node(node.name, "Input", [], known, InputBlobs(tuple(shapes[top] for top in known)))


def _check_weights(part: Graph, shapes: Mapping[str, Shape]) -> None:
    """Raises InputError for a layer without weights; gives assigned ones the layer's shape where the numbers of values
    are the same."""
    expected = weight_shapes(part, infer_shapes(part, shapes))
    for node, wanted in zip(part.nodes, expected, strict=True):
        if len(node.weights) < len(wanted):
            has = "no weights" if not node.weights else f"{len(node.weights)} blobs of weights"
            hint = "the model has none for it, or was not given; setParam and getLayer(...).blobs assign some"
            raise node.error(f"has {has}", f"{len(wanted)}", hint)
        if node.held is None and [blob.size for blob in node.weights] == [count(shape) for shape in wanted]:
            node.weights = [blob.reshape(shape) for blob, shape in zip(node.weights, wanted, strict=True)]
