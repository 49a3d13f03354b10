"""BN, SegNet's and PSPNet's: values and gradients against float64, and which of both a layer is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.caffe_graphs import data, graph_of, layer
from reference.caffe_layers import net_text, run_layer, runtime
from reference.caffe_slopes import apart, backward, check_slopes, layer_net
from support import assert_close

import caffe64
from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.analysis.shapes import infer_shapes, weight_shapes
from caffe64.engine.graph.frontends.caffe.build import build_graph
from caffe64.errors import InputError
from caffe64.formats.caffe import MESSAGES, parse_prototxt, read_prototxt

INFERENCE, LEARN = "bn_param { bn_mode: INFERENCE }", "bn_param { bn_mode: LEARN }"
PSPNET = "bn_param { eps: 0.1 momentum: 0.75 }"
FROZEN = "bn_param { frozen: true eps: 0.1 }"
few = settings(max_examples=20)
shapes = st.tuples(
    st.integers(1, 3),
    st.sampled_from([1, 2, LANES - 1, LANES, LANES + 1]),
    st.lists(st.sampled_from([1, 2, 3, LANES + 1]), max_size=3),
).map(lambda sizes: (*sizes[:2], *sizes[2]))


def columns(values, axes):
    return np.asarray(values, np.float64).reshape(-1, *[1] * (axes - 2))


def normalised(x, mean, variance, eps):
    return (x - columns(mean, x.ndim)) / np.sqrt(columns(variance, x.ndim) + eps)


def by_batch(x, eps):
    others = (0, *range(2, x.ndim))
    return normalised(x, x.mean(axis=others), x.var(axis=others), eps)


def blobs(channels, number, seed=0):
    drawn = np.random.default_rng(seed).standard_normal((number, 1, channels, 1, 1)).astype(np.float32)
    if number == 4:
        drawn[3] = 0.25 + np.abs(drawn[3])
    return list(drawn)


def scaled(normal, scale, shift):
    return normal * columns(scale, normal.ndim) + columns(shift, normal.ndim)


# ---------------------------------------------------------------------------------------------------------- values
@few
@given(shape=shapes, in_place=st.booleans(), seed=st.integers(0, 99))
def test_inference_of_segnets(shape, in_place, seed):
    x, weights = apart(*shape, seed=seed), blobs(shape[1], 2, seed)
    (found,) = run_layer("BN", [x], INFERENCE, weights, in_place=in_place)
    np.testing.assert_allclose(found, scaled(x.astype(float), *weights), rtol=1e-5, atol=1e-5)


@few
@given(shape=shapes, phase=st.sampled_from(["TEST", "TRAIN"]), tops=st.integers(1, 3), seed=st.integers(0, 99))
def test_learning_of_segnets_takes_the_statistics_of_the_batch_in_both_phases(shape, phase, tops, seed):
    x, weights = apart(*shape, seed=seed), blobs(shape[1], 2, seed)
    y, *statistics = run_layer("BN", [x], LEARN, weights, tops, phase)
    exact = x.astype(float)
    others = (0, *range(2, x.ndim))
    if x.size > x.shape[1]:  # of one number per channel, (x - mean) / sqrt(1e-9) is a rounding error's
        assert_close("y", y, scaled(by_batch(exact, 1e-9), *weights), 1e-4 * (1 + np.abs(weights[0]).max()))
    for found, expected in zip(statistics, (exact.mean(axis=others), exact.var(axis=others)), strict=False):
        assert found.shape == (1, shape[1], 1, 1)
        np.testing.assert_allclose(found.reshape(-1), expected, rtol=1e-5, atol=1e-6)


@few
@given(shape=shapes, in_place=st.booleans(), phase=st.sampled_from(["TEST", "TRAIN"]), seed=st.integers(0, 99))
def test_stored_statistics_of_pspnets(shape, in_place, phase, seed):
    x, weights = apart(*shape, seed=seed), blobs(shape[1], 4, seed)
    (found,) = run_layer("BN", [x], FROZEN if phase == "TRAIN" else PSPNET, weights, 1, phase, in_place)
    expected = scaled(normalised(x.astype(float), *weights[2:], 0.1), *weights[:2])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_training_of_pspnets_averages_the_biased_statistics():
    x, weights = apart(3, 2, 4, 5), blobs(2, 4)
    made = runtime(net_text("BN", [x.shape], PSPNET), [blob.copy() for blob in weights], "TRAIN")
    made.arrays[made.graph.inputs[0]][...] = x
    made.forward()
    node, exact = made.graph.nodes[-1], x.astype(float)
    expected = scaled(by_batch(exact, 0.1), *weights[:2])
    np.testing.assert_allclose(made.arrays[node.tops[0]], expected, rtol=1e-5, atol=1e-5)
    for number, batch in ((2, exact.mean((0, 2, 3))), (3, exact.var((0, 2, 3)))):
        average = 0.75 * weights[number].reshape(-1) + 0.25 * batch
        np.testing.assert_allclose(node.weights[number].reshape(-1), average, rtol=1e-6)
    for number in (0, 1):
        np.testing.assert_array_equal(node.weights[number], weights[number])


def test_a_variance_below_zero_gives_nan_in_its_channel_alone():
    weights = blobs(3, 4)
    weights[3][0, 1] = -1
    (found,) = run_layer("BN", [apart(2, 3, 2, 2)], "", weights)
    assert np.isnan(found).all(axis=(0, 2, 3)).tolist() == [False, True, False]


@pytest.mark.parametrize("shape", [(3,), ()])
def test_a_bottom_without_channels_is_refused(shape):
    with pytest.raises(InputError, match=r"layer 'it' \(BN\): has a bottom of shape"):
        infer_shapes(build_graph(parse_prototxt(net_text("BN", [shape])).message))


@pytest.mark.parametrize("parameters", ["", FROZEN, INFERENCE])
def test_only_learning_has_the_statistics_as_tops(parameters):
    with pytest.raises(InputError, match="has 2 tops, expected 1, or up to 3 in the mode LEARN of SegNet's BN"):
        infer_shapes(build_graph(parse_prototxt(net_text("BN", [(2, 3)], parameters, 2)).message))


# -------------------------------------------------------------------------------------------------------- gradients
@few
@given(shape=shapes)
def test_gradients_of_stored_parameters(shape):
    weights = blobs(shape[1], 2)
    check_slopes(scaled, f'type: "BN" {INFERENCE}', [apart(*shape)], weights)

    def pspnets(x, slope, bias, mean, variance):
        return scaled(normalised(x, stored[2], stored[3], 0.1), slope, bias) + 0 * (mean + variance).sum()

    stored = blobs(shape[1], 4)
    check_slopes(pspnets, f'type: "BN" {PSPNET}', [apart(*shape)], stored)


@few
@given(shape=shapes.filter(lambda shape: shape[0] * int(np.prod(shape[2:])) > 2))
def test_gradients_through_the_statistics_of_the_batch(shape):
    x = apart(*shape)
    check_slopes(
        lambda x, *weights: scaled(by_batch(x, 1e-9), *weights), f'type: "BN" {LEARN}', [x], blobs(shape[1], 2),
        tolerance=2e-4,
    )  # fmt: skip

    def pspnets(x, slope, bias, mean, variance):
        return scaled(by_batch(x, 0.1), slope, bias) + 0 * (mean + variance).sum()

    check_slopes(pspnets, f'type: "BN" {PSPNET}', [x], blobs(shape[1], 4), phase="TRAIN", tolerance=1e-4)


@pytest.mark.parametrize("phase", ["TEST", "TRAIN"])
def test_a_frozen_one_learns_nothing_and_passes_the_gradient_on(phase):
    x, dy, weights = apart(2, 3, 4), apart(2, 3, 4, seed=1), blobs(3, 4)
    (dx,), of_weights = backward(layer_net(f'type: "BN" {FROZEN}', [x.shape]), [x], weights, [dy], phase)
    np.testing.assert_allclose(dx, dy * columns(weights[0].ravel() / np.sqrt(weights[3].ravel() + 0.1), 3), rtol=1e-5)
    assert not any(gradient.any() for gradient in of_weights)


def test_statistics_are_not_learnt():
    text = 'param { name: "s" lr_mult: 2 } bn_param { eps: 0.1 }'
    rates = [spec.lr_mult for spec in graph_of(data(), layer("b", "BN", "data", more=text)).nodes[1].blob_specs]
    assert rates == [2, None, 0, 0]
    frozen = graph_of(data(), layer("b", "BN", "data", more=FROZEN)).nodes[1]
    assert {spec.lr_mult for spec in frozen.blob_specs} == {0}
    assert graph_of(data(), layer("b", "BN", "data", more=INFERENCE)).nodes[1].blob_specs == ()


# ------------------------------------------------------------------------------------------------ which of both
def saved(folder, parameters, arrays, before=""):
    """A net whose last layer is a BN of three channels, and a model with `arrays`."""
    (folder / "n.prototxt").write_text(data("2 3 4 5") + before + layer("b", "BN", "data", "b", parameters))
    message = MESSAGES["NetParameter"]()
    blobs = message.layer.add(name="b", type="BN").blobs
    for array in arrays:
        blob = blobs.add()
        blob.shape.dim.extend(array.shape)
        blob.data.extend(array.ravel().tolist())
    (folder / "n.caffemodel").write_bytes(message.SerializeToString())
    return folder / "n.prototxt", folder / "n.caffemodel"


@pytest.mark.parametrize("shape", [(3,), (1, 3), (1, 3, 1, 1), (1, 1, 1, 3)])
@pytest.mark.parametrize("number", [2, 4])
def test_the_model_decides_where_the_net_says_nothing(number, shape, tmp_path):
    net = caffe64.load_caffe(*saved(tmp_path, "", [blob.reshape(shape) for blob in blobs(3, number)]))
    x = apart(2, 3, 4, 5)
    normal = by_batch(x.astype(float), 1e-9) if number == 2 else normalised(x, *blobs(3, 4)[2:], 1e-5)
    np.testing.assert_allclose(net.forward(data=x)["b"], scaled(normal, *blobs(3, number)[:2]), rtol=1e-4, atol=1e-4)
    assert [blob.data.shape for blob in net.params["b"]] == [(1, 3, 1, 1)] * number
    learning = "BN has two blobs, so it is SegNet's, in its default mode LEARN: results depend on the batch: layer 'b'"
    assert net.notices == ([f"{tmp_path / 'n.prototxt'}: {learning}"] if number == 2 else [])
    net.save(tmp_path / "m.prototxt", tmp_path / "m.caffemodel")
    again = caffe64.load_caffe(tmp_path / "m.prototxt", tmp_path / "m.caffemodel")
    np.testing.assert_array_equal(again.forward(data=x)["b"], net.forward(data=x)["b"])


def test_without_a_model_it_is_pspnets_and_that_is_said(tmp_path):
    net = caffe64.load_caffe(saved(tmp_path, "", [], layer("a", "BN", "data", "a"))[0])
    assert len(net.params["b"]) == 4
    said = (
        "BN without parameters may be SegNet's or PSPNet's; until a model decides, it is PSPNet's: layer 'a' and 1 more"
    )
    assert net.notices == [f"{tmp_path / 'n.prototxt'}: {said}"]
    x = apart(2, 3, 4, 5)
    np.testing.assert_allclose(net.forward(data=x)["b"], x, rtol=1e-5)  # its fillers are 1, 0, 0 and 1


@pytest.mark.parametrize(
    ("parameters", "number"),
    [("bn_param { scale_filler { value: 1 } }", 2), ("bn_param { shift_filler { value: 1 } }", 2), (INFERENCE, 2)]
    + [(f"bn_param {{ {text} }}", 4) for text in ("slope_filler { value: 1 }", "bias_filler { value: 1 }")]
    + [(f"bn_param {{ {text} }}", 4) for text in ("momentum: 0.9", "eps: 1e-5", "frozen: false", "engine: CUDNN")],
)
def test_a_field_of_one_of_them_decides(parameters, number, tmp_path):
    graph = graph_of(data(), layer("b", "BN", "data", more=parameters))
    assert weight_shapes(graph, infer_shapes(graph))[1] == [(1, 3, 1, 1)] * number
    with pytest.raises(InputError, match=f"layer 'b' has {6 - number} blobs"):
        caffe64.load_caffe(*saved(tmp_path, parameters, blobs(3, 6 - number)))


def test_fields_of_both_are_refused(tmp_path):
    files = saved(tmp_path, "bn_param { bn_mode: INFERENCE eps: 1e-5 }", blobs(3, 2))
    with pytest.raises(InputError) as raised:
        caffe64.load_caffe(*files)
    found = "layer 'b' has bn_mode, a field of SegNet's BN, and eps, of PSPNet's"
    assert str(raised.value) == f"{files[0]}: {found}, expected fields of one of them"


@pytest.mark.parametrize("number", [1, 3, 5])
def test_other_numbers_of_blobs_are_refused(number, tmp_path):
    with pytest.raises(InputError, match=f"layer 'b' has {number} blob"):
        caffe64.load_caffe(*saved(tmp_path, "", blobs(3, number)))


def test_blobs_of_another_number_of_channels_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"layer 'b' blob 0 has the shape \[1, 4, 1, 1\]"):
        caffe64.load_caffe(*saved(tmp_path, INFERENCE, [np.ones(4), np.ones(4)]))


def test_copy_from_takes_any_of_the_shapes(tmp_path):
    prototxt, model = saved(tmp_path, INFERENCE, [np.float32([1, 2, 3]), np.float32([4, 5, 6])])
    net = caffe64.load_caffe(prototxt)
    net.copy_from(model)
    assert net.params["b"][1].data.ravel().tolist() == [4, 5, 6]


def test_a_layer_of_the_older_format(tmp_path):
    path = tmp_path / "old.prototxt"
    path.write_text(
        'input: "data" input_dim: 2 input_dim: 3 input_dim: 4 input_dim: 5\n'
        'layers { name: "b" type: BN bottom: "data" top: "b" bn_param { bn_mode: INFERENCE } blobs_lr: 1 blobs_lr: 2 }'
    )
    (_, found) = read_prototxt(path).message.layer
    assert found.type == "BN"
    assert [spec.lr_mult for spec in found.param] == [1, 2]
    x = apart(2, 3, 4, 5)
    net = caffe64.load_caffe(path)
    net.params["b"][0].data[...] = 3
    np.testing.assert_allclose(net.forward(data=x)["b"], 3 * x, rtol=1e-6)
