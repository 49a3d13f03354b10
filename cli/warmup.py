"""caffe64 warmup: compile and keep every kernel, for a Dockerfile or before a measurement."""

from __future__ import annotations

NAME = "warmup"
EXAMPLES = ("RUN caffe64 warmup    # in a Dockerfile",)


def command() -> None:
    """Compile every kernel for this CPU, so that no later run waits."""
    import time

    from ..engine.compiler.cache import cache_directory
    from . import compiling
    from .output import Output

    kernels = compiling.every_kernel()
    started = time.perf_counter()
    compiling.compile_all(kernels, Output())
    compiled = sum(kernel.compile_seconds > 0 for kernel in kernels)
    seconds = time.perf_counter() - started
    print(f"{len(kernels)} kernels ready in {cache_directory()}, {compiled} of them compiled now ({seconds:.1f} s)")
