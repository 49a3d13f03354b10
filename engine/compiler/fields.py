"""Rows of int64 numbers that Python writes and kernels read, by the names of one declaration.

    class Rows(NamedTuple):                    a declaration: int, or another such class, for each field
        x: Layout
        count: int
    numbers(Rows(x=layout, count=3))           the writer: the numbers in order, those of x first. Python itself refuses
                                               a missing, double or unknown name.
    f = read_fields(tables, at, Rows)          the kernel: f.x.offset is tables[at]; 0 <= at
    f = read_row(tables, at, n, Rows)          likewise the n-th of the rows that lie one behind the other from `at` on
    field_count(Rows)                          the count of numbers in a row

Names are resolved while a kernel is typed: each becomes a load from a constant distance, as in C's structs, or nothing
where the field is not used. The class itself is the argument of the intrinsic; a kernel that reads it is kept on disk
like any other, and its key covers the file of the declaration.
"""

from __future__ import annotations

import functools
import itertools
import operator
from typing import get_type_hints

from . import signatures as types
from .jit import intrinsic


@functools.cache
def declared(kind: type) -> tuple[type, ...]:
    """The types of the fields of the NamedTuple class `kind`, in their order."""
    return tuple(get_type_hints(kind).values())


@functools.cache
def field_count(kind: type) -> int:
    """How many int64 numbers a `kind` has."""
    return 1 if kind is int else sum(map(field_count, declared(kind)))


def numbers(row: tuple) -> list[int]:
    """The numbers of a NamedTuple. Raises TypeError for a field of another type than declared."""
    found = []
    for name, kind, value in zip(row._fields, declared(type(row)), row, strict=True):
        if kind is int and hasattr(value, "__index__"):
            found.append(operator.index(value))
        elif kind is not int and type(value) is kind:
            found += numbers(value)
        else:
            raise TypeError(f"{type(row).__name__}.{name}: found {value!r}, expected {kind.__name__}")
    return found


def _typed(kind: type):
    """Numba's type of a `kind`."""
    from numba.core import types as numba_types

    if kind is int:
        return numba_types.int64
    return numba_types.BaseTuple.from_types([_typed(each) for each in declared(kind)], kind)


def _read(context, builder, kind, pointers):
    """A value of Numba's type `kind`; `pointers` to its numbers."""
    if hasattr(kind, "instance_class"):
        return context.make_tuple(builder, kind, [_read(context, builder, each, pointers) for each in kind])
    return builder.load(next(pointers))


def _read_from(context, builder, signature, array, start):
    first = builder.gep(context.make_array(signature.args[0])(context, builder, array).data, [start])
    pointers = (builder.gep(first, [start.type(n)]) for n in itertools.count())
    return _read(context, builder, signature.return_type, pointers)


@intrinsic
def read_fields(typingctx, x, at, kind):
    def codegen(context, builder, signature, args):
        return _read_from(context, builder, signature, args[0], args[1])

    return types.Signature(_typed(kind.instance_class), (x, types.int64, kind)), codegen


@intrinsic
def read_row(typingctx, x, at, n, kind):
    def codegen(context, builder, signature, args):
        size = args[2].type(field_count(kind.instance_class))
        return _read_from(context, builder, signature, args[0], builder.add(args[1], builder.mul(args[2], size)))

    return types.Signature(_typed(kind.instance_class), (x, types.int64, types.int64, kind)), codegen
