"""The first run on a machine compiles the kernels, with a message and progress."""

from __future__ import annotations

import importlib
import time
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

from . import signals
from .output import Output

if TYPE_CHECKING:
    from ..engine.compiler.jit import Kernel


def prepare(kernels: Sequence[Kernel], output: Output) -> float:
    """Compile those of `kernels` that are not kept on disk yet; returns the seconds that it took. Raises UsageError
    where kernels do not run."""
    missing = [kernel for kernel in kernels if not kernel.is_ready]
    if not missing:
        return 0.0
    from ..engine.compiler.cache import cache_directory
    from ..engine.compiler.support import require_kernels

    require_kernels("this")
    kept = cache_directory()
    note = f"first run only; kept in {kept}" if kept else "nothing can be kept"
    output.say(f"compiling {count(len(missing), 'kernel')} for this CPU ({note})")
    started = time.perf_counter()
    compile_all(missing, output)
    seconds = time.perf_counter() - started
    output.say(f"compiled {count(len(missing), 'kernel')} in {seconds:.1f} s")
    return seconds


def compile_all(kernels: Sequence[Kernel], output: Output) -> None:
    """Load or compile each of `kernels`, under a bar where stderr can draw one."""
    if output.can_draw:
        from .live import Bar

    from .compile_helper import Helper

    with Bar() if output.can_draw else nullcontext() as bar, Helper(kernels) as helper:
        for kernel in kernels:
            if bar:
                done = sum(kernel.is_ready for kernel in kernels)
                bar.show(done, len(kernels), "compiling", [f"{done}/{len(kernels)}", label(kernel)])
            helper.wait_for_last()
            kernel.compile()
            signals.check()


def every_kernel() -> list[Kernel]:
    """All kernels of the package but those of its benchmarks."""
    from ..engine.compiler.jit import KERNELS
    from ..engine.compiler.sources import modules_with_kernels

    for name in modules_with_kernels():
        importlib.import_module(name)
    return list(KERNELS)


def label(kernel: Kernel) -> str:
    """Its name with its module's: several layers have a `forward`."""
    return f"{kernel.py_func.__module__.rpartition('.')[2]}.{kernel.__name__}"


def count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
