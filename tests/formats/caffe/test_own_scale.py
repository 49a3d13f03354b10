"""NVIDIA's BatchNorm with a scale and a bias of its own: both orders of its blobs, and what is made of its layer."""

from __future__ import annotations

import numpy as np
import pytest
from reference.caffe_messages import blob, floats, layer
from support import FOUND, SHARED, assert_close, needs_shared

import caffe64
from caffe64.errors import InputError
from caffe64.formats.caffe import format_prototxt, parse_prototxt, read_caffemodel, split_batch_norms

WILD = SHARED / "caffe" / "wild"
CASES = ["", "_fillers", "_no_scale", "_old", "_small_eps"]
INPUT = 'layer {{ name: "in" type: "Input" top: "x" input_param {{ shape {{ dim: 2 dim: {} dim: 3 dim: 2 }} }} }}\n'
NORM = 'layer {{ name: "b" type: "BatchNorm" bottom: "x" top: "{}" {} batch_norm_param {{ {} }} }}\n'
FILLERS = 'scale_filler { type: "constant" value: 2 } bias_filler { type: "constant" value: 0.5 }'


def bytes_of(arrays, name="b") -> bytes:
    return layer(name, *(blob(floats(5, array), np.shape(array)) for array in arrays), kind="BatchNorm")


def loaded(tmp_path, text: str, model: bytes | None = None, **options):
    (tmp_path / "net.prototxt").write_text(text)
    if model is not None:
        (tmp_path / "net.caffemodel").write_bytes(model)
    return caffe64.load_caffe(tmp_path / "net.prototxt", model and tmp_path / "net.caffemodel", **options)


def blobs(channels: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    """mean, variance, scale, bias."""
    random = np.random.default_rng(seed)
    positive = random.uniform(0.5, 2, (2, channels))
    mean, bias = random.normal(size=(2, channels))
    return tuple(np.float32(array) for array in (mean, positive[0], positive[1], bias))


def expected(x, mean, variance, scale, bias, eps=1e-5):
    def by_channel(values):
        return np.float64(values).reshape(1, -1, 1, 1)

    normal = (np.float64(x) - by_channel(mean)) / np.sqrt(by_channel(variance) + eps)
    return normal * by_channel(scale) + by_channel(bias)


def top_of(net):
    x = np.random.default_rng(9).normal(size=net.blobs["x"].shape).astype(np.float32)
    return x, next(iter(net.forward(x=x).values()))


@needs_shared
@pytest.mark.parametrize("case", CASES)
def test_what_nvidias_caffe_computes(tmp_path, case):
    known = np.load(WILD / f"bn_nvcaffe{case}.npz")
    parameters = [known[name] for name in known.files if name.startswith("param")]
    net = loaded(tmp_path, str(known["prototxt"]), bytes_of(parameters, "layer"), allow_unknown=True)
    (top,) = net.forward(b0=known["bottom0"]).values()
    assert_close(case, top, known["top0"], 1e-5 * np.abs(known["top0"]).max())
    types = [node.type for node in net.graph.nodes]
    assert types == ["Input", "BatchNorm"] if case == "_no_scale" else ["Input", "BatchNorm", "Scale"]


@needs_shared
def test_gradients_are_those_of_nvidias_caffe(tmp_path):
    known = np.load(WILD / "bn_nvcaffe_train.npz")
    parameters = [known[f"param{i}"] for i in range(5)]
    net = loaded(tmp_path, str(known["prototxt"]), bytes_of(parameters, "layer"), phase="TRAIN")
    (top,) = net.forward(b0=known["bottom0"]).values()
    diffs = net.backward(top=known["top_diff0"])
    found = [top, diffs["b0"], *(array.diff for array in net.params["layer_scale"])]
    for number, name in enumerate(["top0", "bottom_diff0", "param_diff3", "param_diff4"]):
        assert_close(name, found[number], known[name], 2e-5 * np.abs(known[name]).max())


@needs_shared
@pytest.mark.parametrize("name", ["model_bn_nvcaffe", "model_bn_nvcaffe_digits"])
def test_whole_models_as_they_are_and_folded(name, tmp_path):
    known = np.load(WILD / f"{name}_io.npz")
    net = caffe64.load_caffe(WILD / f"{name}.prototxt", WILD / f"{name}.caffemodel", allow_unknown=True)
    smaller, _ = caffe64.optimize(net)
    assert [node.type for node in smaller.graph.nodes] == ["Input", "Convolution", "ReLU"]
    net.save(tmp_path / "plain.prototxt", tmp_path / "plain.caffemodel")
    again = caffe64.load_caffe(tmp_path / "plain.prototxt", tmp_path / "plain.caffemodel")
    assert not again.notices
    for each in (net, smaller, again):
        (top,) = each.forward(data=known["bottom0"]).values()
        assert_close(name, top, known["top0"], 1e-5 * np.abs(known["top0"]).max())


@pytest.mark.parametrize("shape", ["flat", "axes"])
@pytest.mark.parametrize("says", ["scale_bias: true", FILLERS, ""])
@pytest.mark.parametrize("old", [False, True])
def test_the_order_of_five_blobs(tmp_path, says, old, shape):
    mean, variance, scale, bias = each = blobs(4)
    if shape == "axes":
        mean, variance, scale, bias = (array.reshape(1, 4, 1, 1) for array in each)
    order = [scale, bias, mean, variance, [7]] if old else [mean, variance, [1], scale, bias]
    x, top = top_of(loaded(tmp_path, INPUT.format(4) + NORM.format("y", "", says), bytes_of(order)))
    assert_close("top", top, expected(x, *each), 1e-5)


@pytest.mark.parametrize(("says", "old"), [("scale_bias: true", False), (FILLERS, True), ("", True)])
def test_of_one_channel_only_scale_bias_means_the_new_order(tmp_path, says, old):
    mean, variance, scale, bias = each = blobs(1)
    order = [scale, bias, mean, variance, [1]] if old else [mean, variance, [1], scale, bias]
    x, top = top_of(loaded(tmp_path, INPUT.format(1) + NORM.format("y", "", says), bytes_of(order)))
    assert_close("top", top, expected(x, *each), 1e-5)


@pytest.mark.parametrize("factor", [1.0, 4.0, 0.0])
def test_statistics_are_divided_by_their_factor(tmp_path, factor):
    mean, variance, scale, bias = blobs(3)
    model = bytes_of([mean, variance, [factor], scale, bias])
    x, top = top_of(loaded(tmp_path, INPUT.format(3) + NORM.format("y", "", "scale_bias: true"), model))
    share = 1 / factor if factor else 0
    wanted = expected(x, mean * share, variance * share, scale, bias)
    assert_close("top", top, wanted, 2e-6 * np.abs(wanted).max())


@pytest.mark.parametrize(
    ("says", "old", "raised"),
    [("scale_bias: true", False, True), (FILLERS, False, True), (FILLERS, True, False), ("", False, False)],
)
def test_a_small_eps_is_raised_where_net_and_blobs_are_of_the_newer_nvidia_caffe(tmp_path, says, old, raised):
    _, _, scale, bias = blobs(3)
    mean, variance = np.zeros(3, np.float32), np.full(3, 1e-6, np.float32)
    order = [scale, bias, mean, variance, [1]] if old else [mean, variance, [1], scale, bias]
    net = loaded(tmp_path, INPUT.format(3) + NORM.format("y", "", f"{says} eps: 1e-7"), bytes_of(order))
    x, top = top_of(net)
    wanted = expected(x, mean, variance, scale, bias, 1e-5 if raised else 1e-7)
    assert_close("top", top, wanted, 1e-5 * np.abs(wanted).max())
    assert any("eps is raised to 1e-05" in notice for notice in net.notices) == raised


def test_plain_batch_norm_keeps_its_small_eps_and_its_layer(tmp_path):
    mean, variance, _, _ = blobs(3)
    net = loaded(tmp_path, INPUT.format(3) + NORM.format("y", "", "eps: 1e-7"), bytes_of([mean, variance * 0, [1]]))
    assert [node.type for node in net.graph.nodes] == ["Input", "BatchNorm"]
    assert net.graph.nodes[1].attributes.eps == np.float32(1e-7)
    assert not net.notices


def test_without_a_model_the_fillers_fill_the_scale(tmp_path):
    net = loaded(tmp_path, INPUT.format(3) + NORM.format("x", "", FILLERS))
    assert [array.data.tolist() for array in net.params["b_scale"]] == [[2, 2, 2], [0.5, 0.5, 0.5]]
    net = loaded(tmp_path, INPUT.format(3) + NORM.format("x", "", "scale_bias: true"))
    assert [array.data.tolist() for array in net.params["b_scale"]] == [[1, 1, 1], [0, 0, 0]]


@pytest.mark.parametrize("old", [False, True])
def test_what_a_layer_says_of_its_blobs_goes_with_them(old):
    each = 'param { name: "p0" } param { name: "p1" } param { name: "p2" } param { name: "p3" } param { lr_mult: 3 }'
    text = NORM.format("x", each + " include { phase: TEST } loss_weight: 2", FILLERS)
    message = parse_prototxt(INPUT.format(3) + text).message
    model = None
    if old:
        model = _Model([("b", "BatchNorm", [np.ones(n, np.float32) for n in (3, 3, 3, 3, 1)])])
    split_batch_norms(message, model)
    _, norm, scale = message.layer
    assert [spec.name for spec in norm.param] == (["p2", "p3", ""] if old else ["p0", "p1", "p2"])
    assert {(spec.lr_mult, spec.decay_mult) for spec in norm.param} == {(0, 0)}
    assert [spec.name for spec in scale.param] == (["p0", "p1"] if old else ["p3", ""])
    assert scale.include == norm.include
    assert (list(norm.loss_weight), list(scale.loss_weight)) == ([], [2])
    assert "filler" not in format_prototxt(norm)


class _Model:
    """As much of a CaffeModel as is split."""

    def __init__(self, layers):
        from caffe64.formats.caffe import LayerBlobs

        self.blobs = [LayerBlobs(*each) for each in layers]
        self.message = parse_prototxt("".join(f'layer {{ name: "{name}" }}' for name, *_ in layers)).message


def test_names_that_are_taken_stay_with_their_layers(tmp_path):
    each = blobs(3)
    order = [each[0], each[1], [1], *each[2:]]
    text = INPUT.format(3) + NORM.format("x", "", "") + 'layer { name: "b_scale" type: "ReLU" bottom: "x" top: "r" }'
    net = loaded(tmp_path, text, bytes_of(order) + bytes_of([[1]], "b_scale_"))
    assert [node.name for node in net.graph.nodes] == ["in", "b", "b_scale__", "b_scale"]
    x, top = top_of(net)
    assert_close("top", top, np.maximum(expected(x, *each), 0), 1e-5)


@pytest.mark.parametrize(("count", "has"), [(0, "no blobs"), (1, "1 blob,"), (3, "3 blobs"), (6, "6 blobs")])
def test_a_model_without_the_scale_that_the_net_asks_for_is_refused(tmp_path, count, has):
    with pytest.raises(InputError, match=f"net.caffemodel: layer 'b' has {has}.* expected 5, since the net says"):
        loaded(tmp_path, INPUT.format(3) + NORM.format("x", "", "scale_bias: true"), bytes_of([np.ones(3)] * count))


def test_the_statistics_of_the_stored_kind_are_used_whatever_the_net_says(tmp_path):
    """NVIDIA's Caffe does not look at use_global_stats."""
    each = blobs(3)
    text = INPUT.format(3) + NORM.format("y", "", "scale_bias: true use_global_stats: false")
    x, top = top_of(loaded(tmp_path, text, bytes_of([each[0], each[1], [1], *each[2:]])))
    assert_close("top", top, expected(x, *each), 1e-5)


@pytest.mark.parametrize("name", ["nv_bn", "nv_bn_filler"])
def test_folding_leaves_one_convolution(name):
    net = caffe64.load_caffe(FOUND / f"{name}.prototxt", FOUND / f"{name}.caffemodel")
    smaller, _ = caffe64.optimize(net)
    assert [node.type for node in smaller.graph.nodes] == ["Input", "Convolution"]
    assert caffe64.verify(net, smaller)[0].relative < 1e-5
    assert len(read_caffemodel(FOUND / f"{name}.caffemodel").blobs[1].arrays) == 5
