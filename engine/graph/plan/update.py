"""The update of a net's weights, as a program of its own: of all threads, with the same bits for any number of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...compiler.cpu import FLOAT_BYTES
from ...compiler.fields import numbers
from ...parameters.owner import Parameters, whole_lines
from ...parameters.rules import RULES, Rule
from ...parameters.squares import SQUARES
from ...team.memory import aligned_zeros
from ...team.threads import choose_threads
from .emitter import Emitter
from .lowering.constants import emit_fill
from .program import Program
from .steps import Scratch
from .team import ProgramPart
from .update_steps import (
    CHUNK_BYTES,
    Chunk,
    UpdateNumbers,
    add_squares,
    count_update,
    shorten,
    update_weights,
)

# Of a number of the vectors, as much work as so many multiply-accumulates. Derived: it reads and writes 24 bytes.
UPDATE_MACS = 4
NO_LOSS = np.float32(0)


class VectorShare(NamedTuple):
    """float32 [first, last) of a vector, whole parts of `part` float32 each, which are whole cache lines."""

    first: int
    last: int
    part: int


class WeightUpdate:
    """The update of the vector of `owner` by `gradient`, the sum of the gradients of so many `passes`, and by as many
    `histories` as `rule` keeps: float32 vectors of the owner's layout. It writes all of them, and into `gradient` what
    was subtracted from the weights. With a `share` it writes that of them; `gradient` has whole parts then.

    `threads` None: as many as pay off. `updates` counts them; an interrupt finds one whole and counted, or not begun.
    """

    def __init__(
        self, owner: Parameters, gradient: np.ndarray, rule: Rule, histories: Sequence[np.ndarray], passes: int = 1,
        threads: int | None = None, share: VectorShare | None = None,
    ):  # fmt: skip
        self.owner, self.gradient = owner, gradient
        self._held = owner.vector, gradient, histories
        self._share = share or VectorShare(0, gradient.size, gradient.size)
        layout = np.dtype([(name, np.float64) for name in UpdateNumbers._fields])
        self._memory = aligned_zeros(layout.itemsize // FLOAT_BYTES)
        self._numbers = self._memory.view(layout)[0]
        threads = choose_threads(threads, UPDATE_MACS * (self._share.last - self._share.first))
        emitter = Emitter(threads, Scratch(offset=0, thread=0), owner.vector.view(np.uint8))
        emit_fill(emitter, emitter.outside(gradient), gradient.nbytes, np.float32(0))
        self._emit_lengths(emitter)
        self._emit_update(emitter, rule, [gradient, histories[0], histories[-1]], passes)
        arena = owner.vector.view(np.uint8)
        self._program = Program(arena, emitter.constants()[0], emitter.tables(), emitter.rows(), threads)
        self._steps = len(emitter.steps)

    def _emit_lengths(self, emitter: Emitter) -> None:
        """The steps of clipping. Their sums are those of the items of all parts, of which the share's are found."""
        first, last, part = self._share
        items, whole = -(-part // SQUARES), max(part, 1)
        self.sums = np.zeros(self.gradient.size // whole * items, np.float64)
        self.own_sums = self.sums[first // whole * items : last // whole * items]
        at, g = emitter.outside(self._memory), emitter.outside(self.gradient[first:])
        own, sums = emitter.outside(self.own_sums), emitter.outside(self.sums)
        emitter.step(add_squares, self.own_sums.size, g=g, part=part, items=items, numbers=at, sums=own)
        emitter.step(shorten, 1, numbers=at, sums=sums, items=self.sums.size)

    def _emit_update(self, emitter: Emitter, rule: Rule, vectors: list[np.ndarray], passes: int) -> None:
        own = [(rule.decay * part.decay_mult, part.lr_mult) for part in self.owner.slices]
        self._own = np.array(own, np.float32).reshape(-1, 2)
        of_rule = np.float32(1) / np.float32(passes), rule.momentum, rule.other, rule.delta
        self._of_rule = np.array(of_rule, np.float32)
        first, last, _ = self._share
        rows = [
            Chunk(at, min(CHUNK_BYTES, end - at), emitter.outside(self._own[number]))
            for number, part in enumerate(self.owner.slices)
            for end in [min(last, part.offset + whole_lines(part.size)) * FLOAT_BYTES]
            for at in range(max(first, part.offset) * FLOAT_BYTES, end, CHUNK_BYTES)
        ]
        chunks = emitter.table(np.array([numbers(row) for row in rows], np.int64))
        at, (g, h, e) = emitter.outside(self._memory), map(emitter.outside, vectors)
        emitter.step(
            update_weights, len(rows), g=g, h=h, e=e, numbers=at, of_rule=emitter.outside(self._of_rule),
            rule=RULES.index(rule.name), absolute=int(rule.absolute), chunks=chunks,
        )  # fmt: skip
        emitter.step(count_update, 1, numbers=at)

    @property
    def updates(self) -> int:
        return int(self._numbers["updates"])

    @updates.setter
    def updates(self, count: int) -> None:
        self._numbers["updates"] = count

    def clear(self) -> None:
        """Gradients of 0."""
        self._program.run(0, 1)

    def run(self, rate: np.float32, limit: float = -1.0) -> float | None:
        """Clip the gradients to the length `limit`, unless it is negative, and update the weights: at this rate, with
        Adam's correction. Returns `length`."""
        self.begin(rate, limit)
        self.owner.all_written()
        self._program.run(1, self._steps)
        return self.length

    def measure(self) -> None:
        """The first part of `run` after `begin`, with a limit: `own_sums` are the squares of the share, float64, which
        are gathered into `sums` before the second one."""
        self._program.run(1, 2)

    def finish(self) -> None:
        """The second part of `run`."""
        self.owner.all_written()
        self._program.run(2, self._steps)

    def begin(self, rate: np.float32, limit: float, before: np.float32 = NO_LOSS, *, any_loss: bool = True) -> None:
        """The numbers of the update that comes next: `before` is the sum of the losses of passes that have run; with
        `any_loss` it is not refused for one that is not finite."""
        found = self._numbers
        found["refused"], found["rate"], found["limit"], found["before"] = 0, rate, limit, before
        found["any_loss"] = any_loss

    @property
    def parts(self) -> tuple[ProgramPart, ProgramPart]:
        """Of `clear` and `run`, for runs that do more."""
        return self._program.part(0, 1), self._program.part(1, self._steps)

    @property
    def memory(self) -> np.ndarray:
        """Of UpdateNumbers."""
        return self._memory

    @property
    def refused(self) -> bool:
        """Whether the last update was."""
        return bool(self._numbers["refused"])

    @property
    def length(self) -> float | None:
        """Of the gradients of the last update, if they were shortened."""
        limit, length = float(self._numbers["limit"]), float(self._numbers["length"])
        return length if 0 <= limit < length else None
