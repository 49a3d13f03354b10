"""A graph prepared to run as fast as possible: kinds of storage, one arena for all blobs, one compiled program.

1. Layers are put into groups that run as one (`groups.py`), if fusing is allowed.
2. Each group's lowering (`lowering/`) declares the storage of its bottoms and tops; a group without one runs by its
   layer's own `prepare`.
3. Moves are inserted where a blob's storage is not the one that a reader needs (`arrange.py`), and blobs are given
   memory for their lifetimes (`storage.assign_offsets`).
   Of gradients, the groups follow in reverse order (`arrange_backward.py`).
4. The steps are written (`emitter.py`), and run by a team of threads (`team.py`), as are those that pack weights for
   them, now and when weights have changed (`packing.py`).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ...team.memory import aligned_bytes
from ...team.threads import choose_threads
from ..analysis.aliasing import left_in_memory
from ..analysis.need_backward import Need, find_needs, loss_blobs
from ..analysis.shapes import check_weights, infer_shapes, macs
from ..ir.carried import Carried, carried_states
from ..ir.graph import Blob, Graph, Node, Shape
from ..ir.op import Run
from ..ir.ownership import own_parameters
from ..ops import OPS
from .arrange import Action, Arrangement
from .arrange_backward import BackwardArrangement, kept_blobs
from .draws import Draws
from .emitter import Emitter
from .groups import LayerGroup, find_groups
from .lowering import Context, Lowered, lower
from .lowering.constants import emit_fill
from .lowering.moves import emit_halo
from .own_code import WantedGradients, backward_blobs, own_back, own_run
from .packing import Packing
from .program import Program
from .segments import Segment, joined
from .steps import Scratch
from .storage import MEMORY_ALIGNMENT, aligned, assign_offsets, most_alive
from .updates import Updates

PlanPart = tuple[LayerGroup | None, str]
ARENA_LIMIT = 32 << 30  # bytes of an arena and of scratch


@dataclass(frozen=True)
class Bytes:
    """Of the activations and their gradients. `arena`: as planned, with halos and filled-up channels; `live`: the most
    that is alive at any time, a lower bound for every plan; `scratch`: other memory of kernels. `packed`: weights and
    other constants as kernels read them."""

    arena: int
    live: int
    scratch: int
    packed: int = 0


class Plan:
    """`graph`, of phase TEST, ready for inputs of given shapes. Its results are the reference's except for rounding.

    inputs, outputs    blob -> float32 array in the arena; inputs are to be written before each `forward`, since their
                       memory is used again
    groups             the groups that run as one, in order -> their algorithm, "" where there is only one
    kept               `keep`
    steps              the program, kernel by kernel; pieces: which of them belong to each of the `actions`
    `threads` None: as many as pay off. `fuse`: let layers run as one (`groups.py`). `exact`: products as plain sums,
    without Winograd's algorithm. `forward` allocates nothing, and reacts to changes of weights. `read` are blobs
    besides the outputs that are among `outputs`; the values of those in `keep` can be had after it (`values`).
    With `gradients`, `backward` adds to these, those of the graph's losses for the last `forward`, and of `ends`, whose
    gradients, blob -> float32 array, are to be written before each `backward`.
    Raises InputError for inputs or weights of shapes that do not fit, and for a net that needs more than 32 GiB.
    """

    _apart = False  # whether no memory is used twice

    @np.errstate(all="ignore")
    def __init__(
        self,
        graph: Graph,
        inputs: Mapping[str, Shape] | None = None,
        *,
        threads: int | None = None,
        fuse: bool = True,
        exact: bool = False,
        read: Collection[Blob] = (),
        keep: Collection[Blob] = (),
        gradients: WantedGradients | None = None,
    ):
        self.graph, self.shapes, self.kept = graph, infer_shapes(graph, inputs), frozenset(keep)
        check_weights(graph, self.shapes)
        own_parameters(graph)
        self._wanted, self._needs = gradients, self._find_needs(gradients) if gradients else {}
        needs, self._left = self._needs, left_in_memory(graph)
        work = sum(macs(node, self.shapes) * (1 + 2 * (node in needs)) for node in graph.nodes)
        self.threads = choose_threads(threads, work)
        lowered = self._lower(find_groups(graph, self.shapes, fuse=fuse, backward=needs, keep=(*keep, *read)), exact)
        self.groups = {group: how.algorithm if how else "" for group, how in lowered}
        self._arranged = arranged = Arrangement(
            graph, self.shapes, lowered, kept_blobs(lowered, needs), read, keep, apart=self._apart
        )
        self.actions, self._forward_actions = arranged.actions, len(arranged.actions)
        self._backward = BackwardArrangement(
            arranged, lowered, needs, loss_blobs(needs), self._left, gradients.ends if gradients else (),
            apart=self._apart,
        )  # fmt: skip
        self.memories = arranged.finish()
        for memory in self.memories if self._apart else ():
            memory.first, memory.last = 0, len(self.actions)
        known = [how for _, how in lowered if how]
        backward = [how.backward for group, how in lowered if group.main in needs and how and how.backward]
        step = aligned(max((how.scratch for how in (*known, *backward)), default=0))
        scratch = max([step * self.threads, *(how.shared_scratch for how in known)])
        size = assign_offsets(self.memories, ARENA_LIMIT, scratch, graph.path)
        self.bytes = Bytes(size, most_alive(self.memories), scratch)
        self.arena = aligned_bytes(size + scratch + MEMORY_ALIGNMENT)
        self.inputs = {blob: arranged.planar(blob).view(self.arena) for blob in graph.inputs}
        self.outputs = {blob: arranged.planar(blob).view(self.arena) for blob in arranged.results}
        self.ends = {blob: storage.view(self.arena) for blob, storage in self._backward.ends.items()}
        self._write(Emitter(self.threads, Scratch(offset=size, thread=step), self.arena))

    @property
    def states(self) -> dict[Node, Carried]:
        """What layers carry over from run to run."""
        return carried_states(self._own_runs)

    def array(self, blob: Blob) -> np.ndarray:
        """The float32 memory of an input or an output."""
        return self.inputs[blob] if blob in self.inputs else self.outputs[blob]

    def values(self, blob: Blob, array: np.ndarray | None = None) -> np.ndarray:
        """Write the values of a blob that is kept, an input or an output into `array`, or a new one; returns it."""
        array = np.empty(self.shapes[blob], np.float32) if array is None else array
        stored = [self._arranged.planar(blob)] if blob in self.outputs else self._arranged.storages_of(blob)
        for storage in stored[:1]:
            storage.read(self.arena, array)
        return array

    def forward(self) -> None:
        """Run all layers once, on the values in the arrays of the inputs; inf and NaN are values like others."""
        self.begin()
        with np.errstate(all="ignore"):
            for segment in self.segments:
                self._run(segment)
        self.updates.written()
        self.check()

    def backward(self) -> None:
        """Add the gradients of all weights that need one, of the losses of the last `forward`. It runs once after each
        `forward`, since gradients take the memory of values. It reads the present weights."""
        self.packing.refresh()
        with np.errstate(all="ignore"):
            for segment in self.backward_segments:
                self._run(segment)

    def timed_forward(self) -> tuple[float, dict[PlanPart, float]]:
        """The same as `forward`, and its seconds: of all, and of each part: a group, with the moves for it, and the
        name of a kernel."""
        timed = self._timed(self.segments)
        self.check()
        return timed

    def timed_backward(self) -> tuple[float, dict[PlanPart, float]]:
        """The same of `backward`."""
        return self._timed(self.backward_segments)

    def _timed(self, segments: list[Segment]) -> tuple[float, dict[PlanPart, float]]:
        self.begin()
        seconds: dict[PlanPart, float] = {}
        begin = time.perf_counter()
        with np.errstate(all="ignore"):
            for segment in segments:
                started = time.perf_counter()
                self._run(segment)
                took = time.perf_counter() - started
                shares = self.program.shares(segment.first, segment.last)
                for part, share in zip(self._parts(segment), shares, strict=True):
                    seconds[part] = seconds.get(part, 0.0) + share * took
        self.updates.written()
        return time.perf_counter() - begin, seconds

    def run_action(self, number: int) -> None:
        """One piece of the program alone, so that tests can read the arena in between."""
        self.begin()
        with np.errstate(all="ignore"):
            for segment in self.pieces[number]:
                self._run(segment)
        self.updates.written()

    def _find_needs(self, gradients: WantedGradients) -> dict[Node, Need]:
        return find_needs(self.graph, gradients.ends)

    def begin(self) -> None:
        """Before a run forward: use the weights as they are now."""
        self.packing.refresh()
        self.updates.find()
        self.draws.find()

    def check(self) -> None:
        """Raise InputError for what the last run forward has found."""
        for check in self.checks:
            check()

    def _run(self, segment: Segment) -> None:
        if segment.call:
            segment.call()
        else:
            self.program.run(segment.first, segment.last)

    def _parts(self, segment: Segment) -> list[PlanPart]:
        """That of each step. A run between the steps has one share."""
        if segment.call:
            return [(segment.owner, "own code")]
        steps = range(segment.first, segment.last)
        return [(self._step_owners[step], self.steps[step].kernel.__name__) for step in steps]

    def _write(self, emitter: Emitter) -> None:
        """The program in pieces, one per action, and in segments as long as possible."""
        self.pieces: list[list[Segment]] = []
        self._own_runs: dict[Node, Run] = {}
        self._step_owners: list[LayerGroup] = []
        for action in self.actions:
            first = len(emitter.steps)
            call = self._emit(emitter, action)
            last = len(emitter.steps)
            self._step_owners += [action.owner] * (last - first)
            piece = [Segment(first, last, action.owner)] if last > first else []
            if call:
                piece.append(Segment(last, last, action.owner, call))
            self.pieces.append(piece)
        self.steps, self.checks, self.found = emitter.steps, emitter.checks, emitter.found
        constants, packing_scratch = emitter.constants()
        self.bytes = replace(self.bytes, packed=constants.nbytes)
        self.packing = Packing(emitter.packing, constants, packing_scratch, self.threads)
        self.packing.refresh()
        tables = emitter.tables()
        self.updates, self.draws = Updates(emitter.updates, self.arena, tables), Draws(emitter.draws, tables)
        self.program = Program(self.arena, constants, tables, emitter.rows(), self.threads)
        self.segments, self.backward_segments = (
            joined(itertools.chain.from_iterable(pieces))
            for pieces in (self.pieces[: self._forward_actions], self.pieces[self._forward_actions :])
        )

    def _emit(self, emitter: Emitter, action: Action) -> Callable[[], None] | None:
        """Add the steps of an action; returns what is called instead, if there are none."""
        for storage in action.fresh:
            emit_halo(emitter, storage, barrier=action.emit is None)
        emitter.kept = action.kept.first if action.kept else -1
        if action.emit:
            action.emit(emitter, action.bottoms, action.tops)
        elif action.backward and action.lowered:
            blobs = backward_blobs(action, self.arena, self._wanted, self._needs)
            action.lowered.backward.emit(emitter, blobs)
        elif action.backward:
            node = action.owner.main
            need, run = self._needs[node], self._own_runs[node]
            return own_back(action, self.shapes, self.arena, self._wanted, need, run, self.threads)
        elif action.numbers:
            for storage, number in zip(action.tops, action.numbers, strict=True):
                emit_fill(emitter, storage.first, storage.size, number)
        elif action.owner:
            self._own_runs[action.owner.main], call = own_run(action, self.shapes, self.arena)
            return call
        return None

    def _producer(self, blob: Blob) -> tuple[Node, list[Shape]] | None:
        node = self.graph.producer(blob)
        return (node, [self.shapes[bottom] for bottom in node.bottoms]) if node else None

    def _reads_its_own(self, node: Node) -> bool:
        """Whether its gradient is to be that of its own bottom and top, not of what later layers leave in place."""
        left = zip(node.bottoms, node.tops, strict=False)
        return not OPS[node.type].gradient.reads_memory or all(
            self._left.get(bottom, bottom) in (bottom, top) for bottom, top in left
        )

    def _lower(self, groups: list[LayerGroup], exact: bool) -> list[tuple[LayerGroup, Lowered | None]]:
        """The lowering of each group, with that of its gradient where it needs one. A group of several layers without
        a lowering is divided again."""
        done = []
        for group in groups:
            bottoms, tops = ([self.shapes[blob] for blob in blobs] for blobs in (group.nodes[0].bottoms, group.tops))
            context = Context(group, bottoms, tops, exact, self._producer)
            goes_back = group.main in self._needs
            may = not goes_back or self._reads_its_own(group.main)
            how = lower(context, backward=goes_back) if may else None
            if how is None and len(group.nodes) > 1:
                done += self._lower(group.parts, exact)
            else:
                done.append((group, how))
        return done
