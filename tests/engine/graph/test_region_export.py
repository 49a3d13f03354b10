"""Regions and YOLO's detections as ONNX, in onnxruntime: the engine's own results."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reference.caffe_layers import built, net_text, run_layer
from reference.wild_cases import CASES, read_wild_case
from support import assert_close, needs_shared

import caffe64
from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.engine.graph.frontends.caffe.build import build_graph
from caffe64.errors import InputError
from caffe64.formats.caffe import parse_prototxt

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from caffe64.engine.graph.frontends.onnx.compare import run_model
from caffe64.engine.graph.frontends.onnx.write.model import onnx_model

few = settings(max_examples=25, deadline=None)
TYPES = ("ROIPooling", "PSROIPooling", "Proposal", "Python", "YoloDetectionOutput", "Yolov3DetectionOutput")


def in_onnxruntime(kind, bottoms, parameters, tops=1) -> list[np.ndarray]:
    graph = built(net_text(kind, [bottom.shape for bottom in bottoms], parameters, tops))
    model = onnx_model(graph, infer_shapes(graph), "1")
    values = {f"b{number}": np.asarray(bottom, np.float32) for number, bottom in enumerate(bottoms)}
    return list(run_model(model, values)[0].values())


@needs_shared
@pytest.mark.parametrize("name", [name for name in CASES if read_wild_case(name).type in TYPES])
def test_the_forks_own_results(name):
    case = read_wild_case(name)
    graph = build_graph(parse_prototxt(case.text).message)
    model = onnx_model(graph, infer_shapes(graph), "1")
    found = run_model(model, {f"b{number}": values for number, values in enumerate(case.arrays["bottom"])})[0]
    for top, expected in zip(case.tops, case.arrays["top"], strict=True):
        values = found[top]
        if case.dynamic is not None:
            values = values.take(range(expected.shape[case.dynamic]), case.dynamic)
        assert_close(top, values, expected, 1e-5 * np.abs(expected).max())


def regions(source, number: int, pictures: int, extent: float) -> np.ndarray:
    rois = source.uniform(-0.5 * extent, 1.5 * extent, (number, 5))
    rois[::2] = np.round(rois[::2] * 2) / 2
    rois[:, 0] = source.uniform(-1.5, pictures + 0.5, number)
    rois[-2:, source.integers(0, 5)] = np.nan, np.inf
    return rois.astype(np.float32)


@few
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    cells=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    scale=st.sampled_from([1.0, 0.5, 0.0625, 3.0]),
    pictures=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_roi_pooling(size, cells, scale, pictures, seed):
    source = np.random.default_rng(seed)
    bottoms = source.standard_normal((pictures, 3, *size), np.float32), regions(source, 11, pictures, max(size) / scale)
    parameters = f"roi_pooling_param {{ pooled_h: {cells[0]} pooled_w: {cells[1]} spatial_scale: {scale} }}"
    (found,) = in_onnxruntime("ROIPooling", bottoms, parameters)
    np.testing.assert_array_equal(found, run_layer("ROIPooling", bottoms, parameters)[0])


@few
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    cells=st.integers(1, 4),
    scale=st.sampled_from([1.0, 0.5, 0.0625, 3.0]),
    pictures=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_ps_roi_pooling(size, cells, scale, pictures, seed):
    source = np.random.default_rng(seed)
    x = source.standard_normal((pictures, 2 * cells**2, *size), np.float32)
    bottoms = x, regions(source, 11, pictures, max(size) / scale)
    parameters = f"psroi_pooling_param {{ output_dim: 2 group_size: {cells} spatial_scale: {scale} }}"
    (found,) = in_onnxruntime("PSROIPooling", bottoms, parameters)
    assert_close("top", found, run_layer("PSROIPooling", bottoms, parameters)[0], 1e-5)


PORT = "proposal_param { ratio: 0.5 ratio: 2 scale: 1 scale: 2.5 feat_stride: 8 base_size: 12 min_size: %d pre_nms_topn: %d post_nms_topn: %d nms_thresh: %g }"  # noqa: E501


@few
@example(size=(1, 2), least=9, before=1, after=1, threshold=0.3, odd=np.nan, python=False, unread=0, seed=546)
@given(
    size=st.tuples(st.integers(1, 5), st.integers(1, 6)),
    least=st.sampled_from([0, 9]),
    before=st.sampled_from([1, 7, 1000]),
    after=st.sampled_from([1, 5, 1000]),
    threshold=st.sampled_from([0.3, 0.7, 1.5]),
    odd=st.sampled_from([None, np.nan, np.inf]),
    python=st.booleans(),
    unread=st.integers(0, 2),
    seed=st.integers(0, 1000),
)
def test_proposal(size, least, before, after, threshold, odd, python, unread, seed):
    source = np.random.default_rng(seed)
    number = 6 if python else 4
    scores = source.permutation(2 * number * size[0] * size[1]).reshape(1, 2 * number, *size).astype(np.float32)
    offsets = source.normal(0, 0.4, (1, 4 * number, *size)).astype(np.float32)
    if odd is not None:
        scores[0, number, 0, 0], offsets[0, :, -1, -1] = odd, odd
    info = np.array([[40, 50, 1.25, 1.5, *[9] * unread]], np.float32)
    kind, parameters = "Proposal", PORT % (least, before, after, threshold)
    if python:
        text = "feat_stride: 8\\nscales: [1, 2.5]"
        kind, parameters = (
            "Python",
            f'python_param {{ module: "rpn.proposal_layer" layer: "ProposalLayer" param_str: "{text}" }}',
        )
    found = in_onnxruntime(kind, [scores, offsets, info], parameters, tops=2)
    expected = run_layer(kind, [scores, offsets, info], parameters, tops=2)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert_close("top", np.nan_to_num(one), np.nan_to_num(other), 1e-4)


def test_a_proposal_of_nothing_is_refused():
    graph = built(net_text("Proposal", [(1, 8, 0, 4), (1, 16, 0, 4), (1, 4)], PORT % (0, 9, 9, 1)))
    with pytest.raises(InputError, match=r"\(Proposal\): has no pixels"):
        onnx_model(graph, infer_shapes(graph), "1")


def each(name: str, values) -> str:
    return " ".join(f"{name}: {value}" for value in values)


@few
@given(
    version=st.sampled_from([2, 3]),
    pictures=st.integers(1, 2),
    classes=st.integers(1, 4),
    size=st.tuples(st.integers(1, 5), st.integers(1, 4)),
    lowest=st.sampled_from([-1, 0.05, 0.4, 0.99]),
    nms=st.sampled_from([0.123, 0.45, 1]),
    odd=st.sampled_from([None, np.nan]),
    seed=st.integers(0, 1000),
)
def test_yolos_outputs(version, pictures, classes, size, lowest, nms, odd, seed):
    source, groups = np.random.default_rng(seed), 1 if version == 2 else 2
    size = size if version == 3 else (size[0], size[0])
    bottoms = [source.standard_normal((pictures, 2 * (5 + classes), *size), np.float32) for _ in range(groups)]
    if odd is not None:
        bottoms[0][0, 5, 0, 0] = odd
    fields = f"""num_classes: {classes} num_box: 2 confidence_threshold: {lowest} nms_threshold: {nms}
        {each("biases", (2, 3, 1, 1.5, 2, 1, 4, 3))}"""
    kind, parameters = "YoloDetectionOutput", f"yolo_detection_output_param {{ {fields} }}"
    if version == 3:
        fields += f""" mask_group_num: 2 {each("mask", (2, 3, 0, 1))} {each("anchors_scale", (1, 2))}"""
        kind, parameters = "Yolov3DetectionOutput", f"yolov3_detection_output_param {{ {fields} }}"
    found = in_onnxruntime(kind, bottoms, parameters)[0].reshape(-1, 7)
    rows = run_layer(kind, bottoms, parameters)[0].reshape(-1, 7)
    expected = rows[: max(pictures if rows[0, 1] < 0 else 1, (rows[:, 1] > 0).sum())]
    assert found.shape == expected.shape
    assert_close("rows", found, expected, 1e-5 * (1 + np.abs(expected).max()))


def test_a_threshold_of_zero_is_refused():
    fields = f"num_classes: 1 num_box: 1 nms_threshold: 0 {each('biases', (1, 2))}"
    graph = built(net_text("YoloDetectionOutput", [(1, 6, 3, 3)], f"yolo_detection_output_param {{ {fields} }}"))
    with pytest.raises(InputError, match=r"nms_threshold 0 .*, expected a threshold above 0, and pixels"):
        onnx_model(graph, infer_shapes(graph), "1")


FASTER_RCNN = """
layer { name: "data" type: "Input" top: "data" top: "im_info"
  input_param { shape { dim: 1 dim: 3 dim: 96 dim: 128 } shape { dim: 1 dim: 3 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 20 kernel_size: 16 stride: 16 weight_filler { type: "gaussian" std: 0.05 } } }
layer { name: "score" type: "Convolution" bottom: "conv" top: "score"
  convolution_param { num_output: 18 kernel_size: 1 weight_filler { type: "gaussian" std: 1 } } }
layer { name: "box" type: "Convolution" bottom: "conv" top: "box"
  convolution_param { num_output: 36 kernel_size: 1 weight_filler { type: "gaussian" std: 0.05 } } }
layer { name: "pairs" type: "Reshape" bottom: "score" top: "pairs"
  reshape_param { shape { dim: 0 dim: 2 dim: -1 dim: 0 } } }
layer { name: "prob" type: "Softmax" bottom: "pairs" top: "prob" }
layer { name: "scores" type: "Reshape" bottom: "prob" top: "scores"
  reshape_param { shape { dim: 0 dim: 18 dim: -1 dim: 0 } } }
layer { name: "proposal" type: "Python" bottom: "scores" bottom: "box" bottom: "im_info" top: "rois"
  python_param { module: "rpn.proposal_layer" layer: "ProposalLayer" param_str: "feat_stride: 16, scales: [1, 2, 4]" } }
layer { name: "pool" type: "ROIPooling" bottom: "conv" bottom: "rois" top: "pool"
  roi_pooling_param { pooled_w: 3 pooled_h: 2 spatial_scale: 0.0625 } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc"
  inner_product_param { num_output: 5 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "class" type: "Softmax" bottom: "fc" top: "class" }
layer { name: "parts" type: "Convolution" bottom: "conv" top: "parts"
  convolution_param { num_output: 12 kernel_size: 1 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "vote" type: "PSROIPooling" bottom: "parts" bottom: "rois" top: "vote"
  psroi_pooling_param { output_dim: 3 group_size: 2 spatial_scale: 0.0625 } }
"""


def test_a_whole_detector_as_it_is_and_optimised(tmp_path):
    (tmp_path / "net.prototxt").write_text(FASTER_RCNN)
    net = caffe64.load_caffe(tmp_path / "net.prototxt", fill_missing=True, seed=3)
    inputs = {
        "data": np.random.default_rng(0).standard_normal((1, 3, 96, 128), np.float32),
        "im_info": np.array([[96, 128, 1]], np.float32),
    }
    expected = net.forward(blobs=["rois", "class", "vote"], **inputs)
    there = expected["rois"][:, 0] == 0
    assert 20 < there.sum() < len(there)
    assert np.ptp(expected["class"][there], axis=0).max() > 0.1
    optimised, _ = caffe64.optimize(net)
    optimised.save(tmp_path / "o.prototxt", tmp_path / "o.caffemodel")
    assert '"Python"' in (tmp_path / "o.prototxt").read_text()
    again = caffe64.load_caffe(tmp_path / "o.prototxt", tmp_path / "o.caffemodel")
    model = onnx_model(net.graph, infer_shapes(net.graph), "1")
    for found in (again.forward(blobs=list(expected), **inputs), run_model(model, inputs)[0]):
        for name in {"rois", "class", "vote"} & set(found):
            assert_close(name, found[name], expected[name], 1e-4 * np.abs(expected[name]).max())
