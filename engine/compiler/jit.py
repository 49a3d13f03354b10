"""The project's decorators for compiled functions:   @kernel(signature)   @inline   @intrinsic

A kernel has one explicit signature (float32, C-contiguous), is compiled on its first use and never at
import, runs without the GIL, and its machine code is kept on disk (`kernel_file.py`). It can be called on NumPy
arrays and from any `@njit` function, and `kernel.address` is its C entry point, by which the
compiled training loop calls layers that it was not compiled with.

Numba's import takes longer than a small training run, so nothing here needs it until something is compiled (by
`numba_backend.py`), called like a Python function, or used in a function that Numba compiles for the user.
`kernel.run` and `kernel.address` of a kept kernel load its machine code without Numba (`machine_code.py`).
"""

from __future__ import annotations

import ctypes
import functools
import threading
from collections.abc import Callable, Set
from typing import Any, Generic, Self, TypeVar, TypeVarTuple, overload

from .kernel_file import KernelFile
from .machine_code import load
from .signatures import (  # noqa: F401 (the types that kernels are declared with)
    D1,
    F1,
    F1_IN,
    F2,
    F2_IN,
    I1,
    I1_IN,
    I2_IN,
    U1,
    U1_IN,
    as_words,
    c_types,
    f32,
    f64,
    i64,
    uint64,
    void,
)
from .support import obstacle, require_kernels

# "contract": a*b + c may become one FMA. Sums keep their order, so results do not depend on how work is
# split. No "nnan"/"ninf": a diverging loss must still surface as NaN.
FAST_MATH = {"contract"}

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")

KERNELS: list[Kernel[*tuple[Any, ...], Any]] = []  # every kernel of the modules imported so far, for warm-up and doctor

_loading = threading.RLock()


class _Deferred(Generic[*Arguments, Result]):
    """A function that is passed to Numba on first use: in a function that Numba compiles, or by a call."""

    __name__: str
    made: Any

    def __init__(self, py_func: Callable[[*Arguments], Result]):
        self.py_func = py_func
        functools.update_wrapper(self, py_func)

    @property
    def _numba_type_(self) -> Any:
        """Numba's protocol: the type of this object in compiled code."""
        return self.made._numba_type_

    def __call__(self, *arguments: *Arguments) -> Result:
        # By position alone: an empty **named would cost a short kernel a twentieth.
        result: Result = self.made(*arguments)
        return result

    def __deepcopy__(self, memo: object) -> Self:
        return self  # Numba copies the statements in which it stands


class Inline(_Deferred[*Arguments, Result]):
    """A helper of kernels; `made` is Numba's dispatcher."""

    def __init__(self, py_func: Callable[[*Arguments], Result], fastmath: Set[str], *, forced: bool = False):
        super().__init__(py_func)
        self._fastmath, self._forced = fastmath, forced

    @functools.cached_property
    def made(self) -> Any:
        from .numba_backend import make_inline

        return make_inline(self.py_func, self._fastmath or False, forced=self._forced)

    def __call__(self, *arguments: *Arguments) -> Result:
        raise TypeError(f"{self.__name__} is a helper of kernels: call it from compiled code")


class Intrinsic(_Deferred[*tuple[Any, ...], Any]):
    """A function that builds LLVM code; `made` is Numba's intrinsic."""

    def __init__(self, py_func: Callable[..., Any], **options: Any):
        super().__init__(py_func)
        self._options = options

    @functools.cached_property
    def made(self) -> Any:
        from .numba_backend import make_intrinsic

        return make_intrinsic(self.py_func, self._options)

    @functools.cached_property
    def _numba_type_(self) -> Any:
        from .numba_backend import type_of_intrinsic

        return type_of_intrinsic(self.made)


class Kernel(_Deferred[*Arguments, Result]):
    """A compiled function with the one signature that it was declared with, called with arguments by position.
    `made` is Numba's dispatcher."""

    def __init__(self, py_func: Callable[[*Arguments], Result], signature: Any, fastmath: Set[str] | None):
        super().__init__(py_func)
        self.signature, self.file = signature, KernelFile(py_func, signature)
        self._fastmath = fastmath
        self._kept_address: int | None = None  # of the stand-alone machine code

    @functools.cached_property
    def made(self) -> Any:
        require_kernels(f"{self.__name__}()")
        from .numba_backend import KernelDispatcher

        return KernelDispatcher(self.py_func, self._fastmath, self.signature, self.file)

    def compile(self) -> None:
        """Load the machine code, or make and keep it. Several threads may come here at once. Raises UsageError where
        kernels do not run."""
        if self.is_loaded:
            return
        require_kernels("this")
        with _loading:
            if not self.is_loaded:
                kept = c_types(self.signature) and self.file.read()
                self._kept_address = load(kept[0]) if kept and kept[0] else None
                if self._kept_address is None:
                    self.made.compile()

    @property
    def is_loaded(self) -> bool:
        """True if its machine code is in this process."""
        return self._kept_address is not None or ("made" in vars(self) and bool(self.made.overloads))

    @property
    def compile_seconds(self) -> float:
        """Seconds that compiling took in this process; 0 when the machine code came from disk."""
        return self.made.compile_seconds if "made" in vars(self) else 0.0

    def run(self, *arguments: Any) -> Any:
        """Call it through its C entry point: 10 us or more, but no Numba in a process that compiles nothing.

        Raises TypeError for arrays of another type or layout. Not for kernels that raise exceptions.
        """
        self.compile()
        if self._kept_address is None:
            return self.made(*arguments)
        words = [word for pair in zip(self.signature.args, arguments, strict=True) for word in as_words(*pair)]
        return self._entry(*words)

    def bind(self, *arguments: Any) -> Callable[..., Any]:
        """`run` with the first arguments given: a call then takes two microseconds."""
        self.compile()
        if self._kept_address is None:
            return functools.partial(self.made, *arguments)
        words = [word for pair in zip(self.signature.args, arguments, strict=False) for word in as_words(*pair)]
        held = functools.partial(self._entry, *words)
        held.arguments = arguments  # whose memory the words point to
        return held

    @functools.cached_property
    def _entry(self) -> Any:
        return ctypes.CFUNCTYPE(*c_types(self.signature))(self._kept_address)

    @functools.cached_property
    def address(self) -> int:
        """The C entry point: arguments by value, arrays as Numba's array structs. Compiles if needed."""
        self.compile()
        return self._kept_address or self.made.address

    @property
    def is_ready(self) -> bool:
        """True if using this kernel compiles nothing: it is compiled, or kept on disk."""
        return self.is_loaded or bool(not obstacle() and self.file.path and self.file.path.exists())


def kernel(
    signature: Any, *, fastmath: Set[str] | None = FAST_MATH
) -> Callable[[Callable[[*Arguments], Result]], Kernel[*Arguments, Result]]:
    """Decorator: compile the function for `signature` only, on first use.

    `fastmath` is a set of LLVM flags; pass an empty set where every rounding counts.
    """

    def decorate(function: Callable[[*Arguments], Result]) -> Kernel[*Arguments, Result]:
        made = Kernel(function, signature, fastmath)
        KERNELS.append(made)
        return made

    return decorate


def inline(function: Callable[[*Arguments], Result]) -> Inline[*Arguments, Result]:
    """Decorator for helpers of kernels: compiled into their callers, for whatever types these pass."""
    return Inline(function, FAST_MATH)


def forced_inline(function: Callable[[*Arguments], Result]) -> Inline[*Arguments, Result]:
    """`inline` where LLVM would leave a call that takes longer than the helper itself."""
    return Inline(function, FAST_MATH, forced=True)


def exact_inline(function: Callable[[*Arguments], Result]) -> Inline[*Arguments, Result]:
    """`inline` for kernels whose every rounding counts: a helper keeps its own flags in them."""
    return Inline(function, set())


@overload
def intrinsic(function: Callable[..., Any]) -> Intrinsic: ...


@overload
def intrinsic(**options: Any) -> Callable[[Callable[..., Any]], Intrinsic]: ...


def intrinsic(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Decorator: Numba's `intrinsic`, whose signature may be one of `signatures.py`."""
    if function is None:
        return functools.partial(intrinsic, **options)
    return Intrinsic(function, **options)
