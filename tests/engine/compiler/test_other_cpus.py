"""Kernels are compiled for aarch64 as well: by LLVM's other targets, in a process that takes its CPU for such a one.

Nothing of that runs here. The sample has every instruction that is not the same on all CPUs: pauses, timers, streaming
stores, registers in empty assembly; and the widest of the rest.
"""

from __future__ import annotations

import pytest
from reference.child import run_json

from caffe64.engine.compiler import support
from caffe64.errors import UsageError

COMPILE = """
import json, platform, re, sys
import llvmlite.binding as llvm

llvm.initialize_all_targets()
llvm.initialize_all_asmprinters()
platform.machine = lambda: "aarch64"
llvm.get_process_triple = llvm.get_default_triple = lambda: "aarch64-unknown-linux-gnu"
llvm.get_host_cpu_name = lambda: "generic"
llvm.get_host_cpu_features = llvm.FeatureMap
from caffe64.engine.compiler import cpu, numba_backend
from caffe64.engine.compiler.jit import KERNELS
from caffe64.engine.graph.execution import required_kernels
from caffe64.engine.graph.plan.lowering import winograd
from caffe64.formats import numbers

# Inspection is for code that was compiled in this process.
numba_backend._NumbaCache.save_overload = lambda *arguments: None
names = sys.argv[1:]
found = {}
for kernel in [each for each in KERNELS if each.__name__ in names]:
    kernel.made.compile()
    library = kernel.made.result.library
    assembly = library.get_asm_str().lower()
    found[kernel.__name__] = {
        "x86": "llvm.x86" in library.get_llvm_str() or "xmm" in assembly,
        "instructions": [name for name in ("fmla", "isb", "cntvct_el0") if name in assembly],
    }
print(json.dumps({"lanes": cpu.LANES, "vectors": cpu.ISA, "kernels": found}))
"""


SAMPLE = "run_steps", "convolve", "pack_filters", "pack_points", "convolve_tiles", "moments", "scan_numbers"


@pytest.mark.parametrize(("lanes", "names"), [(None, SAMPLE), (8, SAMPLE[:2])])
def test_kernels_for_aarch64(tmp_path, lanes, names):
    made = run_json(COMPILE, *names, XDG_CACHE_HOME=tmp_path, NUMBA_CACHE_DIR=None, CAFFE64_LANES=lanes)
    assert made["lanes"] == (lanes or 4)
    assert made["vectors"] == "NEON"
    kernels = made["kernels"]
    assert kernels.keys() == {*names}
    assert not [name for name, each in kernels.items() if each["x86"]]
    assert {"isb", "cntvct_el0"} <= set(kernels["run_steps"]["instructions"])
    assert "fmla" in kernels["convolve"]["instructions"]


@pytest.mark.parametrize(
    ("system", "machine", "reason"),
    [
        ("darwin", "arm64", "this is"),
        ("win32", "AMD64", "this is"),
        ("linux", "riscv64", "on riscv64"),
        ("linux", "x86_64", ""),
        ("linux", "aarch64", ""),
    ],
)
def test_where_kernels_run(monkeypatch, system, machine, reason):
    monkeypatch.setattr(support.sys, "platform", system)
    monkeypatch.setattr(support.platform, "machine", lambda: machine)
    support.obstacle.cache_clear()
    try:
        assert bool(support.obstacle()) == bool(reason)
        assert reason in support.obstacle()
        if reason:
            with pytest.raises(
                UsageError, match="a call needs compiled kernels, which need Linux on x86-64 or aarch64"
            ):
                support.require_kernels("a call")
        else:
            support.require_kernels("a call")
    finally:
        monkeypatch.undo()
        support.obstacle.cache_clear()
