"""The storage of every blob, and the order in which groups run and blobs are moved: a program before it is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import numpy as np

from ..ir.graph import Blob, Graph, Node, Shape
from ..ops import OPS
from ..ops.views import WITHOUT_RESULT
from .emitter import Emitter
from .groups import LayerGroup
from .lowering.lowered import PLANAR, Lowered, Want
from .lowering.moves import emit_move
from .storage import NO_HALO, Halo, Memory, Storage, StorageKind, aligned, same_memory, wider

PREFERRED = (StorageKind.BLOCKED, StorageKind.PLANAR, StorageKind.PADDED)  # to move a blob from
Key = tuple[Blob, StorageKind]


@dataclass(eq=False)
class Action:
    """A piece of the program: a group, or a move of a blob for a group, `owner`. `emit` None: the group is run by its
    layer's own `prepare`, or needs no step. `fresh` are storages whose halo is cleared now; those of a `backward` one
    before its steps, which read it. `numbers` fill the tops, if given. `kept` is memory that it writes for its
    backward action."""

    owner: LayerGroup | None
    bottoms: list[Storage]
    tops: list[Storage]
    emit: Callable[[Emitter, list[Storage], list[Storage]], None] | None = None
    fresh: list[Storage] = field(default_factory=list)
    lowered: Lowered | None = None
    is_move: bool = False
    backward: BackwardStorages | None = None
    numbers: list[np.float32] | None = None
    kept: Storage | None = None


@dataclass(frozen=True)
class BackwardStorages:
    """The storages of a backward action, of which its `bottoms` and `tops` are those that are read and written, as of
    `BackwardBlobs`. `shared`: memory for its steps alone, `kept`: that of the forward action."""

    bottoms: list[Storage]
    tops: list[Storage]
    top_gradients: list[Storage]
    bottom_gradients: list[Storage | None]
    shared: Storage | None = None
    kept: Storage | None = None
    top_is_masked: bool = False
    masked: bool = False


class Arrangement:
    """`actions` in their order, and `storages` by blob and kind. After these, others may follow until `finish`, which
    read the blobs `kept`: none of these is overwritten. `read` are, besides the outputs, those that are to be PLANAR at
    the end, and `keep` those that are to be stored there in any way. `apart`: as in Caffe, only Split, Flatten and
    Reshape have their bottom's memory."""

    def __init__(
        self,
        graph: Graph,
        shapes: dict[Blob, Shape],
        lowered: list[tuple[LayerGroup, Lowered | None]],
        kept: Collection[Blob] = (),
        read: Collection[Blob] = (),
        keep: Collection[Blob] = (),
        *,
        apart: bool = False,
    ):
        self.graph, self.shapes, self._keep = graph, shapes, keep
        self.actions: list[Action] = []
        self.storages: dict[Key, Storage] = {}
        self._shared: Counter[Memory] = Counter()
        self._placed: list[Storage] = []
        self._roots: dict[Blob, Blob] = {}
        for node in graph.nodes:
            if keeps_values(node, apart=apart):
                self._roots |= dict.fromkeys(node.tops, self.root(node.bottoms[0]))
        lowered = [each for each in lowered if computes(each[0].main, apart=apart)]
        self._wants = {group: wants_of(group, how) for group, how in lowered}
        self._left = Counter(self.root(blob) for group in self._wants for blob in group.bottoms)
        self.results = [*graph.outputs, *(blob for blob in read if blob not in graph.outputs)]
        self._left.update(self.root(blob) for blob in (*self.results, *kept, *keep))
        self._halos: dict[Key, Halo] = {}
        for group, wants in self._wants.items():
            for blob, want in zip(group.bottoms, wants, strict=True):
                key = self.root(blob), want.kind
                self._halos[key] = wider(self._halos.get(key, NO_HALO), want.halo)
        self._add_inputs()
        for group, how in lowered:
            if group.main.bottoms or group.main.type == "Parameter":
                self._add(group, how)
        for blob in self.results:
            self.stored(blob, PLANAR, None)

    def finish(self) -> list[Memory]:
        """The results are needed to the end. Returns the memories of all storages."""
        for blob in self.results:
            self.planar(blob).memory.last = len(self.actions)
        for blob in self._keep:
            for storage in self.storages_of(blob)[:1]:
                storage.memory.last = len(self.actions)
        for storage in self._placed:  # their halos are known
            storage.memory.size = max(storage.memory.size, aligned(storage.size))
        return list(self._shared)

    def root(self, blob: Blob) -> Blob:
        """The blob with the same values from which `blob` is a view or copy."""
        return self._roots.get(blob, blob)

    def planar(self, blob: Blob) -> Storage:
        """The storage of an input or output of the graph: PLANAR, or an input PADDED."""
        root = self.root(blob)
        return self.storages.get((root, StorageKind.PLANAR)) or self.storages[root, StorageKind.PADDED]

    def storages_of(self, blob: Blob) -> list[Storage]:
        """All storages of a blob's values; none of a blob that nothing computes."""
        root = self.root(blob)
        return [self.storages[root, kind] for kind in PREFERRED if (root, kind) in self.storages]

    def _add_inputs(self) -> None:
        outputs = {self.root(blob) for blob in self.results}
        action = Action(None, [], [])
        for blob in self.graph.inputs:
            kinds = {kind for other, kind in self._halos if other is blob}
            kind = StorageKind.PADDED if kinds == {StorageKind.PADDED} and blob not in outputs else StorageKind.PLANAR
            action.tops.append(self._new(blob, kind))
        action.fresh = list(action.tops)
        self.append(action)

    def _add(self, group: LayerGroup, how: Lowered | None) -> None:
        wants = zip(group.bottoms, self._wants[group], strict=True)
        bottoms = [self.stored(blob, want, group) for blob, want in wants]
        if OPS[group.main.type].view:
            self._share(group.tops[0], StorageKind.PLANAR, bottoms[0].memory)
            self._left.subtract(map(self.root, group.bottoms))
            return
        action = Action(group, bottoms, [], how.emit if how else None, lowered=how)
        kind = (how.kind or bottoms[0].kind) if how else StorageKind.PLANAR
        if how and how.in_place and self._may_overwrite(group.bottoms[0], bottoms[0], group.tops[0], kind):
            storage = bottoms[0]
            storage.halo = wider(storage.halo, self._halos.get((group.tops[0], kind), NO_HALO))
            self.storages[group.tops[0], kind] = storage
            action.tops = [storage]
        else:
            action.tops = [self._new(top, kind) for top in group.tops]
            action.fresh = list(action.tops)
        self.append(action)
        self._left.subtract(map(self.root, group.bottoms))

    def _may_overwrite(self, bottom: Blob, storage: Storage, top: Blob, kind: StorageKind) -> bool:
        alone = self._left[self.root(bottom)] == 1 and self._shared[storage.memory] == 1
        return alone and storage.kind is kind and self.shapes[top] == storage.shape

    def stored(self, blob: Blob, want: Want, owner: LayerGroup | None) -> Storage:
        """`blob` stored as in `want`, after a move if needed."""
        blob = self.root(blob)
        if want.kind is None:
            kinds = [kind for kind in PREFERRED[:2] if (blob, kind) in self.storages]
            want = Want(kinds[0] if kinds else StorageKind.PLANAR)
        if (blob, want.kind) in self.storages:
            return self.storages[blob, want.kind]
        source = next(self.storages[blob, kind] for kind in PREFERRED if (blob, kind) in self.storages)
        halos = source.halo, self._halos.get((blob, want.kind), NO_HALO)
        if (
            {source.kind, want.kind} == {StorageKind.PLANAR, StorageKind.BLOCKED}
            and same_memory(source.shape)
            and not any(map(any, halos))
        ):
            return self._share(blob, want.kind, source.memory)
        target = self._new(blob, want.kind)
        move = Action(owner, [source], [target], lambda emitter, x, y: emit_move(emitter, x[0], y[0]), [target])
        move.is_move = True
        self.append(move)
        return target

    def append(self, action: Action) -> None:
        for storage in (*action.bottoms, *action.tops):
            storage.memory.last = len(self.actions)
        self.actions.append(action)

    def _new(self, blob: Blob, kind: StorageKind) -> Storage:
        now = len(self.actions)
        return self._share(blob, kind, Memory(0, now, now))

    def _share(self, blob: Blob, kind: StorageKind, memory: Memory) -> Storage:
        halo = self._halos.get((blob, kind), NO_HALO)
        storage = self.placed(Storage(self.shapes[blob], kind, memory, halo, blob.dtype))
        self.storages[blob, kind] = storage
        return storage

    def placed(self, storage: Storage) -> Storage:
        """Let this one have its memory, perhaps with others."""
        self._shared[storage.memory] += 1
        self._placed.append(storage)
        return storage


def keeps_values(node: Node, *, apart: bool = False) -> bool:
    """Whether its tops are where its bottom is. A Dropout's own phase may be TRAIN."""
    return node.type == "Split" or (not apart and node.type == "Dropout" and node.phase == "TEST")


def computes(node: Node, *, apart: bool = False) -> bool:
    """Whether it has values, or a gradient, of its own."""
    return not keeps_values(node, apart=apart) and node.type not in WITHOUT_RESULT


def wants_of(group: LayerGroup, how: Lowered | None) -> list[Want]:
    """The storages that the group wants for its bottoms."""
    return list(how.wants) if how else [PLANAR] * len(group.bottoms)
