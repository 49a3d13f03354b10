"""Layers of forks that resize pictures and move values, against float64 loops; their gradients, ONNX and refusals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reference.caffe_graphs import data, graph_of, layer, optimised, types
from reference.caffe_layers import built, net_text, run_layer
from reference.one_layer import gradient_of, one_layer
from reference.wild_cases import CASES, read_wild_case
from support import assert_close, needs_shared

from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.engine.graph.frontends.caffe.build import build_graph
from caffe64.engine.graph.frontends.caffe.write import graph_message
from caffe64.engine.graph.ops.interp import Interp
from caffe64.engine.graph.ops.shuffle import Reorg
from caffe64.engine.graph.ops.upsample import Upsample
from caffe64.errors import InputError
from caffe64.formats.caffe import parse_prototxt

TYPES = {"CropCenter", "Interp", "Reorg", "Reverse", "ReverseTime", "ShuffleChannel", "Transpose", "Upsample"}
F = np.float32
SIDES = st.integers(1, 7)
some = settings(max_examples=60, deadline=None)


def picture(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, F)


def words(parameter, **fields):
    return f"{parameter} {{ " + " ".join(f"{name}: {value}" for name, value in fields.items()) + " }"


# ------------------------------------------------------------------------------------------------ Interp
def interpolated(x, H, W, begin, end):
    """By its definition, in float64."""
    x = np.float64(x)[:, :, -begin : x.shape[2] + end, -begin : x.shape[3] + end]
    top = np.zeros((*x.shape[:2], H, W))
    for i, j in itertools.product(range(H), range(W)):
        places = [k * (n - 1) / (m - 1) if m > 1 else 0 for k, n, m in ((i, x.shape[2], H), (j, x.shape[3], W))]
        (a, u), (b, v) = ((min(int(p + 1e-9), n - 1), p) for p, n in zip(places, x.shape[2:], strict=True))
        u, v, c, d = u - a, v - b, min(a + 1, x.shape[2] - 1), min(b + 1, x.shape[3] - 1)
        top[:, :, i, j] = (1 - u) * ((1 - v) * x[:, :, a, b] + v * x[:, :, a, d]) + u * (
            (1 - v) * x[:, :, c, b] + v * x[:, :, c, d]
        )
    return top


@some
@given(h=SIDES, w=SIDES, H=SIDES, W=SIDES, begin=st.integers(-2, 0), end=st.integers(-2, 0))
def test_interp_puts_corners_on_corners_of_what_is_left(h, w, H, W, begin, end):
    assume(min(h, w) + begin + end >= 1)
    x = picture(2, 3, h, w)
    (found,) = run_layer("Interp", [x], words("interp_param", height=H, width=W, pad_beg=begin, pad_end=end))
    assert_close("y", found, interpolated(x, H, W, begin, end), 1e-5)


@pytest.mark.parametrize(
    ("attributes", "sizes"),
    [
        (Interp(9, 9, zoom_factor=3), [10, 7]),
        (Interp(9, 8, zoom_factor=3, shrink_factor=2), [9, 8]),
        (Interp(shrink_factor=3), [2, 1]),
        (Interp(zoom_factor=2, shrink_factor=3), [3, 1]),
        (Interp(9, zoom_factor=1), [4, 3]),
        (Interp(9, 5), [9, 5]),
        (Interp(9, 5, pad_beg=-1, zoom_factor=2), [5, 3]),
    ],
)
def test_the_first_rule_that_applies_gives_the_size(attributes, sizes):
    graph = one_layer("Interp", attributes, (1, 2, 4, 3))
    assert list(infer_shapes(graph)[graph.outputs[0]][2:]) == sizes


# ------------------------------------------------------------------------------------------------ Upsample
@some
@given(shape=st.lists(SIDES, min_size=2, max_size=5), scale=st.integers(1, 3))
def test_pixels_become_squares(shape, scale):
    x = picture(*shape)
    (found,) = run_layer("Upsample", [x], words("upsample_param", scale=scale))
    np.testing.assert_array_equal(found, x.repeat(scale, -1).repeat(scale, -2))


@some
@given(st.data())
def test_the_last_value_of_a_place_stays(drawn):
    h, w, H, W = (drawn.draw(SIDES) for _ in range(4))
    places = np.random.default_rng(drawn.draw(st.integers(0, 99))).integers(-1, H * W, (2, 3, h, w)).astype(F)
    places[0, 0, 0, 0] = drawn.draw(st.sampled_from([np.nan, -np.inf, -1]))
    x, expected = picture(2, 3, h, w), np.zeros((2, 3, H * W), F)
    for n, c, i, j in np.ndindex(2, 3, h, w):
        if places[n, c, i, j] >= 0:
            expected[n, c, int(places[n, c, i, j])] = x[n, c, i, j]
    parameters = words("upsample_param", upsample_h=H, upsample_w=W)
    (found,) = run_layer("Upsample", [x, places], parameters)
    np.testing.assert_array_equal(found.reshape(expected.shape), expected)


def test_an_index_behind_the_plane_is_refused_by_its_place():
    places = np.zeros((1, 2, 2, 2), F)
    places[0, 1, 1, 0] = 16
    with pytest.raises(InputError, match=r"'b1' holds 16 at position 6, expected an index of the 16 pixels"):
        run_layer("Upsample", [picture(1, 2, 2, 2), places])


def test_a_window_of_nan_has_no_maximum_and_goes_nowhere():
    x = picture(1, 2, 4, 4)
    x[0, 1, 2:, :2] = np.nan
    text = data("1 2 4 4") + layer("p", "Pooling", "data", "p m", "pooling_param { kernel_size: 2 stride: 2 }")
    graph = graph_of(text, layer("u", "Upsample", "p m"))
    from caffe64.engine.graph.reference import Interpreter

    interpreter = Interpreter(graph)
    interpreter.fill({"data": x})
    interpreter.forward()
    values = {blob.name: interpreter.array(blob) for node in graph.nodes for blob in node.tops}
    assert values["m"][0, 1, 1, 0] == -1
    expected = np.where(np.isin(np.nan_to_num(x), values["p"][values["m"] >= 0]), x, 0)
    np.testing.assert_array_equal(values["u"], np.nan_to_num(expected))


# ------------------------------------------------------------------------------------------------ moves
@some
@given(K=st.integers(1, 4), group=st.integers(1, 5), behind=st.lists(SIDES, max_size=3))
def test_channels_are_shuffled(K, group, behind):
    x = picture(2, K * group, *behind)
    (found,) = run_layer("ShuffleChannel", [x], words("shuffle_channel_param", group=group))
    for i, j in itertools.product(range(group), range(K)):
        np.testing.assert_array_equal(found[:, j * group + i], x[:, i * K + j])


@some
@given(s=st.integers(1, 3), K=st.integers(1, 3), H=st.integers(1, 3), W=st.integers(1, 3), reverse=st.booleans())
def test_reorg_has_darknets_addresses(s, K, H, W, reverse):
    if not reverse:
        H, W = H * s, W * s
    x, C = picture(2, K * s * s, H, W), K * s * s
    flat, expected = x.reshape(2, -1), np.full((2, C * H * W), np.nan, F)
    for c, h, w in np.ndindex(C, H, W):
        p, q = w + W * (h + H * c), w * s + c // K % s + W * s * (h * s + c // K // s + H * s * (c % K))
        expected[:, q if reverse else p] = flat[:, p if reverse else q]
    (found,) = run_layer("Reorg", [x], words("reorg_param", stride=s, reverse=str(reverse).lower()))
    assert found.shape == ((2, K, H * s, W * s) if reverse else (2, C * s * s, H // s, W // s))
    np.testing.assert_array_equal(found.reshape(2, -1), expected)


@pytest.mark.parametrize("copies", [False, True])
def test_the_first_steps_of_each_stream_are_reversed(copies):
    x, lengths = picture(5, 4, 2), np.array([0, 5, 3, 1], F)
    (found,) = run_layer("ReverseTime", [x, lengths], f"reverse_time_param {{ copy_remaining: {str(copies).lower()} }}")
    for n, length in enumerate([0, 5, 3, 1]):
        np.testing.assert_array_equal(found[:length, n], x[:length, n][::-1])
        np.testing.assert_array_equal(found[length:, n], x[length:, n] * copies)


# ------------------------------------------------------------------------------------------------ gradients, attributes
CASES_WITHOUT_FORK = [
    ("Interp", Interp(3, 9), (2, 3, 6, 5)),
    ("Interp", Interp(zoom_factor=3, pad_beg=-2, pad_end=-1), (2, 3, 6, 5)),
    ("Reorg", Reorg(2), (2, 4, 4, 6)),
    ("Reorg", Reorg(2, True), (2, 8, 2, 3)),
    ("Upsample", Upsample(3), (2, 3, 2, 4)),
]


@pytest.mark.parametrize(("kind", "attributes", "shape"), CASES_WITHOUT_FORK)
def test_the_gradient_is_the_adjoint(kind, attributes, shape):
    graph, x = one_layer(kind, attributes, shape), picture(*shape)
    from caffe64.engine.graph.ops import OPS

    node = graph.nodes[-1]
    (top,) = OPS[kind].shapes(node, [shape])
    y, dy = np.empty(top, F), picture(*top, seed=1)
    OPS[kind].prepare(node, [shape], [top])([x], [y])
    (dx,) = gradient_of(graph, dy, x)
    assert np.vdot(dy.astype(float), y) == pytest.approx(np.vdot(dx.astype(float), x), rel=1e-4)


def test_a_pixel_that_all_rows_are_made_of_gets_all_their_gradients_without_a_matrix():
    """One of 2^20 x 2^13 numbers would not fit."""
    graph = one_layer("Interp", Interp(1, 1 << 20), (1, 1, 1, 1 << 13))
    (dx,) = gradient_of(graph, np.ones((1, 1, 1, 1 << 20), F), np.zeros((1, 1, 1, 1 << 13), F))
    assert dx.sum(dtype=float) == pytest.approx(1 << 20, rel=1e-5)


WILD = [name for name in CASES if read_wild_case(name).type in TYPES] if CASES else []


@needs_shared
@pytest.mark.parametrize("name", WILD)
def test_what_is_read_is_written(name):
    graph = built(read_wild_case(name).text)
    message = graph_message(graph)
    assert graph_message(build_graph(message)) == message
    for node in graph.nodes:
        node.origin = None
    again = build_graph(graph_message(graph))
    assert [node.attributes for node in again.nodes] == [node.attributes for node in graph.nodes]


def test_none_of_them_is_read_by_its_number_in_a_binary_file():
    net = parse_prototxt(net_text("Interp", [(1, 2, 4, 3)], "interp_param { height: 7 width: 5 }"), "n").message
    layer_fields = [field.number for layer in net.layer for field, _ in layer.ListFields()]
    assert not {137, 143, 147, 149, 150, 159, 160, 161, 162, 164} & set(layer_fields) - {143}


# ------------------------------------------------------------------------------------------------ passes
NO_OPS = [
    ("Interp", "interp_param { height: 4 width: 6 }"),
    ("Interp", "interp_param { zoom_factor: 1 }"),
    ("Upsample", ""),
    ("ShuffleChannel", ""),
    ("ShuffleChannel", "shuffle_channel_param { group: 8 }"),
    ("Reorg", "reorg_param { stride: 1 }"),
    ("CropCenter", "crop_center_param { " + "crop_size: 0 " * 4 + "}"),
    ("Transpose", "transpose_param { dim: 0 dim: 1 dim: 2 dim: 3 }"),
]
CHANGES = [
    ("Interp", "interp_param { height: 4 width: 6 pad_beg: -1 }"),
    ("Upsample", "upsample_param { scale: 2 }"),
    ("ShuffleChannel", "shuffle_channel_param { group: 2 }"),
    ("Reorg", "reorg_param { stride: 2 }"),
    ("Reverse", "reverse_param { axis: 3 }"),
    ("CropCenter", "crop_center_param { crop_size: 0 crop_size: 0 crop_size: 0 crop_size: 1 }"),
    ("Transpose", "transpose_param { dim: 0 dim: 1 dim: 3 dim: 2 }"),
]


@pytest.mark.parametrize(("kind", "more"), NO_OPS + CHANGES)
def test_layers_that_change_nothing_are_dropped(kind, more):
    graph = graph_of(
        data("2 8 4 6"), layer("a", "AbsVal", "data"), layer("b", kind, "a", more=more), layer("c", "TanH", "b")
    )
    smaller, _ = optimised(graph)
    assert sorted(types(smaller)) == sorted(["Input", "AbsVal", *([kind] if (kind, more) in CHANGES else []), "TanH"])


def test_a_reorg_of_one_number_per_cell_changes_its_axes():
    graph = graph_of(
        data("2 4 2 2"), layer("b", "Reorg", "data", more="reorg_param { stride: 2 }"), layer("c", "TanH", "b")
    )
    assert types(optimised(graph)[0]) == ["Input", "Reorg", "TanH"]


@pytest.mark.parametrize("kinds", list(itertools.product(["Permute", "Transpose"], repeat=2)))
def test_transposes_meet_as_permutes_do(kinds):
    def move(name, bottom, kind, order):
        field = "order" if kind == "Permute" else "dim"
        more = f"{kind.lower()}_param {{ " + " ".join(f"{field}: {axis}" for axis in order) + " }"
        return layer(name, kind, bottom, more=more)

    layers = [
        move("p", "data", kinds[0], (0, 2, 3, 1)),
        layer("r", "ReLU", "p"),
        move("q", "r", kinds[1], (0, 2, 3, 1)),
    ]
    smaller, _ = optimised(graph_of(data("2 3 4 5"), *layers))
    assert types(smaller) in [["Input", "ReLU", kinds[1]], ["Input", kinds[1], "ReLU"]]
    graph_message(smaller)
    back = [move("p", "data", kinds[0], (0, 2, 3, 1)), layer("r", "ReLU", "p"), move("q", "r", kinds[1], (0, 3, 1, 2))]
    assert types(optimised(graph_of(data("2 3 4 5"), *back))[0]) == ["Input", "ReLU"]
