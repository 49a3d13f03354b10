"""Fields of forks in layers that run: obeyed as OpenCV and the forks themselves do, or refused."""

from __future__ import annotations

import numpy as np
import pytest
from reference.caffe_layers import built, net_text, run_layer
from reference.caffe_running import check, runtime_of
from reference.caffe_slopes import backward
from support import SHARED, assert_close, needs_shared

import caffe64
from caffe64.engine.graph.analysis.shapes import infer_shapes, known_shapes
from caffe64.engine.graph.frontends.caffe.fork_fields import REFUSED
from caffe64.engine.graph.frontends.caffe.write import graph_message
from caffe64.engine.graph.ir.ownership import assign_weights
from caffe64.engine.graph.passes.affine import affine_of
from caffe64.engine.graph.passes.optimize import Passes, optimize_graph
from caffe64.engine.graph.verification.verify import run_graph
from caffe64.errors import InputError
from caffe64.formats.caffe import MESSAGES, format_prototxt

WILD = SHARED / "caffe" / "wild"
CASES = [
    *("pooling_ceil_mode_false", "pooling_ceil_mode_false_pad", "pooling_ceil_mode_true", "dropout_scale_train"),
    *("prior_box_many", "prior_box_offset_hw", "prior_box_offset_pairs", "prior_box_step_hw"),
]
X = np.random.default_rng(0).standard_normal((2, 3, 10, 12), np.float32)


def opencv(text: str, x: np.ndarray) -> np.ndarray:
    cv2 = pytest.importorskip("cv2")
    network = cv2.dnn.readNetFromCaffe(np.frombuffer(text.encode(), np.uint8))  # a buffer: bytes are a file's name
    network.setInput(x)
    return network.forward()


@needs_shared
@pytest.mark.parametrize("name", CASES)
def test_the_forks_own_outputs(name):
    case = np.load(WILD / f"{name}.npz")
    runtime = runtime_of(str(case["prototxt"]), [case[f"bottom{n}"] for n in range(2) if f"bottom{n}" in case], [])
    runtime.forward()
    check(runtime.arrays[runtime.graph.nodes[-1].tops[0]], case["top0"])
    if "top_diff0" in case:
        bottoms, _ = backward(str(case["prototxt"]), [case["bottom0"]], [], [case["top_diff0"]])
        check(bottoms[0], case["bottom_diff0"])


@pytest.mark.parametrize("pool", ["MAX", "AVE"])
@pytest.mark.parametrize("mode", ["ceil_mode: false", "ceil_mode: true", "ceil_mode: false pad: 1"])
def test_ceil_mode_is_opencvs(pool, mode):
    parameters = f"pooling_param {{ pool: {pool} kernel_size: 3 stride: 2 {mode} }}"
    expected = opencv(net_text("Pooling", [X.shape], parameters), X)
    (found,) = run_layer("Pooling", [X], parameters)
    assert found.shape[2:] == ((5, 6) if mode != "ceil_mode: false" else (4, 5))
    assert_close("pool", found, expected, 1e-6)


NO_SCALE = "dropout_param { dropout_ratio: 0.25 scale_train: false }"


def test_dropout_that_does_not_scale_in_training_does_in_testing_as_opencvs():
    assert_close(
        "dropout", run_layer("Dropout", [X], NO_SCALE)[0], opencv(net_text("Dropout", [X.shape], NO_SCALE), X), 0
    )
    assert_close("dropout", run_layer("Dropout", [X], NO_SCALE)[0], 0.75 * X, 0)


def test_dropout_that_does_not_scale_in_training_leaves_what_it_does_not_drop():
    (found,) = run_layer("Dropout", [X], NO_SCALE, phase="TRAIN")
    kept = found != 0
    np.testing.assert_array_equal(found[kept], X[kept])
    assert 0.6 < kept.mean() < 0.9
    assert_close(
        "scaled", run_layer("Dropout", [X], NO_SCALE.replace("false", "true"), phase="TRAIN")[0], found / 0.75, 1e-6
    )


@pytest.mark.parametrize("passes", [Passes(), Passes(drop_dropout=False, drop_no_ops=False)])
def test_such_a_dropout_is_written_as_a_layer_that_opencv_and_caffe_have(passes):
    smaller, _ = optimize_graph(built(net_text("Dropout", [X.shape], NO_SCALE)), passes)
    text = format_prototxt(graph_message(smaller))
    assert 'type: "Power"' in text
    assert "dropout" not in text
    assert_close("written", opencv(text, X), 0.75 * X, 0)


def test_fused_relus_are_done():
    random = np.random.default_rng(1)
    weights = [random.standard_normal(shape) for shape in ((3, 3, 3, 3), (3,))]
    plain = "convolution_param { num_output: 3 kernel_size: 3 }"
    fused = plain.replace("}", "relu: true negative_slope: 0.5 }")
    text = net_text("Convolution", [X.shape], fused)
    graph = built(text + 'layer { name: "r" type: "ReLU" bottom: "t0" top: "r" relu_param { fuse: true } }')
    assign_weights(graph, [weights if node.type == "Convolution" else [] for node in graph.nodes])
    (expected,) = run_layer("Convolution", [X], plain, weights)
    assert expected.min() < 0 < expected.max()
    found = run_graph(graph, {"b0": X})["r"]
    assert_close("relu", found, np.where(expected > 0, expected, expected / 2), 1e-5 * np.abs(expected).max())


WITHOUT = [(True, False), (False, True), (True, True)]  # disable_mean, disable_variance


def without(mean, variance):
    return f"batch_norm_param {{ disable_mean: {mean} disable_variance: {variance} eps: 0.5 }}".lower()


@pytest.mark.parametrize(("mean", "variance"), WITHOUT)
def test_batch_norm_without_its_mean_or_variance(mean, variance, tmp_path):
    """Layer by layer, in a plan, folded, and as ONNX."""
    text = net_text("BatchNorm", [X.shape], without(mean, variance))
    graph = built(text)
    weights = [np.array(blob, np.float32) for blob in ([2, 4, -6], [1, 3, 5], [2])]
    assign_weights(graph, [[], weights])
    means, variances = (blob.astype(float).reshape(-1, 1, 1) / 2 for blob in weights[:2])
    expected = X - (0 if mean else means)
    expected = expected if variance else expected / np.sqrt(variances + 0.5)
    assert_close("layer", run_layer("BatchNorm", [X], without(mean, variance), weights)[0], expected, 1e-5)
    assert_close("plan", run_graph(graph, {"b0": X})["t0"], expected, 1e-5)
    (found,) = (each for each in optimize_graph(graph, Passes())[0].nodes if each.type == "BatchNorm")
    affine = affine_of(found, 4)
    assert_close("folded", affine.factor.reshape(-1, 1, 1) * X + affine.offset.reshape(-1, 1, 1), expected, 1e-5)
    written = built(format_prototxt(graph_message(graph)))
    assert written.nodes[1].attributes == graph.nodes[1].attributes
    pytest.importorskip("onnxruntime")
    (difference,) = caffe64.export_onnx(caffe64.CaffeNet(graph), tmp_path / "n.onnx")
    assert difference.relative < 1e-6


@pytest.mark.parametrize(("mean", "variance"), WITHOUT)
def test_it_is_not_trained(mean, variance):
    with pytest.raises(InputError, match="has disable_mean or disable_variance with the statistics of each batch"):
        infer_shapes(built(net_text("BatchNorm", [X.shape], without(mean, variance)), "TRAIN"))


# -------------------------------------------------------------------------------------------------------- refused
LAYER_FIELDS = MESSAGES["LayerParameter"].DESCRIPTOR.fields_by_name
OTHER_VALUES = {"fusion_type": "SUM_FUSION", "shape_offset": "1", "objectness_score": "0.01", "lambda": "2",
                "pixelshuffler": "2", "pad_ratio": "0.5"}  # fmt: skip


def with_field(message: str, field: str, value: str) -> str:
    padded = "pool: AVE kernel_size: 3 pad: 1" if message == "pooling_param" else ""
    return net_text("ReLU", [X.shape], f"{message} {{ {padded} {field}: {value} }}")


@pytest.mark.parametrize(("message", "field"), [(message, field) for message in REFUSED for field in REFUSED[message]])
def test_what_changes_the_result_in_a_way_that_is_not_known_is_refused_with_the_reason(message, field):
    default = LAYER_FIELDS[message].message_type.fields_by_name[field].default_value
    other = OTHER_VALUES.get(field, "false" if default else "true")
    graph = built(with_field(message, field, other))
    with pytest.raises(InputError) as raised:
        infer_shapes(graph)
    reason = f"has {field}, by which {REFUSED[message][field]}: this field of a fork is not supported"
    assert str(raised.value) == f"layer 'it' (ReLU): {reason}"
    assert len(known_shapes(graph)) == 2  # for a drawing it does not matter


@pytest.mark.parametrize(
    ("message", "field", "value"),
    [
        ("batch_norm_param", "disable_mean", "false"),
        ("convolution_param", "fusion_type", "NONE_FUSION"),
        ("detection_output_param", "normalized_bbox", "true"),
        ("dropout_param", "sample_weights_test", "false"),
        ("elu_param", "lambda", "1"),
        ("pooling_param", "avg_include_pad", "true"),
        ("reshape_param", "pixelshuffler", "1"),
    ],
)
def test_the_value_that_caffes_layers_stand_for_is_taken(message, field, value):
    assert len(infer_shapes(built(with_field(message, field, value)))) == 2


# ------------------------------------------------------------------------------------------- types that do not run
@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        ("Softplus", " (caffe64.register_layer teaches a type of your own)"),
        ("Relu", " (did you mean 'ReLU'?)"),
        ("CosineLoss", " (--deploy does without data and loss layers)"),
    ],
)
def test_types_that_do_not_run_are_named_in_a_short_message(kind, hint):
    graph = built(net_text(kind, [(1, 2)]))
    graph.path = "deploy.prototxt"
    with pytest.raises(InputError) as raised:
        infer_shapes(graph)
    assert str(raised.value) == (
        f"deploy.prototxt: layers of types that are not supported: 'it' ({kind}), "
        f"expected those that `caffe64 summary --help` lists{hint}"
    )
