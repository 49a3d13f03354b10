"""The names of pycaffe: what a net consists of, its constructors, and hints for what is not here."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from reference.caffe_graphs import data, graph_of, layer
from reference.pycaffe_net import NET, X

import caffe64 as caffe


@pytest.fixture
def net():
    return caffe.CaffeNet(graph_of(*NET))


@pytest.fixture
def files(net, tmp_path):
    net.save(tmp_path / "net.prototxt", tmp_path / "net.caffemodel")
    return tmp_path / "net.prototxt", tmp_path / "net.caffemodel"


def test_layers_and_names(net):
    assert [(each.name, each.type, len(each.blobs)) for each in net.layers] == [
        ("data", "Input", 0), ("c", "Convolution", 1), ("relu", "ReLU", 0), ("fc", "InnerProduct", 2),
        ("prob", "Softmax", 0),
    ]  # fmt: skip
    assert net._layer_names == list(net.layer_dict) == ["data", "c", "relu", "fc", "prob"]
    assert net.layer_dict["fc"].blobs[1].data is net.params["fc"][1].data
    assert net._blob_names == list(net.blobs) == ["data", "c", "fc", "prob"]
    assert net.top_names == {"data": ["data"], "c": ["c"], "relu": ["c"], "fc": ["fc"], "prob": ["prob"]}
    assert net.bottom_names["relu"] == ["c"]
    assert net.blob_loss_weights == dict.fromkeys(net.blobs, 0)
    loss = layer("loss", "SoftmaxWithLoss", "data label", more="loss_weight: 0.5")
    trained = caffe.CaffeNet(graph_of(data("2 3"), data("2", "label"), loss))
    assert trained._blob_loss_weights == [0, 0, 0.5]
    assert trained.blob_loss_weights["loss"] == 0.5


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("forward_backward_all", "call forward and backward for each batch"),
        ("save_hdf5", "save writes a .caffemodel"),
        ("load_hdf5", "copy_from reads weights"),
        ("_forward", "take the names of layers as start and end"),
        ("after_forward", r"forward\(start=..., end=...\)"),
        ("_blobs", "blobs, inputs and outputs hold them by name"),
    ],
)
def test_what_is_not_there_is_named_with_what_to_use(net, name, instead):
    with pytest.raises(AttributeError, match=f"'CaffeNet' has no attribute '{name}' as pycaffe has: .*{instead}"):
        getattr(net, name)
    assert not hasattr(net, name)


def test_other_attributes_are_missed_as_usual(net):
    with pytest.raises(AttributeError, match=r"'CaffeNet' has no attribute 'colour'$"):
        _ = net.colour
    assert copy.copy(net).inputs == ["data"]


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("Detector", "forward_all"),
        ("layers", "prototxt"),
        ("set_random_seed", "seed="),
    ],
)
def test_what_the_module_has_not_is_named_with_what_to_use(name, instead):
    with pytest.raises(AttributeError, match=f"has no attribute '{name}' as pycaffe has: .*{instead}"):
        getattr(caffe, name)


def test_the_constructors_of_pycaffe(net, files):
    prototxt, model = files
    expected = net.forward(data=X)["prob"]
    for made in (
        caffe.Net(str(prototxt), str(model), caffe.TEST),
        caffe.Net(prototxt, caffe.TEST, weights=model),
        caffe.Net(prototxt, caffe.TEST, 0, None, model),
        caffe.Net(network_file=prototxt, phase=caffe.TEST, weights=model),
        caffe.load_caffe(prototxt, model, phase=caffe.TEST),
    ):
        assert isinstance(made, caffe.CaffeNet)
        np.testing.assert_array_equal(made.forward(data=X)["prob"], expected)
    assert caffe.Net(prototxt, caffe.TRAIN).graph.phase == "TRAIN"
    assert caffe.Net("inp 2 1 / lin 1 -1 / l2l").layers[0].text == "inp 2 1"


def test_phase_level_and_stages_choose_layers(tmp_path):
    path = tmp_path / "net.prototxt"
    chosen = {"a": "phase: TRAIN", "b": "phase: TEST", "c": "min_level: 2", "d": 'stage: "deploy"'}
    rules = [layer(name, "TanH", "data", more=f"include {{ {rule} }}") for name, rule in chosen.items()]
    path.write_text(data("2 3") + "".join(rules))
    assert caffe.Net(path, caffe.TRAIN).outputs == ["a"]
    assert caffe.Net(path, caffe.TEST, level=2).outputs == ["b", "c"]
    assert caffe.Net(path, caffe.TEST, stages=["deploy"]).outputs == ["b", "d"]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("net.prototxt", 2), {}, "the phase is 2, expected caffe64.TRAIN or caffe64.TEST"),
        (("net.prototxt", True), {}, "the phase is True"),
        (("net.prototxt", "net.caffemodel", "test"), {}, "the phase is 'test'"),
        (("net.prototxt", 1), {"seed": 3}, r"Net\(prototxt, caffemodel, phase\) or .* and else load_caffe"),
        (("net.prototxt", 1), {"phase": 1}, r"Net\(prototxt, caffemodel, phase\)"),
        (("net.prototxt", "a", 1, 0, None), {}, r"Net\(prototxt, caffemodel, phase\)"),
    ],
)
def test_other_arguments_are_refused(arguments, options, message):
    with pytest.raises(caffe.UsageError, match=message):
        caffe.Net(*arguments, **options)


def test_a_prototxt_alone_is_pointed_to_load_caffe(files):
    with pytest.raises(caffe.UsageError, match=r"expected its text, .* \(load_caffe reads a Caffe net\)"):
        caffe.Net(files[0])


def test_modes_and_devices():
    caffe.set_mode_cpu()
    with pytest.warns(UserWarning, match="caffe64 has no GPU mode: nets run on the CPU"):
        caffe.set_mode_gpu()
    with pytest.warns(UserWarning, match="device 0 is not used"):
        caffe.set_device(0)
    assert (caffe.TRAIN, caffe.TEST) == (0, 1)
