"""SSD detectors as ONNX: the rows of DetectionOutput in onnxruntime and, under `make opencv5`, in OpenCV 5."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.caffe_graphs import give_weights
from reference.caffe_layers import built, input_text, layer_text, net_text
from reference.detections import detections, detector, net_outputs
from reference.ssd_nets import face_ssd, mobilenet_ssd
from reference.wild_cases import CASES, read_wild_case
from support import assert_close, needs_shared

import caffe64
from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.engine.graph.verification.difference import difference
from caffe64.engine.graph.verification.scale import output_rows
from caffe64.engine.graph.verification.verify import run_graph
from caffe64.errors import CheckFailed, InputError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
cv2 = pytest.importorskip("cv2")
from caffe64.engine.graph.frontends.onnx.compare import compare_with_onnxruntime, run_model  # noqa: E402
from caffe64.engine.graph.frontends.onnx.write.model import onnx_model  # noqa: E402

HAS_OPENCV_5 = int(cv2.__version__.split(".")[0]) >= 5
TOLERANCE = 1e-5


def export(graph):
    return onnx_model(graph, infer_shapes(graph), "1")


def rows_of(model, inputs) -> list[np.ndarray]:
    """[rows, 7] from onnxruntime and from OpenCV 5."""
    results = list(run_model(model, inputs)[0].values())
    if HAS_OPENCV_5:
        net = cv2.dnn.readNetFromONNX(np.frombuffer(model.SerializeToString(), np.uint8))
        for name, values in inputs.items():
            net.setInput(values, name)
        results.append(net.forward())
    assert [each.shape[:2] for each in results] == [(1, 1)] * (1 + HAS_OPENCV_5)
    return [each[0, 0] for each in results]


def check_rows(results, expected, images: int) -> None:
    """Where there are none, from Caffe too, there is one row for each image."""
    if not len(expected):
        expected = np.full((images, 7), -1)
        expected[:, 0] = range(images)
    for found in results:
        assert_close("detections", found, expected, TOLERANCE * (1 + np.abs(expected).max()))


@settings(max_examples=60, deadline=None)
@given(
    images=st.integers(1, 2),
    boxes=st.integers(1, 20),
    classes=st.integers(1, 4),
    shared=st.booleans(),
    code=st.sampled_from(["CORNER", "CENTER_SIZE", "CORNER_SIZE"]),
    in_target=st.booleans(),
    background=st.sampled_from([0, 1, -1]),
    lowest=st.sampled_from([None, -1.0, 0.3, 2.0]),
    nms=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]),
    eta=st.sampled_from([1.0, 0.5]),
    top_k=st.sampled_from([None, -1, 1, 5, 100]),
    keep=st.sampled_from([None, -1, 1, 3, 1000]),
    shift=st.sampled_from([0.0, -3.0]),
    seed=st.integers(0, 1000),
)
def test_all_variants(
    images, boxes, classes, shared, code, in_target, background, lowest, nms, eta, top_k, keep, shift, seed
):
    """`eta` is 1 or without effect."""
    if nms > 0.5:
        eta = 1.0
    if classes == 1 and background == 0:
        background = -1
    owners = 1 if shared else classes
    offsets, scores, priors = net_outputs(images, boxes, classes, owners, seed)
    bottoms = offsets, scores + np.float32(shift), priors
    optional = [("confidence_threshold", lowest), ("keep_top_k", keep)]
    fields = " ".join(f"{name}: {value}" for name, value in optional if value is not None)
    graph = detector(
        bottoms,
        f"""num_classes: {classes} share_location: {str(shared).lower()} background_label_id: {background}
        code_type: {code} variance_encoded_in_target: {str(in_target).lower()} {fields}
        nms_param {{ nms_threshold: {nms} eta: {eta} {"" if top_k is None else f"top_k: {top_k}"} }}""",
    )
    expected = detections(
        *bottoms, classes, owners, code, in_target, background,
        -math.inf if lowest is None else np.float32(lowest), nms, eta,
        -1 if top_k is None else top_k, -1 if keep is None else keep,
    )  # fmt: skip
    model = export(graph)
    check_rows(rows_of(model, {f"b{number}": bottom for number, bottom in enumerate(bottoms)}), expected, images)
    assert [each.domain for each in model.opset_import] == [""]
    assert model.opset_import[0].version == 13


def test_of_equal_scores_the_first_are_taken():
    """Boxes side by side, all of one score: top_k and keep_top_k cut between equal ones."""
    left = np.arange(8, dtype=np.float32) / 8
    boxes = np.stack([left, 0 * left, left + 0.1, 0 * left + 1], axis=1)
    priors = np.stack([boxes, np.ones_like(boxes)]).reshape(1, 2, -1)
    bottoms = [np.zeros((1, 32), np.float32), np.full((1, 24), 0.5, np.float32), priors]
    graph = detector(bottoms, "num_classes: 3 keep_top_k: 7 nms_param { top_k: 5 }")
    inputs = {f"b{number}": bottom for number, bottom in enumerate(bottoms)}
    for found in [*rows_of(export(graph), inputs), run_graph(graph, inputs)["t0"][0, 0]]:
        assert found[:, 1].tolist() == [1] * 5 + [2] * 2
        np.testing.assert_allclose(found[:, 3], [*left[:5], *left[:2]], atol=1e-6)


def test_boxes_without_an_area_overlap_nothing():
    """Equal points, a line, and boxes whose corners are exchanged, beside one that covers them: none suppresses."""
    whole, point, line, exchanged = [0, 0, 1, 1], [0.5, 0.5, 0.5, 0.5], [0.2, 0.5, 0.8, 0.5], [0.9, 0.9, 0.1, 0.1]
    boxes = np.float32([whole, point, point, line, line, exchanged, exchanged, whole])
    priors = np.stack([boxes, np.ones_like(boxes)]).reshape(1, 2, -1)
    bottoms = [np.zeros((1, 32), np.float32), np.linspace(0.9, 0.1, 8, dtype=np.float32)[None], priors]
    graph = detector(bottoms, "num_classes: 1 background_label_id: -1 nms_param { nms_threshold: 0.1 }")
    for found in rows_of(export(graph), {f"b{number}": bottom for number, bottom in enumerate(bottoms)}):
        np.testing.assert_array_equal(found[:, 3:], boxes[:-1])


@needs_shared
@pytest.mark.parametrize("name", [name for name in CASES if read_wild_case(name).type == "DetectionOutput"])
def test_real_caffes_rows(name, tmp_path):
    case = read_wild_case(name)
    net = caffe64.load_caffe(*case.write(tmp_path))
    if name == "detection_output_eta":
        with pytest.raises(InputError, match=r"eta 0\.7 of nms_threshold 0\.8, expected 1, or a threshold up to 0\.5"):
            export(net.graph)
        return
    inputs = dict(zip(net.inputs, case.arrays["bottom"], strict=True))
    expected = case.arrays["top"][0].reshape(-1, 7)
    check_rows(rows_of(export(net.graph), inputs), expected, len(case.arrays["bottom"][0]))


REFUSED = [
    (
        "num_classes: 2 nms_param { nms_threshold: 0.75 eta: 0.9 }",
        "eta 0.9 of nms_threshold 0.75, expected 1, or a threshold up to 0.5: NonMaxSuppression's stays as it is",
    ),
    ("num_classes: 2 keep_top_k: 0", "can find nothing, expected priors, a class beside the background"),
    ("num_classes: 2 nms_param { top_k: 0 }", "can find nothing, expected priors, a class beside the background"),
    ("num_classes: 1", "can find nothing, expected priors, a class beside the background"),
]


@pytest.mark.parametrize(("fields", "message"), REFUSED)
def test_what_onnx_cannot_say_is_refused(fields, message):
    classes = int(fields[13])
    with pytest.raises(InputError) as raised:
        export(detector(net_outputs(1, 3, classes, 1, 0), fields))
    assert str(raised.value).startswith(f"layer 'it' (DetectionOutput): {message}")


def test_layers_that_read_detections_are_refused():
    text = net_text("DetectionOutput", [(1, 8), (1, 4), (1, 2, 8)], "detection_output_param { num_classes: 2 }")
    graph = built(text + layer_text("Flatten", ["t0"], ["flat"], name="flat"))
    with pytest.raises(InputError, match=r"'flat' \(Flatten\): reads the rows of 't0', expected no reader: ONNX has"):
        export(graph)


PRIORS = [
    "min_size: 30",
    "min_size: 30.5 max_size: 60 aspect_ratio: 2 clip: true",
    "min_size: 10 min_size: 20 max_size: 15 max_size: 40 offset: 0.25 flip: false step: 16",
    "min_size: 30 aspect_ratio: 2 offset_h: 0.5 offset_w: 0.75 offset_h: 1 offset_w: 0 step_h: 7.5 step_w: 12",
    "width: 10 width: 20.5 height: 7 height: 9.25 variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2",
    "min_size: 30 img_h: 200 img_w: 150",
]


@pytest.mark.parametrize("fields", PRIORS)
def test_priors_are_constants(fields):
    text = input_text("map", (2, 3, 4, 5)) + input_text("data", (2, 3, 32, 40))
    text += layer_text("PriorBox", ["map", "data"], ["priors"], f"prior_box_param {{ {fields} }}", "p")
    graph = built(text)
    model = export(graph)
    assert len(model.graph.initializer) == 1
    shapes = infer_shapes(graph)
    inputs = {blob.name: np.zeros(shapes[blob], np.float32) for blob in graph.inputs}
    (found,) = run_model(model, inputs)[0].values()
    np.testing.assert_array_equal(found, run_graph(graph, inputs)["priors"])


def load(folder, text: str) -> caffe64.CaffeNet:
    """The net with random weights."""
    (folder / "ssd.prototxt").write_text(text)
    net = caffe64.load_caffe(folder / "ssd.prototxt", seed=3)
    give_weights(net.graph)
    return net


@pytest.mark.parametrize(("text", "least"), [(mobilenet_ssd(128, 0.25, 6), 20), (face_ssd(128, 0.25), 100)])
def test_a_whole_detector(text, least, tmp_path):
    net = load(tmp_path, text)
    found = caffe64.export_onnx(net, tmp_path / "ssd.onnx")
    assert [each.output for each in found] == ["detection_out"]
    assert found[0].relative < 1e-4
    model = onnx.load(tmp_path / "ssd.onnx")
    (output,) = model.graph.output
    dims = [each.dim_param or each.dim_value for each in output.type.tensor_type.shape.dim]
    assert dims == [1, 1, "detection_out/rows", 7]
    for images in (1, 3):  # the batch is free
        x = np.random.default_rng(images).standard_normal((images, 3, 128, 128), np.float32)
        expected = net.forward(data=x)["detection_out"]
        assert (expected[0, 0, :, 1] >= 0).sum() > least * images
        moved = output_rows(net.graph, {"data": x})["detection_out"]
        for found in rows_of(model, {"data": x}):
            assert difference("rows", expected, found, moved, 1e-6).relative < 1e-4


def test_a_wrong_detector_is_found_although_random_pictures_hold_nothing(tmp_path, monkeypatch):
    net = load(tmp_path, mobilenet_ssd(96, 0.25).replace("confidence_threshold: 0.25", "confidence_threshold: 0.999"))
    (found,) = caffe64.export_onnx(net, tmp_path / "ssd.onnx")
    assert found.note == ""
    graph = net.graph.copy()
    from caffe64.engine.graph.frontends.onnx.write import detection

    monkeypatch.setattr(detection, "LEAST_RANK", 99.5)  # of 100 candidates one is left
    with pytest.raises(CheckFailed, match="onnxruntime differs: 'detection_out' by inf relative"):
        caffe64.export_onnx(net, tmp_path / "wrong.onnx")
    assert not (tmp_path / "wrong.onnx").exists()
    assert compare_with_onnxruntime(export(graph), graph, infer_shapes(graph))[0].relative == np.inf
