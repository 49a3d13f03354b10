"""Kernels that are steps of a plan, and groups of fields that several of them share (`engine/compiler/fields.py`).

A step runs item `item` of a piece of work, in any thread. Its kernel reads its fields, int64 numbers,
from tables[at] on, by the declaration that it was decorated with:

    @step_kernel(Rows)
    def do_rows(arena, weights, tables, at, item, thread):
        f = read_fields(tables, at, Rows)

and `Emitter.step(do_rows, items, x=..., count=...)` writes them by the same names, as keywords.

The arena and the constants are blocks of bytes, and all offsets into them and steps are in bytes, so that blobs of
other types than float32 can be stored there too. Kernels add offsets to a pointer to bytes (`simd.py`): an x86 address
is base + index in any unit, so nothing is converted, neither in kernels nor where fields are written.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import NamedTuple

from ...compiler import signatures as types
from ...compiler.jit import FAST_MATH, I1_IN, KERNELS, U1, U1_IN, Kernel, i64

STEP = types.void(U1, U1_IN, I1_IN, i64, i64, i64)  # arena, weights, tables, at, item, thread


class StepKernel(Kernel):
    """A kernel with the signature STEP, and the NamedTuple class of its fields."""

    def __init__(self, py_func: Callable, fields: type, fastmath: Set[str]):
        super().__init__(py_func, STEP, fastmath)
        self.fields = fields


def step_kernel(fields: type, *, fastmath: Set[str] = FAST_MATH) -> Callable[[Callable], StepKernel]:
    """Decorator: a kernel of a plan that reads `fields`; `fastmath` as of `kernel`."""

    def decorate(function: Callable) -> StepKernel:
        made = StepKernel(function, fields, fastmath)
        KERNELS.append(made)
        return made

    return decorate


class Strided(NamedTuple):
    """The pixels of a stored blob in the arena, in bytes."""

    offset: int  # of the first pixel
    picture: int  # from a picture to the next
    plane: int  # from a plane, a channel or a block of LANES channels, to the next
    row: int  # from a row of pixels to the next


NO_BLOB = Strided(offset=-1, picture=0, plane=0, row=0)


class Pixels(NamedTuple):
    """Pixels in the arena, one by one, in bytes. An absent addend has the offset -1."""

    offset: int  # of the first picture's first plane
    picture: int  # from a picture to the next
    plane: int  # from a block of LANES channels to the next
    table: int  # the index in `tables` of the pixels' offsets in a plane


NO_PIXELS = Pixels(offset=-1, picture=0, plane=0, table=0)


class Scratch(NamedTuple):
    """Memory of each thread, in bytes."""

    offset: int  # of thread 0's, in the arena
    thread: int  # from a thread's to the next one's


class PackingSource(NamedTuple):
    """The input of a packing step: offsets of its blobs in the vector of parameters, -1 for absent ones. They are
    written when the vector is known (`packing.py`), as is its scratch memory in the constants."""

    first: int
    second: int
    third: int
    fourth: int
    scratch: Scratch


UNKNOWN_SOURCE = PackingSource(first=-1, second=-1, third=-1, fourth=-1, scratch=Scratch(offset=-1, thread=0))
