"""A graph that is run repeatedly: as fast as possible, or, once an inner blob is read, with all blobs kept."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...team.memory import aligned_zeros
from ..ir.carried import Carried
from ..ir.graph import Blob, Graph, Node, Shape
from ..ir.op import count
from ..plan import Plan
from .runtime import Runtime


class Session:
    """`graph` for inputs of given shapes. The arrays of its inputs and outputs stay the same from run to run.

    It runs by a `Plan`, whose blobs share memory, until another blob is read or only some layers are run, and from then
    on by a `Runtime`, which keeps all blobs; with `gradients` from the start. `arrays` are the memory of inputs,
    float32 C-contiguous of these shapes, where the caller provides it. `threads` and `exact` as in Plan. Raises
    InputError as these do.
    """

    def __init__(
        self,
        graph: Graph,
        inputs: Mapping[str, Shape],
        *,
        gradients: bool = False,
        arrays: Mapping[Blob, np.ndarray] | None = None,
        threads: int | None = None,
        exact: bool = False,
    ):
        self.graph, self.gradients = graph, gradients
        self._options = {"threads": threads, "exact": exact}
        self._plan: Plan | None = None
        self._runtime: Runtime | None = None
        self._has_run = False
        if gradients:
            self._runtime = Runtime(graph, inputs, gradients=True, arrays=arrays, **self._options)
            self.shapes, self._outputs = self._runtime.shapes, {}
            self._inputs = {blob: self._runtime.arrays[blob] for blob in graph.inputs}
        else:
            self._plan = Plan(graph, inputs, **self._options)
            self.shapes = self._plan.shapes
            given = arrays or {}
            self._inputs = {blob: given[blob] if blob in given else self._memory(blob) for blob in graph.inputs}
            self._outputs = {blob: self._memory(blob) for blob in graph.outputs}
        self._last = {top.name: top for node in graph.nodes for top in node.tops}
        self._written = dict(self._last)

    @property
    def runtime(self) -> Runtime:
        """The graph with all blobs kept, from now on."""
        if self._runtime is None:
            self._runtime = self._made_runtime(gradients=False)
        return self._runtime

    @property
    def states(self) -> dict[Node, Carried]:
        """What layers carry over from run to run."""
        return (self._plan or self.runtime).states

    def keep_gradients(self) -> None:
        """Replace the runtime by one that keeps the values that gradients need."""
        if not self.gradients:
            self.gradients, self._runtime = True, self._made_runtime(gradients=True)

    def array(self, blob: Blob) -> np.ndarray:
        """The float32 memory of a blob: of an input to be written, of others the result of the last `forward`."""
        if blob in self._inputs:
            return self._inputs[blob]
        return self._outputs[blob] if blob in self._outputs else self.runtime.arrays[blob]

    def latest(self, blob: Blob) -> Blob:
        """The blob that was written last of those with the name of this one; an input itself."""
        return blob if blob in self._inputs else self._written[blob.name]

    def forward(self) -> None:
        """Run all layers once."""
        self._run(self._plan or self._runtime)
        self._written.update(self._last)
        self._has_run = True

    def run_layers(self, first: int, last: int) -> None:
        """Run graph.nodes[first] to nodes[last] on the present values. As in Caffe, where blobs of one name are one
        memory, a layer reads the last value under the name of its bottom, even one written by a later layer in
        place."""
        runtime = self.runtime
        for number in range(first, last + 1):
            node = self.graph.nodes[number]
            for bottom in node.bottoms:
                if (latest := self.latest(bottom)) is not bottom:
                    np.copyto(runtime.arrays[bottom], runtime.arrays[latest].reshape(self.shapes[bottom]))
            with np.errstate(all="ignore"):
                runtime.run(number)
            self._written.update((top.name, top) for top in node.tops)
        for blob, array in self._outputs.items():
            np.copyto(array, runtime.arrays[blob])

    def _memory(self, blob: Blob) -> np.ndarray:
        shape = self.shapes[blob]
        return aligned_zeros(count(shape)).reshape(shape)

    def _made_runtime(self, *, gradients: bool) -> Runtime:
        shapes = {blob.name: self.shapes[blob] for blob in self.graph.inputs}
        runtime = Runtime(self.graph, shapes, gradients=gradients, arrays=self._inputs, **self._options)
        for node, state in (self._plan or self._runtime or runtime).states.items():
            runtime.states[node].take_over(state)
        self._plan = None
        if self._has_run:
            self._run(runtime)
        return runtime

    def _run(self, runner: Plan | Runtime) -> None:
        if runner is self._plan:
            for blob, array in self._inputs.items():
                np.copyto(runner.array(blob), array)
        runner.forward()
        for blob, array in self._outputs.items():
            np.copyto(array, runner.array(blob))
