"""Graphs run by a plan, from memory that is NaN wherever nothing has been written yet."""

from __future__ import annotations

from functools import cache

import numpy as np
from reference.caffe_graphs import give_weights
from reference.exact_net import exact_blobs
from support import SHARED, assert_close

from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.engine.graph.frontends.caffe.build import build_graph
from caffe64.engine.graph.plan import Plan
from caffe64.formats.caffe import deploy_net, filter_net, read_prototxt

NAN_BYTE = 0xFF  # four of them are a float32 NaN
REAL_NETS = {  # of the reference data, and the shapes of their inputs
    "resnet18_deploy": (1, 3, 224, 224),
    "mobilenet_v1_deploy": (1, 3, 224, 224),
    "alexnet_bn_train_val": (1, 3, 227, 227),
    "cifar10_full_train_test": (4, 3, 32, 32),
}


@cache
def real_net(name):
    """One of them as a graph, ready to predict, with random weights. For all tests, which leave it as it is."""
    shapes = {"data": REAL_NETS[name]}
    message = read_prototxt(SHARED / "caffe" / "nets" / f"{name}.prototxt").message
    graph = build_graph(deploy_net(filter_net(message, "TEST"), shapes))
    give_weights(graph, inputs=shapes)
    return graph


def draw_inputs(graph, seed=0, inputs=None):
    """Blob -> float32 from N(0, 1), for each input."""
    source, shapes = np.random.default_rng(seed), infer_shapes(graph, inputs)
    return {blob: source.standard_normal(shapes[blob]).astype(np.float32) for blob in graph.inputs}


def run_plan(plan, inputs):
    """Blob -> a copy, of all outputs."""
    plan.arena.fill(NAN_BYTE)
    return run_again(plan, inputs)


def run_again(plan, inputs):
    """The same, without clearing the memory."""
    for blob, x in inputs.items():
        plan.inputs[blob][...] = x
    plan.forward()
    return {blob: values.copy() for blob, values in plan.outputs.items()}


def ways(plan):
    """Name of each layer that is the first of its group -> its lowering, None without one."""
    return {each.owner.main.name: each.lowered for each in plan.actions if each.owner and not each.is_move}


def check_plan(graph, *, seed=0, **options):
    """Compare all outputs with float64, within what float32 may be off.

    Returns the plan.
    """
    inputs, plan = draw_inputs(graph, seed), Plan(graph, **options)
    expected = exact_blobs(graph, inputs)
    for found in (run_plan(plan, inputs), run_again(plan, inputs)):
        for blob, values in found.items():
            exactly, error = expected[blob]
            assert np.array_equal(np.isnan(values), np.isnan(exactly)), blob
            assert_close(blob.name, np.nan_to_num(values), np.nan_to_num(exactly), np.nan_to_num(error))
    return plan


def same_bits(one, other):
    """Whether two results of `run_plan` are equal to the last bit."""
    return all(np.array_equal(one[blob].view(np.int32), other[blob].view(np.int32)) for blob in one)
