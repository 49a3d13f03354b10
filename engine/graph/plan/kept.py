"""A plan that runs in part, forward and backward: whose blobs and gradients all have memory of their own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping

import numpy as np

from ..analysis.need_backward import Need, loss_blobs, possible_needs
from ..ir.graph import Blob, Graph, Node, Shape
from .arrange import computes
from .arrange_backward import is_view
from .own_code import WantedGradients
from .plan import Plan
from .segments import Segment, joined
from .storage import Storage

Start = Callable[[Blob], np.ndarray | None]
Watch = Callable[[Node, Need, "list[np.ndarray | None]"], None]


class KeptPlan(Plan):
    """A plan, layer by layer, of which some layers can run, forward and backward, any number of times. All blobs can be
    read (`values`) and written (`write`) between, and so can gradients be read (`gradient`).

    With `gradients`, it can run backward from any blob: what depends on a loss is not decided in advance.
    """

    _apart = True

    def __init__(
        self,
        graph: Graph,
        inputs: Mapping[str, Shape] | None = None,
        *,
        threads: int | None = None,
        exact: bool = False,
        read: Collection[Blob] = (),
        gradients: WantedGradients | None = None,
    ):
        keep = [top for node in graph.nodes for top in node.tops]
        options = {"threads": threads, "exact": exact, "read": read, "keep": keep, "gradients": gradients}
        super().__init__(graph, inputs, fuse=False, **options)
        self._parts: dict[tuple[frozenset[Node], bool], list[Segment]] = {}

    def write(self, blob: Blob, values: np.ndarray) -> None:
        """Let a blob have these values, of its shape."""
        for storage in self._arranged.storages_of(blob):
            storage.write(self.arena, values)

    def run(self, first: int, last: int) -> None:
        """Run graph.nodes[first] to nodes[last] on the present values."""
        self.begin()
        with np.errstate(all="ignore"):
            for segment in self._part(frozenset(self.graph.nodes[first : last + 1]), backward=False):
                self._run(segment)
        self.updates.written()
        self.check()

    def run_back(
        self, nodes: Collection[Node], needs: Mapping[Node, Need], start: Start, watch: Watch | None = None
    ) -> None:
        """Run those of `nodes` backward that are in `needs`, the nodes of a run that begins anywhere; gradients of
        weights are added.

        The gradient of a blob that no reader in `needs` gives begins with `start`, a float32 array of its shape, or,
        for None, with its weight in the loss or 0. `watch`, if given, hears of each node, last first, and what it has
        given to its bottoms.
        """
        self._begin_gradients(needs, start)
        active = frozenset(node for node in nodes if node in needs)
        with np.errstate(all="ignore"):
            if watch is None:
                for segment in self._part(active, backward=True):
                    self._run(segment)
                return
            for node in reversed(self.graph.nodes):
                if node in active:
                    for segment in self._part(frozenset([node]), backward=True):
                        self._run(segment)
                    watch(node, needs[node], self._given(node, needs[node]))

    def gradient(self, blob: Blob, array: np.ndarray | None = None) -> np.ndarray:
        """Write the gradient of a blob that has one into `array`, or a new one; returns it."""
        return self._read(self._gradient(blob), blob, array)

    def _find_needs(self, gradients: WantedGradients) -> dict[Node, Need]:
        return possible_needs(self.graph)

    def _gradient(self, blob: Blob) -> Storage:
        return self._backward.gradients[self._arranged.root(blob)]

    def _begin_gradients(self, needs: Mapping[Node, Need], start: Start) -> None:
        """Each gradient to which readers add, or that none of them gives, begins with what its blobs begin with."""
        root, losses = self._arranged.root, loss_blobs(needs)
        flags = [(node, need.bottoms) for node, need in needs.items()]
        read = {blob for node, needed in flags for blob in itertools.compress(node.bottoms, needed)}
        written = {root(blob) for node, _ in flags if computes(node) for blob in read.intersection(node.bottoms)}
        sums: dict[Blob, np.ndarray | np.float32] = {}
        for blob in dict.fromkeys((*read, *(top for node in needs for top in node.tops))):
            if root(blob) not in written - self._backward.sums:
                values = None if blob in read else start(blob)
                begin = np.float32(losses.get(blob, 0)) if values is None else values
                sums[root(blob)] = sums.get(root(blob), np.float32(0)) + begin
        for blob, values in sums.items():
            self._gradient(blob).write(self.arena, values)

    def _part(self, nodes: frozenset[Node], *, backward: bool) -> list[Segment]:
        """The segments of these nodes in one direction."""
        key = nodes, backward
        if key not in self._parts:
            half = slice(self._forward_actions, None) if backward else slice(self._forward_actions)
            pairs = zip(self.actions[half], self.pieces[half], strict=True)
            chosen = (piece for action, piece in pairs if action.owner and action.owner.main in nodes)
            self._parts[key] = joined(itertools.chain.from_iterable(chosen))
        return self._parts[key]

    def _given(self, node: Node, need: Need) -> list[np.ndarray | None]:
        """What a node has given to its bottoms: a view its top's gradient, one without results zeros."""
        if is_view(node):
            return [self.gradient(node.tops[0]).reshape(self.shapes[node.bottoms[0]]) if need.bottoms[0] else None]
        actions = (each for each in self.actions[self._forward_actions :] if each.backward)
        action = next((each for each in actions if each.owner.main is node), None)
        given = action.backward.bottom_gradients if action else [None] * len(node.bottoms)
        return [
            (self._read(storage, blob, None) if storage else np.zeros(self.shapes[blob], np.float32)) if flag else None
            for blob, storage, flag in zip(node.bottoms, given, need.bottoms, strict=True)
        ]

    def _read(self, storage: Storage, blob: Blob, array: np.ndarray | None) -> np.ndarray:
        array = np.empty(self.shapes[blob], np.float32) if array is None else array
        storage.read(self.arena, array)
        return array
