"""The losses of detectors: term by term in float64, and their gradients by differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.caffe_layers import built, net_text, run_layer
from reference.executor import Executor

from caffe64.engine.graph.frontends.caffe.write import graph_message
from caffe64.engine.graph.reference import Interpreter, gradients_of
from caffe64.errors import InputError

few = settings(max_examples=30, deadline=None)
seeds = st.integers(0, 1000)


def gradients(kind, bottoms, parameters, wanted) -> list[np.ndarray]:
    """Of the loss, to the first `wanted` bottoms."""
    graph = built(net_text(kind, [np.shape(bottom) for bottom in bottoms], parameters))
    made = Interpreter(graph)
    for blob, values in zip(graph.inputs, bottoms, strict=True):
        made.arrays[blob][...] = values
    made.forward()
    graph.force_backward = True
    found = gradients_of(made)[0]
    return [found[blob] for blob in graph.inputs[:wanted]]


def check_slope(loss, bottoms, number, found, seed) -> None:
    """The gradient to one bottom, along a random direction, against a central difference of `loss`."""
    step = np.random.default_rng(seed).standard_normal(bottoms[number].shape)
    ends = []
    for sign in (1, -1):
        moved = [np.asarray(bottom, float) for bottom in bottoms]
        moved[number] = moved[number] + sign * 1e-5 * step
        ends.append(loss(*moved))
    along = (ends[0] - ends[1]) / 2e-5
    assert float((found * step).sum()) == pytest.approx(along, rel=1e-3, abs=1e-3)


# ---------------------------------------------------------------------------------------------------- SmoothL1Loss
def smooth_l1(d: float, sigma: float = 1) -> float:
    return sigma**2 * d * d / 2 if abs(d) < 1 / sigma**2 else abs(d) - 0.5 / sigma**2


@few
@given(
    shape=st.sampled_from([(3,), (2, 5), (2, 3, 2, 4), (1, 1, 1, 1)]),
    sigma=st.sampled_from([None, 1, 3]),
    weighted=st.booleans(),
    seed=seeds,
)
def test_ssds_and_r_cnns(shape, sigma, weighted, seed):
    source = np.random.default_rng(seed)
    bottoms = [source.standard_normal(shape).astype(np.float32) * 2 for _ in range(4 if weighted else 2)]

    def loss(a, b, inside=None, outside=None):
        total = 0.0
        for place in np.ndindex(shape):
            d = (a[place] - b[place]) * (1 if inside is None else inside[place])
            total += smooth_l1(d, sigma or 1) * (1 if outside is None else outside[place])
        return total / shape[0]

    parameters = "" if sigma is None else f"smooth_l1_loss_param {{ sigma: {sigma} }}"
    (top,) = run_layer("SmoothL1Loss", bottoms, parameters)
    assert top == pytest.approx(loss(*map(np.float64, bottoms)), rel=1e-5, abs=1e-6)
    for number, found in enumerate(gradients("SmoothL1Loss", bottoms, parameters, 2)):
        check_slope(loss, bottoms, number, found, seed)


@few
@given(
    shape=st.sampled_from([(2, 5), (2, 3, 2, 4)]),
    mode=st.sampled_from(["", "FULL", "VALID", "BATCH_SIZE", "NONE"]),
    seed=seeds,
)
def test_r_fcns(shape, mode, seed):
    source = np.random.default_rng(seed)
    a, b, w = (source.standard_normal(shape).astype(np.float32) * 2 for _ in range(3))
    pixels = shape[0] * math.prod(shape[2:])
    whole = {"BATCH_SIZE": shape[0], "NONE": 1}.get(mode, pixels)
    parameters = f"loss_param {{ normalization: {mode} }}" if mode else ""
    d = w.astype(float) * (a - b)
    (top,) = run_layer("SmoothL1Loss", [a, b, w], parameters)
    assert top == pytest.approx(sum(map(smooth_l1, d.ravel())) / whole, rel=1e-5)
    da, db = gradients("SmoothL1Loss", [a, b, w], parameters, 2)
    np.testing.assert_allclose(da, np.clip(d, -1, 1) / whole, rtol=1e-4, atol=1e-6)  # without the factor w
    np.testing.assert_array_equal(db, -da)


WRONG = [
    ([(2, 3), (3, 2)], "", "bottoms of shapes [2, 3], [3, 2], expected one shape of all"),
    ([(2, 3), (2, 3)], "sigma: 0", "sigma 0, expected 1e-15 to 1e+15"),
    ([(2, 3), (2, 3)], "sigma: nan", "sigma nan, expected 1e-15 to 1e+15"),
    ([(2, 3), (2, 3)], "sigma: 1e-30", "sigma 1e-30, expected 1e-15 to 1e+15"),
    ([(2, 3)] * 3, "sigma: 2", "has sigma with 3 bottoms, expected 2, or 4 with the weights inside and outside"),
]


@pytest.mark.parametrize(("shapes", "parameters", "message"), WRONG)
def test_losses_that_make_no_sense(shapes, parameters, message):
    text = net_text("SmoothL1Loss", shapes, f"smooth_l1_loss_param {{ {parameters} }}" if parameters else "")
    with pytest.raises(InputError) as raised:
        Executor(built(text))
    assert str(raised.value).startswith(f"layer 'it' (SmoothL1Loss): {message}")


@pytest.mark.parametrize("number", [2, 3])
def test_of_weights_there_is_no_gradient(number):
    flags = " ".join(f"propagate_down: {str(n == number).lower()}" for n in range(4))
    graph = built(net_text("SmoothL1Loss", [(2, 3)] * 4, flags))
    made = Interpreter(graph)
    made.forward()
    with pytest.raises(InputError, match=f"gives no gradient to 'b{number}'"):
        gradients_of(made)


# ---------------------------------------------------------------------------------------------------- MultiBoxLoss
def share(a, b) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    return shared / (sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)) - shared)


def target_of(code, truth, prior, variance):
    width, height = prior[2] - prior[0], prior[3] - prior[1]
    if code == "CENTER_SIZE":
        target = [
            (truth[0] + truth[2] - prior[0] - prior[2]) / 2 / width,
            (truth[1] + truth[3] - prior[1] - prior[3]) / 2 / height,
            math.log((truth[2] - truth[0]) / width),
            math.log((truth[3] - truth[1]) / height),
        ]
    else:
        by = (width, height) * 2 if code == "CORNER_SIZE" else (1,) * 4
        target = [(t - p) / size for t, p, size in zip(truth, prior, by, strict=True)]
    return [t / v for t, v in zip(target, variance, strict=True)]


def multibox_loss(locations, scores, priors, truth, *, classes, code, kind, mode, ratio, difficult, bipartite):
    images, boxes = len(locations), priors.size // 8
    prior, variance = priors.reshape(2, boxes, 4)
    of_boxes = of_classes = matches = 0.0
    for image in range(images):
        own = [row for row in truth.reshape(-1, 8) if row[0] == image and (difficult or not row[7])]
        found = {(p, g): share(prior[p], own[g][3:7]) for p in range(boxes) for g in range(len(own))}
        partner: dict[int, int] = {}
        for (p, g), value in sorted(found.items(), key=lambda item: -item[1]):
            if p not in partner and g not in partner.values() and value > 1e-6:
                partner[p] = g
        for p in range(boxes):
            g = max(range(len(own)), key=lambda g: found[p, g], default=None)
            if p not in partner and g is not None and found[p, g] >= 0.5 and not bipartite:
                partner[p] = g

        def class_loss(p, label, image=image):
            row = scores.reshape(images, boxes, classes)[image, p].astype(float)
            return math.log(np.exp(row - row[label]).sum())

        free = [p for p in range(boxes) if p not in partner and all(found[p, g] < 0.5 for g in range(len(own)))]
        free.sort(key=lambda p: -class_loss(p, 0))
        of_classes += sum(class_loss(p, 0) for p in free[: int(ratio * len(partner))])
        for p, g in partner.items():
            of_classes += class_loss(p, int(own[g][1]))
            target = target_of(code, own[g][3:7], prior[p], variance[p])
            for d in locations.reshape(images, boxes, 4)[image, p] - target:
                of_boxes += smooth_l1(d) if kind == "SMOOTH_L1" else d * d / 2
        matches += len(partner)
    whole = {"FULL": images * boxes, "BATCH_SIZE": images, "NONE": 1}.get(mode, matches)
    return (1.5 * of_boxes + of_classes) / max(1, whole)


def detector(seed, images=2, boxes=12, classes=3, truths=4):
    source = np.random.default_rng(seed)

    def some_boxes(number):
        corners = source.uniform(0, 0.6, (number, 2))
        return np.concatenate([corners, corners + source.uniform(0.2, 0.5, (number, 2))], axis=1)

    truth = np.zeros((truths, 8))
    truth[:, 0] = source.integers(-1, images, truths)
    truth[:, 1] = source.integers(1, classes, truths)
    truth[:, 3:7], truth[:, 7] = some_boxes(truths), source.integers(0, 2, truths)
    priors = np.stack([some_boxes(boxes), np.tile([0.1, 0.1, 0.2, 0.2], (boxes, 1))]).reshape(1, 2, -1)
    made = source.standard_normal((images, boxes * 4)), source.standard_normal((images, boxes * classes)), priors
    return [each.astype(np.float32) for each in (*made, truth[None, None])]


@few
@given(
    code=st.sampled_from(["CORNER", "CENTER_SIZE", "CORNER_SIZE"]),
    kind=st.sampled_from(["SMOOTH_L1", "L2"]),
    mode=st.sampled_from(["VALID", "FULL", "BATCH_SIZE", "NONE"]),
    ratio=st.sampled_from([0, 1.5, 3]),
    difficult=st.booleans(),
    bipartite=st.booleans(),
    truths=st.integers(0, 5),
    seed=seeds,
)
def test_multibox_loss(code, kind, mode, ratio, difficult, bipartite, truths, seed):
    bottoms = detector(seed, truths=truths)
    parameters = f"""loss_param {{ normalization: {mode} }} multibox_loss_param {{ num_classes: 3 code_type: {code}
        loc_loss_type: {kind} loc_weight: 1.5 neg_pos_ratio: {ratio} use_difficult_gt: {str(difficult).lower()}
        match_type: {"BIPARTITE" if bipartite else "PER_PREDICTION"} }}"""

    def loss(*values):
        return multibox_loss(
            *values, classes=3, code=code, kind=kind, mode=mode, ratio=ratio, difficult=difficult, bipartite=bipartite
        )

    (top,) = run_layer("MultiBoxLoss", bottoms, parameters)
    assert top == pytest.approx(loss(*map(np.float64, bottoms)), rel=1e-4, abs=1e-5)
    scale = max(1.0, float(top))
    for number, found in enumerate(gradients("MultiBoxLoss", bottoms, parameters, 2)):
        check_slope(lambda *values: loss(*values) / scale, bottoms, number, found / scale, seed)


@pytest.mark.parametrize(("flags", "counts"), [("true true", (1, 1)), ("true false", (1, 0)), ("false true", (0, 1))])
def test_propagate_down_switches_terms_of_the_loss(flags, counts):
    bottoms, parameters = detector(1), "multibox_loss_param { num_classes: 3 }"
    (both,) = run_layer("MultiBoxLoss", bottoms, parameters)
    (of_boxes,) = run_layer(
        "MultiBoxLoss", bottoms, parameters + " propagate_down: true" + " propagate_down: false" * 3
    )
    down = " ".join(f"propagate_down: {flag}" for flag in (*flags.split(), "false", "false"))
    (found,) = run_layer("MultiBoxLoss", bottoms, f"{parameters} {down}")
    assert 0 < of_boxes < both
    assert found == pytest.approx(counts[0] * of_boxes + counts[1] * (both - of_boxes), rel=1e-5)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ((0, 1), 3, "'b3' holds 3 at position 0, expected a number from 0 to 2"),
        ((0, 1), np.nan, "'b3' holds nan at position 0, expected a number from 0 to 2"),
        ((1, 0), 2, "'b3' holds 2 at position 1, expected a number from 0 to 1"),
        ((1, 0), -2, "'b3' holds -2 at position 1, expected a number from 0 to 1"),
    ],
)
def test_labels_and_images_that_there_are_not(place, value, message):
    bottoms = detector(2)
    bottoms[3][0, 0, :, 0] = 0
    bottoms[3][0, 0][place] = value
    with pytest.raises(InputError) as raised:
        run_layer("MultiBoxLoss", bottoms, "multibox_loss_param { num_classes: 3 }")
    assert str(raised.value).startswith(f"layer 'it' (MultiBoxLoss): {message}")


def test_true_boxes_that_are_not_finite_match_nothing():
    bottoms = detector(3)
    parameters = "multibox_loss_param { num_classes: 3 }"
    bottoms[3][0, 0, :, 0] = [0, 1, -1, -1]
    (expected,) = run_layer("MultiBoxLoss", bottoms, parameters)
    bottoms[3][0, 0, 2:, 0], bottoms[3][0, 0, 2, 3:7], bottoms[3][0, 0, 3, 5:7] = 0, np.nan, np.inf
    (found,) = run_layer("MultiBoxLoss", bottoms, parameters)
    assert found == expected


SHAPES = [(2, 48), (2, 36), (1, 2, 48), (1, 1, 3, 8)]
WRONG_BOXES = [
    (SHAPES, "", "num_classes 0 and background_label_id 0, expected a label below the number of classes"),
    (SHAPES, "num_classes: 3 conf_loss_type: LOGISTIC", "has another conf_loss_type than SOFTMAX, expected that one"),
    (SHAPES, "num_classes: 3 share_location: false", "has another share_location than true, expected that one"),
    (SHAPES, "num_classes: 3 mining_type: HARD_EXAMPLE", "has another mining_type than MAX_NEGATIVE, expected that"),
    (SHAPES, "num_classes: 3 do_neg_mining: false", "has do_neg_mining: false, expected true: without negatives"),
    (SHAPES, "num_classes: 3 neg_pos_ratio: nan", "neg_pos_ratio nan, expected a number from 0"),
    (SHAPES, "num_classes: 4", "bottoms of shapes [2, 48], [2, 36], [1, 2, 48], [1, 1, 3, 8], expected"),
    ([*SHAPES[:3], (1, 1, 3, 7)], "num_classes: 3", "bottoms of shapes [2, 48], [2, 36], [1, 2, 48], [1, 1, 3, 7],"),
    ([*SHAPES[:3], (1, 1, 2**27, 8)], "num_classes: 3", "12 priors and 134217728 true boxes, expected at most"),
]


@pytest.mark.parametrize(("shapes", "parameters", "message"), WRONG_BOXES)
def test_multibox_losses_that_are_refused(shapes, parameters, message):
    with pytest.raises(InputError) as raised:
        Executor(built(net_text("MultiBoxLoss", shapes, f"multibox_loss_param {{ {parameters} }}")))
    assert str(raised.value).startswith(f"layer 'it' (MultiBoxLoss): {message}")


def test_a_wrong_number_of_propagate_down_is_refused():
    text = net_text("MultiBoxLoss", SHAPES, "propagate_down: true multibox_loss_param { num_classes: 3 }")
    with pytest.raises(InputError, match="has 1 propagate_down for 4 bottoms, expected none, or one per bottom"):
        Executor(built(text))


@pytest.mark.parametrize(
    ("kind", "shapes", "parameters"),
    [
        ("SmoothL1Loss", [(2, 3)] * 2, "smooth_l1_loss_param { sigma: 1 } loss_param { normalization: NONE }"),
        ("MultiBoxLoss", SHAPES, "multibox_loss_param { num_classes: 3 code_type: CENTER_SIZE match_type: BIPARTITE }"),
    ],
)
def test_attributes_are_written_back(kind, shapes, parameters):
    graph = built(net_text(kind, shapes, parameters))
    attributes, graph.nodes[-1].origin = graph.nodes[-1].attributes, None
    assert built(str(graph_message(graph))).nodes[-1].attributes == attributes


# ------------------------------------------------------------------------------------- losses that are not supported
def test_losses_without_a_reference_are_refused_with_the_way_out():
    with pytest.raises(InputError, match="--deploy does without data and loss layers"):
        Executor(built(net_text("RegionLoss", [(1, 14, 3, 3), (1, 5)])))
    with pytest.raises(InputError, match="--deploy does without data and loss layers"):
        Executor(built(net_text("Yolov3", [(1, 14, 3, 3), (1, 5)])))
