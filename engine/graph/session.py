"""A graph that is run again and again: as fast as it can, or, where somebody looks inside, with all blobs kept."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .graph import Blob, Graph, Shape
from .plan import Plan
from .runtime import Runtime


class Session:
    """`graph` for inputs of given shapes. The arrays of its inputs and outputs stay the same from run to run.

    It runs by a `Plan`, whose blobs share memory. The first look at another blob makes it a `Runtime`, which keeps all
    of them; with `gradients` it is one from the start. `threads` and `exact` as in Plan. Raises InputError as these do.
    """

    def __init__(
        self,
        graph: Graph,
        inputs: Mapping[str, Shape],
        *,
        gradients: bool = False,
        threads: int | None = None,
        exact: bool = False,
    ):
        self.graph = graph
        self._options = {"threads": threads, "exact": exact}
        self._plan: Plan | None = None
        self._runtime: Runtime | None = None
        self._inputs: list[Blob] = []
        self._outputs: list[Blob] = []
        self._has_run = False
        if gradients:
            self._runtime = Runtime(graph, inputs, gradients=True, **self._options)
            self.shapes = self._runtime.shapes
        else:
            self._plan = Plan(graph, inputs, **self._options)
            self.shapes = self._plan.shapes
            self._inputs, self._outputs = list(graph.inputs), list(graph.outputs)
        kept = (*self._inputs, *self._outputs)
        self._kept = {blob: np.zeros(self.shapes[blob], np.float32) for blob in kept}

    @property
    def runtime(self) -> Runtime:
        """The graph with all blobs kept, from now on."""
        if self._runtime is None:
            shapes = {blob.name: self.shapes[blob] for blob in self.graph.inputs}
            self._runtime = Runtime(self.graph, shapes, **self._options)
            self._plan = None
            if self._has_run:
                self._run(self._runtime)
        return self._runtime

    def array(self, blob: Blob) -> np.ndarray:
        """The float32 memory of a blob: of an input to be written, of others what the last `forward` computed."""
        return self._kept[blob] if blob in self._kept else self.runtime.arrays[blob]

    def forward(self) -> None:
        """Run all layers once."""
        self._run(self._plan or self._runtime)
        self._has_run = True

    def _run(self, runner: Plan | Runtime) -> None:
        for blob in self._inputs:
            np.copyto(runner.array(blob), self._kept[blob])
        runner.forward()
        for blob in self._outputs:
            np.copyto(self._kept[blob], runner.array(blob))
