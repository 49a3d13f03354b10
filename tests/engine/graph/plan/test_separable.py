"""Depthwise convolutions that run with the 1 x 1 convolution after them: at once, and by stretches of rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from reference.caffe_graphs import conv, data, graph_of, layer
from reference.plans import check_plan, draw_inputs, run_plan, same_bits, ways
from support import assert_close

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.plan import Plan
from caffe64.engine.graph.plan.lowering import separable
from caffe64.engine.graph.plan.lowering.depthwise_rows import TOGETHER
from caffe64.engine.products.pixel_tile import PANEL, ROWS
from caffe64.errors import InputError

CHANNELS = st.sampled_from([2, LANES - 1, LANES, LANES + 1, 3 * LANES])
OUTPUTS = st.sampled_from([1, LANES, LANES + 1, PANEL * LANES, (PANEL + 1) * LANES + 3])
COLUMNS = st.sampled_from([1, 3, TOGETHER - 1, TOGETHER, TOGETHER + 1, 2 * TOGETHER])
EDGES = {
    "pictures": 1, "size": (5, 5), "kernel": 3, "stride": 1, "pad": 1, "dilation": 1, "bias": True,
    "relus": (True, True), "added": False, "type": "Convolution",
}  # fmt: skip
windows = st.fixed_dictionaries(
    {
        "pictures": st.integers(1, 3),
        "size": st.tuples(
            st.integers(1, 12), st.sampled_from([1, 3, TOGETHER - 1, TOGETHER, TOGETHER + 1, 2 * TOGETHER])
        ),
        "kernel": st.sampled_from([1, 2, 3, 3, 3, 5]),
        "stride": st.integers(1, 3),
        "pad": st.integers(0, 2),
        "dilation": st.integers(1, 2),
        "bias": st.booleans(),
        "relus": st.tuples(st.booleans(), st.booleans()),
        "added": st.booleans(),
        "type": st.sampled_from(["Convolution", "ConvolutionDepthwise"]),
    }
)


def depthwise(name, bottom, channels, kernel=3, stride=1, pad=1, dilation=1, bias=True, kind="Convolution"):
    more = f"num_output: {channels} group: {channels} kernel_size: {kernel} stride: {stride} pad: {pad}"
    more += f" dilation: {dilation} bias_term: {str(bias).lower()}"
    return layer(name, kind, bottom, more=f"convolution_param {{ {more} }}")


def pointwise(name, bottom, outputs, more=""):
    return layer(
        name, "Convolution", bottom, more=f"convolution_param {{ num_output: {outputs} kernel_size: 1 {more} }}"
    )


def net(channels, outputs, window):
    """data -> depthwise [-> ReLU] -> 1 x 1 [-> + a blob that is there before] [-> ReLU]."""
    height, width = window["size"]
    options = {name: window[name] for name in ("kernel", "stride", "pad", "dilation", "bias")}
    layers = [data(f"{window['pictures']} {channels} {height} {width}")]
    last = "d"
    if window["added"]:
        kernel = f"kernel_size: {window['kernel']} stride: {window['stride']} pad: {window['pad']}"
        text = f"num_output: {outputs} {kernel} dilation: {window['dilation']}"
        layers.append(layer("o", "Convolution", "data", more=f"convolution_param {{ {text} }}"))
    layers.append(depthwise("d", "data", channels, kind=window["type"], **options))
    if window["relus"][0]:
        layers.append(layer("dr", "ReLU", "d"))
        last = "dr"
    layers.append(pointwise("p", last, outputs))
    last = "p"
    if window["added"]:
        layers.append(layer("s", "Eltwise", "o p"))
        last = "s"
    if window["relus"][1]:
        layers.append(layer("pr", "ReLU", last))
    return graph_of(*layers)


def owners(plan):
    return ["+".join(node.name for node in group.nodes) for group in plan.groups]


def check_separable(graph, stride=1):
    """At once and by stretches, from 1 and 2 threads: all within what float32 may be off, and the same bits. Large
    pictures with a stride are left alone."""
    inputs, found = draw_inputs(graph), []
    with pytest.MonkeyPatch.context() as patch:
        for stretched in (False, True):
            if stretched:  # as few rows as possible
                patch.setattr(separable, "NEAR_BYTES", 0)
                patch.setattr(separable, "ROW_STRETCH_BYTES", 0)
                patch.setattr(separable, "LEAST_STRETCH_PIXELS", 1)
            plan = check_plan(graph, exact=True, threads=2)
            if stretched and stride > 1:
                assert ways(plan)["p"].algorithm == "direct"
            else:
                assert ways(plan)["p"].algorithm == "separable"
                assert bool(ways(plan)["p"].shared_scratch) != stretched
            found += [run_plan(plan, inputs), run_plan(Plan(graph, exact=True, threads=1), inputs)]
    assert all(same_bits(found[0], each) for each in found[1:])


@settings(max_examples=60)
@given(channels=CHANNELS, outputs=OUTPUTS, window=windows)
@example(channels=LANES, outputs=1, window={**EDGES, "size": (1, 1), "kernel": 1, "pad": 0})
@example(channels=3 * LANES, outputs=LANES, window={**EDGES, "size": (ROWS + 1, 1), "stride": 2})
@example(channels=LANES, outputs=LANES, window={**EDGES, "size": (9, 2 * TOGETHER + 1), "stride": 2, "added": True})
def test_pairs(channels, outputs, window):
    try:
        graph = net(channels, outputs, window)
    except InputError:
        assume(False)  # the window is larger than the padded picture
    check_separable(graph, window["stride"])


@pytest.mark.parametrize("columns", [1, ROWS - 1, ROWS, ROWS + 1, 2 * ROWS + 1])
@pytest.mark.parametrize("rows", [1, 2, 5])
def test_whole_tiles_of_pixels_and_rests(rows, columns):
    check_separable(net(LANES, PANEL * LANES, {**EDGES, "size": (rows, columns)}))


def test_a_chain_of_pairs():
    layers, last = [], "data"
    for number in range(3):
        layers += [depthwise(f"d{number}", last, LANES), pointwise(f"p{number}", f"d{number}", LANES)]
        layers.append(layer(f"r{number}", "ReLU", f"p{number}"))
        last = f"r{number}"
    plan = check_plan(graph_of(data(f"2 {LANES} 9 8"), *layers))
    assert owners(plan)[1:] == ["d0+p0+r0", "d1+p1+r1", "d2+p2+r2"]


@pytest.mark.parametrize(
    "layers",
    [
        [pointwise("p", "d", LANES), layer("a", "AbsVal", "d")],  # another layer reads the blob between
        [pointwise("p", "d", LANES), pointwise("q", "d", LANES)],
        [pointwise("p", "d", LANES, "stride: 2")],
        [pointwise("p", "d", LANES, "pad: 1")],
        [pointwise("p", "d", LANES, "group: 2")],
        [conv("p", "d", outputs=LANES, more="pad: 1")],
        [layer("s", "Eltwise", "d data"), pointwise("p", "s", LANES)],
        [layer("a", "Scale", "d"), pointwise("p", "a", LANES)],
    ],
)
def test_layers_that_are_not_a_separable_pair(layers):
    plan = check_plan(graph_of(data(f"1 {LANES} 7 6"), depthwise("d", "data", LANES), *layers), exact=True)
    assert "separable" not in plan.groups.values()


def test_a_pair_runs_as_two_layers_where_nothing_may_be_fused():
    graph = graph_of(data(f"1 {LANES} 7 6"), depthwise("d", "data", LANES), pointwise("p", "d", LANES))
    assert owners(check_plan(graph, fuse=False))[1:] == ["d", "p"]


def test_a_pair_without_a_lowering_is_taken_apart():
    """A picture without the axis of pictures, against the same with it."""
    found = []
    for shape, axis in ((f"{LANES} 7 6", "axis: 0"), (f"1 {LANES} 7 6", "axis: 1")):
        first = f"num_output: {LANES} group: {LANES} kernel_size: 3 {axis}"
        layers = [layer("d", "Convolution", "data", more=f"convolution_param {{ {first} }}"), layer("r", "ReLU", "d")]
        graph = graph_of(data(shape), *layers, pointwise("p", "r", LANES, axis))
        plan = Plan(graph, exact=True)
        x = np.random.default_rng(0).standard_normal((LANES, 7, 6)).astype(np.float32)
        (blob,) = graph.inputs
        found.append((owners(plan)[1:], next(iter(run_plan(plan, {blob: x}).values())).reshape(LANES, 5, 4)))
    assert [names for names, _ in found] == [["d", "r", "p"], ["d+r+p"]]
    assert_close("p", found[0][1], found[1][1], 1e-6 * abs(found[1][1]).max())


def test_edited_weights_of_both_are_seen():
    graph = graph_of(data(f"1 {LANES} 7 6"), depthwise("d", "data", LANES), pointwise("p", "d", LANES))
    plan, inputs = Plan(graph), draw_inputs(graph)
    run_plan(plan, inputs)
    for node in graph.nodes[1:]:
        for weights in node.weights:
            weights *= 2
        node.held.written()
    assert same_bits(run_plan(plan, inputs), run_plan(Plan(graph), inputs))
