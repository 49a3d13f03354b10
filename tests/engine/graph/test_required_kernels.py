"""What is compiled before a graph runs is what it runs."""

from __future__ import annotations

import pytest
from reference.child import run_json

CODE = """
import json, sys
import numpy as np
from reference.caffe_graphs import data, graph_of, layer
from reference.random_nets import MORE, OTHERS, net_of
from caffe64.engine.compiler.jit import KERNELS
from caffe64.engine.graph.execution.required_kernels import kernels_of
from reference.executor import Executor
from caffe64.engine.graph.plan import Plan
from caffe64.engine.graph.reference import Interpreter

def gradients(graph):
    executor = Executor(graph, gradients=True)
    executor.forward()
    given = {blob: np.ones(executor.shapes[blob], np.float32) for blob in graph.outputs}
    return lambda: executor.backward(given)

runners = {"plan": lambda graph: Plan(graph).forward, "layers": lambda graph: Interpreter(graph).forward,
           "gradients": gradients}
kinds = {**OTHERS, **MORE}.keys() - {"Softmax", "Scale by a blob"}  # of which a plan lowers some only, by their shapes
chosen = [(kind, False, number, 0) for number, kind in enumerate(sorted(kinds))]
graph = graph_of(data("2 32 6 5"), *net_of(chosen, 32))
way = sys.argv[1]
runners[way](graph)()
listed = kernels_of(graph, **({} if way == "plan" else {way: True}))
loaded = [kernel for kernel in KERNELS if kernel.is_loaded]
found = (set(loaded) - set(listed), listed)
print(json.dumps([sorted(f"{each.__module__}.{each.__name__}" for each in kernels) for kernels in found]))
"""


@pytest.mark.parametrize("way", ["plan", "layers", "gradients"])
def test_no_run_needs_a_kernel_that_was_not_compiled_before(way):
    forgotten, listed = run_json(CODE, way)
    assert forgotten == []
    assert "caffe64.engine.graph.plan.lowering.eltwise.combine_blocks" in listed
    assert ("caffe64.engine.graph.ops.convolution.convolve" in listed) == (way != "plan")
