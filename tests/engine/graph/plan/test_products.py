"""Convolution and InnerProduct as plain sums, against float64 over shapes and parameters at the edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from reference.caffe_graphs import data, graph_of, layer
from reference.plans import check_plan, draw_inputs, run_plan, ways

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.plan import Plan
from caffe64.engine.graph.plan.lowering.depthwise_rows import TOGETHER
from caffe64.engine.products.one_pixel import STREAMS
from caffe64.engine.products.pixel_tile import PANEL, ROWS
from caffe64.errors import InputError

CHANNELS = st.sampled_from([1, 2, LANES - 1, LANES, LANES + 1, 2 * LANES, 3 * LANES])
FEW = st.sampled_from([1, 2, LANES - 1, LANES, LANES + 1])
PLAIN = {"pictures": 1, "stride": (1, 1), "pad": (0, 0), "dilation": (1, 1), "group": 1, "bias": True, "relu": False}


def pair(values):
    return st.tuples(values, values)


windows = st.fixed_dictionaries(
    {
        "pictures": st.integers(1, 3),
        "size": pair(st.integers(1, 11)),
        "kernel": pair(st.integers(1, 7)),
        "stride": pair(st.integers(1, 3)),
        "pad": pair(st.integers(0, 5)),
        "dilation": pair(st.integers(1, 2)),
        "group": st.just(1),
        "bias": st.booleans(),
        "relu": st.booleans(),
    }
)


def repeated(name, values):
    return " ".join(f"{name}: {value}" for value in values)


def net(channels, outputs, window, kind="Convolution"):
    """A convolution, with a ReLU behind it if there is to be one."""
    sizes = " ".join(
        repeated(name, window[field])
        for name, field in (("kernel_size", "kernel"), *((each, each) for each in ("stride", "pad", "dilation")))
    )
    more = f"num_output: {outputs} group: {window['group']} bias_term: {str(window['bias']).lower()}"
    layers = [layer("c", kind, "data", more=f"convolution_param {{ {more} {sizes} }}")]
    if window["relu"]:
        layers.append(layer("r", "ReLU", "c"))
    height, width = window["size"]
    return data(f"{window['pictures']} {channels} {height} {width}"), *layers


def check_window(channels, outputs, window, algorithm, **options):
    try:
        graph = graph_of(*net(channels, outputs, window))
    except InputError:
        assume(False)  # the window is larger than the padded picture
    plan = check_plan(graph, exact=True, **options)
    assert ways(plan)["c"].algorithm == algorithm


@settings(max_examples=60)
@given(channels=CHANNELS, outputs=CHANNELS, window=windows)
@example(channels=3 * LANES, outputs=(2 * PANEL + 1) * LANES, window={**PLAIN, "size": (9, 9), "kernel": (3, 3)})
@example(channels=LANES, outputs=3, window={**PLAIN, "size": (2, 2), "kernel": (3, 3), "stride": (2, 2)})  # overhangs
def test_convolution(channels, outputs, window):
    assume(channels * outputs > 1)  # which would be depthwise
    check_window(channels, outputs, window, "direct")


@pytest.mark.parametrize("pixels", [1, ROWS - 1, ROWS, ROWS + 1, 2 * ROWS + 1, 5 * ROWS - 1])
@pytest.mark.parametrize("channels", [1, LANES])
@pytest.mark.parametrize("threads", [1, 2])
def test_whole_tiles_of_pixels_and_rests(pixels, channels, threads):
    window = {**PLAIN, "size": (1, pixels + 2), "kernel": (1, 3)}
    check_window(channels, (PANEL + 1) * LANES, window, "direct", threads=threads)


@settings(max_examples=20)
@given(
    group=st.integers(2, 3),
    channels=st.integers(1, 2),
    outputs=st.integers(1, PANEL + 1),
    window=windows,
)
def test_groups_of_whole_blocks(group, channels, outputs, window):
    check_window(group * channels * LANES, group * outputs * LANES, {**window, "group": group}, "direct")


@settings(max_examples=40)
@given(channels=CHANNELS.filter(lambda channels: channels > 1), window=windows)
@example(channels=LANES, window={**PLAIN, "size": (3, TOGETHER - 1), "kernel": (1, 1)})
@example(channels=LANES, window={**PLAIN, "size": (3, TOGETHER), "kernel": (1, 1)})
@example(channels=LANES, window={**PLAIN, "size": (3, TOGETHER + 1), "kernel": (1, 1)})
@example(channels=LANES + 1, window={**PLAIN, "size": (4, 3 * TOGETHER - 1), "kernel": (3, 3)})
def test_depthwise(channels, window):
    check_window(channels, channels, {**window, "group": channels}, "depthwise")


@pytest.mark.parametrize("kind", ["ConvolutionDepthwise", "DepthwiseConvolution"])
@pytest.mark.parametrize("channels", [2, LANES + 1])
def test_depthwise_types(kind, channels):
    window = {**PLAIN, "group": channels, "size": (7, 9), "kernel": (3, 3), "stride": (2, 2), "pad": (1, 1)}
    graph = graph_of(*net(channels, channels, window, kind))
    assert ways(check_plan(graph))["c"].algorithm == "depthwise"


@settings(max_examples=50)
@given(
    rows=st.sampled_from([1, 2, ROWS - 1, ROWS, ROWS + 1, 3 * ROWS + 1]),
    shape=st.lists(FEW, min_size=1, max_size=3).filter(lambda shape: len(shape) < 3 or max(shape[1:]) < LANES),
    outputs=st.sampled_from([1, 2, LANES - 1, LANES, LANES + 1, PANEL * LANES, 5 * LANES + 3]),
    options=st.tuples(st.booleans(), st.booleans()),
    relu=st.booleans(),
    threads=st.integers(1, 2),
)
def test_inner_product(rows, shape, outputs, options, relu, threads):
    transpose, bias = (str(each).lower() for each in options)
    more = f"inner_product_param {{ num_output: {outputs} transpose: {transpose} bias_term: {bias} }}"
    layers = [layer("p", "InnerProduct", "data", more=more)] + [layer("r", "ReLU", "p")] * relu
    graph = graph_of(data(f"{rows} {' '.join(map(str, shape))}"), *layers)
    assert ways(check_plan(graph, threads=threads))["p"]


@pytest.mark.parametrize("blocks", [-1, 0, 1, STREAMS * PANEL])
@pytest.mark.parametrize("depth", [1, LANES - 1, LANES, 3 * LANES])
@pytest.mark.parametrize("added", [False, True])
def test_a_single_row_has_the_sums_that_it_has_among_others(blocks, depth, added):
    """Several panels are read at the same time for it. 1 thread and 2, with what is added, and a NaN."""
    outputs = (STREAMS * PANEL + blocks) * LANES - 1
    text = f"inner_product_param {{ num_output: {outputs} }}"
    layers = [layer("p", "InnerProduct", "data", more=text), layer("o", "InnerProduct", "data", more=text)]
    layers += [layer("s", "Eltwise", "p o"), layer("r", "ReLU", "s")] if added else []
    many, one = (graph_of(data(f"{rows} {depth}"), *layers) for rows in (3, 1))
    check_plan(one)
    (x,) = draw_inputs(many).values()
    for poisoned in (x, np.where(np.arange(depth) == depth - 1, np.float32(np.nan), x)):
        (expected,) = list(run_plan(Plan(many, threads=1), {many.inputs[0]: poisoned}).values())[:1]
        for threads in (1, 2):
            (found,) = list(run_plan(Plan(one, threads=threads), {one.inputs[0]: poisoned[:1]}).values())[:1]
            assert np.array_equal(found.view(np.int32), expected[:1].view(np.int32))


@pytest.mark.parametrize("relu", [False, True])
def test_an_inner_product_of_another_axis_is_left_to_the_layer(relu):
    product = layer("p", "InnerProduct", "data", more="inner_product_param { num_output: 5 axis: 2 }")
    plan = check_plan(graph_of(data("2 3 4 5"), product, *[layer("r", "ReLU", "p")] * relu))
    assert ways(plan)["p"] is None


@pytest.mark.parametrize("channels", [(3, 4, 5), (3, LANES + 1, 4), (LANES + 1, 2 * LANES, 1)])
def test_one_after_the_other(channels):
    """What the second reads is where the first has written, with zeros around it, and not the input."""
    window = {**PLAIN, "size": (6, 7), "kernel": (3, 3), "pad": (1, 1)}
    first, second, third = channels
    again = layer("d", "Convolution", "c", more=f"convolution_param {{ num_output: {third} kernel_size: 5 pad: 3 }}")
    check_plan(graph_of(*net(first, second, window), again))


@pytest.mark.parametrize("pads", [(3, 1), (1, 3), (0, 2)])
@pytest.mark.parametrize("channels", [3, LANES + 1])
@pytest.mark.parametrize("made", [False, True])
def test_readers_with_different_paddings(pads, channels, made):
    """Zeros around one blob are as many as the one that wants most of them, on each side."""
    window = {**PLAIN, "size": (6, 7), "kernel": (1, 1)}
    source = net(channels, channels, window) if made else net(channels, channels, window)[:1]
    readers = [
        layer(f"r{pad}", "Convolution", "c" if made else "data", more=f"convolution_param {{ {text} }}")
        for pad in pads
        for text in [f"num_output: 4 kernel_size: 3 pad: {pad} pad: {4 - pad}"]
    ]
    check_plan(graph_of(*source, *readers), exact=True)
