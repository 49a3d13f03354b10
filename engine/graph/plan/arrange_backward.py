"""The backward half of a program before it is written: the gradients of blobs, and the actions that compute them.

Groups follow in reverse order. The gradient of a blob is the sum of what its readers give: the first writes it, what
others give is added to it. It is stored as the group wants it that gives it, and moved if the producer of the blob
wants another kind. Views and copies of a blob (`Arrangement.root`) have its gradient.

For a plan that runs in part (`kept.py`), no gradient overwrites another: sums have storage of their own, to which all
readers add, and every top has a gradient, whatever depends on it, those of a Split as well.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from ..analysis.need_backward import Need
from ..ir.graph import FLOAT32, Blob, Node, Shape
from ..ops import OPS
from .arrange import Action, Arrangement, BackwardStorages, computes, keeps_values
from .groups import LayerGroup
from .lowering.backward import Backward
from .lowering.lowered import PLANAR, Lowered, is_relu
from .lowering.mask import emit_add
from .lowering.moves import emit_move
from .storage import NO_HALO, Halo, Memory, Storage, StorageKind, wider

BY_OWN_CODE = Backward(
    lambda emitter, blobs: None, StorageKind.PLANAR, reads_bottoms=True, reads_tops=True
)  # by `Op.gradient`


def backward_of(how: Lowered | None) -> Backward:
    """That of the lowering, or of layers that run by their own code."""
    return (how and how.backward) or BY_OWN_CODE


def kept_blobs(lowered: list[tuple[LayerGroup, Lowered | None]], needs: Mapping[Node, Need]) -> list[Blob]:
    """The blobs whose values backward steps read."""
    kept: list[Blob] = []
    for group, how in lowered:
        if group.main in needs and not is_view(group.main):
            backward = backward_of(how)
            kept += group.bottoms if backward.reads_bottoms else []
            kept += group.tops if backward.reads_tops else []
    return kept


def is_view(node: Node) -> bool:
    """Whether its top's gradient is its bottom's."""
    return OPS[node.type].view or keeps_values(node)


def gradient_kind(storage: Storage) -> StorageKind:
    """How the gradient of what is stored there is stored: PLANAR where it would be PADDED."""
    return StorageKind.PLANAR if storage.kind is StorageKind.PADDED else storage.kind


class BackwardArrangement:
    """Adds backward actions to those of `forward`. `needs` are the nodes that run backward, `losses` the weights in the
    loss of the tops that are parts of it; `left` gives the blob that is in a blob's memory in the end
    (`left_in_memory`). `ends` are the storages, PLANAR, of gradients that are given. With `apart`, gradients keep their
    memory, and what each begins with is not written by any action: `gradients` are their storages by blob, `sums` the
    blobs to whose gradients all readers add; others are written by their only reader."""

    def __init__(
        self,
        forward: Arrangement,
        lowered: list[tuple[LayerGroup, Lowered | None]],
        needs: Mapping[Node, Need],
        losses: Mapping[Blob, np.float32],
        left: Mapping[Blob, Blob],
        ends: Iterable[Blob] = (),
        *,
        apart: bool = False,
    ):
        self._forward, self._needs, self._left, self._apart = forward, needs, left, apart
        counts = lambda node: computes(node, apart=apart) or (apart and keeps_values(node, apart=True))  # noqa: E731
        self._groups = [each for each in lowered if each[0].main in needs and counts(each[0].main)]
        self._lowered = dict(lowered)
        self._run = {action.owner: action for action in forward.actions if action.owner and not action.is_move}
        self.gradients: dict[Blob, Storage] = {}
        self._halos: dict[tuple[Blob, StorageKind], Halo] = {}
        self._givers = Counter(self._root(blob) for group, _ in self._groups for blob in self._needed(group) if blob)
        self._producers = {top: group for group, _ in self._groups if not is_view(group.main) for top in group.tops}
        self._masked: set[Blob] = set()
        self.sums = {root for root, number in self._givers.items() if number > 1}
        self.sums |= {self._root(blob) for blob in losses} & self._givers.keys()
        self.sums |= {self._root(node.bottoms[0]) for node in needs if keeps_values(node, apart=apart)}
        self._constants = Action(None, [], [], numbers=[])
        self._start = len(forward.actions)
        if needs and not apart:
            forward.append(self._constants)
        self._find_halos()
        self.ends = {blob: self._end(blob) for blob in ends}
        for blob, weight in losses.items():
            if blob not in self.ends and not apart:
                self._give(blob, self._constant(blob, weight), None)
        for group, how in reversed(self._groups):
            if keeps_values(group.main, apart=apart):
                self._add_up(group)
            elif OPS[group.main.type].view:
                self._pass_on(group)
            else:
                self._add(group, backward_of(how))
        for node, need in needs.items() if apart else ():
            for blob in (*node.tops, *itertools.compress(node.bottoms, need.bottoms)):
                self._known(blob, StorageKind.PLANAR)

    def _root(self, blob: Blob) -> Blob:
        """The blob that has the gradient of this one."""
        return blob if self._apart else self._forward.root(blob)

    def _shape(self, blob: Blob) -> Shape:
        return self._forward.shapes[blob]

    def _needed(self, group: LayerGroup) -> list[Blob | None]:
        """The bottoms of a group, None for one without a gradient."""
        flags = self._needs[group.nodes[0]].bottoms
        return [blob if flag else None for blob, flag in zip(group.bottoms, flags, strict=True)]

    def _find_halos(self) -> None:
        """Of each gradient, as wide as its writers and its reader need."""
        for group, how in self._groups:
            if is_view(group.main):
                continue
            backward = backward_of(how)
            for top, storage in zip(group.tops, self._run[group].tops, strict=True):
                self._widen(self._root(top), backward.kind or storage.kind, self._halo(group, backward))
            for blob, storage in zip(self._needed(group), self._run[group].bottoms, strict=True):
                if blob:
                    self._widen(self._root(blob), gradient_kind(storage), backward.spill)

    def _halo(self, group: LayerGroup, backward: Backward) -> Halo:
        """That of the gradients of the group's tops which it needs."""
        return backward.halo if any(self._needed(group)) or not backward.halo_for_bottoms else NO_HALO

    def _widen(self, root: Blob, kind: StorageKind, halo: Halo) -> None:
        self._halos[root, kind] = wider(self._halos.get((root, kind), NO_HALO), halo)

    def _new(self, blob: Blob, kind: StorageKind) -> Storage:
        """Storage for a gradient of `blob`, that is written by the next action."""
        now, halo = len(self._forward.actions), self._halos.get((self._root(blob), kind), NO_HALO)
        return self._forward.placed(Storage(self._shape(blob), kind, Memory(0, now, now), halo))

    def _constant(self, blob: Blob, number: np.float32) -> Storage:
        """Storage for a gradient of `blob`, which is `number` everywhere when the run backward begins."""
        storage = self._new(blob, StorageKind.PLANAR)
        storage.memory.first = self._start
        self._constants.tops.append(storage)
        self._constants.numbers.append(number)
        return storage

    def _end(self, blob: Blob) -> Storage:
        """Storage for a gradient that is given before a run forward or after it."""
        storage = self._new(blob, StorageKind.PLANAR)
        storage.memory.first = 0
        self._give(blob, storage, None)
        return storage

    def _pass_on(self, group: LayerGroup) -> None:
        """Of a Flatten or Reshape: the same memory, where the bottom has no gradient yet."""
        (bottom,) = group.bottoms
        top = self._complete(group.tops[0], StorageKind.PLANAR, group)
        if top and self._needed(group)[0]:
            shape = self._shape(bottom)
            self._give(bottom, self._forward.placed(Storage(shape, StorageKind.PLANAR, top.memory)), group)

    def _add_up(self, group: LayerGroup) -> None:
        """Of a Split."""
        if self._needed(group)[0]:
            for top in group.tops:
                self._give(group.bottoms[0], self._known(top, StorageKind.PLANAR), group)

    def _add(self, group: LayerGroup, backward: Backward) -> None:
        run = self._run[group]
        kinds = [backward.kind or storage.kind for storage in run.tops]
        tops = [self._complete(top, kind, group) for top, kind in zip(group.tops, kinds, strict=True)]
        if group.tops and not any(tops):  # nothing that depends on it is part of a loss
            return
        tops = [top or self._zeros(blob, kind, group) for top, blob, kind in zip(tops, group.tops, kinds, strict=True)]
        bottoms, values = run.bottoms, run.tops
        if backward is BY_OWN_CODE and OPS[group.main.type].gradient.reads_memory:
            bottoms, values = (
                [self._forward.stored(self._left.get(blob, blob), PLANAR, group) for blob in blobs]
                for blobs in (group.bottoms, group.tops)
            )
        needed = self._needed(group)
        given: list[Storage | None] = []
        for number, (blob, storage) in enumerate(zip(needed, run.bottoms, strict=True)):
            may = backward.in_place and number == 0 and blob and self._root(blob) not in self.gradients
            may = may and not self._apart
            if may and tops[0].kind is storage.kind and self._fits(blob, tops[0]):
                given.append(tops[0])
            else:
                given.append(self._new(blob, gradient_kind(storage)) if blob else None)
        masked = bool(needed) and backward.masks and self._may_mask(needed[0])
        shared = self._bytes(backward.shared, len(self._forward.actions))
        how = None if backward is BY_OWN_CODE else self._lowered[group]
        run.kept = self._bytes(how.kept if how else 0, self._forward.actions.index(run))
        storages = BackwardStorages(
            bottoms,
            values,
            tops,
            given,
            shared,
            run.kept,
            self._root(group.tops[0]) in self._masked if group.tops else False,
            masked,
        )
        read = (bottoms if backward.reads_bottoms else []) + (values if backward.reads_tops else [])
        written = [storage for storage in (*given, shared) if storage]
        read += [run.kept] if run.kept else []
        action = Action(group, [*read, *tops], written, lowered=how, backward=storages)
        action.fresh = tops if self._halo(group, backward) != NO_HALO else []
        self._forward.append(action)
        if masked:
            self._masked.add(self._root(needed[0]))
        for blob, storage in zip(needed, given, strict=True):
            if blob and storage:
                self._give(blob, storage, group)

    def _fits(self, blob: Blob, top: Storage) -> bool:
        """Whether the gradient of `blob` can be where that of the top is."""
        halo = self._halos.get((self._root(blob), top.kind), NO_HALO)
        return self._shape(blob) == top.shape and wider(halo, top.halo) == top.halo

    def _may_mask(self, blob: Blob | None) -> bool:
        """Whether one reader gives all of the gradient of a bottom, and that is what a ReLU gives at the end of a
        group."""
        if self._apart or not blob or self._givers[self._root(blob)] != 1 or self._root(blob) in self.gradients:
            return False
        producer = self._producers.get(self._root(blob))
        return producer is not None and is_relu(producer.activation or producer.main)

    def _bytes(self, size: int, first: int) -> Storage | None:
        """So many, which the action `first` writes; None for none."""
        memory, shape = Memory(size, first, first), (size // FLOAT32.itemsize,)
        return self._forward.placed(Storage(shape, StorageKind.PLANAR, memory)) if size else None

    def _give(self, blob: Blob, storage: Storage, owner: LayerGroup | None) -> None:
        """`storage` is a part of the gradient of `blob`."""
        root = self._root(blob)
        if root not in self.gradients and not (self._apart and root in self.sums):
            self.gradients[root] = storage
            return
        if root not in self.gradients:
            self.gradients[root] = self._new(root, storage.kind)
        total = self.gradients[root]
        if storage.kind is not total.kind:
            storage = self._moved(root, storage, total.kind, owner)
        self._emit(owner, storage, total, emit_add)

    def _complete(self, blob: Blob, kind: StorageKind, owner: LayerGroup) -> Storage | None:
        """The gradient of a top, all parts of which are there, of this kind; None without any."""
        root = self._root(blob)
        found = self._known(blob, kind) if self._apart else self.gradients.get(root)
        if found is None or found.kind is kind:
            return found
        return self._moved(root, found, kind, owner)

    def _known(self, blob: Blob, kind: StorageKind) -> Storage:
        """The gradient of a blob, new and of this kind if no reader gives one."""
        root = self._root(blob)
        if root not in self.gradients:
            self.gradients[root] = self._new(blob, kind)
        return self.gradients[root]

    def _moved(self, root: Blob, storage: Storage, kind: StorageKind, owner: LayerGroup | None) -> Storage:
        target = self._new(root, kind)
        self._emit(owner, storage, target, emit_move)
        return target

    def _zeros(self, blob: Blob, kind: StorageKind, owner: LayerGroup) -> Storage:
        """The gradient of a top that no loss depends on, of a group with another one."""
        zeros = self._constant(blob, np.float32(0))
        return zeros if kind is StorageKind.PLANAR else self._moved(self._root(blob), zeros, kind, owner)

    def _emit(self, owner: LayerGroup | None, source: Storage, target: Storage, emit: Callable) -> None:
        emit_pair = lambda emitter, x, y: emit(emitter, x[0], y[0])  # noqa: E731
        self._forward.append(Action(owner, [source], [target], emit_pair, is_move=True))
