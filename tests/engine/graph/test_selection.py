"""Filter, BatchReindex, Im2col, SPP and HDF5Output against loops in float64; their gradients; in ONNX; refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.caffe_graphs import data, graph_of, layer, optimised
from reference.caffe_layers import built, net_text, run_layer
from reference.caffe_running import drawn, run
from reference.caffe_slopes import apart, check_slopes

import caffe64
from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.engine.graph.frontends.caffe.build import build_graph
from caffe64.engine.graph.frontends.caffe.write import graph_message
from caffe64.errors import InputError

few = settings(max_examples=25)


def exported(text_or_graph):
    """The model, whose outputs in onnxruntime are the engine's."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from caffe64.engine.graph.frontends.onnx.compare import compare_with_onnxruntime
    from caffe64.engine.graph.frontends.onnx.write.model import onnx_model

    graph = built(text_or_graph) if isinstance(text_or_graph, str) else text_or_graph
    model = onnx_model(graph, infer_shapes(graph), "1")
    for each in compare_with_onnxruntime(model, graph, infer_shapes(graph)):
        assert each.relative <= 1e-5, each
    return model


def refused(kind, shapes, parameters, message, tops=1):
    with pytest.raises(InputError, match=message):
        infer_shapes(built(net_text(kind, shapes, parameters, tops)))


# --------------------------------------------------------------------------------------------------- Filter
@few
@given(flags=st.lists(st.sampled_from([0, 1, -2, 0.25, np.nan]), max_size=6), width=st.integers(0, 3))
def test_a_filter_keeps_rows_in_their_order(flags, width):
    rows = drawn(len(flags), width, 2)
    labels, selector = np.arange(len(flags), dtype=np.float32), np.array(flags, np.float32).reshape(-1, 1)
    found = run_layer("Filter", [rows, labels, selector], tops=2)
    kept = [number for number, flag in enumerate(flags) if flag != 0]
    for top, bottom in zip(found, (rows, labels), strict=True):
        assert top.shape == bottom.shape
        np.testing.assert_array_equal(top[: len(kept)], bottom[kept])
        assert not top[len(kept) :].any()


def test_the_gradient_of_a_filter():
    selector = np.float32([0, 3, -1, 0, 0.5])

    def function(x, y, flags):
        kept = flags != 0
        return [np.concatenate([each[kept], np.zeros_like(each[~kept])]) for each in (x, y)]

    check_slopes(function, 'type: "Filter"', [drawn(5, 3), drawn(5), selector], fixed=[2])


@pytest.mark.parametrize(
    ("shapes", "tops", "message"),
    [
        ([(5, 2), (4,)], 1, r"layer 'it' \(Filter\): 'b0' has the shape \[5, 2\], expected 4 rows like the selector"),
        ([(5, 2), (5, 2)], 1, r"selector of shape \[5, 2\], expected \[rows\]"),
        ([(), ()], 1, r"selector of shape \[\]"),
        ([(5,), (5,), (5,)], 1, "has 1 tops for 3 bottoms, expected one less"),
    ],
)
def test_filters_that_do_not_fit(shapes, tops, message):
    refused("Filter", shapes, "", message, tops)


LATER = {
    "SoftmaxWithLoss": ("f label", ""),
    "Accuracy": ("f label", ""),
    "Reduction": ("f", ""),
    "Concat": ("f data", "concat_param { axis: 0 }"),
    "BN": ("f", "bn_param { bn_mode: LEARN }"),
    "Reverse": ("f", ""),
    "Permute": ("f", "permute_param { order: 1 order: 0 }"),
    "CTCGreedyDecoder": ("f", ""),
    "YoloDetectionOutput": ("f", ""),
}


@pytest.mark.parametrize("kind", LATER)
def test_no_layer_may_count_the_rows_that_a_filter_left_out(kind):
    bottoms, parameters = LATER[kind]
    net = data("4 3") + data("4", "label") + data("4", "flag") + layer("f", "Filter", "data flag")
    net += layer("relu", "ReLU", "f", "f") + layer("last", kind, bottoms, None, parameters)
    with pytest.raises(InputError, match=r"layer 'last' .*: counts all rows, of which the Filter 'f' leaves out some"):
        infer_shapes(built(net))


def test_a_layer_that_computes_rows_alone_may_follow_a_filter():
    net = [data("4 3"), data("4", "flag"), layer("f", "Filter", "data flag")]
    net.append(layer("ip", "InnerProduct", "f", None, "inner_product_param { num_output: 2 }"))
    exported(graph_of(*net))
    optimised(graph_of(*net))


@pytest.mark.parametrize("shapes", [[(6, 2, 3), (6,)], [(6, 2), (6,), (6, 1, 1)], [(0, 2), (0,)]])
def test_a_filter_is_exported(shapes):
    exported(net_text("Filter", shapes, tops=len(shapes) - 1))


# --------------------------------------------------------------------------------------------- BatchReindex
@few
@given(rows=st.integers(1, 4), index=st.lists(st.floats(0, 0.99), max_size=6))
def test_rows_by_their_numbers(rows, index):
    x, numbers = drawn(rows, 2, 3), np.array([value * rows for value in index], np.float32)
    (found,) = run_layer("BatchReindex", [x, numbers])
    np.testing.assert_array_equal(found, np.array([x[int(number)] for number in numbers]).reshape(-1, 2, 3))


def test_the_gradients_of_copies_of_a_row_add_up():
    index = np.float32([2, 0, 2, 2.5])
    check_slopes(lambda x, index: x[index.astype(int)], 'type: "BatchReindex"', [drawn(4, 3), index], fixed=[1])


@pytest.mark.parametrize(("number", "shown"), [(4, "4"), (-1, "-1"), (np.nan, "nan"), (1e30, r"1e\+30")])
def test_a_row_that_is_not_there(number, shown):
    message = rf"layer 'it' \(BatchReindex\): 'b1' holds {shown} at position 1, expected a number from 0 to 3"
    with pytest.raises(InputError, match=message):
        run_layer("BatchReindex", [drawn(4, 2), np.float32([0, number])])


def test_a_row_of_none():
    with pytest.raises(InputError, match="'b1' holds 0 at position 0, expected none, as there is nothing to choose"):
        run_layer("BatchReindex", [np.empty((0, 2), np.float32), np.float32([0])])


def test_row_numbers_of_more_axes():
    refused("BatchReindex", [(4, 2), (3, 1)], "", r"bottoms of shapes \[4, 2\] and \[3, 1\]")
    refused("BatchReindex", [(4, 70000), (70000,)], "", "gives 't0' the shape .*, expected|numbers, expected at most")


def test_rows_by_their_numbers_are_exported():
    exported(net_text("BatchReindex", [(4, 2, 3), (7,)]))


# --------------------------------------------------------------------------------------------------- Im2col
@st.composite
def windows(draw):
    axes = draw(st.integers(1, 4))
    of = lambda *values: draw(st.lists(st.sampled_from(values), min_size=axes, max_size=axes))  # noqa: E731
    return {"size": of(1, 2, 4), "kernel": of(1, 2), "stride": of(1, 2, 3), "pad": of(0, 1), "dilation": of(1, 2)}


def columns(x, window):
    """Value by value; None where the window does not fit."""
    axes = list(zip(*window.values(), strict=True))
    outs = [
        (size + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1 for size, kernel, stride, pad, dilation in axes
    ]
    if min(outs) < 1:
        return None
    found = np.zeros((*x.shape[:2], int(np.prod(window["kernel"])), *outs))
    for k, tap in enumerate(itertools.product(*map(range, window["kernel"]))):
        for out in np.ndindex(*outs):
            at = [o * s + t * d - p for o, t, (_, _, s, p, d) in zip(out, tap, axes, strict=True)]
            if all(0 <= a < size for a, size in zip(at, window["size"], strict=True)):
                found[(slice(None), slice(None), k, *out)] = x[(slice(None), slice(None), *at)]
    return found.reshape(len(x), x.shape[1] * found.shape[2], *outs)


def parameters(window):
    words = {"kernel": "kernel_size"}
    fields = [f"{words.get(name, name)}: {value}" for name in window if name != "size" for value in window[name]]
    return f"convolution_param {{ {' '.join(fields)} }}"


@few
@given(window=windows(), rows=st.integers(0, 2))
def test_the_columns_of_windows(window, rows):
    x = drawn(rows, 2, *window["size"])
    expected = columns(x, window)
    if expected is None:
        with pytest.raises(InputError, match=r"has a kernel of \[.*\] pixels"):
            run_layer("Im2col", [x], parameters(window))
        return
    np.testing.assert_array_equal(run_layer("Im2col", [x], parameters(window))[0], np.float32(expected))


SMALL = {"size": [4, 5], "kernel": [3, 2], "stride": [1, 2], "pad": [1, 0], "dilation": [1, 2]}


def test_the_gradient_of_columns():
    check_slopes(lambda x: columns(x, SMALL), f'type: "Im2col" {parameters(SMALL)}', [drawn(2, 2, 4, 5)])


@pytest.mark.parametrize("size", [[4, 5], [4, 5, 3]])
def test_columns_are_exported(size):
    window = {name: (values * 2)[: len(size)] for name, values in SMALL.items()} | {"size": size}
    model = exported(net_text("Im2col", [(2, 3, *size)], parameters(window)))
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param


@pytest.mark.parametrize(
    ("shape", "fields", "message"),
    [
        (
            (1, 2, 4, 4),
            "kernel_size: 3 pad: 1000000000",
            "numbers for the padded pictures, expected at most 2147483647",
        ),
        ((1, 2, 400, 400), "kernel_size: 390 pad: 400", "gives 't0' the shape"),
        ((1, 2, 4, 4), "kernel_size: 0", r"has kernel_size \[0, 0\]"),
        ((1, 2, 4, 4), "kernel_size: 2 stride: 0", r"has stride \[0, 0\]"),
        ((1, 2, 4, 4), "kernel_size: 2 dilation: 4000000000", "has a kernel of"),
        ((1, 2, 4, 4), "", "has 0 values of kernel_size"),
        ((1, 2, 4, 4), "kernel_size: [1, 2, 3]", "has 3 values of kernel_size"),
        ((2, 3), "kernel_size: 1", "expected spatial axes after axis 1"),
        ((2, 3, 4), "kernel_h: 1 kernel_w: 1", "2 spatial axes"),
        ((2, 3, 4), "kernel_size: 1 axis: 3", "axis 3"),
    ],
)
def test_windows_that_do_not_fit(shape, fields, message):
    refused("Im2col", [shape], f"convolution_param {{ {fields} }}", message)


# ------------------------------------------------------------------------------------------------------ SPP
def pyramid(x, height, mean):
    """Level by level, window by window."""
    levels = []
    for bins in (2**level for level in range(height)):
        sides = []
        for size in x.shape[2:]:
            kernel = -(-size // bins)
            pad = (kernel * bins - size + 1) // 2
            sides.append([(b * kernel - pad, kernel, min(b * kernel - pad + kernel, size + pad)) for b in range(bins)])
        top = np.empty((*x.shape[:2], bins, bins))
        for (r, down), (c, across) in itertools.product(enumerate(sides[0]), enumerate(sides[1])):
            part = x[:, :, max(0, down[0]) : down[0] + down[1], max(0, across[0]) : across[0] + across[1]]
            area = (down[2] - down[0]) * (across[2] - across[0])
            top[:, :, r, c] = part.sum((2, 3)) / area if mean else part.max((2, 3))
        levels.append(top.reshape(len(x), -1))
    return levels[0].reshape(*x.shape[:2], 1, 1) if height == 1 else np.concatenate(levels, axis=1)


PYRAMIDS = [(1, 5, 4), (2, 7, 6), (3, 8, 8), (3, 21, 14), (4, 26, 31)]


@pytest.mark.parametrize("pool", ["MAX", "AVE"])
@pytest.mark.parametrize(("height", "h", "w"), PYRAMIDS)
def test_a_pyramid(height, h, w, pool):
    x, text = apart(2, 3, h, w), f"spp_param {{ pyramid_height: {height} pool: {pool} }}"
    (found,), _ = run(f'type: "SPP" {text}', [x])
    expected = pyramid(x.astype(float), height, pool == "AVE")
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-6)
    exported(net_text("SPP", [x.shape], text))


@pytest.mark.parametrize("pool", ["MAX", "AVE"])
@pytest.mark.parametrize("height", [1, 2])
def test_the_gradient_of_a_pyramid(height, pool):
    text = f'type: "SPP" spp_param {{ pyramid_height: {height} pool: {pool} }}'
    check_slopes(lambda x: pyramid(x, height, pool == "AVE"), text, [apart(2, 2, 4, 6)])


@pytest.mark.parametrize(
    ("shape", "fields", "message"),
    [
        ((1, 1, 9, 9), "pyramid_height: 40", "8 by 8 windows of pictures of 9 by 9 pixels"),
        ((1, 1, 9, 9), "pyramid_height: 4294967295", "8 by 8 windows"),
        ((1, 1, 1, 8), "pyramid_height: 2", "2 by 2 windows of pictures of 1 by 8 pixels, expected a lower pyramid"),
        ((1, 1, 8, 8), "", "has pyramid_height 0, expected at least 1"),
        ((1, 8, 8), "pyramid_height: 1", "has a bottom with 3 axes"),
        ((1, 1, 8, 8), "pyramid_height: 1 pool: STOCHASTIC", "has pool STOCHASTIC"),
        ((1, 1, 0, 8), "pyramid_height: 1", "expected"),
    ],
)
def test_pyramids_that_do_not_fit(shape, fields, message):
    refused("SPP", [shape], f"spp_param {{ {fields} }}", message)


# --------------------------------------------------------------------------------------------------- others
def test_hdf5_output_writes_nothing_and_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = data("2 3") + data("2", "label") + layer("relu", "ReLU", "data") + layer("ip", "Power", "relu")
    net += layer("out", "HDF5Output", "relu label", "", 'hdf5_output_param { file_name: "out.h5" }')
    (tmp_path / "net.prototxt").write_text(net)
    found = caffe64.load_caffe("net.prototxt")
    assert found.notices == ["net.prototxt: 'out' (HDF5Output) writes no file: read its bottoms from the net"]
    assert sorted(found.forward(data=np.ones((2, 3)), label=[0, 1])) == ["ip"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.prototxt"]
    smaller, _ = caffe64.optimize(found)
    assert "HDF5Output" not in [node.type for node in smaller.graph.nodes]


TEXTS = {
    "Im2col": "convolution_param { kernel_size: 2 kernel_size: 3 stride: 2 pad: 1 dilation: 2 }",
    "SPP": "spp_param { pyramid_height: 2 pool: AVE }",
}


@pytest.mark.parametrize("kind", TEXTS)
def test_attributes_are_written_and_read_again(kind):
    graph = built(net_text(kind, [(1, 2, 8, 8)], TEXTS[kind]))
    for node in graph.nodes:
        node.origin = None
    written = build_graph(graph_message(graph))
    assert list(infer_shapes(written).values()) == list(infer_shapes(graph).values())
    assert written.nodes[-1].attributes == graph.nodes[-1].attributes
