"""What the CPU that Numba compiles for can do: vector width and register count.

The answer follows Numba's own settings (NUMBA_CPU_NAME, NUMBA_CPU_FEATURES), so that forcing an older CPU
also narrows the vectors. Instead of interpreting feature names, a sixteen-lane addition is compiled for
that CPU and the registers of the result are looked at.
"""

from __future__ import annotations

import re

import llvmlite.binding as llvm

from .cache import codegen_key

_PROBE = """
target triple = "{triple}"
define void @probe(ptr %p) {{
  %v = load <16 x float>, ptr %p, align 4
  %w = fadd <16 x float> %v, %v
  store <16 x float> %w, ptr %p, align 4
  ret void
}}
"""


def _probe_lanes() -> int:
    triple, name, features = codegen_key()
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=name, features=features)
    assembly = machine.emit_assembly(llvm.parse_assembly(_PROBE.format(triple=triple)))
    widest = max(re.findall(r"%([xyz])mm", assembly), default="x")
    return {"x": 4, "y": 8, "z": 16}[widest]


LANES = _probe_lanes()  # float32 lanes of a vector: 16 AVX-512, 8 AVX, 4 SSE
REGISTERS = 32 if LANES == 16 else 16
ISA = {16: "AVX-512", 8: "AVX", 4: "SSE"}[LANES]
