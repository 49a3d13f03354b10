"""Processes that use a kernel and report what the compile cache did for it."""

from __future__ import annotations

from pathlib import Path

from .child import run_json

# Prints the directory, how many kernels were used, how long they were compiled, how many functions Numba compiled on
# the way (inlined helpers included), and the result of `work`.
REPORT = """
import json, sys
import numpy as np
from numba.core import event

with event.install_recorder("numba:compile") as compiled:
    {work}
from caffe64.engine.compiler import cache, jit
used = [kernel for kernel in jit.KERNELS if kernel.is_loaded]
print(json.dumps({{"directory": str(cache.cache_directory()), "used": len(used), "functions": len(compiled.buffer),
                   "seconds": sum(kernel.compile_seconds for kernel in used), "result": result}}))
"""
RELU = REPORT.format(
    work="""
    from caffe64.engine.textnet.layers.rel import rel_forward
    x = np.array([[-2, 3, -1]], np.float32)
    rel_forward(x, x)
    result = x.tolist()
"""
)
RECTIFIED = [[0.0, 3.0, 0.0]]


def run(code, home, **environment):
    settings = {"XDG_CACHE_HOME": home, "NUMBA_CACHE_DIR": None, **environment}
    return run_json(code, **settings)


def kept(folder) -> list[Path]:
    return sorted(Path(folder).rglob("*.c64k"))
