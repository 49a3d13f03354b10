"""ONNX models in onnxruntime: real Caffe's outputs, our own for what no reference file has, and what is refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from reference.caffe_cases import CASES, read_case
from reference.caffe_graphs import conv, data, give_weights, graph_of, layer
from reference.caffe_layers import built, input_text, layer_text, net_text
from support import SHARED, assert_close, needs_shared

import caffe64
from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.engine.graph.ir.graph import Graph
from caffe64.errors import InputError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from caffe64.engine.graph.frontends.onnx.compare import compare_with_onnxruntime, run_model  # noqa: E402
from caffe64.engine.graph.frontends.onnx.write.model import EXPORTS, onnx_model  # noqa: E402

CAFFE = SHARED / "caffe"
LOSSES = ["euclidean_loss", "hinge_l2", "sigmoid_ce_loss"]
SOFTMAX_LOSSES = ["softmax_loss", "softmax_loss_batchnorm", "softmax_loss_none", "softmax_loss_spatial"]
NOT_IN_ONNX = ["accuracy", "accuracy_top3", *LOSSES, *SOFTMAX_LOSSES]
TOLERANCE = 1e-5  # of the largest magnitude; reached: 5e-7


def case_of(name) -> tuple[Graph, dict, list]:
    """A reference case's graph with its weights, its bottoms by name and its tops."""
    text, phase, arrays = read_case(name)
    graph = built(text, phase)
    graph.nodes[-1].weights = arrays.get("param", [])
    bottoms = {blob.name: values for blob, values in zip(graph.inputs, arrays["bottom"], strict=True)}
    return graph, bottoms, arrays["top"]


def export(graph: Graph):
    return onnx_model(graph, infer_shapes(graph), "1.2.3")


def batch_of(model):
    return model.graph.input[0].type.tensor_type.shape.dim[0].dim_param


def check(graph: Graph, tolerance=TOLERANCE):
    """The model, whose outputs are the engine's: for the batch of the net, and one more where any is allowed."""
    model = export(graph)
    found = compare_with_onnxruntime(model, graph, infer_shapes(graph))
    assert len(found) >= len(graph.outputs) > 0
    for each in found:
        assert each.relative <= tolerance, each
    return model


@pytest.mark.parametrize("name", [name for name in CASES if name not in NOT_IN_ONNX])
def test_a_layer_gives_real_caffes_tops(name):
    graph, bottoms, tops = case_of(name)
    model = export(graph) if name == "log" else check(graph)  # random inputs have no logarithm
    found = run_model(model, bottoms)[0]
    assert len(found) == len(tops) > 0
    for (name, actual), expected in zip(sorted(found.items()), tops, strict=True):
        assert_close(name, actual, expected, TOLERANCE * np.abs(expected).max())
    made = {value for node in model.graph.node for value in node.output}
    copies = [node.input[0] for node in model.graph.node if node.op_type == "Identity"]
    assert not made.intersection(copies), "a node could have given its output that name"


@pytest.mark.parametrize("name", [name for name in CASES if name in NOT_IN_ONNX])
def test_losses_are_refused_by_name(name):
    graph, _, _ = case_of(name)
    with pytest.raises(InputError, match=rf"ONNX cannot express: 'layer' \({graph.nodes[-1].type}\)"):
        export(graph)


NETS = {
    "cifar10/train_val": ("cifar10/cifar10", "cifar10/blobs_from_caffe"),
    "models/mtcnn_det1": ("models/mtcnn_det1", "models/mtcnn_det1_caffe"),
    "models/hyperlpr_segmentation": ("models/hyperlpr_segmentation", "models/hyperlpr_segmentation_caffe"),
    "models/mnet-deconv-0517": ("models/mnet-deconv-0517", "models/mnet-deconv-0517_caffe"),
}


@pytest.mark.parametrize("text", ["", 'layer { name: "s" type: "Silence" bottom: "data" }'])
def test_a_net_that_computes_nothing_is_refused(text):
    with pytest.raises(InputError, match="has no layer that computes anything, of which ONNX needs one"):
        export(graph_of(data(), text))


@needs_shared
@pytest.mark.parametrize("name", NETS)
def test_a_real_net_gives_real_caffes_outputs(name):
    model, blobs = (CAFFE / path for path in NETS[name])
    expected = np.load(f"{blobs}.npz")
    shapes = {"data": expected["input"].shape}
    net = caffe64.load_caffe(CAFFE / f"{name}.prototxt", f"{model}.caffemodel", deploy=True, input_shapes=shapes)
    made = onnx_model(net.graph, net.shapes, "1.2.3")
    found = run_model(made, {"data": expected["input"]})[0]
    assert sorted(found) == net.outputs
    for blob, actual in found.items():
        assert_close(blob, actual, expected[f"blob:{blob}"], 2e-5 * np.abs(expected[f"blob:{blob}"]).max())
    assert batch_of(made) == "N"


@needs_shared
def test_face68_gives_the_engines_outputs():
    net = caffe64.load_caffe(CAFFE / "face68" / "deploy_68_new.prototxt", CAFFE / "face68" / "vgg_68_new.caffemodel")
    check(net.graph)


def one_layer(kind, shapes, parameters="", tops=1, weights=True):
    graph = built(net_text(kind, shapes, parameters, tops))
    if weights:
        give_weights(graph)
    return graph


OTHERS = {  # layers and parameters of which no reference file exists
    "permute": ("Permute", [(2, 3, 4, 5)], "permute_param { order: 0 order: 2 order: 3 order: 1 }"),
    "permute batch": ("Permute", [(2, 3, 4, 5)], "permute_param { order: 3 order: 0 }"),
    "normalize": ("Normalize", [(2, 3, 4, 5)], "norm_param { across_spatial: false channel_shared: false }"),
    "normalize image": ("Normalize", [(2, 3, 4, 5)], ""),
    "tile": ("Tile", [(2, 3, 4)], "tile_param { axis: -2 tiles: 3 }"),
    "tile batch": ("Tile", [(2, 3, 4)], "tile_param { axis: 0 tiles: 3 }"),
    "mvn": ("MVN", [(2, 3, 4, 5)], ""),
    "mvn mean only": ("MVN", [(2, 3, 4, 5)], "mvn_param { normalize_variance: false across_channels: true }"),
    "mvn of 2 axes": ("MVN", [(2, 7)], "mvn_param { across_channels: true }"),
    "lrn k": ("LRN", [(2, 6, 4, 5)], "lrn_param { local_size: 3 alpha: 2 beta: 0.5 k: 3 }"),
    "lrn wide": ("LRN", [(2, 3, 3, 3)], "lrn_param { local_size: 7 alpha: 2 norm_region: WITHIN_CHANNEL }"),
    "power 0": ("Power", [(2, 3)], "power_param { power: 0 }"),
    "power shift": ("Power", [(2, 3)], "power_param { scale: 0 shift: 3 power: 2 }"),
    "power 2": ("Power", [(2, 3)], "power_param { scale: -2 shift: 1 power: 2 }"),
    "exp base 2": ("Exp", [(2, 3)], "exp_param { base: 2 scale: 0.5 shift: 1 }"),
    "elu alpha": ("ELU", [(2, 3)], "elu_param { alpha: 0.3 }"),
    "prelu shared": ("PReLU", [(2, 3, 4)], "prelu_param { channel_shared: true }"),
    "prelu 2 axes": ("PReLU", [(2, 3)], ""),
    "swish beta": ("Swish", [(2, 3)], "swish_param { beta: 2 }"),
    "mish": ("Mish", [(2, 30)], ""),
    "selu": ("SELU", [(2, 30)], ""),
    "selu of a fork": ("SeLu", [(2, 30)], "selu_param { alpha: 1.5 lambda: 2 }"),
    "relu6": ("ReLU6", [(2, 30)], ""),
    "relu6 slope": ("ReLU6", [(2, 30)], "relu6_param { negative_slope: 0.3 }"),
    "hard sigmoid": ("HardSigmoid", [(2, 30)], "hard_sigmoid_param { alpha: 0.4 beta: 0.3 }"),
    "hsigmoid": ("HSigmoid", [(2, 30)], ""),
    "hswish": ("HSwish", [(2, 30)], ""),
    "eltwise max": ("Eltwise", [(2, 3)] * 3, "eltwise_param { operation: MAX }"),
    "argmax flat": ("ArgMax", [(2, 3, 4)], "argmax_param { top_k: 3 }"),
    "argmax values": ("ArgMax", [(2, 3, 4, 5)], "argmax_param { top_k: 2 out_max_val: true }"),
    "argmax axis": ("ArgMax", [(2, 3, 4)], "argmax_param { top_k: 2 axis: 1 out_max_val: true }"),
    "argmax places": ("ArgMax", [(2, 3, 4)], "argmax_param { top_k: 2 axis: -1 }"),
    "normalize shared": ("Normalize", [(2, 3, 4, 5)], "norm_param { across_spatial: false channel_shared: true }"),
    "normalize image and channels": ("Normalize", [(2, 3, 4, 5)], "norm_param { channel_shared: false eps: 0.1 }"),
    "concat 1": ("Concat", [(2, 3, 4), (2, 1, 4), (2, 5, 4)], ""),
    "concat last": ("Concat", [(2, 3, 4), (2, 3, 1)], "concat_param { axis: -1 }"),
    "reduction all": ("Reduction", [(2, 3, 4)], "reduction_param { axis: 0 operation: SUM coeff: 0.5 }"),
    "softmax axis 2": ("Softmax", [(2, 5, 3)], "softmax_param { axis: 2 }"),
    "softmax last": ("Softmax", [(2, 5, 3, 4)], "softmax_param { axis: -1 }"),
    "softmax axis 0": ("Softmax", [(4, 3)], "softmax_param { axis: 0 }"),
    "conv 1-D": ("Convolution", [(2, 4, 9)], "convolution_param { num_output: 6 kernel_size: 3 group: 2 }"),
    "conv 3-D": ("Convolution", [(2, 3, 5, 6, 7)], "convolution_param { num_output: 4 kernel_size: 3 pad: 1 }"),
    "conv axis 2": ("Convolution", [(2, 2, 3, 5, 6)], "convolution_param { num_output: 4 kernel_size: 3 axis: 2 }"),
    "conv no pixels": ("Convolution", [(2, 4)], "convolution_param { num_output: 3 kernel_size: 1 }"),
    "conv beyond": ("Convolution", [(1, 1, 2, 2)], "convolution_param { num_output: 2 kernel_size: 3 stride: 2 }"),
    "conv two bottoms": ("Convolution", [(2, 3, 5, 5)] * 2, "convolution_param { num_output: 4 kernel_size: 3 }", 2),
    "deconv group": (
        "Deconvolution",
        [(2, 4, 3, 5)],
        "convolution_param { num_output: 6 kernel_size: 3 stride: 2 pad: 1 group: 2 dilation: 2 }",
    ),
    "ip transposed": ("InnerProduct", [(2, 3, 4)], "inner_product_param { num_output: 5 transpose: true }"),
    "ip axis 2": ("InnerProduct", [(2, 3, 4)], "inner_product_param { num_output: 5 axis: 2 }"),
    "slice points": ("Slice", [(2, 7, 3)], "slice_param { slice_point: 1 slice_point: 4 }", 3),
    "reshape": ("Reshape", [(2, 6, 4)], "reshape_param { shape { dim: 0 dim: -1 dim: 2 } }"),
    "reshape as SSD does": ("Reshape", [(2, 12)], "reshape_param { shape { dim: 0 dim: -1 dim: 3 } }"),
    "flatten behind": ("Flatten", [(2, 3, 4, 5)], "flatten_param { axis: 2 end_axis: 3 }"),
    "flatten batch": ("Flatten", [(2, 6, 4)], "flatten_param { axis: 0 }"),
    "crop all but batch": ("Crop", [(2, 6, 7), (2, 4, 5)], "crop_param { axis: 1 offset: 1 offset: 2 }"),
    "scale shared": ("Scale", [(2, 3, 4)], "scale_param { num_axes: 0 bias_term: true }"),
    "bias whole": ("Bias", [(2, 3, 4)], "bias_param { axis: -1 }"),
    "scale by picture": ("Scale", [(2, 3, 4), (2, 3)], "scale_param { axis: 0 bias_term: false }", 1),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_layer_gives_the_engines_tops(name):
    graph = one_layer(*OTHERS[name])
    assert batch_of(check(graph)) == "N"


POOLS = list(itertools.product(range(3, 12), range(1, 5), range(1, 4), range(3), ("CEIL", "FLOOR"), ("MAX", "AVE")))


def test_pooling_has_caffes_windows_whatever_size_kernel_stride_and_padding():
    """All that Caffe takes of these, 64 layers per net; the other side has a fixed window. F9 of onnx converters: last
    windows that reach over the border, begin outside, or are clipped."""
    texts = []
    for size, kernel, stride, pad, rounding, method in POOLS:
        if pad < kernel and size + 2 * pad >= kernel:
            window = f"kernel_h: {kernel} kernel_w: 3 stride_h: {stride} stride_w: 2 pad_h: {pad} pad_w: 1"
            texts.append((size, f"pooling_param {{ pool: {method} round_mode: {rounding} {window} }}"))
    assert len(texts) > 500
    for start in range(0, len(texts), 64):
        text = "".join(
            input_text(f"x{n}", (1, 2, size, 7)) + layer_text("Pooling", [f"x{n}"], [f"y{n}"], more, f"pool{n}")
            for n, (size, more) in enumerate(texts[start : start + 64])
        )
        check(built(text))


def test_windows_without_a_pixel_give_what_caffe_gives():
    window = "kernel_size: 1 stride: 2 }"
    for method, empty in (("MAX", -np.finfo(np.float32).max), ("AVE", np.nan)):
        graph = one_layer("Pooling", [(1, 1, 4, 4)], f"pooling_param {{ pool: {method} {window}")
        (found,) = run_model(export(graph), {"b0": np.ones((1, 1, 4, 4), np.float32)})[0].values()
        expected = np.full((3, 3), empty, np.float32)
        expected[:2, :2] = 1
        np.testing.assert_array_equal(found[0, 0], expected)


def test_the_second_top_of_max_pooling_counts_within_a_plane():
    graph = one_layer("Pooling", [(2, 3, 5, 6)], "pooling_param { kernel_size: 3 stride: 2 }", tops=2)
    model = check(graph)
    (places,) = (
        found for name, found in run_model(model, {"b0": np.ones((2, 3, 5, 6), np.float32)})[0].items() if name == "t1"
    )
    np.testing.assert_array_equal(places[1, 2], [[0, 2, 4], [12, 14, 16]])


def test_equal_values_are_ranked_as_by_caffe():
    graph = one_layer("ArgMax", [(1, 4)], "argmax_param { top_k: 3 }")
    (found,) = run_model(export(graph), {"b0": np.array([[5, 7, 7, 5]], np.float32)})[0].values()
    assert found.ravel().tolist() == [2, 1, 3]


def test_embed_picks_rows():
    graph = one_layer("Embed", [(2, 3)], "embed_param { num_output: 4 input_dim: 5 }")
    rows = np.array([[0, 4, 2.9], [1, 1, 3]], np.float32)
    (found,) = run_model(export(graph), {"b0": rows})[0].values()
    W, bias = graph.nodes[-1].weights
    np.testing.assert_array_equal(found, W[rows.astype(int)] + bias)


def test_boxes_and_parameters_are_constants():
    shapes = input_text("b0", (2, 3, 4, 5)) + input_text("b1", (2, 3, 32, 40))
    box = layer_text("PriorBox", ["b0", "b1"], ["boxes"], "prior_box_param { min_size: 8 aspect_ratio: 2 clip: true }")
    weight = 'layer { name: "p" type: "Parameter" top: "p" parameter_param { shape { dim: 3 } } }\n'
    graph = built(shapes + box + weight)
    give_weights(graph)
    assert batch_of(check(graph)) == "N"


def test_the_batch_is_fixed_where_a_layer_needs_it():
    whole = one_layer("InnerProduct", [(2, 6)], "inner_product_param { num_output: 3 axis: 0 }")
    cut = one_layer("Slice", [(4, 6)], "slice_param { axis: 0 }", 2)
    fixed = one_layer("Reshape", [(2, 6)], "reshape_param { shape { dim: 2 dim: 3 dim: 2 } }")
    for graph in (whole, cut, fixed):
        assert batch_of(check(graph)) == ""


def test_names_of_inputs_and_outputs_stay_where_layers_work_in_place():
    graph = graph_of(data(), conv("c1", "data"), layer("r1", "ReLU", "c1", "c1"), layer("s", "Power", "c1", "out"))
    model = check(graph)
    assert [each.name for each in model.graph.input] == ["data"]
    assert [each.name for each in model.graph.output] == ["out"]
    assert {"c1", "c1_2"} < {name for node in model.graph.node for name in node.output}


def test_shared_weights_are_stored_once():
    shared = 'convolution_param { num_output: 3 kernel_size: 3 pad: 1 bias_term: false } param { name: "w" }'
    graph = graph_of(
        data(), layer("a", "Convolution", "data", more=shared), layer("b", "Convolution", "a", more=shared)
    )
    model = check(graph)
    assert [each.name for each in model.graph.initializer] == ["a/weight"]


def test_the_model_says_who_made_it_and_how_inputs_are_prepared():
    graph = graph_of(data(), conv("c1", "data"))
    model = onnx_model(graph, infer_shapes(graph), "1.2.3", {"mean": "104,117,123"})
    assert (model.producer_name, model.producer_version) == ("caffe64", "1.2.3")
    assert {each.key: each.value for each in model.metadata_props} == {"caffe64": "1.2.3", "mean": "104,117,123"}


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([layer("d", "Dropout", "data")], "layer 'd' (Dropout): draws random numbers"),
        ([layer("b", "BatchNorm", "data")], "layer 'b' (BatchNorm): normalises by the statistics of the batch"),
    ],
)
def test_what_depends_on_the_phase_train_is_refused(layers, message):
    with pytest.raises(InputError) as caught:
        export(graph_of(data(), *layers, phase="TRAIN"))
    assert str(caught.value).startswith(message)


def test_every_layer_of_the_engine_is_exported_or_known_not_to_be():
    from caffe64.engine.graph.ops import OPS

    losses = {kind for kind, op in OPS.items() if op.gradient and op.gradient.loss}
    said = {*EXPORTS, *(kind for kind, op in OPS.items() if op.onnx)}
    assert set(OPS) - said == {*losses, "Accuracy"}
    assert set(EXPORTS) < set(OPS)
