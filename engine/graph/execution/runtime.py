"""A graph that runs with all its blobs kept, for backward runs and for reading inner blobs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from ...team.memory import aligned_zeros
from ..analysis.aliasing import exclusive_blobs
from ..analysis.shapes import check_weights, infer_shapes
from ..ir.carried import Carried, carried_states
from ..ir.graph import Blob, Graph, Node, Shape
from ..ir.op import Layers, Run, count
from ..ir.ownership import own_parameters
from ..ops import OPS
from ..plan.layer import plan_layer, prepare_layer


class Runtime:
    """`graph` prepared for inputs of given shapes. `arrays[blob]` is each blob's float32 memory.

    A `Plan` is faster, and keeps inputs and outputs only. Both are tested against the reference (`reference/`).
    Convolutions are run as in a plan, the other layers by their own code. Memory is shared as in Caffe: by in-place
    layers with their bottom (but never with an input, nor where another layer reads the same memory), by Flatten,
    Reshape and Split with their bottom. `forward` allocates nothing. Raises InputError naming the layer whose weights
    have other shapes than these inputs ask for.

    `arrays` are the memory of inputs, float32 C-contiguous, where the caller provides it.
    With `gradients`, nothing works in place: a layer's gradient may need what another would have overwritten.
    `threads` and `exact` as in Plan, for the convolutions.
    """

    def __init__(
        self,
        graph: Graph,
        inputs: Mapping[str, Shape] | None = None,
        *,
        gradients: bool = False,
        arrays: Mapping[Blob, np.ndarray] | None = None,
        threads: int | None = None,
        exact: bool = False,
    ):
        self.graph, self.gradients = graph, gradients
        prepare, plan = (partial(each, threads=threads, exact=exact) for each in (prepare_layer, plan_layer))
        self.layers = Layers(prepare, plan, threads)
        self.shapes = infer_shapes(graph, inputs)
        check_weights(graph, self.shapes)
        own_parameters(graph)
        self.arrays = self._place(arrays or {})
        self.runs: list[tuple[Node, Run]] = [(node, self._prepare(node)) for node in graph.nodes]

    @property
    def states(self) -> dict[Node, Carried]:
        """What layers carry over from run to run."""
        return carried_states(dict(self.runs))

    def fill(self, inputs: Mapping[str, np.ndarray]) -> None:
        """Write values into the inputs of these names."""
        for blob in self.graph.inputs:
            if blob.name in inputs:
                self.arrays[blob][...] = inputs[blob.name]

    def forward(self) -> None:
        """Run all layers once, on the values in the arrays of the inputs; inf and NaN are values like others."""
        with np.errstate(all="ignore"):
            for number in range(len(self.runs)):
                self.run(number)

    def run(self, number: int) -> None:
        """Run graph.nodes[number] alone."""
        node, run = self.runs[number]
        run([self.arrays[blob] for blob in node.bottoms], [self.arrays[blob] for blob in node.tops])

    def array(self, blob: Blob) -> np.ndarray:
        """The float32 memory of a blob."""
        return self.arrays[blob]

    def _prepare(self, node: Node) -> Run:
        bottoms, tops = ([self.shapes[blob] for blob in blobs] for blobs in (node.bottoms, node.tops))
        return self.layers.prepare(node, bottoms, tops)

    def _place(self, given: Mapping[Blob, np.ndarray]) -> dict[Blob, np.ndarray]:
        arrays: dict[Blob, np.ndarray] = {}
        exclusive = set() if self.gradients else exclusive_blobs(self.graph)
        for node in self.graph.nodes:
            op = OPS[node.type]
            source = node.bottoms[0] if node.bottoms else None
            for number, top in enumerate(node.tops):
                in_place = op.in_place and number == 0 and source in exclusive and source.name == top.name
                if top in given:
                    arrays[top] = given[top]
                elif op.view or in_place:
                    arrays[top] = arrays[source].reshape(self.shapes[top])
                else:
                    arrays[top] = aligned_zeros(count(self.shapes[top])).reshape(self.shapes[top])
        return arrays
