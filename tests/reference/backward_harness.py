"""The backward steps of one group of layers, run by themselves in memory that is NaN wherever nothing was written.

    found = run_backward(graph, inputs, top_gradients, threads=2)

lowers the graph's last group, places its values, gradients and weights' gradients, runs the group forward, then its
backward steps, and gives what they have written. What a lowering does not ask for, it does not get: values that it does
not read are NaN by then, and halos hold zeros only where it says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.engine.graph.ir.ownership import own_parameters
from caffe64.engine.graph.plan.draws import Draws
from caffe64.engine.graph.plan.emitter import Emitter
from caffe64.engine.graph.plan.groups import find_groups
from caffe64.engine.graph.plan.lowering import Context, lower
from caffe64.engine.graph.plan.lowering.backward import BackwardBlobs
from caffe64.engine.graph.plan.packing import Packing
from caffe64.engine.graph.plan.program import Program
from caffe64.engine.graph.plan.steps import Scratch
from caffe64.engine.graph.plan.storage import NO_HALO, Memory, Storage, StorageKind, aligned, wider
from caffe64.engine.graph.plan.updates import Updates
from caffe64.engine.team.memory import aligned_bytes, aligned_zeros

NAN_BYTE = 0xFF
BEFORE = 0.5  # what gradients of weights hold before: they are added to


@dataclass
class Found:
    """`bottoms` of the group: their gradients, None where none was wanted; `weights` of each of its nodes that has
    some, by the node's name, without what they held before."""

    tops: list[np.ndarray]
    bottoms: list[np.ndarray | None]
    weights: dict[str, list[np.ndarray | None]]


class BackwardRun:
    """The group's program. `how` is its `Lowered`."""

    def __init__(
        self, graph, inputs, *, threads=1, exact=True, bottoms=None, weights=None, masked=False, shapes=None,
        rim=NO_HALO, stored=StorageKind.BLOCKED,
    ):  # fmt: skip
        """`inputs` by name, or None and `shapes`. `bottoms` and `weights`: whether a gradient is wanted, one flag for
        each bottom of the group, each blob of its weights in order; None: of all. `rim`: the least halo of what is
        BLOCKED. `stored`: the kind of bottoms that may have any."""
        self.rim = rim
        self.graph, self.shapes = graph, infer_shapes(graph, shapes)
        own_parameters(graph)
        self.group = group = find_groups(graph, self.shapes, fuse=True, backward=graph.nodes)[-1]
        of = [[self.shapes[blob] for blob in blobs] for blobs in (group.nodes[0].bottoms, group.tops)]
        self.how = lower(Context(group, *of, exact, self._producer), backward=True)
        assert self.how, "the group has no lowering with gradients"
        self._size, self._memory = 0, []
        backward = self.how.backward
        wants = zip(group.bottoms, self.how.wants, strict=True)
        x = [self._place(blob, want.kind or stored, want.halo) for blob, want in wants]
        y = [self._place(blob, self.how.kind or x[0].kind) for blob in group.tops]
        dy = [self._place(blob, backward.kind or y[0].kind, backward.halo) for blob in group.tops]
        wanted = bottoms or [True] * len(x)
        dx = [
            self._place(blob, each.kind, backward.spill) if need else None
            for blob, each, need in zip(group.bottoms, x, wanted, strict=True)
        ]
        shared, kept = self._take(backward.shared), self._take(self.how.kept)
        step = aligned(max(self.how.scratch, backward.scratch))
        scratch = self._take(max(step * threads, self.how.shared_scratch))
        self.arena = aligned_bytes(self._size + 64)
        self.arena.fill(NAN_BYTE)
        self.x, self.y, self.dy, self.dx = x, y, dy, dx
        self.gradients = {}
        offsets, flags = {}, iter(weights or [])
        owners = {node.held.owner for node in group.nodes if node.held}
        vectors = {owner: aligned_zeros(owner.vector.size) for owner in owners}
        for node in group.nodes:
            if node.held:
                views = [owned(node, number, vectors) for number in range(len(node.weights))]
                views = [view if next(flags, weights is None) else None for view in views]
                self.gradients[node.name] = views
                offsets[node] = [None if view is None else address(view) - address(self.arena) for view in views]
        emitter = Emitter(threads, Scratch(offset=scratch, thread=step), self.arena)
        emitter.kept = kept
        self.how.emit(emitter, x, y)
        self.middle = len(emitter.steps)
        blobs = BackwardBlobs(x, y, dy, dx, offsets, shared, kept, masked=masked)
        backward.emit(emitter, blobs)
        self.last = len(emitter.steps)
        assert emitter.steps[-1].barrier
        self.steps, self.checks = emitter.steps, emitter.checks
        constants, packing_scratch = emitter.constants()
        self.packing = Packing(emitter.packing, constants, packing_scratch, threads)
        tables = emitter.tables()
        self.updates, self.draws = Updates(emitter.updates, self.arena, tables), Draws(emitter.draws, tables)
        self.program = Program(self.arena, constants, tables, emitter.rows(), threads)
        self._inputs = inputs and [inputs[blob.name] for blob in group.bottoms]

    def _producer(self, blob):
        node = self.graph.producer(blob)
        return (node, [self.shapes[bottom] for bottom in node.bottoms]) if node else None

    def _take(self, size):
        offset, self._size = self._size, self._size + aligned(size)
        return offset

    def _place(self, blob, kind, halo=NO_HALO):
        halo = wider(halo, self.rim) if kind is StorageKind.BLOCKED else halo
        storage = Storage(self.shapes[blob], kind, Memory(0, 0, 0), halo, blob.dtype)
        storage.memory.size = aligned(storage.size)
        storage.memory.offset = self._take(storage.size)
        return storage

    def forward(self):
        for storage, values in zip(self.x, self._inputs, strict=True):
            write(self.arena, storage, values)
        self.packing.refresh()
        self.updates.find()
        self.draws.find()
        self.program.run(0, self.middle)
        self.updates.written()
        for check in self.checks:
            check()

    def backward(self, top_gradients):
        """Gradients, and NaN in all that the steps do not ask for, are written anew."""
        backward = self.how.backward
        for storages, read in ((self.x, backward.reads_bottoms), (self.y, backward.reads_tops)):
            if not read:
                for storage in storages:
                    poison(self.arena, storage)
        for storage, values in zip(self.dy, top_gradients, strict=True):
            write(self.arena, storage, values)
        for storage in filter(None, self.dx):
            poison(self.arena, storage)
        for views in self.gradients.values():
            for view in views:
                if view is not None:
                    view.fill(BEFORE)
        self.program.run(self.middle, self.last)

    def found(self, tops):
        weights = {
            name: [None if view is None else view - np.float32(BEFORE) for view in views]
            for name, views in self.gradients.items()
        }
        return Found(tops, [each and read(self.arena, each) for each in self.dx], weights)


def run_backward(graph, inputs, top_gradients, **options) -> Found:
    """The last group of `graph` forward on `inputs`, by name, then backward; `options` of `BackwardRun`."""
    run = BackwardRun(graph, inputs, **options)
    run.forward()
    tops = [read(run.arena, storage) for storage in run.y]
    run.backward(top_gradients)
    return run.found(tops)


def same_on_all_threads(graph, inputs, top_gradients, **options) -> Found:
    """`run_backward` on 1 to 4 threads, which give the same bits."""
    first, *others = (run_backward(graph, inputs, top_gradients, threads=n, **options) for n in (1, 2, 3, 4))
    for other in others:
        for one, two in zip(values_of(first), values_of(other), strict=True):
            np.testing.assert_array_equal(one, two)
    return first


def values_of(found):
    """All gradients."""
    weights = [each for views in found.weights.values() for each in views]
    return [each for each in [*found.bottoms, *weights] if each is not None]


def owned(node, number, vectors):
    """The view of a blob's gradient in the vector of its owner, in the blob's shape."""
    vector = vectors[node.held.owner]
    return node.held.owner.view(node.held.numbers[number], vector).reshape(node.weights[number].shape)


def address(array):
    return array.ctypes.data


def pixels_of(arena, storage):
    """A view of the storage's pixels: [N, C, H, W], or BLOCKED [N, blocks, H, W, LANES]; and all with the halo."""
    values = arena[storage.memory.offset : storage.memory.offset + storage.size].view(np.float32)
    if storage.kind is StorageKind.PLANAR:
        whole = values.reshape(storage.four)
        return whole, whole
    (pictures, _, rows, columns), (top, left, below, right) = storage.four, storage.halo
    lanes = (LANES,) if storage.kind is StorageKind.BLOCKED else ()
    whole = values.reshape(pictures, storage.planes, top + rows + below, left + columns + right, *lanes)
    return whole[:, :, top : top + rows, left : left + columns], whole


def write(arena, storage, values):
    """`values` into the storage; its halo, and channels behind the last, are 0."""
    inside, whole = pixels_of(arena, storage)
    whole.fill(0)
    values = np.asarray(values, np.float32).reshape(storage.four)
    if storage.kind is StorageKind.BLOCKED:
        values = np.pad(values, ((0, 0), (0, storage.planes * LANES - values.shape[1]), (0, 0), (0, 0)))
        values = values.reshape(len(values), storage.planes, LANES, *values.shape[2:]).transpose(0, 1, 3, 4, 2)
    inside[...] = values


def read(arena, storage):
    """The values, float32 of the blob's shape. Raises AssertionError if channels behind the last are not 0."""
    inside, _ = pixels_of(arena, storage)
    if storage.kind is StorageKind.BLOCKED:
        n, blocks, rows, columns, lanes = inside.shape
        inside = inside.transpose(0, 1, 4, 2, 3).reshape(n, blocks * lanes, rows, columns)
        assert not inside[:, storage.four[1] :].any(), "channels behind the last"
        inside = inside[:, : storage.four[1]]
    return inside.reshape(storage.shape).copy()


def poison(arena, storage):
    arena[storage.memory.offset : storage.memory.offset + storage.size] = NAN_BYTE
