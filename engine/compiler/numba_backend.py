"""Numba's side of `jit.py`, imported when something is compiled: dispatchers, intrinsics, the compile cache's filling.

A kernel is kept twice in its file (`kernel_file.KernelFile`): as Numba's compile result, which serves calls from
Python and from compiled functions, and where possible as stand-alone machine code, which needs no Numba to be loaded.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import pickle
import time
from collections.abc import Iterator

import numba
from numba.core import sigutils
from numba.core.caching import CompileResultCacheImpl, _Cache
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher
from numba.core.runtime.nrt import rtsys
from numba.core.serialize import dumps
from numba.extending import intrinsic

from .kernel_file import KernelFile
from .machine_code import stand_alone
from .signatures import as_numba, c_types, register_with_numba


def make_inline(function, fastmath, *, forced):
    """Numba's dispatcher of a helper that is compiled into its callers. Without entry points for Python and C it must
    not be called from there; making them would take a fifth of the time."""
    options = {"nogil": True, "fastmath": fastmath, "error_model": "numpy", "forceinline": forced}
    return numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **options)(function)


def make_intrinsic(function, options):
    """Numba's intrinsic for `function`, whose signature may be of `signatures.py`."""

    @functools.wraps(function)  # Numba asks for the names of its parameters
    def typed(*arguments):
        signature, codegen = function(*arguments)
        return as_numba(signature), codegen

    return intrinsic(**options)(typed) if options else intrinsic(typed)


def type_of_intrinsic(made):
    """The type that Numba registered for an intrinsic of `make_intrinsic`."""
    from numba.core.registry import cpu_target

    cpu_target.typing_context.refresh()
    return cpu_target.typing_context.resolve_value_type(made)


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    """Compiling makes many objects, which live until it ends: looking for garbage among them takes an eighth of it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class KernelDispatcher(CPUDispatcher):
    """Numba's dispatcher with one signature and the cache of `kernel_file.py`."""

    def __init__(self, py_func, fastmath, signature, file: KernelFile):
        options = {"nopython": True, "nogil": True, "fastmath": fastmath or False, "error_model": "numpy"}
        register_with_numba()
        super().__init__(py_func, targetoptions=options)
        self.signature, self.compile_seconds = as_numba(signature), 0.0
        self._cache = _NumbaCache(file, with_stand_alone=c_types(signature) is not None)

    def compile(self, sig=None):
        """Load or compile the declared signature, whatever `sig` is; returns the C entry point."""
        with global_compiler_lock, _without_collector():  # several threads may come here at once
            if self._can_compile:
                started = time.perf_counter()
                super().compile(self.signature)
                if not self._cache_hits:
                    self.compile_seconds = time.perf_counter() - started
                self.disable_compile()
        return self.result.entry_point

    def _compile_for_args(self, *args, **kws):
        """Called by Numba for a first call from Python. The caller then dispatches on the types anew."""
        self.compile()
        return self

    def _explain_matching_error(self, *args, **kws):
        found = ", ".join(str(self.typeof_pyval(argument)) for argument in args)
        wanted = ", ".join(map(str, sigutils.normalize_signature(self.signature)[0]))
        raise TypeError(f"{self.__name__} takes ({wanted}), got ({found})")

    @property
    def result(self):
        """Numba's compile result."""
        return next(iter(self.overloads.values()))

    @property
    def address(self) -> int:
        """The C entry point."""
        self.compile()
        return self.result.library.get_pointer_to_function(self.result.fndesc.llvm_cfunc_wrapper_name)


class _NumbaCache(_Cache):
    """Numba's interface to a kernel's file. Follows `numba.core.caching._Cache`."""

    def __init__(self, file: KernelFile, *, with_stand_alone: bool):
        self._file, self._with_stand_alone = file, with_stand_alone
        self._results = CompileResultCacheImpl.__new__(CompileResultCacheImpl)  # reduce and rebuild only

    @property
    def cache_path(self):
        return self._file.path and str(self._file.path.parent)

    def load_overload(self, sig, target_context):
        if self._file.is_in_package:
            rtsys.initialize(target_context)  # refresh() would import all of Numba's registries: a second for nothing
        else:
            target_context.refresh()
        kept = self._file.read()
        if kept is None:
            return None
        try:
            return self._results.rebuild(target_context, pickle.loads(kept[1]))
        except Exception:  # an old result that cannot be read is compiled again
            self._file.flush()
            return None

    def save_overload(self, sig, data):
        code = None
        if self._with_stand_alone:
            code = stand_alone(data.library, data.fndesc.llvm_cfunc_wrapper_name)
        self._file.write(code, dumps(self._results.reduce(data)))

    def flush(self):
        self._file.flush()

    def enable(self):
        """Numba's interface; this cache is always on."""

    def disable(self):
        """Numba's interface; this cache is always on."""
