"""The reference interpreter: against float64 definitions, in memory of its own, and independent of what it is held
against."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.caffe_graphs import conv, data, graph_of, layer
from reference.exact_net import LAYERS, exact_blobs
from reference.executor import Executor
from reference.plans import draw_inputs
from reference.random_nets import MORE, OTHERS, net_of, steps
from reference.runners import assert_agree
from support import assert_close

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.compiler.jit import Inline, Kernel
from caffe64.engine.graph.ops import OPS
from caffe64.engine.graph.plan.lowering import LOWERINGS, lowerings_of
from caffe64.engine.graph.reference import Interpreter, gradients_of
from caffe64.engine.graph.reference.plain import PLAIN
from caffe64.errors import InputError

KINDS = [kind for kind in (*OTHERS, *MORE) if kind.replace(",", "").split()[0] in LAYERS and kind != "Scale by a blob"]
OPS_FOLDER = OPS["Softmax"].prepare.__module__.rpartition(".")[0]


def interpreter_of(graph, inputs, poison=np.nan):
    """It has run, from memory that held `poison` wherever no layer had written."""
    made = Interpreter(graph)
    for blob, array in made.arrays.items():
        array[...] = inputs.get(blob, poison)
    made.forward()
    return made


def test_the_random_nets_are_of_most_types():
    assert len(KINDS) >= 18


@settings(max_examples=60)
@given(chosen=steps(KINDS), channels=st.sampled_from([1, 3, LANES, LANES + 1]), poison=st.sampled_from([np.nan, 1e30]))
def test_each_blob_of_random_nets_is_what_the_definitions_say(chosen, channels, poison):
    """Within what float32 may be off, also where a layer works in place by its names; memory is never read before it is
    written."""
    graph = graph_of(data(f"2 {channels} 5 4"), *net_of(chosen, channels))
    inputs = draw_inputs(graph)
    made, expected = interpreter_of(graph, inputs, poison), exact_blobs(graph, inputs)
    for blob, values in made.arrays.items():
        exactly, error = expected[blob]
        assert_close(blob.name, values, exactly, error)


def random(shape, seed):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@settings(max_examples=40)
@given(chosen=steps({**OTHERS, **MORE}), channels=st.sampled_from([3, LANES + 1]), seed=st.integers(0, 9))
def test_gradients_of_random_nets_are_those_of_what_trains_nets(chosen, channels, seed):
    """Of blobs with several readers, of layers in place by their names, of weights that are shared."""
    graph = graph_of("force_backward: true\n", data(f"2 {channels} 5 4"), *net_of(chosen, channels), seed=seed)
    made, runtime, inputs = Interpreter(graph), Executor(graph, gradients=True), draw_inputs(graph, seed)
    for runner in (made, runtime):
        runner.fill({blob.name: x for blob, x in inputs.items()})
        runner.forward()
    given = {blob: random(made.shapes[blob], number) for number, blob in enumerate(graph.outputs)}
    blobs, weights = gradients_of(made, given)
    gradients = runtime.backward(given)
    for blob in graph.inputs:
        assert_agree(blob.name, gradients[blob], blobs[blob], 1e-4)
    assert weights.keys() == runtime.weights.keys()
    for node, expected in weights.items():
        for found, values in zip(runtime.weights[node], expected, strict=True):
            assert_agree(node.name, found, values, 1e-4)


def test_gradients_of_a_loss_by_hand():
    """d of 2 * sum((x w)**2) / 2 / 2 pictures, with a second reader of x w whose weight in the loss is 3."""
    graph = graph_of(
        "force_backward: true\n",
        data("2 1"),
        data("2 1", "zero"),
        layer("p", "InnerProduct", "data", more="inner_product_param { num_output: 1 bias_term: false }"),
        layer("loss", "EuclideanLoss", "p zero", more="loss_weight: 2"),
        layer("s", "Reduction", "p", more="reduction_param { operation: SUM } loss_weight: 3"),
    )
    graph.nodes[2].weights[0][...] = 5
    made = Interpreter(graph)
    made.fill({"data": np.float32([[1], [2]])})
    made.forward()
    blobs, weights = gradients_of(made)
    product = 2 / 2 * np.array([[5.0], [10]]) + 3
    np.testing.assert_allclose(blobs[graph.nodes[2].tops[0]], product)
    np.testing.assert_allclose(blobs[graph.inputs[0]], 5 * product)
    np.testing.assert_allclose(weights[graph.nodes[2]][0], [[product[0, 0] + 2 * product[1, 0]]])
    np.testing.assert_allclose(blobs[graph.inputs[1]], 3 - product)


IN_PLACE_AND_VIEWS = (
    data("2 3 4 5"),
    conv("c", "data"),
    layer("r", "ReLU", "c", "c"),
    layer("n", "BatchNorm", "c", "c"),
    layer("s", "Split", "c", "one two"),
    layer("f", "Flatten", "one"),
    layer("again", "Reshape", "f", "g", "reshape_param { shape { dim: -1 } }"),
    layer("t", "TanH", "two", "two"),
)


def test_each_blob_has_memory_of_its_own_and_keeps_its_values():
    graph = graph_of(*IN_PLACE_AND_VIEWS)
    made = interpreter_of(graph, draw_inputs(graph))
    for one, other in combinations(made.arrays.values(), 2):
        assert not np.shares_memory(one, other)
    c, rectified, normalised = (made.arrays[node.tops[0]] for node in graph.nodes[1:4])
    assert c.min() < 0 <= rectified.min()
    np.testing.assert_array_equal(np.maximum(c, 0), rectified)
    assert np.abs(normalised - rectified).max() > 0.1
    np.testing.assert_array_equal(made.arrays[graph.nodes[5].tops[0]], normalised.reshape(2, -1))


def test_a_layer_may_run_by_itself_and_weights_are_read_when_it_does():
    graph = graph_of(data("1 4"), layer("d", "InnerProduct", "data", more="inner_product_param { num_output: 2 }"))
    made = Interpreter(graph)
    made.fill({"data": np.ones((1, 4), np.float32)})
    top = made.array(graph.outputs[0])
    assert np.isnan(top).all()
    for weight in (1, 2):
        graph.nodes[1].weights[0][...] = weight
        graph.nodes[1].weights[1][...] = 0
        made.run(1)
        np.testing.assert_array_equal(top, np.full((1, 2), 4.0 * weight))


def test_inputs_that_are_not_filled_are_zeros():
    graph = graph_of(data("1 2"), layer("p", "Power", "data", more="power_param { shift: 3 }"))
    made = Interpreter(graph)
    made.forward()
    np.testing.assert_array_equal(made.array(graph.outputs[0]), np.full((1, 2), 3.0))


def test_what_does_not_fit_is_refused_before_anything_is_allocated():
    graph = graph_of(data("2 3 8 8"), *(layer(f"a{number}", "AbsVal", "data") for number in range(80)))
    with pytest.raises(
        InputError, match=r"needs 34,992,000,000 bytes for all its blobs, expected at most 34,359,738,368"
    ):
        Interpreter(graph, {"data": (1, 3, 6000, 6000)})
    with pytest.raises(InputError, match=r"'c' .* weights"):
        Interpreter(graph_of(data(), conv("c", "data")), {"data": (2, 5, 7, 6)})


def test_what_plans_compile_in_common_with_an_op_is_plain_numpy_here():
    """A kernel that both sides of a comparison run is compared with itself."""
    for kind in LOWERINGS:
        functions = [
            each for lowering in lowerings_of(kind) for each in (lowering.lower, *(k.py_func for k in lowering.kernels))
        ]
        used = [value for function in functions for value in function.__globals__.values()]
        compiled = [value.py_func for value in used if isinstance(value, Inline | Kernel)]
        shared = [function.__name__ for function in compiled if function.__module__.startswith(OPS_FOLDER)]
        assert (kind in PLAIN) == bool(shared), (kind, shared)
