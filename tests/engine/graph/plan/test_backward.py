"""Gradients of plans: those of the reference, from what is alive, with the same bits from any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.drawn_nets import CHANNELS, ROWS, SIDE, nets
from reference.plans import NAN_BYTE, same_bits

import caffe64
from caffe64.engine.graph.ir.ownership import weight_gradients
from caffe64.engine.graph.plan import Plan, WantedGradients
from caffe64.engine.graph.reference import Interpreter
from caffe64.engine.graph.reference.gradients import gradients_of

TOLERANCE = 1e-5  # of the largest gradient of a blob, as Winograd's algorithm is not used
LEAST = 0.02  # of which it is at least: of a bias in front of a BatchNorm the terms, about so large, cancel


def graph_of_text(text, seed):
    return caffe64.load_caffe(text.encode(), phase="TRAIN", seed=seed).graph


def training_plan(graph, **options):
    wanted = WantedGradients(weight_gradients(graph))
    return Plan(graph, gradients=wanted, **options), wanted.weights


def drawn_inputs(graph, seed):
    draws = np.random.default_rng(seed)
    values = {
        "data": draws.normal(size=(ROWS, CHANNELS, SIDE, SIDE)), "label": draws.integers(0, 3, ROWS),
        "target": draws.normal(size=(ROWS, CHANNELS, SIDE, SIDE)),
    }  # fmt: skip
    return {blob: values[blob.name].astype(np.float32) for blob in graph.inputs}


def fill_inputs(plan, inputs):
    for blob, values in inputs.items():
        plan.inputs[blob][...] = values


def statistics(graph):
    return [blob.copy() for node in graph.nodes for blob in node.weights]


def restore(graph, kept):
    for blob, values in zip([blob for node in graph.nodes for blob in node.weights], kept, strict=True):
        blob[...] = values


def run(plan, weights, inputs):
    """The gradients of one run."""
    for arrays in weights.values():
        for array in arrays:
            array.fill(0)
    fill_inputs(plan, inputs)
    plan.forward()
    plan.backward()
    return {(node, number): array.copy() for node, arrays in weights.items() for number, array in enumerate(arrays)}


def run_poisoned(plan, weights, inputs):
    """The same; before each action all memory that is not alive is NaN."""
    for arrays in weights.values():
        for array in arrays:
            array.fill(0)
    plan.arena.fill(NAN_BYTE)
    fill_inputs(plan, inputs)
    for number in range(len(plan.actions)):
        dead = np.ones(plan.arena.size, bool)
        for memory in plan.memories:
            if memory.first < max(number, 1) and memory.last >= number:
                dead[memory.offset : memory.offset + memory.size] = False
        plan.arena[dead] = NAN_BYTE
        plan.run_action(number)
    return {(node, number): array.copy() for node, arrays in weights.items() for number, array in enumerate(arrays)}


@settings(max_examples=60, deadline=None)
@given(text=nets(), seed=st.integers(0, 2**20), fuse=st.booleans())
def test_gradients_are_the_references(text, seed, fuse):
    graph = graph_of_text(text, seed)
    inputs, kept = drawn_inputs(graph, seed), statistics(graph)
    plan, weights = training_plan(graph, threads=1, fuse=fuse, exact=True)
    found = run(plan, weights, inputs)
    restore(graph, kept)
    interpreter = Interpreter(graph)
    for blob, values in inputs.items():
        interpreter.arrays[blob][...] = values
    interpreter.forward()
    for node, arrays in gradients_of(interpreter)[1].items():
        for number, expected in enumerate(arrays):
            error = np.abs(found[node, number] - expected).max(initial=0)
            assert error <= TOLERANCE * np.abs(expected).max(initial=LEAST), (node, number)


@settings(max_examples=40, deadline=None)
@given(text=nets(), seed=st.integers(0, 2**20), threads=st.integers(1, 2))
def test_only_what_is_alive_is_read(text, seed, threads):
    graph = graph_of_text(text, seed)
    inputs, kept = drawn_inputs(graph, seed), statistics(graph)
    plan, weights = training_plan(graph, threads=threads)
    expected = run(plan, weights, inputs)
    restore(graph, kept)
    assert same_bits(run_poisoned(plan, weights, inputs), expected)
    for number, action in enumerate(plan.actions):
        for storage in (*action.bottoms, *action.tops):
            assert storage.memory.first <= number <= storage.memory.last
            assert storage.size <= storage.memory.size


@settings(max_examples=30, deadline=None)
@given(text=nets(), seed=st.integers(0, 2**20))
def test_the_bits_do_not_depend_on_threads(text, seed):
    graph = graph_of_text(text, seed)
    inputs, kept = drawn_inputs(graph, seed), statistics(graph)
    expected = None
    for threads in (1, 2, 3, 4):
        plan, weights = training_plan(graph, threads=threads)
        found = run(plan, weights, inputs)
        restore(graph, kept)
        assert expected is None or same_bits(found, expected)
        expected = found


INNER_LOSS = """
layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 3 dim: 2 dim: 4 dim: 4 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 2 kernel_size: 3 weight_filler { type: "gaussian" std: 1 } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" loss_weight: 0.5 }
layer { name: "sum" type: "Reduction" bottom: "conv" top: "sum" loss_weight: 2 }
"""

LEFT_BEHIND = """
layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 3 dim: 2 dim: 4 dim: 4 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 2 kernel_size: 3 weight_filler { type: "gaussian" std: 1 } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "power" type: "Power" bottom: "conv" top: "conv" power_param { scale: -1 shift: 0.5 } }
layer { name: "sum" type: "Reduction" bottom: "conv" top: "sum" loss_weight: 2 }
"""


@pytest.mark.parametrize("text", [INNER_LOSS, LEFT_BEHIND], ids=["read by others", "left in place"])
def test_parts_of_the_loss_and_what_is_left_in_memory(text):
    """A gradient of a ReLU is that of the values that later layers leave in place of its bottom, as in Caffe."""
    graph = graph_of_text(text, 1)
    plan, weights = training_plan(graph, threads=1)
    inputs = {graph.inputs[0]: np.random.default_rng(0).normal(size=(3, 2, 4, 4)).astype(np.float32)}
    found = [run(plan, weights, inputs) for _ in range(2)]
    assert same_bits(*found)
    interpreter = Interpreter(graph)
    interpreter.arrays[graph.inputs[0]][...] = inputs[graph.inputs[0]]
    interpreter.forward()
    expected = gradients_of(interpreter)[1]
    for (node, number), values in found[0].items():
        np.testing.assert_allclose(values, expected[node][number], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("channels", [3, 32], ids=["in planes", "in blocks"])
def test_a_first_convolution_wants_no_zeros_around_its_gradient(channels):
    """They are for the gradient of its bottom, which the second one has."""
    fields = 'num_output: 16 kernel_size: 5 pad: 1 stride: 2 weight_filler { type: "msra" }'
    text = f"""
layer {{ name: "in" type: "Input" top: "data" input_param {{ shape {{ dim: 2 dim: {channels} dim: 15 dim: 13 }} }} }}
layer {{ name: "first" type: "Convolution" bottom: "data" top: "first" convolution_param {{ {fields} }} }}
layer {{ name: "second" type: "Convolution" bottom: "first" top: "second" convolution_param {{ {fields} }} }}
layer {{ name: "sum" type: "Reduction" bottom: "second" top: "sum" loss_weight: 1
  reduction_param {{ operation: SUMSQ }} }}
"""
    graph = graph_of_text(text, 0)
    plan, weights = training_plan(graph, threads=1)
    halos = {
        action.owner.main.name: action.backward.top_gradients[0].halo for action in plan.actions if action.backward
    }
    assert not any(halos["first"])
    assert any(halos["second"])
    inputs = {graph.inputs[0]: np.random.default_rng(0).normal(size=(2, channels, 15, 13)).astype(np.float32)}
    expected = run(plan, weights, inputs)
    assert same_bits(run_poisoned(plan, weights, inputs), expected)
    interpreter = Interpreter(graph)
    interpreter.arrays[graph.inputs[0]][...] = inputs[graph.inputs[0]]
    interpreter.forward()
    for node, arrays in gradients_of(interpreter)[1].items():
        for number, values in enumerate(arrays):
            assert np.abs(expected[node, number] - values).max() <= TOLERANCE * np.abs(values).max()


WINOGRAD_NET = """
layer { name: "in" type: "Input" top: "data" top: "target" input_param {
  shape { dim: 5 dim: 17 dim: 14 dim: 13 } shape { dim: 5 dim: 16 } } }
layer { name: "large" type: "Convolution" bottom: "data" top: "large"
  convolution_param { num_output: 33 kernel_size: 5 pad: 2 weight_filler { type: "msra" } } }
layer { name: "relu" type: "ReLU" bottom: "large" top: "large" }
layer { name: "left" type: "Convolution" bottom: "large" top: "left"
  convolution_param { num_output: 32 kernel_size: 3 pad: 1 weight_filler { type: "msra" } } }
layer { name: "right" type: "Convolution" bottom: "large" top: "right"
  convolution_param { num_output: 32 kernel_size: 5 pad: 2 weight_filler { type: "msra" } } }
layer { name: "sum" type: "Eltwise" bottom: "left" bottom: "right" top: "sum" }
layer { name: "pool" type: "Pooling" bottom: "sum" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "last" type: "Convolution" bottom: "pool" top: "last"
  convolution_param { num_output: 16 kernel_size: 3 weight_filler { type: "msra" } } }
layer { name: "relu2" type: "ReLU" bottom: "last" top: "last" }
layer { name: "mean" type: "Pooling" bottom: "last" top: "mean" pooling_param { pool: AVE global_pooling: true } }
layer { name: "flat" type: "Flatten" bottom: "mean" top: "flat" }
layer { name: "loss" type: "EuclideanLoss" bottom: "flat" bottom: "target" top: "loss" }
"""


def test_convolutions_by_winograds_algorithm():
    """One after the other, two that read one blob, whose halos take what tiles add outside their gradients; the bits do
    not depend on threads or on memory that is not alive."""
    graph, draws = graph_of_text(WINOGRAD_NET, 0), np.random.default_rng(0)
    shapes = {"data": (5, 17, 14, 13), "target": (5, 16)}
    inputs = {blob: draws.normal(size=shapes[blob.name]).astype(np.float32) for blob in graph.inputs}
    plain, weights = training_plan(graph, exact=True)
    exact = run(plain, weights, inputs)
    found = None
    for threads in (1, 2, 3):
        plan, weights = training_plan(graph, threads=threads)
        ways = {group.main.name: how for group, how in plan.groups.items() if group.main.type == "Convolution"}
        assert all(how.startswith("winograd") for how in ways.values())
        assert len(ways) == 4
        again = run(plan, weights, inputs)
        assert found is None or same_bits(again, found)
        found = again
        assert same_bits(run_poisoned(plan, weights, inputs), found)
    for key, values in exact.items():
        assert np.abs(found[key] - values).max() <= 5e-5 * np.abs(values).max(), key
