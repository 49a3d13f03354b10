"""(x - mean) * scale, by one number or one per channel: folded into nets, and what else is taken and refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.caffe_graphs import conv, data, graph_of, layer, names, optimised, types
from reference.caffe_windows import convolution

from caffe64.engine.graph.passes.optimize import Passes, optimize_graph
from caffe64.engine.graph.passes.preparation import Preparation
from caffe64.engine.graph.verification.verify import run_graph
from caffe64.errors import UsageError

BGR = Preparation((103.53, 116.28, 123.675), (0.01742919, 0.017507, 0.01712475))  # of torchvision's nets
EPSILON = 2.0**-24


@st.composite
def first_layers(draw):
    """Text and window of a layer that takes a preparation into its weights, and how many channels it reads."""
    per_group, groups = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    channels, kind = per_group * groups, draw(st.sampled_from(["Convolution", "DepthwiseConvolution", "InnerProduct"]))
    bias = draw(st.booleans())
    flag = f"bias_term: {str(bias).lower()}"
    if kind == "InnerProduct":
        text = f"inner_product_param {{ num_output: 5 transpose: {draw(st.sampled_from(['true', 'false']))} {flag} }}"
        return kind, channels, text, None
    if kind == "DepthwiseConvolution":
        groups = channels
    kernel, stride, pad, dilation = (draw(st.integers(low, high)) for low, high in ((1, 3), (1, 2), (0, 2), (1, 2)))
    outputs = channels if kind == "DepthwiseConvolution" else groups * draw(st.integers(1, 3))
    sizes = f"num_output: {outputs} group: {groups} kernel_size: {kernel} stride: {stride} pad: {pad}"
    text = f"convolution_param {{ {sizes} dilation: {dilation} {flag} }}"
    return kind, channels, text, (groups, (kernel,) * 2, (stride,) * 2, (pad,) * 2, (dilation,) * 2)


def numbers(channels: int, low: float, high: float):
    value = st.floats(low, high, width=32)
    return st.one_of(st.tuples(value), st.tuples(*[value] * channels))


def exact(node, x, window):
    """float64, and a bound of |rounding errors| of float32 sums, each after a rounding of its weights and offsets."""
    weights, bias = node.weights[0].astype(float), node.weights[1].astype(float) if len(node.weights) > 1 else None
    if window is None:
        rows = weights.T if node.attributes.transpose else weights
        return x.reshape(len(x), -1) @ rows.T + (0 if bias is None else bias)
    return convolution(x, weights, bias, *window)


@settings(max_examples=150, deadline=None)
@given(data_=st.data(), layer_=first_layers(), seed=st.integers(0, 99))
def test_a_folded_preparation_is_that_of_each_channel(data_, layer_, seed):
    kind, channels, text, window = layer_
    graph = graph_of(data(f"2 {channels} 7 6"), layer("c", kind, "data", "c", text), seed=seed)
    mean = data_.draw(st.one_of(st.just(()), numbers(channels, -200, 200)))
    scale = data_.draw(numbers(channels, 2.0**-8, 4).map(lambda each: tuple(s * (-1) ** i for i, s in enumerate(each))))
    smaller, _ = optimize_graph(graph, Passes(inputs={"data": Preparation(mean, scale)}))
    assert types(smaller) in (["Input", kind], ["Input", "Bias", kind])

    x = np.random.default_rng(seed).integers(0, 256, (2, channels, 7, 6))
    shifts, factors = (np.reshape(each or (0.0,), (1, -1, 1, 1)) for each in (mean, scale))
    expected = exact(graph.nodes[1], (x - shifts) * factors, window)
    found = run_graph(smaller, {"data": x.astype(np.float32)})["c"]
    for blob in graph.nodes[1].weights:
        np.abs(blob, out=blob)
    size = exact(graph.nodes[1], (x + np.abs(shifts)) * np.abs(factors), window)  # of all that is added up
    summands = channels * (42 if window is None else 9) + 4
    assert (np.abs(found - expected) <= summands * EPSILON * size).all()


@pytest.mark.parametrize("shape", ["2 3 7 6", "2 3"])
def test_where_no_weights_can_take_it_a_scale_layer_does(shape):
    graph = graph_of(data(shape), layer("p", "Power", "data", "p", "power_param { power: 2 }"))
    smaller, _ = optimised(graph, prepared={"data": BGR})
    assert types(smaller) == ["Input", "Scale", "Power"]
    gamma, beta = smaller.nodes[1].weights
    np.testing.assert_allclose(gamma, BGR.scale, rtol=1e-7)
    np.testing.assert_allclose(beta, -np.multiply(BGR.mean, BGR.scale), rtol=1e-7)


def test_an_input_of_one_axis_takes_one_number():
    graph = graph_of(data("5"), layer("p", "Power", "data", "p", "power_param { power: 2 }"))
    smaller, _ = optimised(graph, prepared={"data": Preparation(33, 0.5)})
    found = run_graph(smaller, {"data": np.arange(5, dtype=np.float32)})["p"]
    np.testing.assert_array_equal(found, ((np.arange(5) - 33) * 0.5) ** 2)


def test_all_readers_take_their_channels():
    readers = [
        conv("c", "data", more="pad: 1"),
        layer("d", "InnerProduct", "data", "d", "inner_product_param { num_output: 2 }"),
    ]
    smaller, _ = optimised(graph_of(data(), *readers), prepared={"data": BGR})
    assert names(smaller) == ["data", "data_bias", "c", "d"]


@pytest.mark.parametrize(
    "preparation", [Preparation((1.0, 2.0), 1), Preparation((), (1.0, 2.0, 3.0, 4.0)), Preparation(0, (1, 2))]
)
def test_numbers_of_other_channels_are_refused(preparation):
    graph = graph_of(data(), conv("c", "data"))
    with pytest.raises(UsageError, match=r"the (mean|scale) has \d numbers, and the input 'data' \[2, 3, 7, 6\]"):
        optimize_graph(graph, Passes(inputs={"data": preparation}))
    with pytest.raises(UsageError, match="expected one number, or one for each of 3 channels"):
        preparation.apply("data", np.zeros((2, 3, 7, 6)))


def test_numbers_come_in_any_form():
    for mean in ((1, 2.5), [1, 2.5], np.array([1, 2.5]), np.array([1, 2.5], np.float16), (np.int8(1), np.float32(2.5))):
        assert Preparation(mean, 1) == Preparation((1.0, 2.5), (1.0,))
    for scale in (2, 2.0, np.float32(2), np.array(2), np.array([2]), [2]):
        assert Preparation((), scale) == Preparation(scale=(2.0,))
    assert hash(Preparation([1, 2], np.ones(2))) == hash(Preparation((1.0, 2.0), (1.0, 1.0)))
    assert not Preparation()
    assert not Preparation((0, 0, 0), (1, 1, 1))
    assert Preparation((0, 0, 1e-9))
    assert Preparation((), (1, 1, 2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("104,117,123",), "mean is '104,117,123', expected one number, or a list of one per channel"),
        ((None,), "mean is None"),
        (({104, 117},), "mean is of the type set"),
        ((True,), "mean is True, expected a number, finite as float32"),
        (((1, "2", 3),), r"mean\[1\] is '2', expected a number, finite as float32"),
        (((1, 2j, 3),), r"mean\[1\] is 2j"),
        ((np.array([1, 2j]),), r"mean\[0\] is \(1\+0j\)"),
        ((np.array([True, False]),), r"mean\[0\] is True"),
        (((1, float("nan")),), r"mean\[1\] is nan"),
        (((1, float("inf")),), r"mean\[1\] is inf"),
        (((1e39,),), r"mean\[0\] is 1e\+39"),
        ((10**400,), "mean is 1000"),
        (([[1, 2, 3]],), r"mean\[0\] is of the type list"),
        (
            (np.zeros((3, 8, 6)),),
            r"mean has the shape \(3, 8, 6\), expected one number, or one per channel .*mean\.mean\(",
        ),
        ((np.zeros((3, 1, 1)),), r"mean has the shape \(3, 1, 1\)"),
        (((), 0), "scale is 0, expected a number other than 0, finite as float32"),
        (((), (1, 0.0)), r"scale\[1\] is 0\.0, expected a number other than 0, finite as float32"),
        (((), ()), "scale is empty, expected one number other than 0, or one per channel"),
        (((), 1e-46), "scale is 1e-46, expected a number other than 0"),
        (((1, 2, 3), (1, 2)), "the mean has 3 numbers and the scale 2, expected as many"),
        (((), "0.017"), "scale is '0.017'"),
        (((), None), "scale is None"),
        (((), np.zeros((3, 1, 1))), r"scale has the shape \(3, 1, 1\), expected one number other than 0, or one per"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_value_that_is_not_a_number_is_refused_by_its_name(arguments, message):
    with pytest.raises(UsageError, match=message):
        Preparation(*arguments)
