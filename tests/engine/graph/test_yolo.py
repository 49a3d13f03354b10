"""YOLO's outputs: every box by hand in float64, with every class of it a candidate as in the forks' code."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.caffe_layers import built, net_text, run_layer
from reference.executor import Executor

from caffe64.engine.graph.frontends.caffe.write import graph_message
from caffe64.errors import InputError

few = settings(max_examples=25, deadline=None)
BIASES = (8, 9, 20, 25, 37, 58, 81, 82, 135, 169, 344, 319)


def each(name: str, values) -> str:
    return " ".join(f"{name}: {value}" for value in values)


def v3(classes, boxes, lowest, nms, masks, scales, biases=BIASES, more="") -> str:
    return f"""yolov3_detection_output_param {{ num_classes: {classes} num_box: {boxes} confidence_threshold: {lowest}
        nms_threshold: {nms} mask_group_num: {len(scales)} {each("biases", biases)} {each("mask", masks)}
        {each("anchors_scale", scales)} {more} }}"""


def v2(classes, boxes, lowest, nms, biases=BIASES, more="") -> str:
    return f"""yolo_detection_output_param {{ num_classes: {classes} num_box: {boxes} confidence_threshold: {lowest}
        nms_threshold: {nms} {each("biases", biases)} {more} }}"""


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def box_of(x, y, values, width, height, columns, rows):
    x, y = (x + sigmoid(values[0])) / columns, (y + sigmoid(values[1])) / rows
    width, height = math.exp(values[2]) * width, math.exp(values[3]) * height
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


def share(a, b) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    return shared / (sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)) - shared)


def suppressed(candidates, threshold) -> np.ndarray:
    kept = []
    for row in sorted(candidates, key=lambda row: -row[1]):
        if all(share(row[2:], other[2:]) < threshold for other in kept):
            kept.append(row)
    return np.array([[0, *row] for row in kept]).reshape(-1, 7)


def expected_v3(bottoms, classes, boxes, lowest, nms, masks, scales) -> np.ndarray:
    found = []
    for number, bottom in enumerate(bottoms):
        values = bottom.astype(float).reshape(len(bottom), boxes, 5 + classes, *bottom.shape[2:])
        rows, columns = bottom.shape[2:]
        for n, b, y, x in np.ndindex(len(bottom), boxes, rows, columns):
            of, m = values[n, b, :, y, x], masks[number * boxes + b]
            size = BIASES[2 * m] / (columns * scales[number]), BIASES[2 * m + 1] / (rows * scales[number])
            for label in range(classes):
                score = sigmoid(of[4]) * sigmoid(of[5 + label])
                if score > lowest:
                    found.append([label + 1, score, *box_of(x, y, of, *size, columns, rows)])
    return suppressed(found, nms)


def expected_v2(bottom, classes, boxes, lowest, nms) -> np.ndarray:
    found, side = [], bottom.shape[3]
    values = bottom.astype(float).reshape(len(bottom), boxes, 5 + classes, side, side)
    for n, b, y, x in np.ndindex(len(bottom), boxes, side, side):
        of = values[n, b, :, y, x]
        powers = np.exp(of[5:])
        score = sigmoid(of[4]) * powers.max() / powers.sum()
        if score >= lowest:
            box = box_of(x, y, of, BIASES[2 * b] / side, BIASES[2 * b + 1] / side, side, side)
            found.append([int(powers.argmax()) + 1, score, *box])
    return suppressed(found, nms)


def check(top, expected, pictures: int) -> None:
    rows = top.reshape(-1, 7)
    np.testing.assert_allclose(rows[: len(expected)], expected, rtol=1e-5, atol=1e-6)
    without = np.full((len(rows) - len(expected), 7), -1)
    if not len(expected):
        without[:pictures, 0] = np.arange(pictures)
    np.testing.assert_array_equal(rows[len(expected) :], without)


@few
@given(
    pictures=st.integers(1, 2),
    classes=st.integers(1, 4),
    boxes=st.integers(1, 3),
    sizes=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 4)), min_size=1, max_size=2),
    lowest=st.sampled_from([0.05, 0.4, 0.99]),
    nms=st.sampled_from([0.123, 0.45, 1]),
    seed=st.integers(0, 1000),
)
def test_version_3(pictures, classes, boxes, sizes, lowest, nms, seed):
    source, groups = np.random.default_rng(seed), len(sizes)
    bottoms = [source.standard_normal((pictures, boxes * (5 + classes), *size), np.float32) for size in sizes]
    masks, scales = source.permutation(6)[: groups * boxes].tolist(), [32, 16][:groups]
    (top,) = run_layer("Yolov3DetectionOutput", bottoms, v3(classes, boxes, lowest, nms, masks, scales))
    assert top.shape == (1, 1, max(pictures, pictures * boxes * sum(map(math.prod, sizes))), 7)
    check(top, expected_v3(bottoms, classes, boxes, lowest, nms, masks, scales), pictures)


@few
@given(
    pictures=st.integers(1, 2),
    classes=st.integers(1, 4),
    boxes=st.integers(1, 3),
    side=st.integers(1, 5),
    lowest=st.sampled_from([0.05, 0.3, 0.99]),
    nms=st.sampled_from([0.123, 0.45]),
    seed=st.integers(0, 1000),
)
def test_version_2(pictures, classes, boxes, side, lowest, nms, seed):
    source = np.random.default_rng(seed)
    bottom = source.standard_normal((pictures, boxes * (5 + classes), side, side), np.float32)
    bottom.reshape(pictures, boxes, -1, side, side)[:, :, 2:4] -= 3  # anchors are larger than the map
    (top,) = run_layer("YoloDetectionOutput", [bottom], v2(classes, boxes, lowest, nms))
    check(top, expected_v2(bottom, classes, boxes, lowest, nms), pictures)


def test_a_threshold_of_zero_leaves_one_row():
    bottom = np.random.default_rng(0).standard_normal((1, 14, 4, 4), np.float32)
    (top,) = run_layer("Yolov3DetectionOutput", [bottom], v3(2, 2, 0.1, 0, (0, 1), (8,)))
    assert (top.reshape(-1, 7)[:, 2] > 0).sum() == 1


@pytest.mark.parametrize("kind", ["YoloDetectionOutput", "Yolov3DetectionOutput"])
@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite(kind, odd):
    """A score that is NaN is none; a box that is not finite has a row, overlaps none, and the others are as ever."""
    bottom = np.random.default_rng(1).standard_normal((1, 14, 3, 3), np.float32)
    parameters = v2(2, 2, 0.2, 0.4) if kind == "YoloDetectionOutput" else v3(2, 2, 0.2, 0.4, (0, 1), (8,))
    bottom[0, :7, 0, 0] = odd  # box 0 of the first pixel
    (top,) = run_layer(kind, [bottom], parameters)
    bottom[0, :7, 0, 0] = -1e3  # nothing in it
    (without,) = run_layer(kind, [bottom], parameters)
    rows, others = top.reshape(-1, 7), without.reshape(-1, 7)
    assert not np.isnan(rows[:, :3]).any()
    finite = rows[np.isfinite(rows).all(axis=1)]
    np.testing.assert_array_equal(finite[finite[:, 1] > 0], others[others[:, 1] > 0])


def test_a_map_without_pixels_has_no_boxes():
    for kind, parameters in (
        ("Yolov3DetectionOutput", v3(2, 2, 0.2, 0.4, (0, 1), (8,))),
        ("YoloDetectionOutput", v2(2, 2, 0.2, 0.4)),
    ):
        (top,) = run_layer(kind, [np.empty((1, 14, 0, 0), np.float32)], parameters)
        np.testing.assert_array_equal(top.reshape(-1, 7), [[0, -1, -1, -1, -1, -1, -1]])


def test_weird_labels_do_not_come_from_nan_classes():
    """The best of the classes that are numbers."""
    bottom = np.full((1, 7, 1, 1), 2, np.float32)
    bottom[0, 5] = np.nan
    (top,) = run_layer("Yolov3DetectionOutput", [bottom], v3(2, 1, 0.2, 0.4, (0,), (8,)))
    assert top[0, 0, 0, 1] == 2


V3 = (2, 2, 0.2, 0.4, (0, 1), (8,))
SHAPE = [(1, 14, 3, 3)]
WRONG = [
    (SHAPE, v3(0, 2, *V3[2:]), "num_classes 0 and num_box 2, expected both from 1"),
    (SHAPE, v3(2**32 - 1, 2, *V3[2:]), "num_classes 4294967295 and num_box 2, expected both from 1"),
    (SHAPE, v3(2, 4294967295, *V3[2:]), "a bottom of shape [1, 14, 3, 3], expected [N, 30064771065, H, W]"),
    (SHAPE, v3(3, *V3[1:]), "a bottom of shape [1, 14, 3, 3], expected [N, 16, H, W]: num_box * (5 + num_classes)"),
    ([(1, 14, 9)], v3(*V3), "a bottom of shape [1, 14, 9], expected [N, 14, H, W]"),
    ([(1, 14, 3, 3), (2, 14, 3, 3)], v3(*V3), "a bottom of shape [2, 14, 3, 3], expected"),
    (SHAPE, v3(*V3[:3], 1.5, *V3[4:]), "nms_threshold 1.5, expected 0 to 1"),
    (SHAPE, v3(*V3[:3], "nan", *V3[4:]), "nms_threshold nan, expected 0 to 1"),
    (SHAPE, v3(*V3, more="gaussian_box: true"), "has gaussian_box, by which boxes have deviations, expected"),
    (SHAPE, v3(*V3[:5], (8, 16)), "mask_group_num 2 for 1 bottoms, expected one group per bottom"),
    (SHAPE, v3(*V3[:4], (0,), (8,)), "1 mask for 1 bottoms, expected 2, num_box of each"),
    (SHAPE, v3(*V3[:4], (0, 6), (8,)), "biases [8.0, 9.0, 20.0"),
    (SHAPE, v3(*V3[:4], (0, 4294967295), (8,)), "biases [8.0, 9.0, 20.0"),
    (SHAPE, v3(*V3[:5], (0,)), "anchors_scale [0], expected a positive number per bottom"),
    (SHAPE, v3(*V3, biases=(1, 2, 3)), "biases [1.0, 2.0, 3.0], expected 4 positive numbers, a width and a height"),
    (SHAPE, v3(*V3, biases=(1, 2, 3, -1)), "biases [1.0, 2.0, 3.0, -1.0], expected 4 positive numbers"),
    (SHAPE, v3(*V3, biases=(1, 2, 3, "nan")), "biases [1.0, 2.0, 3.0, nan], expected 4 positive numbers"),
    (SHAPE, v2(2, 2, 0.2, 0.4, (1, 2, 3)), "biases [1.0, 2.0, 3.0], expected 4 positive numbers"),
    (SHAPE, v2(2, 2, 0.2, 0.4, more="coords: 5"), "coords 5, expected 4"),
    ([(1, 14, 3, 4)], v2(2, 2, 0.2, 0.4), "a bottom of shape [1, 14, 3, 4], expected a square one"),
]


@pytest.mark.parametrize(("shapes", "parameters", "message"), WRONG)
def test_what_makes_no_sense_is_refused(shapes, parameters, message):
    kind = "Yolov3DetectionOutput" if "yolov3" in parameters else "YoloDetectionOutput"
    with pytest.raises(InputError) as raised:
        Executor(built(net_text(kind, shapes, parameters)))
    assert str(raised.value).startswith(f"layer 'it' ({kind}): {message}")


@pytest.mark.parametrize("kind", ["YoloDetectionOutput", "Yolov3DetectionOutput"])
def test_attributes_are_written_back(kind):
    parameters = v2(2, 2, 0.25, 0.5) if kind == "YoloDetectionOutput" else v3(2, 2, 0.25, 0.5, (0, 1), (8,))
    graph = built(net_text(kind, SHAPE, parameters))
    attributes, graph.nodes[-1].origin = graph.nodes[-1].attributes, None
    assert built(str(graph_message(graph))).nodes[-1].attributes == attributes
