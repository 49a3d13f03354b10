"""Non-maximum suppression against OpenCV's."""

from __future__ import annotations

import numpy as np
import pytest

from caffe64 import dnn
from caffe64.errors import UsageError

cv2 = pytest.importorskip("cv2")


def some(number: int, seed: int, whole: bool = False) -> tuple[list, list, list]:
    rng = np.random.default_rng(seed)
    boxes = np.column_stack([rng.uniform(0, 60, (number, 2)), rng.uniform(0, 40, (number, 2))])
    boxes = boxes.astype(int) if whole else boxes
    return boxes.tolist(), rng.random(number).round(2).tolist(), rng.integers(0, 4, number).tolist()


def assert_same(ours, theirs) -> None:
    assert type(ours) is type(theirs)
    assert getattr(ours, "dtype", None) == getattr(theirs, "dtype", None)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("options", [{}, {"eta": 0.7}, {"top_k": 5}, {"eta": 1.5, "top_k": -1}])
def test_boxes(seed, options):
    boxes, scores, classes = some(80, seed, whole=seed % 2 == 0)
    for nms in (0.2, 0.7):
        found, expected = (module.NMSBoxes(boxes, scores, 0.3, nms, **options) for module in (dnn, cv2.dnn))
        assert_same(found, expected)
        found, expected = (
            module.NMSBoxesBatched(boxes, scores, classes, 0.3, nms, **options) for module in (dnn, cv2.dnn)
        )
        assert_same(found, expected)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("method", ["GAUSSIAN", "LINEAR"])
@pytest.mark.parametrize("options", [{}, {"top_k": 7}, {"sigma": 0.2}])
def test_soft_suppression(seed, method, options):
    boxes, scores, _ = some(40, seed, whole=True)
    number = {"LINEAR": 1, "GAUSSIAN": 2}[method]
    for name in (f"SoftNMSMethod_SOFTNMS_{method}", f"SOFT_NMSMETHOD_SOFTNMS_{method}"):
        assert getattr(dnn, name) == getattr(cv2.dnn, name) == number
    lowered, kept = dnn.softNMSBoxes(boxes, scores, 0.3, 0.4, method=number, **options)
    theirs = cv2.dnn.softNMSBoxes(boxes, scores, 0.3, 0.4, method=number, **options)
    np.testing.assert_array_equal(kept, theirs[1])
    np.testing.assert_allclose(lowered, theirs[0], rtol=1e-5)


def test_arrays_no_boxes_and_boxes_without_area():
    boxes, scores, _ = some(20, 0)
    assert_same(dnn.NMSBoxes(np.array(boxes), np.array(scores), 0.1, 0.4), cv2.dnn.NMSBoxes(boxes, scores, 0.1, 0.4))
    assert_same(dnn.NMSBoxes([], [], 0.5, 0.4), cv2.dnn.NMSBoxes([], [], 0.5, 0.4))
    assert_same(dnn.NMSBoxes(boxes, scores, 2, 0.4), cv2.dnn.NMSBoxes(boxes, scores, 2, 0.4))
    flat, scores = [[3, 3, 0, 0], [3, 3, 0, 0], [1, 1, 5, 5], [1, 1, 5, 0]], [0.9, 0.8, 0.7, 0.6]
    assert_same(dnn.NMSBoxes(flat, scores, 0.5, 0.4), cv2.dnn.NMSBoxes(flat, scores, 0.5, 0.4))


@pytest.mark.parametrize(
    "arguments",
    [
        ([[0, 0, 1, 1]], [0.5, 0.6], 0.5, 0.4),
        ([[0, 0, 1]], [0.5], 0.5, 0.4),
        ([[0, 0, 1, "a"]], [0.5], 0.5, 0.4),
        ([[0, 0, 1, 1]], [0.5], -1, 0.4),
        ([[0, 0, 1, 1]], [0.5], 0.5, -0.4),
        ([[0, 0, 1, 1]], [0.5], 0.5, 0.4, 0),
        ([[0, 0, 1, 1]], [0.5], 0.5, 0.4, 1.0, 1.5),
        (None, None, 0.5, 0.4),
    ],
)
def test_wrong_arguments_are_refused(arguments):
    with pytest.raises(UsageError):
        dnn.NMSBoxes(*arguments)


def test_wrong_classes_and_methods_are_refused():
    with pytest.raises(UsageError):
        dnn.NMSBoxesBatched([[0, 0, 1, 1]], [0.5], [0.5], 0.5, 0.4)
    with pytest.raises(UsageError):
        dnn.NMSBoxesBatched([[0, 0, 1, 1]], [0.5], [1, 2], 0.5, 0.4)
    with pytest.raises(UsageError):
        dnn.softNMSBoxes([[0, 0, 1, 1]], [0.5], 0.5, 0.4, method=3)
    with pytest.raises(UsageError):
        dnn.softNMSBoxes([[0, 0, 1, 1]], [0.5], 0.5, 0.4, sigma=0)
