"""Fingerprints of a vector's bits, read once at the speed of memory, to detect writes to its slices.

A slice is whole cache lines, divided into pieces that threads share. Each of the COLUMNS 64-bit words of a line has two
sums modulo 2**64 over the lines of a piece, of its words and of its sums so far (Fletcher, "An arithmetic checksum for
serial transmissions", 1982). A write changes the first sum unless its changes cancel, and then the second unless they
cancel by position as well; both by chance in one of 2**128 writes. NaN equals the same NaN, and 0 and -0 differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from ..compiler import signatures as types
from ..compiler.jit import I1, I1_IN, i64, intrinsic, kernel
from ..compiler.llvm_ir import ir
from ..team.memory import CACHE_LINE_BYTES
from ..team.pool import run_together
from ..vectors.llvm import I64

COLUMNS = CACHE_LINE_BYTES // 8
PIECE_LINES = 2048  # 128 KiB
TEAM_LINES = 1 << 15  # 2 MiB: fewer are read before another thread is awake
_WORDS = ir.VectorType(I64, COLUMNS)


@intrinsic
def add_lines(typingctx, words, line, lines, sums, to):
    """sums[to : to + 2 * COLUMNS] = both sums of words[line * COLUMNS :] over `lines` lines, 1 or more."""

    def codegen(context, builder, signature, args):
        data, out = (context.make_array(signature.args[i])(context, builder, args[i]).data for i in (0, 3))
        start, loop = builder.basic_block, builder.append_basic_block("lines")
        done = builder.append_basic_block("lines.done")
        last = builder.add(args[1], args[2])
        builder.branch(loop)
        builder.position_at_end(loop)
        line, sums, sums_of_sums = builder.phi(I64), builder.phi(_WORDS), builder.phi(_WORDS)
        row = builder.load(_columns(builder, data, builder.mul(line, I64(COLUMNS))), align=8)
        after = builder.add(line, I64(1)), builder.add(sums, row), builder.add(sums_of_sums, builder.add(sums, row))
        zero = ir.Constant(_WORDS, [0] * COLUMNS)
        for phi, first, following in zip((line, sums, sums_of_sums), (args[1], zero, zero), after, strict=True):
            phi.add_incoming(first, start)
            phi.add_incoming(following, loop)
        builder.cbranch(builder.icmp_signed("<", after[0], last), loop, done)
        builder.position_at_end(done)
        builder.store(after[1], _columns(builder, out, args[4]), align=8)
        builder.store(after[2], _columns(builder, out, builder.add(args[4], I64(COLUMNS))), align=8)
        return context.get_dummy_value()

    return types.void(words, types.int64, types.int64, sums, types.int64), codegen


def _columns(builder, data, at):
    return builder.bitcast(builder.gep(data, [at]), _WORDS.as_pointer())


@kernel(types.void(I1_IN, I1_IN, I1, i64, i64))
def read_pieces(words, pieces, sums, first, last):
    """Writes sums [number, 2, COLUMNS] of the pieces [first, last). pieces [number, 2]: first line and number of
    lines."""
    for n in range(first, last):
        add_lines(words, pieces[2 * n], pieces[2 * n + 1], sums, 2 * COLUMNS * n)


@dataclass(frozen=True)
class _Scan:
    """A prepared check of the pieces `chosen`, of slices `owners`: `parts` run together and write `sums`."""

    chosen: np.ndarray
    owners: np.ndarray
    parts: list[Callable[[], None]]
    sums: np.ndarray


class Fingerprints:
    """Of slices of a float32 vector that starts on a cache line, as of the last `check` of each."""

    def __init__(self, vector: np.ndarray, lines: Sequence[tuple[int, int]]):
        """`lines` are the first line and the number of lines of each slice."""
        pieces = [
            (number, at, min(PIECE_LINES, first + length - at))
            for number, (first, length) in enumerate(lines)
            for at in range(first, first + length, PIECE_LINES)
        ]
        self._pieces = np.array(pieces, np.int64).reshape(-1, 3)
        self._words, self._sums = vector.view(np.int64), np.zeros((len(pieces), 2 * COLUMNS), np.int64)
        self._scans: dict[tuple[tuple[int, ...], int], _Scan] = {}

    def check(self, slices: tuple[int, ...], threads: int = 1) -> set[int]:
        """Those of `slices` that have changed since the last check of them; at first, that are not zeros."""
        scan = self._scans.get((slices, threads))
        if scan is None:
            scan = self._scans[slices, threads] = self._prepare(slices, threads)
        run_together(scan.parts)
        changed = (scan.sums != self._sums[scan.chosen]).any(axis=1)
        self._sums[scan.chosen] = scan.sums
        return set(scan.owners[changed].tolist())

    def _prepare(self, slices: tuple[int, ...], threads: int) -> _Scan:
        wanted = set(slices)  # np.isin and np.unique would import numpy.ma, 20 ms
        chosen = np.array([n for n, each in enumerate(self._pieces[:, 0].tolist()) if each in wanted], np.int64)
        bounds = np.ascontiguousarray(self._pieces[chosen, 1:])
        sums, ends = np.empty((chosen.size, 2 * COLUMNS), np.int64), np.cumsum(bounds[:, 1])
        lines = int(bounds[:, 1].sum())
        shares = threads if lines >= TEAM_LINES else 1
        cuts = [0, *np.searchsorted(ends, np.arange(1, shares) * lines // shares).tolist(), chosen.size]
        read = read_pieces.bind(self._words, bounds.reshape(-1), sums.reshape(-1))
        return _Scan(chosen, self._pieces[chosen, 0], [partial(read, *part) for part in pairwise(cuts)], sums)
