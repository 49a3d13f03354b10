"""What becomes of BN, SegNet's and PSPNet's, in passes, in Caffe's files, in ONNX and in safetensors."""

from __future__ import annotations

import numpy as np
import pytest
from reference.caffe_graphs import conv, data, graph_of, layer, names, optimised, types
from reference.caffe_slopes import apart

import caffe64
from caffe64.engine.graph.frontends.caffe.build import build_graph
from caffe64.engine.graph.frontends.caffe.write import graph_message
from caffe64.engine.graph.passes.optimize import optimize_graph
from caffe64.errors import InputError
from caffe64.formats.caffe import format_prototxt, parse_prototxt

INFERENCE, LEARN = "bn_param { bn_mode: INFERENCE }", "bn_param { bn_mode: LEARN }"
PSPNET = "bn_param { eps: 0.1 momentum: 0.75 }"
FROZEN = "bn_param { frozen: true eps: 0.1 }"


# ----------------------------------------------------------------------------------------------------------- passes
@pytest.mark.parametrize("parameters", ["", PSPNET, FROZEN, INFERENCE])
@pytest.mark.parametrize("more", ["", "bias_term: true pad: 1", "group: 2"])
def test_it_is_folded_into_the_layer_before(parameters, more):
    graph = graph_of(data("2 4 7 6"), conv("c", "data", more=more), layer("b", "BN", "c", "c", parameters))
    smaller, reports = optimised(graph)
    assert names(smaller) == ["data", "c"]
    assert reports["fold BatchNorm and Scale"].changes == ["BN 'b' into Convolution 'c'"]


@pytest.mark.parametrize("parameters", [PSPNET, INFERENCE])
def test_it_is_folded_into_the_layer_behind(parameters):
    smaller, _ = optimised(graph_of(data(), layer("b", "BN", "data", "b", parameters), conv("c", "b")))
    assert names(smaller) == ["data", "c"]


@pytest.mark.parametrize("parameters", [PSPNET, INFERENCE])
def test_one_that_stays_becomes_a_scale_that_every_caffe_has(parameters):
    graph = graph_of(data(), layer("r", "ReLU", "data"), layer("b", "BN", "r", "b", parameters))
    smaller, reports = optimised(graph)
    assert types(smaller) == ["Input", "ReLU", "Scale"]
    assert reports["merge BatchNorm and Scale"].changes == ["'b' is a Scale 'b'"]
    chain = [layer("s", "Scale", "b", "s", "scale_param { bias_term: true }"), layer("t", "BN", "s", "t", INFERENCE)]
    longer = graph_of(data(), layer("r", "ReLU", "data"), layer("b", "BN", "r", "b", parameters), *chain)
    smaller, reports = optimised(longer)
    assert types(smaller) == ["Input", "ReLU", "Scale"]
    assert reports["merge BatchNorm and Scale"].changes == ["'b', 's', 't' are one Scale 't'"]


def test_what_depends_on_the_batch_stays():
    smaller, reports = optimised(graph_of(data(), conv("c", "data"), layer("b", "BN", "c", "b", LEARN)), tolerance=1e-4)
    assert types(smaller) == ["Input", "Convolution", "BN"]
    (reason,) = reports["fold BatchNorm and Scale"].left
    assert reason == "BN 'b' after 'c': 'b' normalises by the statistics of each batch"


def test_a_variance_without_a_root_is_left_with_the_reason():
    graph = graph_of(data(), conv("c", "data"), layer("b", "BN", "c", "b"))
    graph.nodes[2].weights[3][0, 2] = -1
    _, reports = optimize_graph(graph, caffe64.Passes())
    (reason,) = next(each.left for each in reports if each.name == "fold BatchNorm and Scale")
    assert reason == "BN 'b' after 'c': 'b' has the variance -0.99999 in channel 2, which has no root"


@pytest.mark.parametrize("parameters", ["", PSPNET, FROZEN, INFERENCE, LEARN])
def test_it_is_written_as_it_was_read(parameters):
    graph = graph_of(data(), layer("b", "BN", "data", "b", parameters))
    text = format_prototxt(graph_message(graph))
    assert build_graph(parse_prototxt(text).message).nodes[1].attributes == graph.nodes[1].attributes
    graph.nodes[1].origin = None
    written = build_graph(parse_prototxt(format_prototxt(graph_message(graph))).message)
    assert written.nodes[1].attributes == graph.nodes[1].attributes


# ------------------------------------------------------------------------------------------------------------- files
@pytest.mark.parametrize("shape", ["2 3", "2 3 4", "2 3 4 5"])
@pytest.mark.parametrize("parameters", [PSPNET, FROZEN, INFERENCE])
def test_it_is_exported(parameters, shape, tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    net = caffe64.CaffeNet(graph_of(data(shape), layer("b", "BN", "data", "b", parameters)))
    (difference,) = caffe64.export_onnx(net, tmp_path / "n.onnx")
    assert difference.relative < 1e-6
    again = caffe64.load_onnx(tmp_path / "n.onnx")
    x = apart(*map(int, shape.split()))
    np.testing.assert_allclose(again.forward(data=x)["b"], net.forward(data=x)["b"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("parameters", "phase", "hint"),
    [(LEARN, "TEST", "bn_mode: INFERENCE has them in scale and shift"), (PSPNET, "TRAIN", "phase TEST has them")],
)
def test_statistics_of_the_batch_are_not_exported(parameters, phase, hint, tmp_path):
    pytest.importorskip("onnx")
    net = caffe64.CaffeNet(graph_of(data(), layer("b", "BN", "data", "b", parameters), phase=phase))
    with pytest.raises(InputError, match=f"normalises by the statistics of the batch.*{hint}"):
        caffe64.export_onnx(net, tmp_path / "n.onnx")


def test_its_blobs_have_names_in_safetensors(tmp_path):
    pytest.importorskip("safetensors")
    net = caffe64.CaffeNet(graph_of(data(), layer("b", "BN", "data", "b", PSPNET)))
    found = caffe64.export_safetensors(net, tmp_path / "n.safetensors")
    assert found == ["b.weight", "b.bias", "b.mean", "b.variance"]
