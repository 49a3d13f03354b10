"""Faults of Caffe-Computation-Graph-Optimization. Most are tested with their pass; here are those of whole files, and
the rest: folding, in-place layers, Dropout, mean and scale."""

from __future__ import annotations

import pytest
from reference.caffe_graphs import conv, data, give_weights, graph_of, layer, names, optimised, types

import caffe64
from caffe64 import Preparation
from caffe64.engine.graph.passes.optimize import Passes

LEGACY = 'name: "old" input: "image" input_dim: 1 input_dim: 3 input_dim: 7 input_dim: 6 force_backward: true\n'
V1 = """
layers { name: "c" type: CONVOLUTION bottom: "image" top: "c" blobs_lr: 1 convolution_param {
         num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layers { name: "d" type: DROPOUT bottom: "c" top: "c" }
layers { name: "r" type: RELU bottom: "c" top: "r" }
"""


def saved_again(folder, text, **options):
    """The net of `text`, optimised, saved and loaded again; its outputs are compared."""
    (folder / "net.prototxt").write_text(text)
    net = caffe64.load_caffe(folder / "net.prototxt")
    smaller, _ = caffe64.optimize(net, **options)
    smaller.save(folder / "small.prototxt", folder / "small.caffemodel")
    again = caffe64.load_caffe(folder / "small.prototxt", folder / "small.caffemodel")
    prepared = {net.inputs[0]: Preparation(options.get("mean", ()), options.get("scale", 1.0))}
    caffe64.verify(net, again, prepared=prepared, tolerance=1e-5)
    return again, (folder / "small.prototxt").read_text()


def test_batchnorm_stays_where_nothing_can_take_it():
    join = [conv("c", "data"), layer("p", "Pooling", "data", "p", "pooling_param { kernel_size: 3 stride: 1 }")]
    for kind, bottoms in (("Concat", "c p"), ("Eltwise", "c c"), ("ReLU", "c")):
        smaller, _ = optimised(graph_of(data(), *join, layer("e", kind, bottoms), layer("b", "BatchNorm", "e")))
        assert "BatchNorm" in types(smaller)


def test_depthwise_layers_take_it():
    depthwise = layer("c", "DepthwiseConvolution", "data", "c", "convolution_param { num_output: 3 kernel_size: 3 }")
    smaller, _ = optimised(graph_of(data(), depthwise, layer("b", "BatchNorm", "c")))
    assert types(smaller) == ["Input", "DepthwiseConvolution"]


def test_a_product_with_a_bias_ends_the_chain():
    layers = (
        conv("c", "data"),
        layer("s", "Scale", "c factors", "s", "scale_param { bias_term: true }"),
        layer("b", "BatchNorm", "s"),
    )
    smaller, _ = optimised(graph_of(data(), data("4", "factors"), *layers))
    assert types(smaller) == ["Input", "Input", "Convolution", "Scale", "BatchNorm"]


def test_f12_d5_i5_legacy_inputs_and_the_nets_other_fields_stay(tmp_path):
    again, text = saved_again(tmp_path, LEGACY + V1)
    assert (again.inputs, again.outputs) == (["image"], ["r"])
    assert "force_backward: true" in text
    assert names(again.graph) == ["input", "c", "r"]


def test_f12_m5_the_input_has_any_name(tmp_path):
    again, _ = saved_again(tmp_path, LEGACY + V1, mean=(104.0, 117.0, 123.0), scale=0.017)
    assert again.inputs == ["image"]


def test_a_weighted_sum_is_not_folded():
    layers = conv("c", "data"), layer("e", "Eltwise", "c c", "e", "eltwise_param { coeff: 2 coeff: -1 }")
    smaller, _ = optimised(graph_of(data(), *layers, layer("b", "BatchNorm", "e")))
    assert types(smaller) == ["Input", "Convolution", "Eltwise", "BatchNorm"]


def test_a_reader_before_keeps_the_blob():
    pool = layer("p", "Pooling", "c", "p", "pooling_param { kernel_size: 2 }")
    smaller, reports = optimised(graph_of(data(), conv("c", "data"), pool, layer("r", "ReLU", "c", "r")))
    assert reports["run in place"].left == ["ReLU 'r': 'c' is also read by 'p'"]
    assert [blob.name for blob in smaller.outputs] == ["p", "r"]


def test_two_bottoms_run_in_place_on_the_first():
    layers = conv("c", "data"), layer("s", "Scale", "c factors", "s"), layer("q", "Concat", "s s", "q")
    smaller, _ = optimised(graph_of(data(), data("4", "factors"), *layers))
    assert smaller.nodes[3].tops[0].name == "c"


def test_the_order_of_the_file_does_not_matter():
    layers = conv("c1", "data"), conv("c2", "data"), layer("d", "Dropout", "c1", "d"), layer("r", "ReLU", "d")
    smaller, _ = optimised(graph_of(data(), *layers, layer("t", "TanH", "c2")))
    assert sorted(blob.name for blob in smaller.outputs) == ["r", "t"]


def test_dropout_may_come_first():
    smaller, _ = optimised(graph_of(data(), layer("d", "Dropout", "data", "d"), conv("c", "d")))
    assert types(smaller) == ["Input", "Convolution"]


def test_all_files_are_written_for_any_layers(tmp_path):
    nothing = Passes(fold_bn=False, drop_dropout=False, in_place=False, drop_no_ops=False)
    saved_again(tmp_path, LEGACY + V1, passes=nothing)
    assert (tmp_path / "small.caffemodel").stat().st_size > 4 * 4 * 27


@pytest.mark.parametrize("values", [Preparation((104.0, 117.0, 123.0)), Preparation((), 0.5)])
def test_mean_and_scale_work_alone(values):
    smaller, _ = optimised(graph_of(data(), conv("c", "data")), prepared={"data": values})
    assert len(smaller.nodes) == 2


def test_layers_that_only_read_the_inputs_shape_do_not_count():
    boxes = layer("b", "PriorBox", "c data", "b", "prior_box_param { min_size: 2 }")
    smaller, _ = optimised(graph_of(data(), conv("c", "data"), boxes), prepared={"data": Preparation((), 0.5)})
    assert types(smaller) == ["Input", "Convolution", "PriorBox"]


def test_m10_the_inputs_size_does_not_matter(tmp_path):
    again, _ = saved_again(tmp_path, LEGACY + V1, mean=(1.0, 2.0, 3.0))
    give_weights(again.graph)
    again.reshape(image=(1, 3, 3, 3))
    assert again.forward()["r"].shape == (1, 4, 1, 1)
