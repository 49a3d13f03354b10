"""A kept plan by the interface of the reference interpreter: arrays that are written before a run and read after it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import numpy as np

from caffe64.engine.graph.analysis.need_backward import find_needs
from caffe64.engine.graph.ir.graph import Blob, Graph
from caffe64.engine.graph.ir.ownership import weight_gradients
from caffe64.engine.graph.plan import KeptPlan, WantedGradients


class Blobs:
    """Values by blob: of inputs arrays to write to, of others copies."""

    def __init__(self, of_inputs: Mapping[Blob, np.ndarray], read: Callable[[Blob], np.ndarray]):
        self._inputs, self._read = of_inputs, read

    def __getitem__(self, blob: Blob) -> np.ndarray:
        return self._inputs[blob] if blob in self._inputs else self._read(blob)


class Executor:
    """`graph` layer by layer by a plan, with gradients from any blob if asked for."""

    def __init__(self, graph: Graph, inputs=None, *, gradients: bool = False, threads=None, exact: bool = False):
        self.graph = graph
        self.weights = weight_gradients(graph) if gradients else {}
        wanted = WantedGradients(self.weights) if gradients else None
        self.plan = KeptPlan(graph, inputs, threads=threads, exact=exact, gradients=wanted)
        self.shapes, self.states = self.plan.shapes, self.plan.states
        self.arrays = Blobs(self.plan.inputs, self.plan.values)

    def array(self, blob: Blob) -> np.ndarray:
        return self.arrays[blob]

    def fill(self, inputs: Mapping[str, np.ndarray]) -> None:
        for blob in self.graph.inputs:
            if blob.name in inputs:
                self.arrays[blob][...] = inputs[blob.name]

    def forward(self) -> None:
        self.plan.forward()

    def run(self, number: int) -> None:
        self.plan.run(number, number)

    def backward(self, given: Mapping[Blob, np.ndarray]) -> dict[Blob, np.ndarray]:
        """Gradients of the blobs that have one, from those `given`; those of weights are added to `weights`."""
        needs = find_needs(self.graph, given)
        self.plan.run_back(self.graph.nodes, needs, lambda blob: given.get(blob))
        found = _gradient_blobs(needs)
        return {blob: self.plan.gradient(blob) for blob in found}


def _gradient_blobs(needs) -> Collection[Blob]:
    flags = ((node, need.bottoms) for node, need in needs.items())
    bottoms = {blob for node, needed in flags for blob, flag in zip(node.bottoms, needed, strict=True) if flag}
    return bottoms | {top for node in needs for top in node.tops}
