"""A graph that runs: memory for its blobs, and its layers prepared for their shapes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..memory import aligned_zeros
from .graph import Blob, Graph, Node, Shape
from .layers import OPS
from .op import Run
from .shapes import infer_shapes


class Runtime:
    """`graph` prepared for inputs of given shapes. `arrays[blob]` is each blob's float32 memory.

    Memory is shared as in Caffe: by in-place layers with their bottom (but never with an input, nor where somebody else
    reads the same memory), by Flatten, Reshape and Split with what they look at. `forward` allocates nothing.
    """

    def __init__(self, graph: Graph, inputs: Mapping[str, Shape] | None = None):
        self.graph = graph
        self.shapes = infer_shapes(graph, inputs)
        self.arrays = self._place()
        self.runs: list[tuple[Node, Run]] = [(node, self._prepare(node)) for node in graph.nodes]

    def forward(self) -> None:
        """Run all layers once, on what the arrays of the inputs hold."""
        for node, run in self.runs:
            run([self.arrays[blob] for blob in node.bottoms], [self.arrays[blob] for blob in node.tops])

    def _prepare(self, node: Node) -> Run:
        bottoms, tops = ([self.shapes[blob] for blob in blobs] for blobs in (node.bottoms, node.tops))
        return OPS[node.type].prepare(node, bottoms, tops)

    def _place(self) -> dict[Blob, np.ndarray]:
        arrays: dict[Blob, np.ndarray] = {}
        alone: set[Blob] = set()  # their memory has one reader, and is no input's
        for node in self.graph.nodes:
            op = OPS[node.type]
            for number, top in enumerate(node.tops):
                source = node.bottoms[0] if node.bottoms else None
                single = len(self.graph.readers(top)) == 1
                in_place = op.in_place and number == 0 and source in alone and source.name == top.name
                if op.view or in_place:
                    arrays[top] = arrays[source].reshape(self.shapes[top])
                    single = single and source in alone
                else:
                    size = int(np.prod(self.shapes[top], dtype=np.int64))
                    arrays[top] = aligned_zeros(size).reshape(self.shapes[top])
                if single and source is not None:
                    alone.add(top)
        return arrays
