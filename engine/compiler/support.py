"""Whether compiled kernels run on this machine. What reads, changes and writes files needs none.

Kernels are made by Numba for Linux on x86-64 and aarch64: their threads, their cache and their start belong to it. The
modules with kernels can be imported anywhere, without Numba and LLVM: a kernel is compiled when it is first used.
"""

from __future__ import annotations

import functools
import platform
import sys
from importlib.util import find_spec

from ...errors import UsageError

X86, ARM = "x86_64", "aarch64"
NEEDED = "Linux on x86-64 or aarch64 and the package numba"


@functools.cache
def obstacle() -> str:
    """Why kernels do not run here, for a message; "" where they do."""
    if sys.platform != "linux" or platform.machine() not in (X86, ARM):
        return f"this is {platform.system()} on {platform.machine()}"
    missing = [package for package in ("numba", "llvmlite") if find_spec(package) is None]
    return f"the package {missing[0]} is not installed (pip install {missing[0]})" if missing else ""


def require_kernels(what: str) -> None:
    """Raises UsageError, which says what `what` needs, where kernels do not run."""
    if obstacle():
        raise UsageError(f"{what} needs compiled kernels, which need {NEEDED}: {obstacle()}")
