"""A graph that is run repeatedly by a plan, of whose blobs, and in which parts, callers decide while it runs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from ...team.memory import aligned_zeros
from ..analysis.aliasing import caffe_memories
from ..analysis.need_backward import Need, loss_blobs
from ..analysis.shapes import check_weights, infer_shapes
from ..ir.carried import Carried
from ..ir.graph import Blob, Graph, Node, Shape
from ..ir.op import count
from ..ir.ownership import WeightGradients, own_parameters
from ..ops import OPS
from ..plan import KeptPlan, Plan
from ..plan.kept import Start, Watch
from ..plan.own_code import WantedGradients
from ..plan.plan import Bytes
from .held_arrays import HeldArrays
from .weights_before import WeightsBefore

if TYPE_CHECKING:
    from ..plan.iteration import Iteration
    from ..plan.update import WeightUpdate

Present = dict[Blob, list[Blob]]  # the blobs whose values are in a memory


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
        self.weights_before = WeightsBefore(graph)
        self._memories = caffe_memories(graph, self.shapes)
        self._present: Present = {}
        self._note(graph.nodes)
        given = arrays or {}
        self._inputs = {blob: given[blob] if blob in given else self._zeros(blob) for blob in graph.inputs}
        made = (self._memories[blob] for blob in graph.outputs)
        self._outputs = {memory: self._zeros(memory) for memory in made if memory not in self._inputs}
        losses = (blob for blob in loss_blobs(graph.nodes) if blob not in graph.outputs)
        self._losses = {blob: self._zeros(blob) for blob in losses}
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
        """The float32 memory in which a blob is in Caffe, perhaps with others, of which it holds the one that was
        written last: of an input to be written, of others the result of the last run, and of those after it as long as
        it is held."""
        memory = self._memories[blob]
        if memory in self._inputs:
            array = self._inputs[memory]
        elif memory in self._outputs:
            array = self._outputs[memory]
        else:
            array = self._look(memory)
        return array if array.shape == self.shapes[blob] else array.reshape(self.shapes[blob])

    def loss(self, blob: Blob) -> np.ndarray:
        """The values of a blob with a loss_weight in the last run, whatever has overwritten it."""
        return self._losses[blob] if blob in self._losses else self.array(blob)

    def _look(self, memory: Blob) -> np.ndarray:
        if not (self._keeps or self._apart):
            self._keeps = True
            self._change_plan()
        shown = self._shown.get(memory)
        return self._shown.put(memory, self._made_plan().values(self._present[memory][0])) if shown is None else shown

    def forward(self) -> None:
        """Run all layers once."""
        self._forward(self._made_plan())
        self._has_run()

    def iterate(self, update: WeightUpdate, *, first: bool, last: bool) -> bool:
        """One pass of an iteration of `update` in one run, as of `Iteration`. Returns whether it was run: not where
        each blob has memory of its own."""
        from ..plan.iteration import Iteration  # with the steps of updates, which inference does not need

        if self._apart:
            return False
        plan = self._made_plan()
        if not self._iteration or self._iteration.plan is not plan or self._iteration.update is not update:
            self._iteration = Iteration(plan, update)
        for blob, array in self._inputs.items():
            np.copyto(plan.array(blob), array)
        self._iteration.run(first=first, last=last)
        self._read_results(plan)
        self._has_run()
        self.has_gone_back = True
        if last and not update.refused:
            self.weights_before.moved(update.gradient)
        return True

    def _has_run(self) -> None:
        """The whole plan has."""
        whole = [(0, len(self.graph.nodes) - 1)]
        if self._passes != whole:
            self._note(self.graph.nodes)
            self._passes = whole
        self._shown.all_changed(self._fill)
        self.has_gone_back = False
        self.weights_before.forget()

    def run_layers(self, first: int, last: int) -> None:
        """Run graph.nodes[first] to nodes[last] on the present values. As in Caffe, a layer reads what is in the memory
        of its bottom, even if a later layer has written it in place."""
        plan = self.kept_plan()
        self._take_written(plan)
        nodes = self.graph.nodes[first : last + 1]
        made = {top for node in nodes for top in node.tops}
        for blob in dict.fromkeys(bottom for node in nodes for bottom in node.bottoms if bottom not in made):
            present = self._present[self._memories[blob]]
            if blob not in present:
                plan.write(blob, plan.values(present[0]).reshape(self.shapes[blob]))
                present.append(blob)
        plan.run(first, last)
        self._passes = [part for part in self._passes if part != (first, last)] + [(first, last)]
        self._note(nodes)
        for memory in {self._memories[top] for top in made}:
            self._shown.changed(memory, self._fill)
            if memory in self._outputs:
                self._fill(memory, self._outputs[memory])
        self._read_losses(plan)

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

    def _note(self, nodes: Iterable[Node]) -> None:
        """These have run: of each memory, what it holds now."""
        for node in nodes:
            view = OPS[node.type].view
            for top in node.tops:
                memory = self._memories[top]
                if view and memory is self._memories[node.bottoms[0]]:
                    self._present[memory] += [top] * (top not in self._present[memory])
                else:
                    self._present[memory] = [top]

    def _fill(self, memory: Blob, array: np.ndarray) -> None:
        self._made_plan().values(self._present[memory][0], array)

    def _zeros(self, blob: Blob) -> np.ndarray:
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
        options = {**self._options, "gradients": wanted, "read": [*self.graph.outputs, *self._losses]}
        if self._apart:
            made = KeptPlan(self.graph, self._given, **options)
        else:
            blobs = [present[0] for present in self._present.values()] if self._keeps else self.graph.inputs
            made = Plan(self.graph, self._given, keep=blobs, **options)
        if before:
            for node, state in before.states.items():
                made.states[node].take_over(state)
            self._repeat(before, made)
        self._plan, self._weights = made, weights

    def _repeat(self, before: Plan, made: Plan) -> None:
        with self.weights_before.present() if self._passes else contextlib.nullcontext():
            for blob in self.graph.inputs:
                before.values(blob, made.array(blob))
            if not isinstance(made, KeptPlan):
                made.forward() if self._passes else None
                return
            for part in self._passes:
                made.run(*part)
        if isinstance(before, KeptPlan):
            made.take_over(before)
        for present in self._present.values():
            if present[0] in before.kept:  # other weights, by now, would give other values
                values = before.values(present[0])
                for blob in present:
                    made.write(blob, values.reshape(self.shapes[blob]))

    def _forward(self, plan: Plan) -> None:
        for blob, array in self._inputs.items():
            np.copyto(plan.array(blob), array)
        plan.forward()
        self._read_results(plan)

    def _read_results(self, plan: Plan) -> None:
        """After a run of all layers."""
        for blob in self.graph.outputs:
            if (memory := self._memories[blob]) in self._outputs:
                plan.values(blob, self._outputs[memory])
        self._read_losses(plan)

    def _read_losses(self, plan: Plan) -> None:
        for blob, array in self._losses.items():
            plan.values(blob, array)

    def _take_written(self, plan: KeptPlan) -> None:
        """Callers may have written to the arrays of inputs, outputs and other blobs."""
        for memory, array in (*self._inputs.items(), *self._outputs.items(), *self._shown):
            for blob in self._present[memory]:
                plan.write(blob, array.reshape(self.shapes[blob]))
