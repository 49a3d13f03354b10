"""A graph that is run repeatedly by a plan, of whose blobs, and in which parts, callers decide while it runs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping

import numpy as np

from ...team.memory import aligned_zeros
from ..analysis.need_backward import Need, loss_blobs
from ..analysis.shapes import check_weights, infer_shapes
from ..ir.carried import Carried
from ..ir.graph import Blob, Graph, Node, Shape
from ..ir.op import count
from ..ir.ownership import WeightGradients, own_parameters
from ..plan import KeptPlan, Plan
from ..plan.iteration import Iteration
from ..plan.kept import Start, Watch
from ..plan.own_code import WantedGradients
from ..plan.plan import Bytes
from ..plan.update import WeightUpdate
from .held_arrays import HeldArrays


class Session:
    """`graph` for inputs of given shapes. The arrays of its inputs and outputs stay the same from run to run.

    It runs by a `Plan` whose blobs share memory. From the first time that another blob is read, the plan keeps the
    values of all blobs that have a name of their own; and once only some layers are run, or gradients of blobs are
    asked for, it is a `KeptPlan`. The new plan repeats the last run.

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
        self._weights: WeightGradients | None = None  # to which the plan adds
        self._iteration: Iteration | None = None
        self._keeps = False
        self._apart = bool(gradients and graph.force_backward)
        self._passes: list[tuple[int, int]] = []  # the layers that have run, since and with the last run of all
        self.has_gone_back = False
        self._moved: np.ndarray | None = None
        self._owns_moved = False
        given = arrays or {}
        self._inputs = {blob: given[blob] if blob in given else self._memory(blob) for blob in graph.inputs}
        read = dict.fromkeys([*graph.outputs, *(loss_blobs(graph.nodes) if gradients else ())])
        self._outputs = {blob: self._memory(blob) for blob in read}
        self._last = {top.name: top for node in graph.nodes for top in node.tops}
        self._written = dict(self._last)
        self._shown = HeldArrays[Blob]()
        if not gradients:
            self._plan = self._made_plan()

    @property
    def bytes(self) -> Bytes | None:
        """Of the activations and, if there are gradients, of these, as planned; None before a plan is made."""
        return self._plan.bytes if self._plan else None

    @property
    def states(self) -> dict[Node, Carried]:
        """What layers carry over from run to run."""
        return self._made_plan().states

    def array(self, blob: Blob) -> np.ndarray:
        """The float32 memory of a blob: of an input to be written, of others the result of the last `forward`, and of
        those after it as long as it is held."""
        if blob in self._inputs:
            return self._inputs[blob]
        if blob in self._outputs:
            return self._outputs[blob]
        if not (self._keeps or self._apart):
            self._keeps = True
            self._change_plan()
        shown = self._shown.get(blob)
        return self._shown.put(blob, self._made_plan().values(blob)) if shown is None else shown

    def latest(self, blob: Blob) -> Blob:
        """The blob that was written last of those with the name of this one; an input itself."""
        return blob if blob in self._inputs else self._written[blob.name]

    def forward(self) -> None:
        """Run all layers once."""
        self._forward(self._made_plan())
        self._has_run()

    def iterate(self, update: WeightUpdate, *, first: bool, last: bool) -> bool:
        """One pass of an iteration of `update` in one run, as of `Iteration`. Returns whether it was run: not where
        each blob has memory of its own."""
        if self._apart:
            return False
        plan = self._made_plan()
        if not self._iteration or self._iteration.plan is not plan or self._iteration.update is not update:
            self._iteration = Iteration(plan, update)
        for blob, array in self._inputs.items():
            np.copyto(plan.array(blob), array)
        self._iteration.run(first=first, last=last)
        self._read_outputs(plan)
        self._has_run()
        self.has_gone_back = True
        if last and not update.refused:
            self.weights_moved(update.gradient)
        return True

    def _has_run(self) -> None:
        """The whole plan has."""
        self._shown.all_changed(self._plan.values)
        self._written.update(self._last)
        self._passes = [(0, len(self.graph.nodes) - 1)]
        self.has_gone_back, self._moved = False, None

    def run_layers(self, first: int, last: int) -> None:
        """Run graph.nodes[first] to nodes[last] on the present values. As in Caffe, where blobs of one name are one
        memory, a layer reads the last value under the name of its bottom, even one written by a later layer in
        place."""
        plan = self.kept_plan()
        self._take_written(plan)
        nodes = self.graph.nodes[first : last + 1]
        made = {top for node in nodes for top in node.tops}
        for blob in dict.fromkeys(bottom for node in nodes for bottom in node.bottoms if bottom not in made):
            if (latest := self.latest(blob)) is not blob:
                plan.write(blob, plan.values(latest).reshape(self.shapes[blob]))
        plan.run(first, last)
        self._passes = [part for part in self._passes if part != (first, last)] + [(first, last)]
        for top in made:
            self._shown.changed(top, plan.values)
        self._written.update((top.name, top) for node in nodes for top in node.tops)
        self._read_outputs(plan)

    def keep_gradients(self, gradients: Callable[[], WeightGradients]) -> None:
        """Keep all blobs from now on, and their gradients."""
        if not (self._apart and self._gradients):
            self._gradients, self._apart = gradients, True
            self._change_plan()

    def kept_plan(self) -> KeptPlan:
        """The plan that runs in part, from now on."""
        if not self._apart:
            self._apart = True
            self._change_plan()
        plan = self._made_plan()
        assert isinstance(plan, KeptPlan)
        return plan

    def backward(self) -> bool:
        """Add the gradients of all weights for the last `forward`, of the losses, if blobs share memory, once: their
        gradients take the memory of values. Returns whether it did."""
        other = self._apart or self.has_gone_back or not self._plan or not self._gradients
        if other or self._weights is None or self._weights is not self._gradients():
            return False
        self._plan.backward()
        self.has_gone_back = True
        return True

    def run_back(
        self, nodes: Collection[Node], needs: Mapping[Node, Need], start: Start, watch: Watch | None = None
    ) -> None:
        """`KeptPlan.run_back`, on the values that callers have written."""
        plan = self.kept_plan()
        self._take_written(plan)
        plan.run_back(nodes, needs, start, watch)

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

    def _memory(self, blob: Blob) -> np.ndarray:
        shape = self.shapes[blob]
        return aligned_zeros(count(shape)).reshape(shape)

    def _made_plan(self) -> Plan:
        """The plan, made when it is first run where it has gradients, whose arrays are known by then."""
        weights = self._gradients() if self._gradients else None
        if self._plan is None or self._weights is not weights:
            self._change_plan()
        return self._plan

    def _change_plan(self) -> None:
        """Make the plan that is wanted by now, and repeat by it what has run."""
        before, weights = self._plan, self._gradients() if self._gradients else None
        wanted = None if weights is None else WantedGradients(weights)
        options = {**self._options, "gradients": wanted, "read": list(self._outputs)}
        if self._apart:
            made = KeptPlan(self.graph, self._given, **options)
        else:
            made = Plan(self.graph, self._given, keep=list(self._last.values()) if self._keeps else (), **options)
        if before:
            for node, state in before.states.items():
                made.states[node].take_over(state)
            self._repeat(before, made)
        self._plan, self._weights = made, weights

    def _repeat(self, before: Plan, made: Plan) -> None:
        with self.repeating() if self._passes else contextlib.nullcontext():
            if isinstance(before, KeptPlan):
                for blob in self.shapes:
                    made.write(blob, before.values(blob))
                for part in self._passes:
                    made.run(*part)
            elif self._passes:
                self._forward(made)

    def _forward(self, plan: Plan) -> None:
        for blob, array in self._inputs.items():
            np.copyto(plan.array(blob), array)
        plan.forward()
        self._read_outputs(plan)

    def _read_outputs(self, plan: Plan) -> None:
        for blob, array in self._outputs.items():
            np.copyto(array, plan.array(blob))

    def _take_written(self, plan: KeptPlan) -> None:
        """Callers may have written to the arrays of inputs, outputs and other blobs."""
        for blob, array in (*self._inputs.items(), *self._outputs.items(), *self._shown):
            plan.write(blob, array)
