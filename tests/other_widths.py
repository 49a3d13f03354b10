"""A short choice of the tests at the vector widths that are not this CPU's own: `make test-widths`.

Narrower ones run as compiled for an older CPU, that of 4 lanes without FMA; wider ones as LLVM splits them. The whole:
    NUMBA_CPU_NAME=nehalem NUMBA_CPU_FEATURES= python -m pytest        4 lanes
    NUMBA_CPU_NAME=haswell NUMBA_CPU_FEATURES= python -m pytest        8 lanes
    CAFFE64_LANES=16 python -m pytest                                 16 lanes
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from caffe64.engine.compiler.cpu import REGISTER_LANES

ROOT = Path(__file__).resolve().parents[1]
CPUS = {4: "nehalem", 8: "haswell"}
CHOICE = [
    "tests/engine/textnet/test_layers.py",
    "tests/engine/vectors/test_simd.py",
    "tests/engine/products/test_filter_tile.py",
    "tests/engine/graph/test_caffe_layers.py",
    "tests/engine/graph/test_caffe_backward.py",
    "tests/engine/graph/test_axpy.py",
    "tests/engine/graph/test_recurrent.py",
    "tests/engine/graph/test_region_pooling.py",
    "tests/engine/graph/test_suppression.py",
    "tests/engine/graph/test_wild_layers.py",
    "tests/engine/graph/plan/test_caffe_cases.py",
    "tests/engine/graph/plan/test_convolution_backward.py",
    "tests/engine/graph/plan/test_fork_moves.py",
    "tests/engine/graph/plan/test_inner_product_backward.py",
    "tests/engine/graph/plan/test_memory.py",
    "tests/engine/graph/plan/test_packing.py",
    "tests/cli/test_caffe_time.py",
]


def settings(lanes: int) -> dict[str, str]:
    """The environment in which vectors have so many lanes. That of test_widths.py, which has compiled some kernels."""
    if lanes < REGISTER_LANES:
        return {"NUMBA_CPU_NAME": CPUS[lanes], "NUMBA_CPU_FEATURES": ""}
    return {"CAFFE64_LANES": str(lanes)}


def main() -> int:
    codes = []
    for lanes in sorted({4, 8, 16} - {REGISTER_LANES}):
        print(f"\n{lanes} lanes", flush=True)
        command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", *CHOICE]
        codes.append(subprocess.run(command, cwd=ROOT, env={**os.environ, **settings(lanes)}).returncode)
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
