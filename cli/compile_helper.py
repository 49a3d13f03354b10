"""A second process that compiles half of the kernels on a first run: Numba compiles in one thread of a process only.

The command compiles the kernels from the front, a child of `Helper` from the end, and both exchange them through the
cache directory. If the child fails, the command compiles the kernels that it does not find there.

    python -m caffe64.cli.compile_helper MODULE:KERNEL ...        is the child
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..interrupts import postponed
from . import signals

if TYPE_CHECKING:
    from ..engine.compiler.jit import Kernel

WORTHWHILE = 4  # kernels; the child takes a second to start
POLL_SECONDS = 0.02


class Helper:
    """Context manager: the child, if there is work for one, a processor and a cache directory. It ends with the
    block."""

    def __init__(self, kernels: Sequence[Kernel]):
        self._missing = [kernel for kernel in kernels if not kernel.is_ready]
        self._child: subprocess.Popen | None = None

    def __enter__(self) -> Helper:
        if len(self._missing) >= WORTHWHILE and _can_help():
            command = [sys.executable, "-P", "-m", __name__, *map(_name, self._missing)]
            quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
            try:
                with postponed(), contextlib.suppress(OSError):
                    self._child = subprocess.Popen(command, **quiet)
            except BaseException:
                self._end()
                raise
        return self

    def __exit__(self, *error) -> None:
        self._end()

    def _end(self) -> None:
        if self._child:
            self._child.kill()  # files of the cache appear whole or not at all
            self._child.wait()

    def wait_for_last(self) -> None:
        """When one kernel is left, the child is compiling it: wait until it is done or the child has ended."""
        while self._child and self._child.poll() is None and self._count_missing() == 1:
            time.sleep(POLL_SECONDS)
            signals.check()

    def _count_missing(self) -> int:
        return sum(not kernel.is_ready for kernel in self._missing)


def _can_help() -> bool:
    from ..engine.compiler.cache import cache_directory
    from ..engine.team.threads import usable_threads

    directory = cache_directory()
    return bool(sys.executable and usable_threads() > 1 and directory and os.access(directory, os.W_OK))


def _name(kernel: Kernel) -> str:
    return f"{kernel.py_func.__module__}:{kernel.__name__}"


def compile_from_the_end(names: Sequence[str]) -> None:
    """The work of the child."""
    import importlib

    for module, _, name in (text.partition(":") for text in reversed(names)):
        kernel = getattr(importlib.import_module(module), name)
        if not kernel.is_ready:
            kernel.compile()


if __name__ == "__main__":
    compile_from_the_end(sys.argv[1:])
