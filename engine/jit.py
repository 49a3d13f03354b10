"""The project's one decorator for compiled functions:   @kernel(signature).

A kernel has one explicit signature (float32, C-contiguous), is compiled on its first use and never at
import, runs without the GIL, and its machine code is kept on disk (`cache.py`). It can be called on NumPy
arrays and from anybody's own `@njit` function, and `kernel.address` is its C entry point, by which the
compiled training loop calls layers that it was not compiled with.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numba
from numba import types
from numba.core import sigutils
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher

from .cache import KernelCache

# "contract": a*b + c may become one FMA. Sums keep their order, so results do not depend on how work is
# split. No "nnan"/"ninf": a diverging loss must still surface as NaN.
FAST_MATH = {"contract"}

KERNELS: list[Kernel] = []  # every kernel of the modules imported so far, for warm-up and doctor

# The argument types of kernels. `IN` arrays are only read, so read-only NumPy arrays fit them too.
i64 = types.int64
f32 = types.float32
f64 = types.float64
F1 = types.Array(f32, 1, "C")
F2 = types.Array(f32, 2, "C")
F1_IN = types.Array(f32, 1, "C", readonly=True)
F2_IN = types.Array(f32, 2, "C", readonly=True)
D1 = types.Array(f64, 1, "C")
I1 = types.Array(i64, 1, "C")
I1_IN = types.Array(i64, 1, "C", readonly=True)
I2_IN = types.Array(i64, 2, "C", readonly=True)
U1_IN = types.Array(types.uint8, 1, "C", readonly=True)


class Kernel(CPUDispatcher):
    """A compiled function with the one signature that it was declared with."""

    def __init__(self, py_func, locals=None, targetoptions=None, pipeline_class=None, *, signature=None):
        super().__init__(py_func, targetoptions=targetoptions)
        self.signature = signature
        self.compile_seconds = 0.0  # stays 0 when the machine code came from disk
        if signature is not None:
            self._cache = KernelCache(py_func, signature)

    def compile(self, sig=None):
        """Load or compile the declared signature, whatever `sig` is; returns the C entry point."""
        with global_compiler_lock:  # several threads may come here at once
            if self._can_compile:
                started = time.perf_counter()
                hits = sum(self._cache_hits.values())
                super().compile(self.signature)
                if sum(self._cache_hits.values()) == hits:
                    self.compile_seconds = time.perf_counter() - started
                self.disable_compile()
        return self._result.entry_point

    def _compile_for_args(self, *args, **kws):
        """Called by Numba for a first call from Python. The caller then dispatches on the types anew."""
        self.compile()
        return self

    def _explain_matching_error(self, *args, **kws):
        found = ", ".join(str(self.typeof_pyval(argument)) for argument in args)
        wanted = ", ".join(map(str, sigutils.normalize_signature(self.signature)[0]))
        raise TypeError(f"{self.__name__} takes ({wanted}), got ({found})")

    @property
    def _result(self):
        return next(iter(self.overloads.values()))

    @property
    def address(self) -> int:
        """The C entry point: arguments by value, arrays as Numba's array structs. Compiles if needed."""
        self.compile()
        return self._result.library.get_pointer_to_function(self._result.fndesc.llvm_cfunc_wrapper_name)

    @property
    def is_ready(self) -> bool:
        """True if using this kernel compiles nothing: it is compiled, or kept on disk."""
        path = self._cache.path
        return bool(self.overloads) or (path is not None and path.exists())


def kernel(signature, *, fastmath=FAST_MATH) -> Callable[[Callable], Kernel]:
    """Decorator: compile the function for `signature` only, on first use.

    `fastmath` is a set of LLVM flags; pass an empty set where every rounding counts.
    """

    def decorate(function: Callable) -> Kernel:
        options = {"nopython": True, "nogil": True, "fastmath": fastmath or False, "error_model": "numpy"}
        made = Kernel(function, targetoptions=options, signature=signature)
        KERNELS.append(made)
        return made

    return decorate


def inline(function: Callable):
    """Decorator for helpers of kernels: compiled into their callers, for whatever types these pass."""
    return numba.njit(nogil=True, fastmath=FAST_MATH, error_model="numpy")(function)
