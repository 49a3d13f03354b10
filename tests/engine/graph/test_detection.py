"""SSD's layers against OpenCV's, and against the formulas of SSD's paper and code where OpenCV's differ."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.caffe_layers import built, input_text, layer_text, net_text, run_layer
from reference.detections import detections, net_outputs
from reference.executor import Executor
from support import assert_close

from caffe64.errors import InputError
from caffe64.formats.caffe import NetParameter

few = settings(max_examples=25)


def opencv(kind: str, bottoms, parameters: str = "", weights=()) -> np.ndarray:
    """What OpenCV's dnn makes of one layer."""
    cv2 = pytest.importorskip("cv2")
    model = NetParameter()
    layer = model.layer.add(name="it", type=kind)
    for blob in weights:
        made = layer.blobs.add(data=np.ravel(blob).tolist())
        made.shape.dim.extend(np.atleast_1d(blob).shape)
    text = net_text(kind, [bottom.shape for bottom in bottoms], parameters)
    net = cv2.dnn.readNetFromCaffe(as_bytes(text.encode()), as_bytes(model.SerializeToString()))
    for number, bottom in enumerate(bottoms):
        net.setInput(bottom, f"b{number}")
    return net.forward("it")


def as_bytes(content: bytes) -> np.ndarray:
    return np.frombuffer(content, np.uint8)  # OpenCV takes bytes for a file's name


def values(shape, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


# --------------------------------------------------------------------------------------- Permute, Normalize
@pytest.mark.parametrize("order", [(0, 2, 3, 1), (0, 1, 3, 2), (3, 2, 1, 0)])
def test_permute_is_opencvs(order):
    x, parameters = values((2, 3, 4, 5)), f"permute_param {{ {' '.join(f'order: {axis}' for axis in order)} }}"
    np.testing.assert_array_equal(run_layer("Permute", [x], parameters)[0], opencv("Permute", [x], parameters))


@pytest.mark.parametrize("shared", ["true", "false"])
def test_normalize_is_opencvs(shared):
    x, scale = values((1, 7, 5, 6)), values(() if shared == "true" else 7, 1)
    parameters = f"norm_param {{ across_spatial: {shared} channel_shared: {shared} }}"
    found, expected = run_layer("Normalize", [x], parameters, [scale])[0], opencv("Normalize", [x], parameters, [scale])
    assert_close("normalize", found, expected, 1e-5 * np.abs(expected).max())


# ------------------------------------------------------------------------------------------------- PriorBox
PRIORS = [
    "min_size: 30",
    "min_size: 30 max_size: 60 aspect_ratio: 2",
    "min_size: 60 max_size: 111 aspect_ratio: 2 aspect_ratio: 3 clip: true step: 16",
    "min_size: 30 aspect_ratio: 2 aspect_ratio: 3 flip: false variance: 0.2 variance: 0.3 variance: 0.4",
    "min_size: 10 min_size: 20 max_size: 15 max_size: 40 offset: 0.25",
    "min_size: 30 aspect_ratio: 1 aspect_ratio: 2 aspect_ratio: 2 step_h: 7.5 step_w: 12",
    "min_size: 30 aspect_ratio: 2 offset_h: 0.25 offset_w: 0.5",
    "min_size: 30 max_size: 60 aspect_ratio: 2 offset_h: 0.5 offset_w: 0.75 offset_h: 1 offset_w: 0 step: 8",
    "width: 10 width: 20.5 height: 7 height: 9.25 step_h: 7.5 step_w: 12",
    "width: 10 width: 20.5 height: 7 height: 9.25 offset_h: 0.25 offset_w: 0.5 offset_h: 0 offset_w: 1",
]


@pytest.mark.parametrize("parameters", PRIORS)
@pytest.mark.parametrize("shape", [(1, 2, 5, 7), (1, 1, 1, 1)])
def test_prior_boxes_are_opencvs(parameters, shape):
    """OpenCV asks for a variance, and clips and flips by other defaults."""
    implied = [text for text in ("clip: false", "flip: true") if text[:4] not in parameters]
    parameters = f"prior_box_param {{ variance: 0.1 {' '.join(implied)} {parameters} }}"
    bottoms = [values(shape), values((1, 3, 90, 100))]
    (found,) = run_layer("PriorBox", bottoms, parameters)
    assert_close("prior boxes", found, opencv("PriorBox", bottoms, parameters), 1e-6)


def test_prior_boxes_by_hand():
    """One place in the middle of a picture 100 wide and 50 high. Sizes are cut off to whole pixels as in SSD's code."""
    bottoms = [values((1, 1, 1, 1)), values((1, 3, 50, 100))]
    parameters = "prior_box_param { min_size: 20.75 max_size: 45.5 aspect_ratio: 4 variance: 0.1 }"
    (found,) = run_layer("PriorBox", bottoms, parameters)
    expected = []
    for width, height in [(20, 20), (30, 30), (40, 10), (10, 40)]:
        expected.append([0.5 - width / 200, 0.5 - height / 100, 0.5 + width / 200, 0.5 + height / 100])
    assert_close("boxes", found[0, 0], np.ravel(expected), 1e-7)
    assert_close("variances", found[0, 1], np.full(16, 0.1), 1e-7)


@pytest.mark.parametrize("size", ["img_h: 90 img_w: 100", "img_size: 90"])
def test_the_size_of_the_picture_can_be_given(size):
    features, picture = values((1, 1, 2, 3)), values((1, 3, 90, 90 if "size" in size else 100))
    (given_by_blob,) = run_layer("PriorBox", [features, picture], "prior_box_param { min_size: 30 }")
    parameters = f"prior_box_param {{ min_size: 30 {size} }}"
    (given_by_field,) = run_layer("PriorBox", [features, values((1, 3, 7, 7))], parameters)
    np.testing.assert_array_equal(given_by_field, given_by_blob)


WRONG_PRIORS = [
    ("", "min_size [], expected one or more positive numbers"),
    ("min_size: 0", "min_size [0.0], expected one or more positive numbers"),
    ("min_size: 5 max_size: 4", "max_size [4.0] with min_size [5.0], expected a larger one for each min_size, or none"),
    ("min_size: 5 max_size: 9 max_size: 9", "max_size [9.0, 9.0] with min_size [5.0], expected a larger one for each"),
    ("min_size: 5 aspect_ratio: 0", "aspect_ratio 0, expected a positive number"),
    ("min_size: 5 variance: 1 variance: 2", "variance [1.0, 2.0], expected one positive number, or four"),
    ("min_size: inf", "min_size [inf], expected one or more positive numbers up to 16777216"),
    ("min_size: 5 max_size: inf", "max_size [inf] with min_size [5.0], expected a larger one"),
    ("width: nan height: 5", "width [nan] and height [5.0], expected as many positive numbers"),
    ("min_size: 5 variance: nan", "variance [nan], expected one positive number, or four"),
    ("min_size: 5 variance: -1", "variance [-1.0], expected one positive number, or four"),
    ("min_size: 5 img_size: 3 img_h: 3", "has img_size beside img_h and img_w, expected one way to say it"),
    ("min_size: 5 img_h: 3", "img_h 3 and img_w 0, expected positive numbers"),
    ("min_size: 5 step: 1 step_w: 3", "has step beside step_h and step_w, expected one way to say it"),
    ("min_size: 5 step: -1", "step_h -1 and step_w -1, expected positive numbers"),
    ("min_size: 5 offset: 0.5 offset_h: 1 offset_w: 1", "has offset beside offset_h and offset_w, expected one way"),
    ("min_size: 5 offset_h: 1", "offset_h [1.0] and offset_w [], expected as many of both"),
    ("min_size: 5 width: 3 height: 2", "has width and height beside min_size, max_size or aspect_ratio, expected one"),
    ("width: 3", "width [3.0] and height [], expected as many positive numbers"),
    ("width: 3 height: 0", "width [3.0] and height [0.0], expected as many positive numbers"),
]


@pytest.mark.parametrize(("parameters", "message"), WRONG_PRIORS)
def test_prior_boxes_that_make_no_sense(parameters, message):
    with pytest.raises(InputError) as raised:
        Executor(built(net_text("PriorBox", [(1, 1, 2, 2), (1, 3, 9, 9)], f"prior_box_param {{ {parameters} }}")))
    assert str(raised.value).startswith(f"layer 'it' (PriorBox): {message}")


# ------------------------------------------------------------------------------------------ DetectionOutput
@few
@given(
    images=st.integers(1, 2),
    boxes=st.integers(1, 20),
    classes=st.integers(1, 4),
    shared=st.booleans(),
    code=st.sampled_from(["CORNER", "CENTER_SIZE", "CORNER_SIZE"]),
    in_target=st.booleans(),
    background=st.sampled_from([0, 1, -1]),
    lowest=st.sampled_from([None, 0.3, 2.0]),
    nms=st.sampled_from([0.25, 0.75]),
    eta=st.sampled_from([1.0, 0.5]),
    top_k=st.sampled_from([None, -1, 0, 5]),
    keep=st.sampled_from([None, -1, 0, 3]),
    seed=st.integers(0, 1000),
)
def test_detections_one_by_one(
    images, boxes, classes, shared, code, in_target, background, lowest, nms, eta, top_k, keep, seed
):
    owners = 1 if shared else classes
    bottoms = net_outputs(images, boxes, classes, owners, seed)
    optional = [("confidence_threshold", lowest), ("keep_top_k", keep)]
    given_ones = " ".join(f"{name}: {value}" for name, value in optional if value is not None)
    parameters = f"""detection_output_param {{ num_classes: {classes} share_location: {str(shared).lower()}
        background_label_id: {background} code_type: {code} variance_encoded_in_target: {str(in_target).lower()}
        nms_param {{ nms_threshold: {nms} eta: {eta} {"" if top_k is None else f"top_k: {top_k}"} }} {given_ones} }}"""
    expected = detections(
        *bottoms, classes, owners, code, in_target, background,
        -math.inf if lowest is None else np.float32(lowest), nms, eta,
        -1 if top_k is None else top_k, -1 if keep is None else keep,
    )  # fmt: skip
    (found,) = run_layer("DetectionOutput", bottoms, parameters)
    rows = found.reshape(-1, 7)
    assert (rows[len(expected) :] == -1).all()
    assert_close("detections", rows[: len(expected)], expected, 1e-5 * (1 + np.abs(expected).max(initial=0)))


def by_class(rows: np.ndarray) -> np.ndarray:
    """In SSD's order, by image, class and score; OpenCV's is by image and score."""
    return rows[np.lexsort([-rows[:, 2], rows[:, 1], rows[:, 0]])]


@pytest.mark.parametrize("code", ["CORNER", "CENTER_SIZE"])
@pytest.mark.parametrize("shared", ["true", "false"])
def test_detections_are_opencvs(code, shared):
    bottoms = net_outputs(2, 200, 5, 1 if shared == "true" else 5, 7)
    parameters = f"""detection_output_param {{ num_classes: 5 share_location: {shared} background_label_id: 0
        nms_param {{ nms_threshold: 0.45 top_k: 100 }} code_type: {code} keep_top_k: 60 confidence_threshold: 0.25 }}"""
    expected = opencv("DetectionOutput", bottoms, parameters).reshape(-1, 7)
    (found,) = run_layer("DetectionOutput", bottoms, parameters)
    assert found.shape == (1, 1, 120, 7)
    assert len(expected) > 60
    assert_close("detections", found.reshape(-1, 7)[: len(expected)], by_class(expected), 1e-5)
    assert (found.reshape(-1, 7)[len(expected) :] == -1).all()


def test_a_head_like_ssds_from_feature_map_to_detections():
    """Softmax over classes, boxes and priors joined: the layers of SSD's head together, by both runtimes."""
    cv2 = pytest.importorskip("cv2")
    flat, bottoms = "flatten_param { axis: 1 }", {"loc": (1, 16, 6, 5), "conf": (1, 12, 6, 5), "image": (1, 3, 60, 50)}
    text = "".join(input_text(name, shape) for name, shape in bottoms.items())
    for name in ("loc", "conf"):
        order = "permute_param { order: 0 order: 2 order: 3 order: 1 }"
        text += layer_text("Permute", [name], [f"{name}_p"], order, f"{name}_p")
        text += layer_text("Flatten", [f"{name}_p"], [f"{name}_f"], flat, f"{name}_f")
    priors = "prior_box_param { min_size: 12 max_size: 24 aspect_ratio: 2 variance: 0.1 flip: true clip: true }"
    text += layer_text("PriorBox", ["loc", "image"], ["prior"], priors, "prior")
    shape = "reshape_param { shape { dim: 0 dim: -1 dim: 3 } }"
    text += layer_text("Reshape", ["conf_f"], ["conf_r"], shape, "conf_r")
    text += layer_text("Softmax", ["conf_r"], ["conf_s"], "softmax_param { axis: 2 }", "conf_s")
    text += layer_text("Flatten", ["conf_s"], ["conf_o"], flat, "conf_o")
    output = """detection_output_param { num_classes: 3 share_location: true background_label_id: 0 nms_param {
        nms_threshold: 0.4 top_k: 50 } code_type: CENTER_SIZE keep_top_k: 40 confidence_threshold: 0.2 }"""
    text += layer_text("DetectionOutput", ["loc_f", "conf_o", "prior"], ["out"], output, "out")
    made, net = Executor(built(text)), cv2.dnn.readNetFromCaffe(as_bytes(text.encode()))
    for blob in made.graph.inputs:
        made.arrays[blob][...] = values(bottoms[blob.name], 3)
        net.setInput(values(bottoms[blob.name], 3), blob.name)
    made.forward()
    found, expected = made.arrays[made.graph.nodes[-1].tops[0]].reshape(-1, 7), net.forward("out").reshape(-1, 7)
    assert len(expected) == 40
    assert_close("detections", found, by_class(expected), 1e-5)


WRONG_DETECTIONS = [
    ("", [(1, 8), (1, 4), (1, 2, 8)], "has no num_classes, expected a positive number"),
    ("num_classes: 2", [(1, 12), (1, 4), (1, 2, 8)], "12 locations per image, expected 8 for 2 priors"),
    ("num_classes: 2", [(1, 8), (1, 6), (1, 2, 8)], "6 confidences per image, expected 4 for 2 priors"),
    ("num_classes: 2 share_location: false", [(1, 8), (1, 4), (1, 2, 8)], "8 locations per image, expected 16 for 2"),
    (
        "num_classes: 2",
        [(2, 8), (1, 4), (1, 2, 8)],
        "bottoms of shapes [2, 8], [1, 4] and [1, 2, 8], expected [images,",
    ),
    (
        "num_classes: 2",
        [(1, 8), (1, 4), (1, 2, 9)],
        "bottoms of shapes [1, 8], [1, 4] and [1, 2, 9], expected [images,",
    ),
    ("num_classes: 2 nms_param { eta: 0 }", [(1, 8), (1, 4), (1, 2, 8)], "nms_threshold 0.3 and eta 0, expected not"),
]


@pytest.mark.parametrize(("parameters", "shapes", "message"), WRONG_DETECTIONS)
def test_detections_that_make_no_sense(parameters, shapes, message):
    with pytest.raises(InputError) as raised:
        Executor(built(net_text("DetectionOutput", shapes, f"detection_output_param {{ {parameters} }}")))
    assert str(raised.value).startswith(f"layer 'it' (DetectionOutput): {message}")
