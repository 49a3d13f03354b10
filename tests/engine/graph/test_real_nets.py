"""Real models: real Caffe's outputs, folded weights that others published, OpenCV as another runtime."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from reference.caffe_graphs import give_weights
from support import SHARED, needs_shared

import caffe64
from caffe64 import Passes, Preparation
from caffe64.engine.graph.frontends.caffe.write import graph_message
from caffe64.errors import CheckFailed
from caffe64.formats.caffe import format_prototxt, write_caffemodel

CAFFE = SHARED / "caffe"
CIFAR, FACE = CAFFE / "cifar10", CAFFE / "face68"
BGR = Preparation((104, 117, 123), 0.017)
pytestmark = needs_shared


def error(actual, expected):
    """Largest difference, relative to the largest value."""
    return np.abs(actual.reshape(expected.shape) - expected).max() / np.abs(expected).max()


def cifar(net="train_val.prototxt", model="cifar10.caffemodel"):
    return caffe64.load_caffe(CIFAR / net, CIFAR / model, deploy=True, input_shapes={"data": (4, 3, 32, 32)})


def test_all_blobs_of_the_cifar_net_are_caffes():
    expected = np.load(CIFAR / "blobs_from_caffe.npz")
    net = cifar()
    net.forward(data=expected["input"])
    for name in expected.files[1:]:
        assert error(net.blobs[name.removeprefix("blob:")].data, expected[name]) < 1e-5, name


def test_folding_the_cifar_net_gives_the_published_weights():
    smaller, _ = caffe64.optimize(cifar(), mean=BGR.mean, scale=BGR.scale)
    published = cifar("opt_train_val.prototxt", "opt_cifar10.caffemodel")
    assert published.params.keys() == smaller.params.keys() - {"scale5"} | (published.params.keys() & {"scale5"})
    for name, arrays in published.params.items():
        for ours, theirs in zip(smaller.params[name], arrays, strict=True):
            assert error(ours.data, theirs.data) < 1e-5, name


@pytest.mark.parametrize("fold_bn", [False, True])
@pytest.mark.parametrize("drop_dropout", [False, True])
@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("preparation", [Preparation(), BGR, Preparation((), 0.017), Preparation((104, 117, 123), 1.0)])
def test_every_combination_of_passes_keeps_the_cifar_nets_output(fold_bn, drop_dropout, in_place, preparation):
    net = cifar()
    passes = Passes(fold_bn=fold_bn, drop_dropout=drop_dropout, in_place=in_place, inputs={"data": preparation})
    smaller, _ = caffe64.optimize(net, passes)
    caffe64.verify(net, smaller, prepared={"data": preparation}, tolerance=1e-5)


def test_a_net_that_is_optimised_is_left_alone():
    once, _ = caffe64.optimize(cifar())
    twice, reports = caffe64.optimize(once)
    assert not any(report.changes for report in reports)
    assert graph_message(twice.graph) == graph_message(once.graph)


def test_folding_face68_gives_its_authors_fold():
    net = caffe64.load_caffe(FACE / "deploy_68_new.prototxt", FACE / "vgg_68_new.caffemodel")
    published = caffe64.load_caffe(FACE / "result.prototxt", FACE / "result.caffemodel")
    smaller, _ = caffe64.optimize(net)
    for name, arrays in published.params.items():
        for ours, theirs in zip(smaller.params[name], arrays, strict=True):
            assert error(ours.data, theirs.data) < 1e-4, name
    caffe64.verify(net, smaller, tolerance=1e-5)
    caffe64.verify(smaller, published, tolerance=1e-4)


@pytest.mark.parametrize(("name", "folds"), [("mnet-deconv-0517", 47), ("mtcnn_det1", 0), ("hyperlpr_segmentation", 0)])
def test_models_give_caffes_outputs_before_and_after(name, folds):
    expected = np.load(CAFFE / "models" / f"{name}_caffe.npz")
    net = caffe64.load_caffe(CAFFE / "models" / f"{name}.prototxt", CAFFE / "models" / f"{name}.caffemodel")
    smaller, reports = caffe64.optimize(net)
    (fold,) = [report for report in reports if report.name == "fold BatchNorm and Scale"]
    assert (len(fold.changes), fold.left) == (folds, [])
    for each in (net, smaller):
        outputs = each.forward(**{net.inputs[0]: expected["input"]})
        for blob in expected.files[1:]:
            assert error(outputs[blob.removeprefix("blob:")], expected[blob]) < 1e-5, blob


# ------------------------------------------------------------------------- definitions only: random weights, OpenCV
NETS = {
    "alexnet_bn_train_val": (1, 3, 227, 227),
    "resnet18_deploy": (1, 3, 224, 224),
    "mobilenet_v1_deploy": (1, 3, 224, 224),
}


@pytest.mark.parametrize("name", NETS)
def test_nets_with_random_weights_stay_equal_and_equal_opencv(name, tmp_path):
    cv2 = pytest.importorskip("cv2")
    shape = NETS[name]
    net = caffe64.load_caffe(CAFFE / "nets" / f"{name}.prototxt", deploy=True, input_shapes={"data": shape})
    give_weights(net.graph, inputs={"data": shape})
    smaller, reports = caffe64.optimize(net)
    assert sum(len(report.changes) for report in reports if report.name.startswith("fold")) >= 5
    caffe64.verify(net, smaller, tolerance=1e-4)
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    message = graph_message(smaller.graph)
    write_caffemodel(tmp_path / "m", message, {n: node.weights for n, node in enumerate(smaller.graph.nodes)})
    written = format_prototxt(message).encode(), (tmp_path / "m").read_bytes()
    other = cv2.dnn.readNetFromCaffe(*(np.frombuffer(each, np.uint8) for each in written))
    other.setInput(x)
    ((output, values),) = smaller.forward(data=x).items()
    assert error(values, other.forward(output)) < 1e-4


@pytest.mark.parametrize(("size", "batch"), [((96, 64), 2), ((33, 47), 1)])
def test_any_input_size(size, batch):
    path = CAFFE / "models" / "mtcnn_det1"
    net = caffe64.load_caffe(path.with_suffix(".prototxt"), path.with_suffix(".caffemodel"))
    x = np.random.default_rng(0).standard_normal((batch, 3, *size)).astype(np.float32)
    whole = net.forward(data=x)["prob1"]
    each = np.concatenate([net.forward(data=x[n : n + 1])["prob1"] for n in range(batch)])
    np.testing.assert_allclose(whole, each, rtol=1e-5)


# ------------------------------------------------------------------------------------------------ what verify allows
def model(name):
    return caffe64.load_caffe(CAFFE / "models" / f"{name}.prototxt", CAFFE / "models" / f"{name}.caffemodel")


def face():
    return caffe64.load_caffe(FACE / "deploy_68_new.prototxt", FACE / "vgg_68_new.caffemodel")


REAL = {"cifar": cifar, "face68": face} | {
    name: partial(model, name) for name in ("mnet-deconv-0517", "mtcnn_det1", "hyperlpr_segmentation")
}


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("seed", range(3))
def test_rounding_is_far_within_the_tolerance_without_any_floor(name, seed):
    net = REAL[name]()
    smaller, _ = caffe64.optimize(net)
    caffe64.verify(net, smaller, tolerance=1e-5, floor=0, seed=seed)  # reached: 3.6e-6


@pytest.mark.parametrize(
    ("name", "layer"), [("face68", "fc6_landmark"), ("mnet-deconv-0517", "face_rpn_bbox_pred_stride8")]
)
@pytest.mark.parametrize(("size", "factor"), [(1, 1.01), (1e-3, 1.01), (1e-4, 1.1)])
def test_a_wrong_channel_is_found_however_small_it_is(name, layer, size, factor):
    net, wrong = REAL[name](), REAL[name]()
    for each, by in ((net, size), (wrong, size * factor)):
        for array in each.params[layer]:
            array.data[5] *= np.float32(by)
    with pytest.raises(CheckFailed, match=rf"'{layer}' by .* at \[0, 5[],]"):
        caffe64.verify(net, wrong)
