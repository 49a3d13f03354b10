"""The steps of plans: what is written is what their kernels read, and they run without Numba once they are kept."""

from __future__ import annotations

import pytest
from reference.child import run_json

from caffe64.engine.compiler.fields import field_count
from caffe64.engine.compiler.jit import KERNELS
from caffe64.engine.graph.plan.emitter import Emitter
from caffe64.engine.graph.plan.lowering.moves import MovedBlob, copy_planes
from caffe64.engine.graph.plan.lowering.softmax import softmax_blocks
from caffe64.engine.graph.plan.steps import Scratch, StepKernel, Strided

PLANE = Strided(offset=3, picture=40, plane=20, row=5)
MOVE = {"x": PLANE, "y": PLANE, "channels": 2, "blocks": 0, "rows": 4, "columns": 5}
KERNELS_OF_STEPS = [made for made in KERNELS if isinstance(made, StepKernel)]


def emitter():
    return Emitter(1, Scratch(offset=0, thread=0))


def test_fields_are_written_in_the_order_of_their_declaration():
    made = emitter()
    made.step(softmax_blocks, 1, size=9, blocks=2, inner=20, x=3, y=5)
    made.step(copy_planes, 2, **MOVE)
    assert made.tables().tolist() == [3, 5, 9, 20, 2, 3, 40, 20, 5, 3, 40, 20, 5, 2, 0, 4, 5]
    assert [(step.kernel, step.at, step.items) for step in made.steps] == [(softmax_blocks, 0, 1), (copy_planes, 5, 2)]
    assert field_count(MovedBlob) == 12


@pytest.mark.parametrize("name", MOVE)
def test_a_missing_field_is_refused(name):
    with pytest.raises(TypeError, match=f"missing 1 required positional argument: '{name}'"):
        emitter().step(copy_planes, 1, **{field: value for field, value in MOVE.items() if field != name})


def test_unknown_and_double_fields_and_those_of_another_type_are_refused():
    with pytest.raises(TypeError, match="unexpected keyword argument 'column'"):
        emitter().step(copy_planes, 1, **MOVE, column=3)
    with pytest.raises(TypeError, match="multiple values for keyword argument 'rows'"):
        emitter().step(copy_planes, 1, **MOVE, rows=4)
    for wrong in ({"x": 3}, {"rows": None}, {"rows": 4.0}):
        with pytest.raises(TypeError, match="MovedBlob"):
            emitter().step(copy_planes, 1, **MOVE | wrong)


@pytest.mark.parametrize("made", KERNELS_OF_STEPS, ids=lambda made: made.__name__)
def test_every_kernel_reads_the_fields_that_it_declares(made):
    used = made.py_func.__code__.co_names
    assert used.count(made.fields.__name__) == 1
    assert "read_fields" in used


def test_there_are_kernels_of_steps():
    assert len(KERNELS_OF_STEPS) >= 14


RUN = """
import json, sys
import numpy as np
import caffe64
from caffe64.engine.graph.plan import Plan
from reference.plan_children import several_kinds
plan = Plan(several_kinds(), threads=1)
for x in plan.inputs.values():
    x[...] = np.sin(np.arange(x.size)).reshape(x.shape)
plan.forward()
outputs = [values.tolist() for values in plan.outputs.values()]
print(json.dumps([outputs, sorted({"numba", "llvmlite.binding"} & set(sys.modules))]))
"""


def test_a_second_run_of_a_net_imports_neither_numba_nor_llvm_and_gives_the_same(tmp_path):
    """Halos are cleared by it, among others: a kernel that may raise an exception needs Numba."""
    settings = {"XDG_CACHE_HOME": tmp_path, "NUMBA_CACHE_DIR": None}
    outputs, modules = run_json(RUN, **settings)
    assert "numba" in modules
    assert run_json(RUN, **settings) == [outputs, []]
