"""A graph that is run repeatedly: as fast as possible, or, once an inner blob is read, with all blobs kept."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from ...team.memory import aligned_zeros
from ..analysis.need_backward import loss_blobs
from ..analysis.shapes import check_weights, infer_shapes
from ..ir.carried import Carried
from ..ir.graph import Blob, Graph, Node, Shape
from ..ir.op import count
from ..ir.ownership import WeightGradients, own_parameters
from ..plan import Plan
from ..plan.plan import Bytes
from .runtime import Runtime
from .training import wanted_gradients


class Session:
    """`graph` for inputs of given shapes. The arrays of its inputs and outputs stay the same from run to run.

    It runs by a `Plan`, whose blobs share memory, until another blob is read, only some layers are run, or gradients of
    blobs are asked for, and from then on by a `Runtime`, which keeps all blobs; the last run is repeated by it.
    `arrays` are the memory of inputs, float32 C-contiguous of these shapes, where the caller provides it. `threads` and
    `exact` as in Plan.
    With `gradients`, `backward` adds to the arrays that this returns. Raises InputError as these do.
    """

    def __init__(
        self,
        graph: Graph,
        inputs: Mapping[str, Shape],
        *,
        gradients: Callable[[], WeightGradients] | None = None,
        arrays: Mapping[Blob, np.ndarray] | None = None,
        threads: int | None = None,
        exact: bool = False,
    ):
        self.graph, self._gradients = graph, gradients
        self._options = {"threads": threads, "exact": exact}
        self.shapes, self._given = infer_shapes(graph, inputs), inputs
        check_weights(graph, self.shapes)
        own_parameters(graph)
        self._plan: Plan | None = None
        self._weights: WeightGradients | None = None  # of the plan
        self._runtime: Runtime | None = None
        self._has_run = self.has_gone_back = False
        self._moved: np.ndarray | None = None
        self._owns_moved = False
        given = arrays or {}
        self._inputs = {blob: given[blob] if blob in given else self._memory(blob) for blob in graph.inputs}
        read = dict.fromkeys([*graph.outputs, *(loss_blobs(graph.nodes) if gradients else ())])
        self._outputs = {blob: self._memory(blob) for blob in read}
        self._last = {top.name: top for node in graph.nodes for top in node.tops}
        self._written = dict(self._last)
        if gradients and graph.force_backward:
            self._runtime = self._made_runtime()
        elif not gradients:
            self._plan = Plan(graph, inputs, **self._options)

    @property
    def runtime(self) -> Runtime:
        """The graph with all blobs kept, from now on."""
        if self._runtime is None or self._runtime.gradients != bool(self._gradients):
            self._runtime = self._made_runtime()
        return self._runtime

    @property
    def bytes(self) -> Bytes | None:
        """Of the activations and, if there are gradients, of these, as planned; None where all blobs are kept."""
        return self._plan.bytes if self._plan and not self._runtime else None

    @property
    def states(self) -> dict[Node, Carried]:
        """What layers carry over from run to run."""
        return (self._runtime or self._made_plan()).states

    def keep_gradients(self, gradients: Callable[[], WeightGradients]) -> None:
        """Keep all blobs from now on, and what gradients need."""
        self._gradients = gradients
        self.runtime  # noqa: B018

    def backward(self) -> bool:
        """Add the gradients of all weights for the last `forward`, of the losses, if a plan ran it, once: its gradients
        take the memory of values. Returns whether it did."""
        other = self._runtime or self.has_gone_back or not self._plan
        if other or self._weights is None or self._weights is not self._gradients():
            return False
        self._plan.backward()
        self.has_gone_back = True
        return True

    def weights_moved(self, by: np.ndarray) -> None:
        """An update after the last run has subtracted `by` from the weights, float32 in the layout of their vector: the
        run is repeated without it."""
        self._moved, self._owns_moved = by, False

    def keep_moved(self) -> None:
        """A caller may write to that vector from now on."""
        if self._moved is not None and not self._owns_moved:
            self._moved, self._owns_moved = self._moved.copy(), True

    @contextlib.contextmanager
    def repeating(self) -> Iterator[None]:
        """The weights are those of the last run, and keep their values, statistics of batches as well."""
        owners = {node.held.owner for node in self.graph.nodes if node.held}
        kept = [(owner.vector, owner.vector.copy()) for owner in owners]
        if self._moved is not None:
            for owner in owners:
                if owner.vector.size == self._moved.size:
                    owner.vector += self._moved
                    owner.written(range(len(owner.slices)))
        try:
            yield
        finally:
            for vector, values in kept:
                np.copyto(vector, values)
            for owner in owners:
                owner.written(range(len(owner.slices)))

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
        self._run(self._runtime or self._made_plan())
        self._written.update(self._last)
        self._has_run, self.has_gone_back, self._moved = True, False, None

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

    def _made_plan(self) -> Plan:
        """The plan, made when it is first run where it has gradients, whose arrays are known by then."""
        weights = self._gradients() if self._gradients else None
        if self._plan is None or self._weights is not weights:
            before = self._plan
            wanted = None if weights is None else wanted_gradients(self.graph, weights, **self._options)
            self._plan = Plan(self.graph, self._given, gradients=wanted, read=list(self._outputs), **self._options)
            self._weights = weights
            for node, state in (before.states if before else {}).items():
                self._plan.states[node].take_over(state)
        return self._plan

    def _made_runtime(self) -> Runtime:
        runtime = Runtime(
            self.graph, self._given, gradients=bool(self._gradients), arrays=self._inputs, **self._options
        )
        before = self._runtime or self._plan
        for node, state in (before.states if before else {}).items():
            runtime.states[node].take_over(state)
        self._plan = None
        if self._has_run:
            with self.repeating():
                self._run(runtime)
        return runtime

    def _run(self, runner: Plan | Runtime) -> None:
        if runner is self._plan:
            for blob, array in self._inputs.items():
                np.copyto(runner.array(blob), array)
        runner.forward()
        for blob, array in self._outputs.items():
            np.copyto(array, runner.array(blob))
