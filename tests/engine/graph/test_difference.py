"""When two results are too far apart: the floor, the scales of channels, cancelling sums, and what is not finite."""

from __future__ import annotations

import numpy as np
import pytest
from reference.caffe_graphs import conv, data, graph_of, layer

from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.engine.graph.verification.difference import check_close, difference
from caffe64.engine.graph.verification.finite import check_finite, first_not_finite
from caffe64.engine.graph.verification.scale import output_scales
from caffe64.engine.graph.verification.verify import compare_graphs, random_inputs, run_graph
from caffe64.errors import CheckFailed, UsageError

INF, NAN = np.inf, np.nan
TOLERANCE, FLOOR = 1e-4, 1e-7


def dense(name, bottom, outputs, more=""):
    text = f"inner_product_param {{ num_output: {outputs} }} {more}"
    return layer(name, "InnerProduct", bottom, more=text)


def inputs_of(graph, seed=0):
    return random_inputs(graph, infer_shapes(graph), seed, {})


def compared(graph, other, seed=0, floor=FLOOR):
    return compare_graphs(graph, other, inputs_of(graph, seed), floor=floor)


# --------------------------------------------------------------------------------------------------- one output
def test_the_figures_are_the_largest_difference_and_the_largest_beyond_the_floor_over_the_scale():
    a, b = np.float32([[1, 100], [2, 200]]), np.float32([[1.25, 101], [2, 200]])
    found = difference("x", a, b, np.float64([[2, 200]]), floor=0.125)
    assert (found.absolute, found.relative) == (1, 0.0625)
    assert (found.place, found.values) == ((0, 0), (1, 1.25))


def test_differences_up_to_the_floor_are_none():
    a, b = np.float32([1e-6, 0]), np.float32([1.05e-6, 9e-8])
    found = difference("x", a, b, 1e-6, floor=1e-7)
    assert found.relative == 0
    assert found.absolute == pytest.approx(9e-8)
    assert found.place == (1,)
    assert difference("x", a, b, 1e-6, floor=0).relative == pytest.approx(0.09)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [(NAN, NAN, 0), (INF, INF, 0), (-INF, -INF, 0), (INF, -INF, INF), (NAN, 1, INF), (1, NAN, INF), (INF, 1, INF)],
)
def test_what_is_not_finite_is_equal_to_itself_alone(a, b, expected):
    found = difference("x", np.float32([a, 1]), np.float32([b, 1]), 1.0)
    assert (found.absolute, found.relative) == (expected, expected)


def test_a_difference_from_zeros_of_no_scale_counts():
    assert difference("x", np.float32([0]), np.float32([1e-6]), 0.0).relative > 1


def test_arrays_without_values_are_equal_and_of_other_shapes_are_refused():
    nothing = np.zeros((0, 3), np.float32)
    assert difference("x", nothing, nothing, np.zeros((1, 3))).relative == 0
    with pytest.raises(UsageError, match=r"the output 'x' has the shapes \(0, 3\) and \(3,\)"):
        difference("x", nothing, np.zeros(3, np.float32), 1)


def test_a_failure_says_which_output_where_and_by_how_much():
    wrong = difference("x", np.float32([[1, 2]]), np.float32([[1, 2.5]]), 2.0, 0)
    with pytest.raises(CheckFailed) as caught:
        check_close([wrong], TOLERANCE, FLOOR, "the nets differ")
    assert str(caught.value) == (
        "the nets differ: 'x' by 0.25 relative, 0.5 absolute (2 and 2.5 at [0, 1]); "
        "allowed is 0.0001 relative, beyond a floor of 1e-07"
    )
    check_close([wrong], 0.25, FLOOR, "the nets differ")


def test_what_holds_no_values_is_not_verified():
    graph = graph_of(data("0 3 4 4"), conv("c", "data"), layer("r", "ReLU", "data"))
    with pytest.raises(CheckFailed, match="nothing to compare: no values in 'c', 'r' for these inputs"):
        check_close(compared(graph, graph), TOLERANCE, FLOOR, "the nets differ")


# ------------------------------------------------------------------------------------------------------- scales
def with_channel(graph, name, channel, factor):
    """A copy in which the weights of this output of a layer are multiplied by that."""
    other = graph.copy()
    (node,) = [node for node in other.nodes if node.name == name]
    node.weights = [blob.copy() for blob in node.weights]
    for blob in node.weights:
        blob[channel] *= np.float32(factor)
    return other


@pytest.mark.parametrize(
    "layers", [[conv("c", "data")], [conv("c", "data"), layer("r", "ReLU", "c"), dense("d", "r", 4)]]
)
@pytest.mark.parametrize("size", [1, 1e-3, 1e-5])
def test_an_error_in_a_small_channel_is_seen_beside_large_ones(layers, size):
    graph = graph_of(data("1 3 7 6"), *layers)
    name = graph.nodes[-1].name
    small = with_channel(graph, name, 2, size)
    wrong = with_channel(graph, name, 2, size * 1.01)
    (found,) = compared(small, wrong, floor=0)
    assert 1e-3 < found.relative < 0.011
    assert found.place[1] == 2


@pytest.mark.parametrize("seed", range(5))
def test_rounding_errors_of_cancelling_sums_do_not_count_as_a_difference(seed):
    """Each of 200 rows of weights is there twice, once in another order of its terms: sums are rounded otherwise. The
    bias takes away all but a thousandth or a millionth of them."""
    graph = graph_of(data("1 400"), dense("d", "data", 200))
    other = graph.copy()
    random = np.random.default_rng(seed)
    order, x = random.permutation(400), inputs_of(graph, seed)
    W, bias = graph.nodes[-1].weights
    sums = (W.astype(np.float64) @ x["data"][0].astype(np.float64)).astype(np.float32)
    left = np.where(np.arange(200) % 2, np.float32(1e-3), np.float32(1e-6))
    for each, columns in ((graph, slice(None)), (other, order)):
        each.nodes[-1].weights = [np.ascontiguousarray(W[:, columns]), -sums * (1 - left)]
    first = run_graph(graph, x)["d"]
    second = run_graph(other, {"data": np.ascontiguousarray(x["data"][:, order])})["d"]
    assert (np.abs(first - second) > 0.01 * np.abs(first)).any()  # which is a lot, taken relative to what is left
    found = difference("d", first, second, output_scales(graph, x)["d"], 0)
    assert 0 < found.relative < TOLERANCE / 2  # reached: 2.1e-5, with 4 lanes and without FMA
    assert bias.size == 200


def test_tiny_outputs_are_measured_by_the_floor():
    graph = graph_of(data("4 6"), dense("d", "data", 3), layer("s", "Sigmoid", "d"))
    other = graph.copy()
    for each, more in ((graph, 0), (other, 0.05)):
        W, _ = graph.nodes[1].weights
        each.nodes[1].weights = [W, np.full(3, -17 + more, np.float32)]
    (found,) = compared(graph, other)
    assert found.relative == 0  # 5 % of less than 1e-6
    assert found.absolute < 1e-7
    (strict,) = compared(graph, other, floor=0)
    assert strict.relative > 5e-3


def test_scales_are_of_channels_and_of_the_whole_where_there_are_none():
    graph = graph_of(
        data("2 3 7 6"), conv("c", "data"), layer("e", "Reduction", "c", more="reduction_param { axis: 0 }")
    )
    scales = output_scales(graph, inputs_of(graph))
    assert scales["e"].shape == ()
    graph = graph_of(data("2 3 7 6"), conv("c", "data"))
    values, scale = run_graph(graph, inputs_of(graph))["c"], output_scales(graph, inputs_of(graph))["c"]
    assert scale.shape == (1, 4, 1, 1)
    assert (scale >= np.abs(values).max(axis=(0, 2, 3), keepdims=True)).all()


def test_labels_and_choices_are_not_moved():
    graph = graph_of(
        data("4 5"),
        data("4", "label"),
        dense("d", "data", 3),
        layer("split", "Split", "label", "one two"),
        layer("flat", "Flatten", "two", more="flatten_param { axis: 0 }"),
        layer("scaled", "Power", "flat", more="power_param { scale: 2 }"),
        layer("loss", "SoftmaxWithLoss", "d one"),
        layer("best", "ArgMax", "d"),
    )
    x = {"data": inputs_of(graph)["data"], "label": np.float32([0, 1, 2, 2])}
    scales = output_scales(graph, x)
    assert scales["best"].item() == run_graph(graph, x)["best"].max()
    assert scales["loss"] < 100  # another label would move it by some 1, and by 10,000 for the size of the change


def test_scales_are_the_same_each_time():
    graph = graph_of(data("2 3 7 6"), conv("c", "data"), layer("r", "ReLU", "c"), dense("d", "r", 5))
    first, second = (output_scales(graph, inputs_of(graph))["d"] for _ in range(2))
    np.testing.assert_array_equal(first, second)


# --------------------------------------------------------------------------------------------------- not finite
def broken(kind="weights"):
    """A net whose second layer makes what is not finite, and whose later layers pass it on."""
    graph = graph_of(
        data("2 3 9 8"),
        conv("c", "data"),
        layer("l", "Log", "c", "l", "log_param { shift: 0 }") if kind == "values" else conv("l", "c"),
        layer("r", "ReLU", "l", "l"),
        layer("s", "Split", "l", "a b"),
        conv("d", "a"),
    )
    if kind == "weights":
        graph.nodes[2].weights[0][1, 0, 0, 0] = NAN
    return graph


@pytest.mark.parametrize(("kind", "cause"), [("weights", ", with weights that are not finite"), ("values", "")])
def test_the_first_layer_that_makes_what_is_not_finite_is_named(kind, cause):
    graph = broken(kind)
    with pytest.raises(CheckFailed) as caught:
        compared(graph, graph)
    node, top, count, size = first_not_finite(graph, inputs_of(graph))
    assert (node.name, top.name) == ("l", "l")
    assert size == run_graph(graph, inputs_of(graph))["b"].size
    if kind == "weights":
        assert count == size / 4
    counted = sum(not np.isfinite(value) for value in run_graph(graph, inputs_of(graph))["b"].flat)
    assert str(caught.value).startswith("the first net: values that are not finite, of finite inputs: ")
    assert f"'b' holds {counted} of {size}" in str(caught.value)
    assert str(caught.value).endswith(
        f"the first layer that makes such is 'l' ({node.type}): {count} of {size} in 'l'{cause}"
    )


@pytest.mark.parametrize("second", [False, True])
def test_one_side_that_is_not_finite_is_reported(second):
    fine, wrong = graph_of(data("2 3 7 6"), conv("c", "data")), graph_of(data("2 3 7 6"), conv("c", "data"))
    wrong.nodes[1].weights[0][0] = INF
    with pytest.raises(CheckFailed, match=f"^the {'second' if second else 'first'} net: .*'c' \\(Convolution\\)"):
        compared(*((fine, wrong) if second else (wrong, fine)))


def test_inputs_that_are_not_finite_excuse_the_outputs():
    graph = graph_of(data("2 3 7 6"), conv("c", "data"))
    x = inputs_of(graph)
    x["data"][0, 0, 0, 0] = NAN
    (found,) = compare_graphs(graph, graph, x)
    assert (found.absolute, found.relative) == (0, 0)
    (found,) = compare_graphs(graph, with_channel(graph, "c", 1, 1.01), x)
    assert found.relative > 1e-3


def test_outputs_of_another_runtime_are_counted_without_a_layer():
    with pytest.raises(CheckFailed, match=r"^onnxruntime: .*: 'x' holds 2 of 3$"):
        check_finite({"x": np.float32([NAN, 1, INF]), "y": np.zeros(2)}, {"data": np.zeros(2)}, "onnxruntime")
