"""Kernels that are missing are compiled by one process of each host: the others wait for it and find them on disk.

What starts the workers need not know of it: every job calls `compile_once` first, in processes of this machine, of a
Dask cluster or of an MPI job alike, also in those that join later.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..engine.compiler.cache import cache_directory

try:
    import fcntl
except ImportError:  # Windows, where no kernels run
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from ..engine.compiler.jit import Kernel

LOCK = "compiling.lock"  # in the directory of kernels: a file system that hosts share may let one compile for all


def compile_once(kernels: Sequence[Kernel[*tuple[Any, ...], Any]]) -> None:
    """Compile those of `kernels` that are not kept on disk yet, unless another process does that now: then wait for it.
    Raises UsageError where kernels do not run."""
    if all(kernel.is_ready for kernel in kernels):
        return
    with _alone():
        for kernel in kernels:
            kernel.compile()


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """While no other process on this cache is in such a block. Without a cache, or without locks, at once."""
    directory = cache_directory()
    with contextlib.ExitStack() as stack:
        if directory is not None and fcntl is not None:
            with contextlib.suppress(OSError):
                file = stack.enter_context(open(directory / LOCK, "a", encoding="ascii"))
                fcntl.flock(file, fcntl.LOCK_EX)
        yield
