"""The types of kernels' arguments, declared without Numba: importing it takes longer than a small training run.

    void(F2_IN, F1, i64)          a kernel's signature: result(arguments)
    as_numba(kind)                the same for Numba; its own types stay what they are, so the two may be mixed
    as_words(kind, value)         `value` as the C entry point of a kernel takes it, for ctypes

Scalars have Numba's names. Arrays are C-contiguous; the `IN` ones are only read, so read-only NumPy arrays
fit them too.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class ScalarType:
    """One value, or `vector`, one register of float32 (`simd.py`)."""

    name: str

    def __call__(self, *arguments) -> Signature:
        return Signature(self, arguments)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class ArrayType:
    """A C-contiguous array of `ndim` dimensions."""

    element: ScalarType
    ndim: int
    readonly: bool = False

    def __call__(self, *arguments) -> Signature:
        return Signature(self, arguments)

    def __str__(self) -> str:
        return f"{'readonly ' * self.readonly}array({self.element}, {self.ndim}d, C)"


@dataclass(frozen=True)
class Signature:
    """What a function takes and returns, by Numba's names. `args` may hold types of Numba beside those above."""

    return_type: ScalarType | ArrayType
    args: tuple


void, boolean, uint8, uint64, int64, float32, float64, vector = map(
    ScalarType, ("void", "boolean", "uint8", "uint64", "int64", "float32", "float64", "vector")
)
i64, f32, f64 = int64, float32, float64
F1 = ArrayType(f32, 1)
F2 = ArrayType(f32, 2)
F1_IN = ArrayType(f32, 1, readonly=True)
F2_IN = ArrayType(f32, 2, readonly=True)
D1 = ArrayType(f64, 1)
I1 = ArrayType(i64, 1)
I1_IN = ArrayType(i64, 1, readonly=True)
I2_IN = ArrayType(i64, 2, readonly=True)
U1 = ArrayType(uint8, 1)
U1_IN = ArrayType(uint8, 1, readonly=True)
Floats = np.ndarray[Any, np.dtype[np.float32]]  # of the parameters of kernels that users call, for type checkers

C_TYPES = {void: None, int64: ctypes.c_int64, float32: ctypes.c_float, float64: ctypes.c_double}
META_WORDS = 5  # of an array before its shape: owner, parent, number of items, bytes of one, address


_REGISTERED: dict[ScalarType, Callable[[], object]] = {}


def register(kind: ScalarType, make: Callable[[], object]) -> None:
    """make() returns Numba's type for `kind`, a type that Numba does not know; called when something is compiled."""
    _REGISTERED[kind] = make


def register_with_numba() -> None:
    """Let Numba know the registered types, before it compiles anything that may use them."""
    for make in _REGISTERED.values():
        make()


def as_numba(kind):
    """Numba's type or signature for `kind`."""
    from numba.core import types

    match kind:
        case ArrayType(element, ndim, readonly):
            return types.Array(as_numba(element), ndim, "C", readonly=readonly)
        case ScalarType() if kind in _REGISTERED:
            return _REGISTERED[kind]()
        case ScalarType(name):
            return getattr(types, name)
        case types.Type():
            return kind
        case _:  # a signature, Numba's or ours
            return as_numba(kind.return_type)(*map(as_numba, kind.args))


def c_types(signature) -> tuple | None:
    """Result and arguments of the C entry point as ctypes, arrays as the words of Numba's struct; None if `signature`
    has types that are not listed here."""
    if not isinstance(signature, Signature) or signature.return_type not in C_TYPES:
        return None
    flat = []
    for kind in signature.args:
        if isinstance(kind, ArrayType):
            flat += [ctypes.c_int64] * (META_WORDS + 2 * kind.ndim)
        elif kind in C_TYPES:
            flat.append(C_TYPES[kind])
        else:
            return None
    return C_TYPES[signature.return_type], *flat


def as_words(kind: ScalarType | ArrayType, value) -> tuple:
    """`value` as the C entry point takes it. Holds no reference to an array. Raises TypeError for another type."""
    if isinstance(kind, ScalarType):
        return (value,)
    fits = (
        isinstance(value, np.ndarray)
        and value.dtype == kind.element.name
        and value.ndim == kind.ndim
        and value.flags.c_contiguous
        and (kind.readonly or value.flags.writeable)
    )
    if not fits:
        raise TypeError(f"expected {kind}, got {_described(value)}")
    return 0, 0, value.size, value.itemsize, value.__array_interface__["data"][0], *value.shape, *value.strides


def _described(value) -> str:
    if not isinstance(value, np.ndarray):
        return type(value).__name__
    return f"{value.dtype} {value.shape}{'' if value.flags.writeable else ', readonly'}"
