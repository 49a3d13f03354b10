"""A plan that runs in part, forward and backward: whose blobs and gradients all have memory of their own."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Collection, Mapping

import numpy as np

from ..analysis.need_backward import Need, loss_blobs, possible_needs
from ..ir.graph import Blob, Graph, Node, Shape
from ..ops import OPS
from .arrange import computes
from .own_code import WantedGradients
from .plan import Plan
from .segments import Segment, joined
from .storage import Storage

Start = Callable[[Blob], np.ndarray | None]
BOTTOMS, TOPS = operator.attrgetter("bottoms"), operator.attrgetter("tops")
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
        keep = [*graph.inputs, *(top for node in graph.nodes for top in node.tops)]
        options = {"threads": threads, "exact": exact, "read": read, "keep": keep, "gradients": gradients}
        super().__init__(graph, inputs, fuse=False, **options)
        self._values = set(self._arranged.storages.values())
        self._parts: dict[tuple[frozenset[Node], bool], list[Segment]] = {}

    def write(self, blob: Blob, values: np.ndarray) -> None:
        """Let a blob have these values, of its shape."""
        for storage in self._arranged.storages_of(blob):
            storage.write(self.arena, values)

    def take_over(self, before: KeptPlan) -> None:
        """Let blobs, and gradients if both have them, be those of another plan of this graph."""
        if bool(self._wanted) == bool(before._wanted):
            np.copyto(self.arena, before.arena)  # laid out in the same way
            return
        for blob in self.shapes:
            self.write(blob, before.values(blob))

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
        self.packing.refresh()
        active = frozenset(node for node in nodes if node in needs)
        running = {node: need for node, need in needs.items() if node in active}
        self._begin_gradients(running, loss_blobs(needs), start)
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
        return self._backward.gradients[blob]

    def _begin_gradients(self, needs: Mapping[Node, Need], losses: Mapping[Blob, np.float32], start: Start) -> None:
        """Each gradient to which these nodes add, or that none of them gives, begins with what its blob begins with."""
        begins = dict[Blob, np.ndarray | np.float32]()
        read = {blob for node, need in needs.items() for blob in itertools.compress(node.bottoms, need.bottoms)}
        written = {blob for node in needs if computes(node, apart=True) for blob in read.intersection(node.bottoms)}
        for blob in dict.fromkeys((*read, *(top for node in needs for top in node.tops))):
            if blob not in written - self._backward.sums:
                values = None if blob in read else start(blob)
                begins[blob] = np.float32(losses.get(blob, 0)) if values is None else values
        for blob, values in begins.items():
            self._gradient(blob).write(self.arena, values)

    def _part(self, nodes: frozenset[Node], *, backward: bool) -> list[Segment]:
        """The segments of these nodes in one direction, with all moves of the values that they write and read."""
        key = nodes, backward
        if key not in self._parts:
            half = slice(self._forward_actions, None) if backward else slice(self._forward_actions)
            own = {action for action in self.actions[half] if action.owner and action.owner.main in nodes}
            changed, read = ({storage for each in own for storage in side(each)} for side in (TOPS, BOTTOMS))
            for action in self.actions[half]:
                if (
                    action.is_move
                    and action.tops[0] in self._values
                    and (action.bottoms[0] in changed or action.tops[0] in read)
                ):
                    own.add(action)
                    changed.update(action.tops)
            pairs = zip(self.actions[half], self.pieces[half], strict=True)
            chosen = (piece for action, piece in pairs if action in own)
            self._parts[key] = joined(itertools.chain.from_iterable(chosen))
        return self._parts[key]

    def _given(self, node: Node, need: Need) -> list[np.ndarray | None]:
        """What a node has given to its bottoms: a view its top's gradient, one without results zeros."""
        if OPS[node.type].view:
            shape = self.shapes[node.bottoms[0]]
            return [sum(self.gradient(top).reshape(shape) for top in node.tops) if need.bottoms[0] else None]
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
