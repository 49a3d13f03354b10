"""The gradients of a CaffeNet: the `diff` of its blobs and weights, and the run backward that fills them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from ..conversion import ArrayLike, as_numbers
from ..engine.graph.analysis.aliasing import caffe_diffs
from ..engine.graph.analysis.need_backward import Need, find_needs, loss_blobs
from ..engine.graph.execution.held_arrays import HeldArrays
from ..engine.graph.execution.session import Session
from ..engine.graph.ir.graph import Blob, Graph, Node
from ..engine.graph.ir.ownership import WeightGradients, weight_gradients
from ..engine.graph.plan.kept import Watch
from ..errors import UsageError

Needs = Mapping[Node, Need]


class NetGradients:
    """Of a net's graph. As in Caffe, blobs of one name have one diff, also through a Flatten or Reshape,
    which keeps its values until it is written: by a run backward, or by the caller. That of a loss is its weight at
    first, others are zeros."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self._weights: WeightGradients | None = None
        self.forget()

    def forget(self, *, weights: bool = False) -> None:
        """The blobs have other shapes from now on, or the weights other arrays."""
        self._blobs = HeldArrays[Blob]()  # by `caffe_diffs`
        self._computed: dict[Blob, Blob] = {}  # those that runs backward have given -> the blob whose gradient they are
        self._diffs: dict[Blob, Blob] = {}
        self._known: tuple[tuple[int, frozenset[Blob]], Needs] | None = None
        if weights:
            self._weights = None

    @property
    def weights(self) -> WeightGradients:
        """The gradients of all weights."""
        if self._weights is None:
            self._weights = weight_gradients(self.graph)
        return self._weights

    def clear_weights(self) -> None:
        """Set the gradients of all weights to 0."""
        for arrays in self.weights.values():
            for array in arrays:
                array.fill(0)

    def use(self, weights: WeightGradients) -> None:
        """Let these arrays be the gradients of all weights."""
        self._weights = weights

    def given(self, ends: Iterable[Blob], session: Session) -> list[Blob]:
        """Those of `ends` whose diff the caller has written, and is not 0."""
        found = ((blob, self._blobs.get(self._key(blob, session))) for blob in ends)
        return [blob for blob, array in found if array is not None and array.any()]

    def of(self, blob: Blob, session: Session) -> np.ndarray:
        """The diff of a blob. Raises UsageError for an input that gets none."""
        needs = self._known[1] if self._known else self._needs(len(self.graph.nodes) - 1, frozenset())
        known = blob not in self.graph.inputs or blob in needed_bottoms(needs)
        if not known and self._key(blob, session) not in (*self._computed, *dict(self._blobs)):
            what = f"{blob.name!r} has no gradient: nothing that leads to a loss needs one"
            raise UsageError(f"{what} (with force_backward: true in the net, inputs have one)")
        return self._diff(blob, session)

    def backward(
        self,
        session: Session,
        first: int,
        last: int,
        given: Mapping[Blob, ArrayLike],
        read: Iterable[Blob] = (),
        watch: Watch | None = None,
    ) -> dict[str, np.ndarray]:
        """Run graph.nodes[last] to nodes[first] backward, from `given` and the diffs of other outputs, or of the tops
        of nodes[last] if that is not the net's last layer. Returns copies of the gradients of those of `read` that have
        one, by name. `watch` as of `KeptPlan.run_back`."""
        whole = last == len(self.graph.nodes) - 1
        ends = self.graph.outputs if whole else self.graph.nodes[last].tops
        for blob, values in given.items():
            diff, array = self._diff(blob, session), np.asarray(as_numbers(values, blob.name), np.float32)
            if array.shape != diff.shape:
                raise UsageError(f"the diff of {blob.name!r} has the shape {array.shape}, the output {diff.shape}")
            diff[...] = array
        for blob in ends:
            if self._key(blob, session) in self._computed:
                self._diff(blob, session)  # as in Caffe, what an earlier run has left in a chain in place
        nodes = self.graph.nodes[: last + 1]
        seeds = frozenset(self.given(ends, session)) | given.keys()
        needs = self._needs(last, seeds)
        latest = {self._key(top, session): top for node in nodes for top in node.tops}

        def start(blob: Blob) -> np.ndarray | None:
            key = self._key(blob, session)
            if latest[key] is not blob:
                return None
            return self._diff(blob, session) if key in self._blobs or key in self._computed else None

        session.run_back(nodes[first:], needs, start, watch)
        plan, ran = session.kept_plan(), [node for node in reversed(nodes[first:]) if node in needs]
        written = {self._key(blob, session): blob for node in ran for blob in _given(node, needs[node])}
        for key in written:
            self._blobs.changed(key, lambda key, array: plan.gradient(written[key], array))
        self._computed |= written
        found = needed_bottoms(needs).union(seeds, *(node.tops for node in needs))
        return {blob.name: self._diff(blob, session).copy() for blob in read if blob in found}

    def repeat(self, session: Session) -> None:
        """Compute the gradients of blobs of a run backward that only gave those of weights, which stay."""
        arrays = [array for arrays in self.weights.values() for array in arrays]
        kept = [array.copy() for array in arrays]
        self.backward(session, 0, len(self.graph.nodes) - 1, {})
        for array, values in zip(arrays, kept, strict=True):
            np.copyto(array, values)

    def _needs(self, last: int, seeds: frozenset[Blob]) -> Needs:
        """The layers up to nodes[last] that run backward from `seeds`."""
        if self._known is None or self._known[0] != (last, seeds):
            part = replace(self.graph, nodes=self.graph.nodes[: last + 1])
            self._known = (last, seeds), find_needs(part, seeds)
        return self._known[1]

    def _diff(self, blob: Blob, session: Session) -> np.ndarray:
        key = self._key(blob, session)
        array = self._blobs.get(key)
        array = self._blobs.put(key, self._made(blob, session)) if array is None else array
        return array if array.shape == session.shapes[blob] else array.reshape(session.shapes[blob])

    def _key(self, blob: Blob, session: Session) -> Blob:
        """That of its diff."""
        if not self._diffs:
            self._diffs = caffe_diffs(self.graph, session.shapes)
        return self._diffs[blob]

    def _made(self, blob: Blob, session: Session) -> np.ndarray:
        if (of := self._computed.get(self._key(blob, session))) is not None:
            return session.kept_plan().gradient(of)
        return np.full(session.shapes[blob], loss_blobs(self.graph.nodes).get(blob, 0), np.float32)


def needed_bottoms(needs: Needs) -> set[Blob]:
    """The blobs to which these nodes give a gradient."""
    return {blob for node, need in needs.items() for blob in _given(node, need)}


def _given(node: Node, need: Need) -> list[Blob]:
    return [bottom for bottom, needed in zip(node.bottoms, need.bottoms, strict=True) if needed]
