"""The gradients of a CaffeNet: the `diff` of its blobs and weights, and the run backward that fills them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np

from ..conversion import ArrayLike, as_numbers
from ..engine.graph.analysis.need_backward import loss_blobs
from ..engine.graph.execution.gradients import BackwardStep, Gradients, run_step
from ..engine.graph.execution.session import Session
from ..engine.graph.ir.graph import Blob, Graph, Node
from ..engine.graph.ir.op import count
from ..engine.graph.ir.ownership import WeightGradients, weight_gradients
from ..engine.team.memory import aligned_zeros
from ..errors import UsageError


class NetGradients:
    """Of a net's graph. As in Caffe, blobs of one name have one diff, which keeps its values until it is written: by a
    run backward, or by the caller. That of a loss is its weight at first, others are zeros."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self._weights: WeightGradients | None = None
        self._blobs: dict[str, np.ndarray] = {}
        self._made: tuple[tuple[int, frozenset[Blob]], Gradients] | None = None

    def forget(self, *, weights: bool = False) -> None:
        """The blobs have other shapes from now on, or the weights other arrays."""
        self._blobs, self._made = {}, None
        if weights:
            self._weights = None

    @property
    def weights(self) -> WeightGradients:
        """The gradients of all weights."""
        if self._weights is None:
            self._weights = weight_gradients(self.graph)
        return self._weights

    def use(self, weights: WeightGradients) -> None:
        """Let these arrays be the gradients of all weights."""
        self._weights, self._made = weights, None

    def given(self, ends: Iterable[Blob]) -> list[Blob]:
        """Those of `ends` whose diff is not 0."""
        return [blob for blob in ends if blob.name in self._blobs and self._blobs[blob.name].any()]

    def of(self, blob: Blob, session: Session) -> np.ndarray:
        """The diff of a blob. Raises UsageError for an input that gets none."""
        if blob not in self.graph.inputs:
            return self._memory(blob, session)
        made = self._made[1] if self._made else self._gradients(session, len(self.graph.nodes) - 1, frozenset())
        if blob not in made.blobs:
            what = f"{blob.name!r} has no gradient: nothing that leads to a loss needs one"
            raise UsageError(f"{what} (with force_backward: true in the net, inputs have one)")
        return made.blobs[blob]

    def backward(
        self,
        session: Session,
        first: int,
        last: int,
        given: Mapping[Blob, ArrayLike],
        run: Callable[[Node, BackwardStep], None] = run_step,
    ) -> Gradients:
        """Run graph.nodes[last] to nodes[first] backward, each by `run`, from `given` and the diffs of other outputs,
        or of the tops of nodes[last] if that is not the net's last layer."""
        ends = self.graph.outputs if last == len(self.graph.nodes) - 1 else self.graph.nodes[last].tops
        for blob, values in given.items():
            diff, array = self._memory(blob, session), np.asarray(as_numbers(values, blob.name), np.float32)
            if array.shape != diff.shape:
                raise UsageError(f"the diff of {blob.name!r} has the shape {array.shape}, the output {diff.shape}")
            diff[...] = array
        gradients = self._gradients(session, last, frozenset(self.given(ends)) | given.keys())
        gradients.backward(first, run)
        return gradients

    def repeat(self, session: Session) -> None:
        """Compute the gradients of blobs of a run backward that only gave those of weights, which stay."""
        arrays = [array for arrays in self.weights.values() for array in arrays]
        kept = [array.copy() for array in arrays]
        self.backward(session, 0, len(self.graph.nodes) - 1, {})
        for array, values in zip(arrays, kept, strict=True):
            np.copyto(array, values)

    def _gradients(self, session: Session, last: int, seeds: frozenset[Blob]) -> Gradients:
        """Those of the layers up to nodes[last]; made again where others are requested than the time before."""
        if self._made is None or self._made[0] != (last, seeds):
            part = replace(self.graph, nodes=self.graph.nodes[: last + 1])
            made = Gradients(
                session.runtime,
                seeds,
                self.weights,
                graph=part,
                memory=lambda blob: self._memory(blob, session),
            )
            self._made = (last, seeds), made
            return made
        return self._made[1]

    def _memory(self, blob: Blob, session: Session) -> np.ndarray:
        shape = session.shapes[blob]
        if blob.name not in self._blobs:
            made = aligned_zeros(count(shape))
            made.fill(loss_blobs(self.graph.nodes).get(blob, 0))
            self._blobs[blob.name] = made  # whole: an interrupt may come at any line
        return self._blobs[blob.name].reshape(shape)
