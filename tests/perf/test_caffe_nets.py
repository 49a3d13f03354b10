"""The nets of the suite `caffe` are the published ones, and their weights keep values in range."""

from __future__ import annotations

import numpy as np
import pytest
from support import SHARED, needs_shared

import caffe64
from caffe64.engine.graph.analysis.shapes import infer_shapes, weight_shapes
from caffe64.engine.graph.frontends.caffe.build import build_graph
from caffe64.formats.caffe import deploy_net, filter_net, read_prototxt
from caffe64.perf.suites import caffe_nets
from caffe64.perf.suites.caffe_nets import NETS

PUBLISHED = {
    "ResNet-18": "nets/resnet18_deploy.prototxt",
    "MobileNet": "nets/mobilenet_v1_deploy.prototxt",
    "AlexNet-BN": "nets/alexnet_bn_train_val.prototxt",
    "CIFAR": "cifar10/train_val.prototxt",
}


def described(path, case) -> list[tuple]:
    """Of each layer but the inputs: name, type, shapes of its bottoms, tops and weights, and attributes."""
    graph = build_graph(deploy_net(filter_net(read_prototxt(path).message, "TEST"), {"data": case.shape}))
    shapes = infer_shapes(graph, {"data": case.shape})
    return [
        (
            node.name,
            node.type,
            [(blob.name, shapes[blob]) for blob in (*node.bottoms, *node.tops)],
            weights,
            node.attributes,
        )
        for node, weights in zip(graph.nodes, weight_shapes(graph, shapes), strict=True)
        if node.type != "Input"
    ]


@needs_shared
@pytest.mark.parametrize("case", NETS.values(), ids=NETS)
def test_a_net_is_the_published_one(case, tmp_path):
    (tmp_path / "net.prototxt").write_text(case.text())
    assert described(tmp_path / "net.prototxt", case) == described(SHARED / "caffe" / PUBLISHED[case.name], case)


def test_the_training_net_has_its_dropout_and_loss(tmp_path):
    (tmp_path / "net.prototxt").write_text(caffe_nets.cifar(0.25))
    net = caffe64.load_caffe(tmp_path / "net.prototxt", phase="TRAIN", input_shapes={"data": (10, 3, 32, 32)})
    assert net.outputs == ["loss"]
    (dropout,) = [node for node in net.graph.nodes if node.type == "Dropout"]
    assert dropout.attributes.dropout_ratio == 0.25


@pytest.mark.parametrize("name", ["CIFAR", "MobileNet"])
def test_values_stay_in_range_and_no_class_takes_all(name, tmp_path):
    case = NETS[name]
    (tmp_path / "net.prototxt").write_text(case.text())
    net = caffe64.load_caffe(tmp_path / "net.prototxt", deploy=True, input_shapes={"data": case.shape})
    caffe_nets.give_weights(net)
    (probabilities,) = net.forward(data=case.input()).values()
    deviations = [array.data.std() for name, array in net.blobs.items() if name != "prob"]
    assert 0.1 < min(deviations) <= max(deviations) < 10
    assert np.abs(probabilities.reshape(len(probabilities), -1).sum(1) - 1).max() < 1e-5
    assert probabilities.max() < 0.99
