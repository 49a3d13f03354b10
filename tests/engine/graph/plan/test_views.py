"""Layers that only look at a blob, layers that no lowering knows, and both between others, against float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.caffe_graphs import conv, data, graph_of, layer
from reference.plans import check_plan, draw_inputs, run_plan, ways

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.plan import Plan

CHANNELS = st.sampled_from([1, LANES - 1, LANES, LANES + 1, 2 * LANES])
SIDES = st.integers(1, 4)
LAYERS = {
    "ReLU": ("ReLU", ""),
    "Dropout": ("Dropout", ""),
    "AbsVal": ("AbsVal", ""),  # no lowering knows it
    "PReLU": ("PReLU", ""),
    "Softmax": ("Softmax", ""),
    "Flatten": ("Flatten", ""),
    "Reshape": ("Reshape", "reshape_param { shape { dim: 0 dim: -1 dim: 1 dim: 1 } }"),
    "InnerProduct": ("InnerProduct", "inner_product_param { num_output: 9 }"),
    "Scale": ("Scale", "scale_param { bias_term: true }"),
}


@settings(max_examples=80)
@given(
    shape=st.tuples(st.integers(1, 3), CHANNELS, SIDES, SIDES),
    keys=st.lists(st.sampled_from(sorted(LAYERS)), min_size=1, max_size=7),
    from_convolution=st.booleans(),
    read=st.integers(0, 7),
)
def test_chains(shape, keys, from_convolution, read):
    """One behind the other, of which one blob is read by another layer at the end as well."""
    names = ["data", *(f"l{number}" for number in range(len(keys)))]
    layers = [data(" ".join(map(str, shape)))]
    if from_convolution:
        layers.append(conv("first", "data", outputs=LANES + 1, more="pad: 1"))
        names[0] = "first"
    for n, key in enumerate(keys):
        kind, more = LAYERS[key]
        layers.append(layer(f"l{n}", kind, names[n], more=more))
    layers.append(layer("late", "AbsVal", names[read % len(names)]))
    check_plan(graph_of(*layers))


@pytest.mark.parametrize("channels", [3, LANES, LANES + 1])
def test_split_between_readers_that_would_overwrite(channels):
    """ReLU and Softmax may work in place, but not on what the other top's readers read."""
    graph = graph_of(
        data(f"2 {channels} 4 5"),
        conv("c", "data", outputs=channels, more="pad: 1"),
        layer("s", "Split", "c", "s1 s2 s3"),
        layer("r", "ReLU", "s1"),
        layer("b", "Bias", "s2"),
        layer("e", "Eltwise", "s3 b"),
        layer("d", "Dropout", "r"),
        layer("f", "Eltwise", "d e s1"),
    )
    check_plan(graph)


@pytest.mark.parametrize("channels", [3, LANES])
def test_unknown_layers_between_known_ones(channels):
    graph = graph_of(
        data(f"2 {2 * channels} 4 5"),
        layer("s", "Slice", "data", "s1 s2"),
        conv("c", "s1", outputs=channels, more="pad: 2"),
        layer("a", "AbsVal", "c"),
        conv("d", "a", outputs=channels),
        layer("b", "AbsVal", "d"),
        layer("e", "Eltwise", "s2 d b"),
        layer("t", "Slice", "e", "t1 t2", "slice_param { slice_point: 1 }") if channels == 3 else "",
        layer("z", "Silence", "t1", "") if channels == 3 else "",
    )
    plan = check_plan(graph)
    assert [ways(plan)[name] for name in ("a", "b")] == [None] * 2


@pytest.mark.parametrize(("kind", "axes"), [("Bias", "2 9 1 1 2"), ("PReLU", "2 3 2 2 2"), ("Eltwise", "9")])
def test_blobs_of_one_and_of_five_axes_are_left_to_the_layer(kind, axes):
    graph = graph_of(
        data(axes), layer("it", kind, "data data" if kind == "Eltwise" else "data"), layer("a", "AbsVal", "it")
    )
    assert ways(check_plan(graph))["it"] is None


def test_several_outputs_all_stay():
    """Each is moved at the end, and must outlive the moves of the others."""
    branches = [conv(f"c{number}", "data", outputs=4 + number) for number in range(6)]
    check_plan(graph_of(data("1 3 9 7"), *branches))


def test_an_output_that_is_early_stays():
    graph = graph_of(data("1 3 9 7"), conv("c", "data"), layer("early", "AbsVal", "c"), conv("d", "c"), conv("e", "d"))
    assert len(check_plan(graph).outputs) == 2


def test_outputs_with_the_same_values():
    graph = graph_of(data("1 3 5 5"), conv("c", "data"), layer("s", "Split", "c", "s1 s2"), layer("d", "Dropout", "s1"))
    plan = check_plan(graph)
    assert [blob.name for blob in plan.outputs] == ["d", "s2"]


def test_an_input_that_is_an_output():
    graph = graph_of(data("2 3 4 4"), data("2 9", "label"), conv("c", "data"))
    assert [blob.name for blob in check_plan(graph).outputs] == ["c", "label"]


@pytest.mark.parametrize("reader", [layer("z", "Silence", "label", ""), conv("d", "label")])
def test_inputs_do_not_overlap(reader):
    plan = Plan(graph_of(data("2 3 4 4", "label"), data("1 3 30 30"), reader, conv("c", "data")))
    first, second = sorted((each.memory.offset, each.memory.size) for each in plan.actions[0].tops)
    assert first[0] + first[1] <= second[0]
    assert all(each.memory.first == 0 for each in plan.actions[0].tops)


def test_a_parameter_is_its_weight():
    shape = "parameter_param { shape { dim: 2 dim: 3 dim: 4 dim: 4 } }"
    graph = graph_of(data("2 3 4 4"), layer("p", "Parameter", "", "p", shape), layer("e", "Eltwise", "data p"))
    inputs = draw_inputs(graph)
    (x,) = inputs.values()
    (found,) = run_plan(Plan(graph), inputs).values()
    np.testing.assert_array_equal(found, x + graph.nodes[1].weights[0])


def test_a_dropout_of_its_own_phase_drops():
    graph = graph_of(data("2 9 20 10"), layer("d", "Dropout", "data", more="phase: TRAIN"), layer("a", "AbsVal", "d"))
    (found,) = run_plan(Plan(graph), draw_inputs(graph)).values()
    assert 0.4 < (found == 0).mean() < 0.6
