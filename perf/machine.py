"""The machine and the versions that a result was measured with, and confining a process to some of its CPUs."""

from __future__ import annotations

import contextlib
import os
import platform
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

PACKAGES = (
    *("caffe64", "numba", "llvmlite", "numpy", "torch", "jax", "polars", "pandas"),
    *("onnxruntime", "openvino", "opencv-python-headless", "opencv-python"),
)
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "POLARS_MAX_THREADS",
)
CACHES = {"L1": 32 << 10, "L2": 512 << 10, "L3": 16 << 20}  # where the system does not report them


def describe() -> dict:
    """CPU, caches in bytes, memory, system and versions, for the result file."""
    from ..engine.compiler import cpu
    from ..engine.team.threads import usable_threads

    return {
        "cpu": _cpu_name(),
        "compiled for": cpu.codegen_key()[1],
        "vectors": f"{cpu.ISA}, {cpu.LANES} float32",
        "threads": usable_threads(),
        "caches": cache_sizes(),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
    }


def is_installed(package: str) -> bool:
    """True if `package` can be imported; does not import it."""
    return find_spec(package) is not None


def cache_sizes() -> dict[str, int]:
    """Bytes of the L1 data, L2 and L3 caches of the first CPU."""
    sizes = dict(CACHES)
    for folder in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        with contextlib.suppress(OSError, ValueError):
            level = f"L{(folder / 'level').read_text().strip()}"
            if (folder / "type").read_text().strip() != "Instruction" and level in sizes:
                sizes[level] = int((folder / "size").read_text().strip().removesuffix("K")) << 10
    return sizes


def confine(threads: int) -> None:
    """Keep this thread, and those that it starts later, on the first `threads` of its CPUs."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


@contextlib.contextmanager
def confined(threads: int) -> Iterator[None]:
    """`confine` within a block."""
    before = os.sched_getaffinity(0)
    confine(threads)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def peak_memory() -> int:
    """The most bytes of memory that this process has had resident so far."""
    found = re.search(r"VmHWM:\s*([0-9]+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) << 10


def _cpu_name() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found[1].strip() if found else "unknown"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
