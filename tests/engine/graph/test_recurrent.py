"""LSTM, RNN, Lstm and LSTMUnit against float64 steps, their slopes, their state between runs, ONNX, and what is
refused."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.caffe_graphs import graph_of, layer, optimised
from reference.caffe_layers import built, input_text, net_text
from reference.caffe_running import drawn, run
from reference.caffe_slopes import check_slopes
from reference.executor import Executor
from reference.plans import run_plan

import caffe64
from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.analysis.shapes import infer_shapes, weight_shapes
from caffe64.engine.graph.frontends.caffe.build import build_graph
from caffe64.engine.graph.frontends.caffe.write import graph_message
from caffe64.engine.graph.plan import Plan
from caffe64.errors import InputError

few = settings(max_examples=12, deadline=None)
UNITS = [1, 3, LANES - 1, LANES, 2 * LANES + 3]
STREAMS = [1, 2, 3, 7, 9]


# ------------------------------------------------------------------------------------------ float64, step by step
def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_step(z, cont, c):
    i, f, o, g = np.split(z, 4, axis=-1)
    c = cont * sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def lstm(x, cont, static, state, weights):
    """h of all steps, and the state after them."""
    of_x, bias, *of_static, of_h = weights
    h, c = state
    found = []
    for x_t, cont_t in zip(x.reshape(*x.shape[:2], int(np.prod(x.shape[2:]))), cont[..., None], strict=True):
        z = x_t @ of_x.T + bias + (cont_t * h) @ of_h.T
        if of_static:
            z = z + static.reshape(len(static), -1) @ of_static[0].T
        h, c = lstm_step(z, cont_t, c)
        found.append(h)
    return np.array(found), (h, c)


def rnn(x, cont, static, state, weights):
    of_x, bias, *of_static, of_h, of_o, bias_o = weights
    (h,) = state
    found = []
    for x_t, cont_t in zip(x.reshape(*x.shape[:2], int(np.prod(x.shape[2:]))), cont[..., None], strict=True):
        z = x_t @ of_x.T + bias + (cont_t * h) @ of_h.T
        h = np.tanh(z + static.reshape(len(static), -1) @ of_static[0].T if of_static else z)
        found.append(np.tanh(h @ of_o.T + bias_o))
    return np.array(found), (h,)


STEPS = {"LSTM": lstm, "RNN": rnn}
STATES = {"LSTM": 2, "RNN": 1}


def conts(steps, streams, seed=0, values=(0.0, 1.0, 1.0)):
    return np.random.default_rng(seed).choice(np.float32(values), (steps, streams))


def weights_of(kind, inputs, static, units, seed=0):
    gates = {"LSTM": 4, "RNN": 1}[kind] * units
    shapes = [(gates, inputs), (gates,), *([(gates, static)] if static else []), (gates, units)]
    shapes += [(units, units), (units,)] if kind == "RNN" else []
    return [drawn(*shape, seed=seed + n) * np.float32(0.5) for n, shape in enumerate(shapes)]


def parameters(units, expose=False):
    return f"recurrent_param {{ num_output: {units} expose_hidden: {str(expose).lower()} }}"


def case(kind, steps, streams, inputs, units, static=0, expose=False, values=(0.0, 1.0, 1.0)):
    """Bottoms, weights, and a float64 function of both that gives the tops."""
    bottoms = [drawn(steps, streams, inputs), conts(steps, streams, values=values)]
    bottoms += [drawn(streams, static, 1, seed=5)] if static else []
    states = [drawn(1, streams, units, seed=6 + n) for n in range(STATES[kind])] if expose else []

    def function(*arrays):
        given, own = arrays[: len(bottoms) + len(states)], arrays[len(bottoms) + len(states) :]
        state = given[len(bottoms) :] or [np.zeros((1, streams, units))] * STATES[kind]
        h, ends = STEPS[kind](given[0], given[1], given[2] if static else None, [each[0] for each in state], own)
        return [h, *(end[None] for end in ends)] if expose else [h]

    return [*bottoms, *states], weights_of(kind, inputs, static, units), function


@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
@few
@given(
    steps=st.sampled_from([1, 2, 5]), streams=st.sampled_from(STREAMS), inputs=st.sampled_from([1, 4, LANES + 1]),
    units=st.sampled_from(UNITS), static=st.sampled_from([0, 3]), expose=st.booleans(),
    values=st.sampled_from([(0.0, 1.0), (0.0, 0.5, 1.0, -1.0)]),
)  # fmt: skip
def test_all_steps(kind, steps, streams, inputs, units, static, expose, values):
    bottoms, weights, function = case(kind, steps, streams, inputs, units, static, expose, values)
    text = f'type: "{kind}" {parameters(units, expose)}'
    found, _ = run(text, bottoms, weights, tops=1 + STATES[kind] if expose else 1)
    expected = function(*(each.astype(float) for each in (*bottoms, *weights)))
    for top, values in zip(found, expected, strict=True):
        np.testing.assert_allclose(top, values, atol=2e-6)


def test_more_units_than_a_stretch_of_a_product_takes():
    bottoms, weights, function = case("LSTM", 2, 3, 2, 401)
    weights = [each / np.float32(10) for each in weights]
    (found,), _ = run(f'type: "LSTM" {parameters(401)}', bottoms, weights)
    np.testing.assert_allclose(found, function(*(each.astype(float) for each in (*bottoms, *weights)))[0], atol=2e-6)


@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
@pytest.mark.parametrize(("streams", "static"), [(1, 0), (3, 2), (9, 0)])
def test_slopes(kind, streams, static):
    """Also for fractions of cont."""
    bottoms, weights, function = case(kind, 4, streams, 3, LANES + 1, static, values=(0.0, 0.5, 1.0))
    text = f'type: "{kind}" {parameters(LANES + 1)}'
    check_slopes(lambda *arrays: function(*arrays)[0], text, bottoms, weights, fixed=[1])


def test_the_state_that_is_given_gets_no_gradient_and_that_which_is_left_gives_none():
    """As in Caffe."""
    bottoms, weights, _ = case("LSTM", 3, 2, 3, 4, expose=True)
    graph = built("force_backward: true " + net_text("LSTM", [each.shape for each in bottoms], parameters(4, True), 3))
    graph.nodes[-1].weights = weights
    net = caffe64.CaffeNet(graph)
    net.forward(**{f"b{number}": each for number, each in enumerate(bottoms)})
    found = net.backward(t0=np.zeros((3, 2, 4)), t1=np.ones((1, 2, 4)), t2=np.ones((1, 2, 4)))
    assert sorted(found) == ["b0", "b2", "b3"]
    assert not any(values.any() for values in found.values())


# --------------------------------------------------------------------------------------------- Lstm, LSTMUnit
def own(x, clip, state, weights):
    of_x, of_h, bias = weights
    h, _ = STEPS["LSTM"](x, clip, None, state, [of_x, bias, of_h])
    return h


@pytest.mark.parametrize(("steps", "streams", "units"), [(1, 1, 1), (5, 3, LANES + 1), (4, 9, 3)])
@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("clipped", [False, True])
def test_the_other_lstm(steps, streams, units, flat, clipped):
    x, clip = drawn(steps, streams, 4), conts(steps, streams, values=(0.0, 1.0, 3.0))
    of_x, bias, of_h = weights_of("LSTM", 4, 0, units)
    weights, zeros = [of_x, of_h, bias], [np.zeros((streams, units))] * 2
    bottoms = [x.reshape(-1, 4) if flat else x, *([clip.reshape(-1)] if clipped else [])]
    begins = np.ones((steps, streams))
    begins[0] = 0
    text = f'type: "Lstm" lstm_param {{ num_output: {units} batch_size: {streams} }}'

    def function(x, *others):
        cont = others[0].reshape(steps, streams) != 0 if clipped else begins
        h = own(x.reshape(steps, streams, 4), cont, zeros, others[-3:])
        return h.reshape(-1, units) if flat else h

    (found,), _ = run(text, bottoms, weights)
    np.testing.assert_allclose(found, function(*(each.astype(float) for each in (*bottoms, *weights))), atol=2e-6)
    check_slopes(function, text, bottoms, weights, fixed=[1] if clipped else [])


def test_clipped_gradients():
    """Of one step, whose gradient is the product of z's with W_x."""
    x, weights = drawn(1, 1, 3), [drawn(8, 3, seed=1), drawn(8, 2, seed=2), drawn(8, seed=3)]
    gradients = []
    for bound in (0, 1e-3):
        graph = built(net_text("Lstm", [x.shape], f"lstm_param {{ num_output: 2 clipping_threshold: {bound} }}"))
        graph.force_backward, graph.nodes[-1].weights = True, weights
        net = caffe64.CaffeNet(graph)
        net.forward(b0=x)
        net.backward(t0=np.full((1, 1, 2), 5))
        gradients.append(net.params["it"][2].diff.copy())
    np.testing.assert_allclose(gradients[1], np.clip(gradients[0], -1e-3, 1e-3), rtol=1e-5)
    assert (np.abs(gradients[0]) > 1e-3).any()


@pytest.mark.parametrize("units", UNITS)
def test_one_unit_step(units):
    c, z, cont = drawn(1, 3, units), drawn(1, 3, 4 * units, seed=1), np.float32([[0, 1, 0.5]])

    def function(c, z, cont):
        h, c = lstm_step(z, cont[..., None], c)
        return [c, h]

    found, _ = run('type: "LSTMUnit"', [c, z, cont], tops=2)
    for top, expected in zip(found, function(*(each.astype(float) for each in (c, z, cont))), strict=True):
        np.testing.assert_allclose(top, expected, atol=2e-6)
    check_slopes(function, 'type: "LSTMUnit"', [c, z, cont], fixed=[2])


# -------------------------------------------------------------------------------------- the state between runs
KINDS = ["LSTM", "RNN", "Lstm"]


def net_of(kind, steps=2, streams=3, phase="TEST"):
    """A net that carries its state over, and its inputs x and cont."""
    shape = (steps * streams,) if kind == "Lstm" else (steps, streams)
    text = input_text("x", (steps, streams, 4)) + input_text("cont", shape)
    field = "lstm_param" if kind == "Lstm" else "recurrent_param"
    fillers = 'weight_filler { type: "uniform" min: -1 max: 1 } bias_filler { type: "uniform" }'
    text += layer("relu", "Power", "x", "inner")
    text += layer("it", kind, "inner cont", "h", f"{field} {{ num_output: 5 {fillers} }}")
    graph = built(text, phase)
    source = np.random.default_rng(0)
    graph.nodes[-1].weights = [
        source.uniform(-0.5, 0.5, shape).astype(np.float32) for shape in weight_shapes(graph, infer_shapes(graph))[-1]
    ]
    return caffe64.CaffeNet(graph), {"x": drawn(steps, streams, 4), "cont": np.ones(shape, np.float32)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_sequence_may_come_in_parts(kind):
    long, inputs = net_of(kind, steps=6)
    x, expected = drawn(6, 3, 4), long.forward(x=drawn(6, 3, 4), cont=inputs["cont"])["h"]
    short, parts = net_of(kind)
    found = [short.forward(x=x[at : at + 2], cont=parts["cont"])["h"] for at in (0, 2, 4)]
    np.testing.assert_allclose(np.concatenate(found), expected, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_where_the_state_is_kept(kind):
    net, inputs = net_of(kind)
    first, second, third = (net.forward(**inputs)["h"] for _ in range(3))
    assert np.abs(second - first).max() > 1e-3 < np.abs(third - second).max()
    other, _ = net_of(kind)
    np.testing.assert_array_equal(other.forward(**inputs)["h"], first)  # two nets share none
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net)), copy.copy(net)):
        np.testing.assert_allclose(twin.forward(**inputs)["h"], first, atol=1e-6)  # a copy begins with zeros
    restart = {**inputs, "cont": np.zeros_like(inputs["cont"])}
    again = net.forward(**restart)["h"]
    np.testing.assert_array_equal(net.forward(**restart)["h"], again)  # cont 0 begins a sequence
    net.reshape(x=(2, 4, 4), cont=(8,) if kind == "Lstm" else (2, 4))
    net.reshape(x=(2, 3, 4), cont=inputs["cont"].shape)
    np.testing.assert_array_equal(net.forward(**inputs)["h"], first)  # so does a reshape


@pytest.mark.parametrize("kind", KINDS)
def test_the_state_goes_with_a_net_that_begins_to_keep_all_blobs(kind):
    expected, inputs = net_of(kind)
    runs = [expected.forward(**inputs)["h"] for _ in range(4)]
    net, _ = net_of(kind)
    np.testing.assert_array_equal(net.forward(**inputs)["h"], runs[0])
    np.testing.assert_allclose(net.forward(**inputs)["h"], runs[1], atol=1e-6)
    assert net.blobs["inner"].data.shape == (2, 3, 4)  # runs the net again, for this blob
    np.testing.assert_allclose(net.blobs["h"].data, runs[1], atol=1e-6)
    np.testing.assert_allclose(net.forward(**inputs)["h"], runs[2], atol=1e-6)
    net.backward(h=np.ones((2, 3, 5)))  # once more, to keep what gradients need
    np.testing.assert_allclose(net.blobs["h"].data, runs[2], atol=1e-6)
    np.testing.assert_allclose(net.forward(**inputs)["h"], runs[3], atol=1e-6)


def test_a_second_executor_of_the_same_graph_has_a_state_of_its_own():
    net, inputs = net_of("LSTM")
    first, second = (net.forward(**inputs)["h"] for _ in range(2))
    plan, h = Plan(net.graph), net.graph.outputs[0]
    arrays = {blob: inputs[blob.name] for blob in net.graph.inputs}
    for _ in range(2):  # nothing counts its runs, so each begins alike
        np.testing.assert_array_equal(run_plan(plan, arrays)[h], first)
    other = Executor(net.graph)
    other.fill(inputs)
    other.forward()
    np.testing.assert_allclose(other.arrays[h], first, atol=1e-6)
    fresh, _ = net_of("LSTM")
    fresh.forward(**inputs)
    np.testing.assert_array_equal(fresh.forward(**inputs)["h"], second)


def test_nan_does_not_outlive_its_sequence():
    net, inputs = net_of("LSTM")
    first = net.forward(**inputs)["h"]
    assert np.isnan(net.forward(x=np.full((2, 3, 4), np.nan), cont=inputs["cont"])["h"]).all()
    begin = inputs["cont"].copy()
    begin[0] = 0
    np.testing.assert_allclose(net.forward(x=inputs["x"], cont=begin)["h"], first, atol=1e-6)


def test_written_weights_are_packed_again():
    net, inputs = net_of("LSTM")
    inputs["cont"][0] = 0
    before = net.forward(**inputs)["h"]
    for blob in net.params["it"]:
        blob.data[...] = 0
    assert before.any()
    assert not net.forward(**inputs)["h"].any()


@pytest.mark.parametrize("kind", KINDS)
def test_the_slope_of_a_run_that_began_with_a_state(kind):
    """Gradients end at the first step, which the state of the run before is a constant for."""
    net, inputs = net_of(kind)
    net.graph.force_backward = True
    net.forward(**inputs)
    h = net.forward(**inputs)["h"]
    dy = drawn(*h.shape, seed=4)
    found, dw = net.backward(h=dy)["x"].copy(), [blob.diff.copy() for blob in net.params["it"]]
    direction, step = drawn(2, 3, 4, seed=5), np.float32(1e-2)
    sides = []
    for side in (step, -step):
        moved, _ = net_of(kind)
        moved.forward(**inputs)
        sides.append((moved.forward(x=inputs["x"] + side * direction, cont=inputs["cont"])["h"] * dy).sum(dtype=float))
    np.testing.assert_allclose((sides[0] - sides[1]) / (2 * step), (found * direction).sum(), rtol=2e-3)
    for number, gradient in enumerate(dw):
        direction, sides = drawn(*gradient.shape, seed=6), []
        for side in (step, -step):
            moved, _ = net_of(kind)
            moved.forward(**inputs)
            moved.params["it"][number].data[...] += side * direction
            sides.append((moved.forward(**inputs)["h"] * dy).sum(dtype=float))
        np.testing.assert_allclose((sides[0] - sides[1]) / (2 * step), (gradient * direction).sum(), rtol=5e-3)


# ------------------------------------------------------------------------------------------------ at the edges
@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
@pytest.mark.parametrize(("steps", "streams", "inputs"), [(0, 2, 3), (2, 0, 3), (2, 3, 0)])
@pytest.mark.parametrize("expose", [False, True])
def test_no_steps_no_streams_no_inputs(kind, steps, streams, inputs, expose):
    bottoms, weights, function = case(kind, steps, streams, inputs, 4, expose=expose)
    found, _ = run(f'type: "{kind}" {parameters(4, expose)}', bottoms, weights, tops=1 + STATES[kind] * expose)
    assert found[0].shape == (steps, streams, 4)
    if steps:
        expected = function(*(each.astype(float) for each in (*bottoms, *weights)))
        np.testing.assert_allclose(found[0], expected[0], atol=2e-6)
    for end, start in zip(found[1:], bottoms[2:], strict=True):
        assert steps or (end == start).all()


def test_gradients_of_no_steps():
    bottoms, weights, _ = case("RNN", 0, 2, 3, 4)
    graph = built("force_backward: true " + net_text("RNN", [each.shape for each in bottoms], parameters(4)))
    graph.nodes[-1].weights = weights
    net = caffe64.CaffeNet(graph)
    net.forward(b0=bottoms[0], b1=bottoms[1])
    assert net.backward()["b0"].shape == (0, 2, 3)
    assert not any(blob.diff.any() for blob in net.params["it"])


REFUSED = [
    ("LSTM", [(5, 3, 6), (5, 3)], "num_output: 4294967295", "weights, expected at most 2147483647"),
    ("LSTM", [(5, 3, 6), (5, 3)], "num_output: 30000", "weights, expected at most"),
    ("LSTM", [(50000, 3000, 1), (50000, 3000)], "num_output: 4", "numbers for all steps, expected at most"),
    ("LSTM", [(5, 3, 6), (5, 3)], "", "has num_output 0, expected at least 1"),
    ("LSTM", [(5, 3, 6), (3, 5)], "num_output: 4", r"bottoms of shapes \[5, 3, 6\] and \[3, 5\]"),
    ("LSTM", [(5, 3, 6), (5, 3, 1)], "num_output: 4", r"expected \[steps, streams, ...\], \[steps, streams\]"),
    ("LSTM", [(5,), (5,)], "num_output: 4", r"expected \[steps, streams"),
    ("LSTM", [(5, 3, 6), (5, 3), (5, 2)], "num_output: 4", r"has a static input of shape \[5, 2\], expected \[3"),
    ("LSTM", [(5, 3, 6), (5, 3), (3, 2), (1, 3, 4)], "num_output: 4", "has 4 bottoms, expected x, cont, perhaps"),
    ("RNN", [(5, 3, 6), (5, 3)], "num_output: 4 expose_hidden: true", "has 2 bottoms, expected .* and 1 of the state"),
    ("RNN", [(5, 3, 6), (5, 3), (1, 3, 4)], "num_output: 4 expose_hidden: true", "has 1 tops, expected 2"),
    ("Lstm", [(7, 6)], "num_output: 4 batch_size: 2", "has 7 rows and batch_size 2, expected a multiple"),
    ("Lstm", [(7, 6)], "num_output: 4 batch_size: 0", "has 7 rows and batch_size 0"),
    ("Lstm", [(0, 6)], "num_output: 4 batch_size: 2000000000", "numbers for all steps, expected at most"),
    ("Lstm", [(5, 3, 6), (5,)], "num_output: 4", "5 numbers of clip, expected 15, one per step of each stream"),
    ("Lstm", [(5, 3, 6)], "num_output: 1000000000", "weights, expected at most"),
    ("Lstm", [(5,)], "num_output: 1", r"has a bottom of shape \[5\]"),
]


@pytest.mark.parametrize(("kind", "shapes", "fields", "message"), REFUSED)
def test_layers_that_do_not_fit(kind, shapes, fields, message):
    name = "lstm_param" if kind == "Lstm" else "recurrent_param"
    with pytest.raises(InputError, match=rf"layer 'it' \({kind}\): .*{message}"):
        infer_shapes(built(net_text(kind, shapes, f"{name} {{ {fields} }}")))


def test_states_and_units_that_do_not_fit():
    shapes = [(5, 3, 6), (5, 3), (1, 3, 4), (3, 4)]
    with pytest.raises(InputError, match=r"has a state of shape \[3, 4\], expected \[1, 3, 4\]"):
        infer_shapes(built(net_text("LSTM", shapes, parameters(4, True), 3)))
    with pytest.raises(InputError, match=r"layer 'it' \(LSTMUnit\): bottoms of shapes"):
        infer_shapes(built(net_text("LSTMUnit", [(1, 3, 4), (1, 3, 15), (1, 3)], "", 2)))


# ------------------------------------------------------------------------------------------------------- files
def exported(graph):
    """The model, whose outputs in onnxruntime are the engine's."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from caffe64.engine.graph.frontends.onnx.compare import compare_with_onnxruntime
    from caffe64.engine.graph.frontends.onnx.write.model import onnx_model

    model = onnx_model(graph, infer_shapes(graph), "1")
    for each in compare_with_onnxruntime(model, graph, infer_shapes(graph)):
        assert each.relative <= 1e-5, each
    return model


@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
@pytest.mark.parametrize(("steps", "static", "expose"), [(1, 0, False), (5, 0, False), (5, 3, False), (4, 2, True)])
def test_recurrent_layers_are_exported(kind, steps, static, expose):
    bottoms, weights, _ = case(kind, steps, 2, 3, 4, static, expose)
    text = net_text(kind, [each.shape for each in bottoms], parameters(4, expose), 1 + STATES[kind] * expose)
    graph = built(text)
    graph.nodes[-1].weights = weights
    model = exported(graph)
    assert not any(dim.dim_param for each in model.graph.input for dim in each.type.tensor_type.shape.dim)


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("flat", [False, True])
def test_the_other_lstm_is_exported(clip, flat):
    shapes = [(6, 3) if flat else (3, 2, 3), *([(6,)] if clip else [])]
    graph = built(net_text("Lstm", shapes, "lstm_param { num_output: 4 batch_size: 2 }"))
    of_x, bias, of_h = weights_of("LSTM", 3, 0, 4)
    graph.nodes[-1].weights = [of_x, of_h, bias]
    model = exported(graph)
    assert ("LSTM" in [node.op_type for node in model.graph.node]) == (not clip)
    assert bool(model.graph.input[0].type.tensor_type.shape.dim[0].dim_param) == (not clip and not flat)


def test_a_unit_is_exported_and_too_many_steps_are_not():
    exported(built(net_text("LSTMUnit", [(1, 3, 4), (1, 3, 16), (1, 3)], "", 2)))
    graph = built(net_text("RNN", [(1025, 1, 1), (1025, 1)], parameters(1)))
    graph.nodes[-1].weights = weights_of("RNN", 1, 0, 1)
    with pytest.raises(InputError, match="has 1025 steps, expected 1 to 1024"):
        exported(graph)


def test_the_state_that_onnx_does_not_keep_is_said():
    from caffe64.caffe.export import not_in_onnx

    net, _ = net_of("LSTM")
    assert not_in_onnx(net) == ["the state of 'it' (LSTM), which begins with zeros in each run"]
    exposed = built(net_text("RNN", [(2, 3, 4), (2, 3), (1, 3, 5)], parameters(5, True), 2))
    assert not_in_onnx(caffe64.CaffeNet(exposed)) == []


def test_a_net_is_optimised_written_and_read_again(tmp_path):
    text = [
        input_text("words", (4, 2)), input_text("cont", (4, 2)), input_text("picture", (2, 3)),
        layer("embed", "Embed", "words", None, "embed_param { num_output: 5 input_dim: 7 }"),
        layer("lstm", "LSTM", "embed cont picture", None, parameters(6)),
        layer("drop", "Dropout", "lstm", "lstm"),
        layer("ip", "InnerProduct", "lstm", None, "inner_product_param { num_output: 3 axis: 2 }"),
    ]  # fmt: skip
    graph = graph_of(*text)
    smaller, _ = optimised(graph)
    net = caffe64.CaffeNet(smaller)
    net.save(tmp_path / "net.prototxt", tmp_path / "net.caffemodel")
    again = caffe64.load_caffe(tmp_path / "net.prototxt", tmp_path / "net.caffemodel")
    inputs = {"words": [[1, 2], [3, 4], [5, 6], [0, 1]], "cont": np.ones((4, 2)), "picture": drawn(2, 3)}
    np.testing.assert_array_equal(again.forward(**inputs)["ip"], net.forward(**inputs)["ip"])
    for kind, fields in (("LSTM", parameters(4)), ("RNN", parameters(4)), ("Lstm", "lstm_param { num_output: 4 }")):
        graph = built(net_text(kind, [(5, 3, 6)] if kind == "Lstm" else [(5, 3, 6), (5, 3)], fields))
        attributes = graph.nodes[-1].attributes
        graph.nodes[-1].origin = None
        assert build_graph(graph_message(graph)).nodes[-1].attributes == attributes


@pytest.mark.parametrize(("kind", "static", "expected"), [("LSTM", 0, "wbw"), ("LSTM", 1, "wbww"), ("RNN", 0, "wbwwb")])
def test_the_fillers_of_each_blob(kind, static, expected):
    fillers = 'weight_filler { type: "constant" value: 2 } bias_filler { type: "constant" value: 3 }'
    shapes = [(2, 3, 4), (2, 3), *([(3, 1)] * static)]
    text = net_text(kind, shapes, f"recurrent_param {{ num_output: 2 {fillers} }}")
    assert "".join("wb"[each.value == 3] for each in built(text).nodes[-1].fillers) == expected
