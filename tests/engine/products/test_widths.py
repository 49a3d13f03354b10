"""Every vector width gives right results: 4, 8 and 16 lanes, each in a process of its own with forced CPU settings.

What the host can run is run (reference/width_cases.py); what it cannot is compiled and its assembly read, and 16 lanes
run on a narrower CPU as well, where LLVM splits each vector.
"""

from __future__ import annotations

import functools
import re
import tempfile

import llvmlite.binding as llvm
import pytest
from reference.child import run_json, run_python
from reference.elementary import DECAY_ULP, EXP_MINUS_ONE_ULP, EXP_ULP, SIGMOID_SLOPE_ULP, SIGMOID_ULP, TANH_ULP

from caffe64.engine.compiler.cpu import LANES

FEATURES = llvm.get_host_cpu_features()
RUN = "import runpy; runpy.run_module('reference.width_cases', run_name='__main__', alter_sys=False)"


def cpu(name):
    """The settings for which Numba compiles for this CPU and not for the host, as in tests/other_widths.py: kernels are
    kept where those that it runs find them."""
    return {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": "", "CAFFE64_LANES": None}


def check(results, lanes):
    assert results["lanes"] == lanes
    assert results["gemm"] <= 1
    assert results["exp"] < EXP_ULP
    assert results["tanh"] < TANH_ULP
    assert results["decay"] < DECAY_ULP
    assert results["exp_minus_one"] < EXP_MINUS_ONE_ULP
    assert results["sigmoid"] < SIGMOID_ULP
    assert results["sigmoid_slope"] < SIGMOID_SLOPE_ULP
    assert results["net"] < 2e-5  # reached: 3e-6
    assert results["golden"] < 1e-3  # the contract's tolerance
    assert results["caffe"] < 1e-5
    assert results["filters"] < 1e-6


@pytest.mark.parametrize(
    ("name", "feature", "lanes"),
    [
        ("nehalem", "sse4.2", 4),
        ("sandybridge", "avx", 8),  # no FMA instructions
        ("haswell", "avx2", 8),
        ("skylake-avx512", "avx512f", 16),
    ],
)
def test_a_narrower_or_older_cpu_gives_right_results(name, feature, lanes):
    if not FEATURES.get(feature):
        pytest.skip(f"this CPU has no {feature}")
    if lanes == LANES and FEATURES.get("fma") and name != "sandybridge":
        pytest.skip("all the other tests run at this width")
    check(run_json(RUN, **cpu(name)), lanes)


@pytest.mark.skipif(LANES == 16, reason="all the other tests run at this width")
def test_sixteen_lanes_give_right_results_on_a_narrower_cpu():
    check(run_json(RUN, CAFFE64_LANES=16), 16)


def test_a_width_that_no_cpu_has_is_refused():
    done = run_python("import caffe64.engine.compiler.cpu", CAFFE64_LANES="12", check=False)
    assert "CAFFE64_LANES: found '12', expected 4, 8 or 16" in done.stderr


ASSEMBLY = """
import json, sys
from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.products.gemm import MR, NV, gemm
from caffe64.engine.graph.plan.lowering.products import PANEL, ROWS, convolve
from caffe64.engine.textnet.layers.lin import update
from caffe64.engine.products.tile import UNROLL
accumulators = {"gemm": MR * NV * UNROLL, "update": MR * NV * UNROLL, "convolve": ROWS * PANEL * LANES}
found = {}
for name in sys.argv[1:]:
    kernel = globals()[name]
    kernel.compile()
    found[name] = accumulators[name], kernel.made.result.library.get_asm_str()
print(json.dumps(found))
"""
KERNELS = "gemm", "update", "convolve"


@functools.cache
def compiled(name, *kernels):
    """(number of the inner loop's accumulators, assembly) of each, for a CPU; compiled in one process, as what is kept
    has no assembly."""
    with tempfile.TemporaryDirectory() as folder:
        return run_json(ASSEMBLY, *kernels, XDG_CACHE_HOME=folder, NUMBA_CACHE_DIR=None, **cpu(name))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("name", "register"), [("haswell", "ymm"), ("skylake-avx512", "zmm")])
def test_the_inner_loop_of_products_is_one_fma_an_accumulator_and_spills_none(name, register, kernel):
    accumulators, assembly = compiled(name, *KERNELS)[kernel]
    tiles = "\n".join(re.findall(r'^"?caffe64\.\w+(?:\.\d+)?\.\d+x\d+x\d+"?:$.*?\.size', assembly, re.M | re.S))
    loops = []
    for block in re.split(r"\n(?=\.LBB\d+_\d+:)", tiles):
        back = re.search(rf"\tj\w+\t{re.escape(block.split(':')[0])}\b", block)
        if back:
            loops.append(block[: back.end()])
    fmas = [len(re.findall(rf"\tvfmadd\d+ps\t.*%{register}\d+", loop)) for loop in loops]
    assert max(fmas) == accumulators
    assert not [loop for loop, count in zip(loops, fmas, strict=True) if count == max(fmas) and "%rsp" in loop]
    assert not re.findall(r"\tvfmadd\d+ss\t", tiles)  # no scalar tail


def test_four_lanes_use_no_wider_register():
    _, assembly = compiled("nehalem", "gemm")["gemm"]
    assert "%xmm" in assembly
    assert not re.findall(r"%[yz]mm|vfmadd", assembly)
