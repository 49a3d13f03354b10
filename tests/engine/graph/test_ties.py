"""Equal values: which of them is the largest, the first or the best, by Caffe's rule."""

from __future__ import annotations

import numpy as np
import pytest
from reference.caffe_layers import net_text, run_layer, runtime
from reference.caffe_slopes import backward, layer_net
from reference.plans import run_plan

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.graph.plan import Plan


def run_both(text: str, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """The tops of the last layer: of layer by layer, which those of a plan must equal, to the sign of a zero."""
    made = runtime(text)
    for blob, values in zip(made.graph.inputs, inputs, strict=True):
        made.arrays[blob][...] = values
    made.forward()
    tops = made.graph.nodes[-1].tops
    for fuse in (False, True):
        found = run_plan(Plan(made.graph, fuse=fuse), dict(zip(made.graph.inputs, inputs, strict=True)))
        for top in tops:
            np.testing.assert_array_equal(found[top].view(np.int32), made.arrays[top].view(np.int32))
    return [made.arrays[top] for top in tops]


def first_maxima(x: np.ndarray, kernel: int, stride: int) -> np.ndarray:
    """Where in its plane each window's first maximum lies."""
    rows, columns = ((side - kernel) // stride + 1 for side in x.shape)
    places = np.empty((rows, columns), int)
    for r, c in np.ndindex(rows, columns):
        window = [
            (h, w) for h in range(r * stride, r * stride + kernel) for w in range(c * stride, c * stride + kernel)
        ]
        h, w = max(window, key=lambda at: x[at])  # the first of equal ones
        places[r, c] = h * x.shape[1] + w
    return places


@pytest.mark.parametrize(("kernel", "stride"), [(2, 2), (3, 1), (3, 2)])
@pytest.mark.parametrize("channels", [1, 2 * LANES])
def test_of_equal_values_the_first_is_the_maximum_of_a_window(kernel, stride, channels):
    """In its value, its place, and in the gradient: also where windows overlap, and of zeros of both signs."""
    side = 2 * LANES + 1
    x = np.random.default_rng(0).integers(0, 2, (1, channels, side, side)).astype(np.float32)
    x[0, 0] = 7
    x[x == 0] *= np.random.default_rng(1).choice(np.float32([-1, 1]), (x == 0).sum())
    text = f"pooling_param {{ kernel_size: {kernel} stride: {stride} round_mode: FLOOR }}"
    places = np.stack([first_maxima(plane, kernel, stride) for plane in x[0]])[np.newaxis]
    y, mask = run_layer("Pooling", [x], text, tops=2)
    np.testing.assert_array_equal(mask, places)
    (alone,) = run_both(net_text("Pooling", [x.shape], text), [x])
    np.testing.assert_array_equal(alone, y)
    dy = np.random.default_rng(2).integers(1, 9, y.shape).astype(np.float32)
    expected = np.zeros(x.shape, np.float32)
    for c in range(channels):
        np.add.at(expected[0, c].reshape(-1), places[0, c].reshape(-1), dy[0, c].reshape(-1))
    ((dx,), _) = backward(layer_net(f'type: "Pooling" {text}', [x.shape]), [x], [], [dy])
    np.testing.assert_array_equal(dx, expected)


# Bottoms, and which of them is taken: the second before the first, and these before later ones.
TIES = [([1, 1], 1), ([1, 1, 1], 1), ([2, 1, 2], 0), ([1, 2, 2], 1), ([0, 0, 1], 2), ([1, 0, 1], 0), ([-0.0, 0], 1)]


@pytest.mark.parametrize(("values", "taken"), [*TIES, ([0, -0.0], 1), ([0, -0.0, 0], 1), ([-0.0, -1, 0], 0)])
@pytest.mark.parametrize("channels", [1, LANES])
def test_which_of_equal_bottoms_is_the_maximum(values, taken, channels):
    bottoms = [np.full((1, channels, 3, LANES + 1), value, np.float32) for value in values]
    text = "eltwise_param { operation: MAX }"
    (y,) = run_both(net_text("Eltwise", [bottom.shape for bottom in bottoms], text), bottoms)
    np.testing.assert_array_equal(y.view(np.int32), bottoms[taken].view(np.int32))
    dy = np.full_like(y, 3)
    net = layer_net(f'type: "Eltwise" {text}', [bottom.shape for bottom in bottoms])
    gradients, _ = backward(net, bottoms, [], [dy])
    for number, dx in enumerate(gradients):
        np.testing.assert_array_equal(dx, dy * (number == taken))


@pytest.mark.parametrize(("top_k", "places"), [(1, [3]), (2, [3, 1]), (3, [3, 1, 2]), (4, [3, 1, 2, 0])])
@pytest.mark.parametrize("axis", ["", "axis: 1"])
def test_of_equal_values_the_later_comes_first_in_argmax(top_k, places, axis):
    x = np.float32([[1, 5, 2, 5]])
    (found,) = run_layer("ArgMax", [x], f"argmax_param {{ top_k: {top_k} {axis} }}")
    assert found.reshape(-1).tolist() == places


@pytest.mark.parametrize(
    ("scores", "label", "top_k", "right"),
    [([1, 1, 0], 0, 1, 0), ([1, 1, 0], 1, 1, 0), ([1, 1, 1], 2, 2, 0), ([2, 1, 1], 1, 3, 1)],
)
def test_equal_scores_count_against_the_label(scores, label, top_k, right):
    (found,) = run_layer(
        "Accuracy", [np.float32([scores]), np.float32([label])], f"accuracy_param {{ top_k: {top_k} }}"
    )
    assert found == right


def detections(scores, threshold=0.25, least=0.1, keep=9):
    """[score, xmin] of the detections among boxes of which each overlaps the next by 0.5, and the one after by 0.2."""
    boxes = np.float32([[n, 0, n + 3, 4] for n in range(len(scores))])
    priors = np.concatenate([boxes.reshape(1, 1, -1), np.ones((1, 1, boxes.size))], axis=1).astype(np.float32)
    confidences = np.float32([[0, score] for score in scores]).reshape(1, -1)
    text = f"""detection_output_param {{ num_classes: 2 background_label_id: 0 code_type: CORNER keep_top_k: {keep}
        confidence_threshold: {least} nms_param {{ nms_threshold: {threshold} }} }}"""
    (found,) = run_layer("DetectionOutput", [np.zeros((1, boxes.size)), confidences, priors], text)
    rows = found.reshape(-1, 7)
    return [(float(row[2]), float(row[3])) for row in rows[rows[:, 0] >= 0]]


def test_of_equal_scores_the_first_box_is_kept():
    assert detections([0.5, 0.5, 0.5]) == [(0.5, 0), (0.5, 2)]
    assert detections([0.5, 0.5, 0.5], threshold=0.9, keep=2) == [(0.5, 0), (0.5, 1)]


def test_an_overlap_equal_to_its_threshold_is_allowed_and_a_score_equal_to_its_own_is_not_enough():
    assert detections([0.5, 0.75], threshold=0.5) == [(0.75, 1), (0.5, 0)]
    assert detections([0.5, 0.75], threshold=np.nextafter(np.float32(0.5), np.float32(0))) == [(0.75, 1)]
    assert detections([0.5, 0.75], threshold=0.9, least=0.5) == [(0.75, 1)]
