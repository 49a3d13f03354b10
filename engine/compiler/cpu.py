"""What the CPU that Numba compiles for can do: vector width and register count.

The result follows Numba's own settings (NUMBA_CPU_NAME, NUMBA_CPU_FEATURES), so that forcing an older CPU
also narrows the vectors. Instead of interpreting feature names, a sixteen-lane addition is compiled for
that CPU and the registers in its assembly are read. The result is kept beside the kernels. Where kernels do
not run (`support.py`) nothing is compiled, and the numbers below only let the modules with kernels be imported.

CAFFE64_LANES (4, 8 or 16) makes vectors of another width than a register's: LLVM splits wider ones. It is how the code
of every width runs on any CPU, tests and the processes that they start; no width is faster than that of a register.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re

from ...errors import UsageError
from .cache import cache_directory
from .sealed import read_sealed, write_sealed
from .support import ARM, obstacle

_PROBE = """
target triple = "{triple}"
define void @probe(ptr %p) {{
  %v = load <16 x float>, ptr %p, align 4
  %w = fadd <16 x float> %v, %v
  store <16 x float> %w, ptr %p, align 4
  ret void
}}
"""


def codegen_key() -> tuple[str, ...]:
    """Triple, CPU name and CPU features that Numba compiles for (its environment overrides included)."""
    from numba.core.registry import cpu_target

    return cpu_target.target_context.codegen().magic_tuple()


def _probe_lanes() -> int:
    import llvmlite.binding as llvm

    triple, name, features = codegen_key()
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=name, features=features)
    assembly = machine.emit_assembly(llvm.parse_assembly(_PROBE.format(triple=triple)))
    widest = max(re.findall(r"%([xyz])mm", assembly), default="x")
    return {"x": 4, "y": 8, "z": 16}[widest]


def _lanes() -> int:
    """The probe's result. It is kept, because probing imports Numba, which takes a second. Every aarch64 CPU has
    registers of 4."""
    if IS_ARM or obstacle():
        return 4
    directory = cache_directory()
    path = directory and directory / "lanes"
    lanes = path and read_sealed(path)
    if lanes not in (4, 8, 16):
        lanes = _probe_lanes()
        if path:
            with contextlib.suppress(OSError):  # a kernel that cannot be kept there gives the warning
                write_sealed(path, lanes)
    return lanes


def _asked(lanes: int) -> int:
    """The value of CAFFE64_LANES, else `lanes`."""
    asked = os.environ.get("CAFFE64_LANES", str(lanes))
    if asked not in ("4", "8", "16"):
        raise UsageError(f"CAFFE64_LANES: found {asked!r}, expected 4, 8 or 16")
    return int(asked)


IS_ARM = platform.machine() == ARM
REGISTER_LANES = _lanes()  # float32 lanes of a register: 16 AVX-512, 8 AVX, 4 SSE and NEON
LANES = _asked(REGISTER_LANES)  # of a vector
FLOAT_BYTES, VECTOR_BYTES = 4, 4 * LANES  # of one float32, of a vector of them
REGISTERS = 32 if LANES == 16 else 16
ISA = "NEON" if IS_ARM else {16: "AVX-512", 8: "AVX", 4: "SSE"}[REGISTER_LANES]
