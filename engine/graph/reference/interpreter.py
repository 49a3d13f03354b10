"""The reference interpreter: the definitions of a graph's layers, one layer after the other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ....errors import InputError
from ..analysis.shapes import check_weights, infer_shapes
from ..ir.graph import FLOAT32, Blob, Graph, Node, Shape
from ..ir.op import Run, count
from ..ir.ownership import own_parameters
from ..ops import OPS
from .plain import PLAIN

BLOBS_LIMIT = 32 << 30  # bytes of all blobs


class Interpreter:
    """`graph` for inputs of given shapes, run layer by layer in the calling thread. Never fast.

    arrays    blob -> its float32 memory in Caffe's layout, not shared with any other

    A layer is done by its op's own `prepare` (or plain NumPy, `plain.py`), in the order of the graph. Nothing works in
    place, and nothing is fused, moved or planned, so that a fault of the executor is not repeated here. Inputs
    are 0 before they are filled, and all other blobs are NaN before their layer has run. Weights are read when a layer
    runs. Raises InputError for inputs or weights of shapes that do not fit, and for more than 32 GiB of blobs.
    """

    def __init__(self, graph: Graph, inputs: Mapping[str, Shape] | None = None):
        self.graph, self.shapes = graph, infer_shapes(graph, inputs)
        check_weights(graph, self.shapes)
        own_parameters(graph)
        needed = sum(count(shape) for shape in self.shapes.values()) * FLOAT32.itemsize
        if needed > BLOBS_LIMIT:
            raise InputError(graph.path, f"needs {needed:,} bytes for all its blobs", f"at most {BLOBS_LIMIT:,}")
        self.arrays = {blob: np.full(shape, np.nan, FLOAT32) for blob, shape in self.shapes.items()}
        for blob in graph.inputs:
            self.arrays[blob].fill(0)
        self.runs: dict[Node, Run] = {
            node: prepare(node, *([self.shapes[blob] for blob in blobs] for blobs in (node.bottoms, node.tops)))
            for node in graph.nodes
        }

    def array(self, blob: Blob) -> np.ndarray:
        """The float32 memory of a blob."""
        return self.arrays[blob]

    def fill(self, inputs: Mapping[str, np.ndarray]) -> None:
        """Write values into the inputs of these names."""
        for blob in self.graph.inputs:
            if blob.name in inputs:
                self.arrays[blob][...] = inputs[blob.name]

    def forward(self) -> None:
        """Run all layers once, on the values in the arrays of the inputs; inf and NaN are values like others."""
        for number in range(len(self.graph.nodes)):
            self.run(number)

    def run(self, number: int) -> None:
        """Run graph.nodes[number] alone."""
        node = self.graph.nodes[number]
        with np.errstate(all="ignore"):
            self.runs[node]([self.arrays[blob] for blob in node.bottoms], [self.arrays[blob] for blob in node.tops])


@np.errstate(all="ignore")
def prepare(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    """As an op's `prepare`: what runs a layer by plain code."""
    op = OPS[node.type]
    return copy_to_each if op.view else PLAIN.get(node.type, op.prepare)(node, bottoms, tops)


def copy_to_each(inputs, outputs) -> None:
    """Copy the bottom to each top: a view, in memory of its own."""
    for output in outputs:
        output[...] = inputs[0].reshape(output.shape)
