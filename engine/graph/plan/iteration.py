"""Iterations of a training as one run: gradients of zero, forward, backward, clipping, the update, packing."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from ...compiler.cpu import FLOAT_BYTES
from ...compiler.fields import numbers
from ..analysis.need_backward import loss_blobs
from .emitter import Emitter
from .packing import OwnerSteps
from .plan import Plan
from .program import Linked, Program
from .segments import Segment
from .steps import Scratch
from .team import ProgramPart
from .update import WeightUpdate
from .update_steps import LossPart, decide

Piece = ProgramPart | Callable[[], None]


class Iteration:
    """The passes of an iteration: those of `plan` forward and backward, whose gradients are those of `update`.

    All steps run by one call, but for layers between them that the plan runs by their own code.
    """

    def __init__(self, plan: Plan, update: WeightUpdate):
        self.plan, self.update = plan, update
        emitter = Emitter(plan.threads, Scratch(offset=0, thread=0), plan.arena)
        self._emit_decision(emitter)
        constants = emitter.constants()[0]
        self._decision = Program(plan.arena, constants, emitter.tables(), emitter.rows(), plan.threads)
        self._packing: OwnerSteps | None = None  # by which the calls were made
        self._calls: dict[tuple[bool, bool, bool], list[Callable[[], None]]] = {}

    def _emit_decision(self, emitter: Emitter) -> None:
        losses = loss_blobs(self.plan.graph.nodes)
        self._weights = np.array(list(losses.values()), np.float32)
        parts = [
            LossPart(emitter.outside(array), array.size, emitter.outside(self._weights) + number * FLOAT_BYTES)
            for number, array in enumerate(map(self.plan.array, losses))
        ]
        emitter.step(
            decide, 1, numbers=emitter.outside(self.update.memory), found_count=len(self.plan.found),
            losses=emitter.table(np.array([numbers(part) for part in parts], np.int64)), loss_count=len(parts),
            found=emitter.table(np.array(self.plan.found, np.int64)),
        )  # fmt: skip

    def run(self, *, first: bool, last: bool) -> None:
        """A pass on the values in the inputs of the plan. The first one of an iteration sets the gradients to 0; the
        last one updates the weights, by numbers that `update.begin` was given, unless it is refused. Raises InputError
        for what is wrong with inputs, and what layers of own code raise, before the update."""
        plan, owner = self.plan, self.update.owner
        plan.begin()
        packing = plan.packing.steps_of(owner) if last and not owner.is_exposed else None
        if last:
            owner.all_written()
        for call in self._found_calls(first, last, packing):
            call()
        plan.updates.written()
        if packing:
            packing.refreshed()
        plan.check()

    def _found_calls(self, first: bool, last: bool, packing: OwnerSteps | None) -> list[Callable[[], None]]:
        if packing and packing is not self._packing:
            self._calls, self._packing = {}, packing
        key = first, last, packing is not None
        if key not in self._calls:
            self._calls[key] = self._linked(self._pieces(first, last, packing))
        return self._calls[key]

    def _pieces(self, first: bool, last: bool, packing: OwnerSteps | None) -> Iterable[Piece]:
        clear, update = self.update.parts
        if first:
            yield clear
        yield from map(self._piece, self.plan.segments)
        yield self._decision.part(0, 1)
        yield from map(self._piece, self.plan.backward_segments)
        if last:
            yield update
            if packing:
                yield packing.all()

    def _piece(self, segment: Segment) -> Piece:
        return segment.call or self.plan.program.part(segment.first, segment.last)

    def _linked(self, pieces: Iterable[Piece]) -> list[Callable[[], None]]:
        """Calls, with adjacent parts of programs in one."""
        found: list[Callable[[], None]] = []
        for is_part, group in itertools.groupby(pieces, lambda piece: isinstance(piece, ProgramPart)):
            if is_part:
                found.append(partial(Linked(list(group)).run, self.plan.threads))
            else:
                found += group
        return found
