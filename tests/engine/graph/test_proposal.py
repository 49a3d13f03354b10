"""Proposal: box by box, as the C++ layer and as py-faster-rcnn's class; and the parameters of Python layers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.caffe_layers import built, input_text, layer_text, net_text, run_layer
from reference.executor import Executor

from caffe64.engine.graph.frontends.caffe.python_layers import type_of
from caffe64.engine.graph.frontends.caffe.write import graph_message
from caffe64.engine.graph.ops import OPS
from caffe64.engine.graph.reference import Interpreter
from caffe64.errors import InputError
from caffe64.formats.caffe.param_str import read_param_str

PORT = "proposal_param { ratio: 0.5 ratio: 2 scale: 1 scale: 2.5 feat_stride: 8 base_size: 12 min_size: %d pre_nms_topn: %d post_nms_topn: %d nms_thresh: %g }"  # noqa: E501


def python_param(text: str, module: str = "rpn.proposal_layer", layer: str = "ProposalLayer") -> str:
    return f'python_param {{ module: "{module}" layer: "{layer}" param_str: "{text}" }}'


def expected_boxes(scores, offsets, info, base, ratios, scales, stride, least, before, after, threshold, removes):
    """Pairs (score, box), one box after the other, in float64."""
    found = []
    number = len(ratios) * len(scales)
    for y, x, a in np.ndindex(*scores.shape[2:], number):
        width = round(base / math.sqrt(ratios[a // len(scales)]))
        height = math.floor(width * ratios[a // len(scales)] + 0.5)
        width, height = width * scales[a % len(scales)], height * scales[a % len(scales)]
        middle_x, middle_y = x * stride + (base - 1) / 2 + 0.5, y * stride + (base - 1) / 2 + 0.5
        dx, dy, dw, dh = offsets[0, 4 * a : 4 * a + 4, y, x].astype(float)
        middle_x, middle_y = middle_x + dx * width, middle_y + dy * height
        width, height = width * math.exp(dw), height * math.exp(dh)
        sides = (middle_x - width / 2, middle_y - height / 2, middle_x + width / 2, middle_y + height / 2)
        limits = (info[1] - 1, info[0] - 1) * 2
        box = [max(min(side, limit), 0) for side, limit in zip(sides, limits, strict=True)]
        score = float(scores[0, number + a, y, x])
        if box[2] - box[0] + 1 < least * info[-1] or box[3] - box[1] + 1 < least * info[2]:
            if removes:
                continue
            score = 0.0
        found.append((score, box))
    kept = []
    for score, box in sorted(found, key=lambda pair: -pair[0])[:before]:
        if len(kept) < after and all(share(box, other) <= threshold for _, other in kept):
            kept.append((score, box))
    return kept


def share(a, b) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]) + 1, min(a[3], b[3]) - max(a[1], b[1]) + 1
    shared = max(width, 0) * max(height, 0)
    sizes = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b)]
    return shared / (sum(sizes) - shared)


def net_outputs(anchors: int, height: int, width: int, seed: int):
    source = np.random.default_rng(seed)
    size = 2 * anchors * height * width
    scores = (1 + source.permutation(size).reshape(1, 2 * anchors, height, width)) / (size + 1)
    return scores.astype(np.float32), source.normal(0, 0.4, (1, 4 * anchors, height, width)).astype(np.float32)


def check(found, scores, expected) -> None:
    rows, count = found.reshape(-1, 5), len(expected)
    assert (rows[:count, 0] == 0).all()
    assert (rows[count:] == -1).all()
    assert (scores.reshape(-1)[count:] == -1).all()
    np.testing.assert_allclose(scores.reshape(-1)[:count], [score for score, _ in expected], rtol=1e-6)
    np.testing.assert_allclose(rows[:count, 1:], [box for _, box in expected], rtol=1e-5, atol=1e-3)


@settings(max_examples=25, deadline=None)
@given(
    size=st.tuples(st.integers(1, 5), st.integers(1, 6)),
    before=st.sampled_from([1, 7, 1000]),
    after=st.sampled_from([1, 5, 1000]),
    threshold=st.sampled_from([0.3, 0.7]),
    seed=st.integers(0, 1000),
)
def test_proposals_one_by_one(size, before, after, threshold, seed):
    scores, offsets = net_outputs(4, *size, seed)
    info = np.array([[40, 50, 1.25, 1.5]], np.float32)
    found, of = run_layer("Proposal", [scores, offsets, info], PORT % (0, before, after, threshold), tops=2)
    assert found.shape == (min(before, after, 4 * size[0] * size[1]), 5)
    expected = expected_boxes(
        scores, offsets, info[0], 12, (0.5, 2), (1, 2.5), 8, 0, before, after, threshold, removes=False
    )
    check(found, of, expected)


def test_small_boxes_come_last():
    scores, offsets = net_outputs(4, 3, 4, 1)
    info = np.array([[40, 50, 1.25, 1.5]], np.float32)
    found, of = run_layer("Proposal", [scores, offsets, info], PORT % (9, 1000, 1000, 1), tops=2)
    expected = expected_boxes(scores, offsets, info[0], 12, (0.5, 2), (1, 2.5), 8, 9, 1000, 1000, 1, removes=False)
    check(found, of, expected)
    assert 3 < sum(score == 0 for score, _ in expected) < len(expected) - 3


@pytest.mark.parametrize("scales", [None, (4, 8.5)])
def test_py_faster_rcnns_class(scales):
    number = 3 * len(scales or (8, 16, 32))
    scores, offsets = net_outputs(number, 5, 6, 2)
    info = np.array([[90, 100, 1.5]], np.float32)
    text = "'feat_stride': 16" + (f"\\n'scales': [{scales[0]}, {scales[1]}]" if scales else "")
    (found, of) = run_layer("Python", [scores, offsets, info], python_param(text), tops=2)
    assert of.shape == (number * 30, 1)
    expected = expected_boxes(
        scores, offsets, info[0], 16, (0.5, 1, 2), scales or (8, 16, 32), 16, 16, 6000, 300, 0.7, removes=True
    )
    check(found, of, expected)


def test_numbers_of_the_picture_are_height_width_and_one_scale_or_two():
    """PVANet's files have six, of which its port reads four."""
    scores, offsets = net_outputs(4, 3, 4, 3)
    of_three, of_four, of_six, other = (
        run_layer("Proposal", [scores, offsets, np.array([info], np.float32)], PORT % (9, 50, 50, 0.5))[0]
        for info in ([40, 50, 1.5], [40, 50, 1.5, 1.5], [40, 50, 1.5, 1.5, 9, 9], [40, 50, 1.5, 3])
    )
    np.testing.assert_array_equal(of_three, of_four)
    np.testing.assert_array_equal(of_six, of_four)
    assert (other != of_four).any()


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite(odd):
    """Boxes and scores with NaN are no proposals; infinite offsets end at the border."""
    scores, offsets = net_outputs(4, 3, 4, 4)
    info = np.array([[40, 50, 1, 1]], np.float32)
    scores[0, 4:, 0, 0] = odd
    offsets[0, :, 1, 1] = odd
    found, of = run_layer("Proposal", [scores, offsets, info], PORT % (0, 1000, 1000, 1), tops=2)
    there = found[:, 0] == 0
    assert there.sum() == (48 if odd == -np.inf else 40 if np.isnan(odd) else 44)
    assert np.isfinite(found).all()
    assert (found[there, 1:] >= 0).all()
    assert not np.isnan(of).any()
    nowhere = run_layer("Proposal", [scores, offsets, np.full((1, 4), odd)], PORT % (0, 1000, 1000, 0.5))[0]
    assert np.isfinite(nowhere).all()


def test_without_a_picture_there_may_be_no_proposal():
    scores, offsets = net_outputs(9, 2, 2, 5)
    found = run_layer("Python", [scores, offsets, np.zeros((1, 3))], python_param("feat_stride: 16"))[0]
    assert found.shape == (36, 5)
    small = run_layer("Python", [scores, offsets, np.array([[5, 5, 1]])], python_param("feat_stride: 16"))[0]
    assert (small == -1).all()


def test_pooling_of_rows_without_a_proposal_is_zero():
    """Detectors pool the regions that they propose, also those that fill up the top."""
    text = "".join(map(input_text, ("x", "s", "o", "i"), ((1, 2, 5, 6), (1, 18, 5, 6), (1, 36, 5, 6), (1, 3))))
    text += layer_text("Python", ["s", "o", "i"], ["rois"], python_param("feat_stride: 16"), "proposal")
    text += layer_text("ROIPooling", ["x", "rois"], ["y"], "roi_pooling_param { pooled_h: 2 pooled_w: 2 }", "pool")
    for runner in (Executor, Interpreter):
        made = runner(built(text))
        values = (np.ones((1, 2, 5, 6)), *net_outputs(9, 5, 6, 6), np.array([[90, 100, 1.5]]))
        for blob, value in zip(made.graph.inputs, values, strict=True):
            made.arrays[blob][...] = value
        made.forward()
        rois, y = (made.arrays[node.tops[0]] for node in made.graph.nodes[-2:])
        there = rois[:, 0] == 0
        assert 0 < there.sum() < len(rois)
        assert (y[~there] == 0).all()


SHAPES = [(1, 8, 3, 4), (1, 16, 3, 4), (1, 4)]
WRONG = [
    (SHAPES, PORT.replace("feat_stride: 8", "feat_stride: 0") % (0, 9, 9, 1), "feat_stride 0, expected 1 to 65536"),
    (SHAPES, PORT.replace("base_size: 12", "base_size: 70000") % (0, 9, 9, 1), "base_size 70000, expected 1 to 65536"),
    (SHAPES, PORT % (0, 0, 9, 1), "pre_nms_topn 0, expected a number from 1"),
    (SHAPES, PORT % (0, 9, 0, 1), "post_nms_topn 0, expected a number from 1"),
    (SHAPES, PORT % (0, 9, 9, math.nan), "nms_thresh nan, expected a number from 0"),
    (SHAPES, PORT % (0, 9, 9, -1), "nms_thresh -1, expected a number from 0"),
    (SHAPES, "proposal_param { ratio: 1 }", "scale [], expected one or more positive numbers"),
    (SHAPES, "proposal_param { ratio: -1 scale: 1 }", "ratio [-1.0], expected one or more positive numbers"),
    (SHAPES, "proposal_param { ratio: nan scale: 1 }", "ratio [nan], expected one or more positive numbers"),
    ([(2, 8, 3, 4), (2, 16, 3, 4), (1, 4)], PORT % (0, 9, 9, 1), "bottoms of shapes [2, 8, 3, 4] and [2, 16, 3, 4]"),
    ([(1, 8, 3, 4), (1, 12, 3, 4), (1, 4)], PORT % (0, 9, 9, 1), "bottoms of shapes [1, 8, 3, 4] and [1, 12, 3, 4]"),
    ([(1, 8, 3, 4), (1, 16, 3, 4), (1, 2)], PORT % (0, 9, 9, 1), "a third bottom of shape [1, 2], expected 3 numbers"),
]


@pytest.mark.parametrize(("shapes", "parameters", "message"), WRONG)
def test_what_makes_no_sense_is_refused(shapes, parameters, message):
    with pytest.raises(InputError) as raised:
        Executor(built(net_text("Proposal", shapes, parameters)))
    assert str(raised.value).startswith(f"layer 'it' (Proposal): {message}")


PYTHON_SHAPES = [(1, 18, 3, 4), (1, 36, 3, 4), (1, 3)]
WRONG_PYTHON = [
    ("", "has a param_str with feat_stride None, expected a whole number"),
    ("'feat_stride': 1.5", "has a param_str with feat_stride 1.5, expected a whole number"),
    ("'feat_stride': -1", "feat_stride -1, expected 1 to 65536"),
    (f"feat_stride: {10**38}", f"feat_stride {10**38}, expected 1 to 65536"),
    ("feat_stride: 16\\nscales: 8", "has a param_str with scales 8, expected a list of numbers"),
    ("feat_stride: 16\\nscales: [[8]]", "has a param_str with scales [[8]], expected a list of numbers"),
    ("feat_stride: 16\\nscales: [inf]", "scale [inf], expected one or more positive numbers"),
    ("feat_stride: 16\\nratios: [1]", "has a param_str with 'ratios', expected feat_stride and scales"),
    ("{'feat_stride': 16", "has a param_str with the end in place of '}', expected"),
    ("feat_stride: __import__(1)", "has a param_str with '(' in place of a key, expected"),
]


@pytest.mark.parametrize(("text", "message"), WRONG_PYTHON)
def test_parameters_of_the_class_that_make_no_sense_are_refused(text, message):
    with pytest.raises(InputError) as raised:
        Executor(built(net_text("Python", PYTHON_SHAPES, python_param(text))))
    assert str(raised.value).startswith(f"layer 'it' (Proposal): {message}")


def test_other_python_layers_are_refused_by_module_and_class():
    graph = built(net_text("Python", PYTHON_SHAPES, python_param("", "rpn.anchor_target_layer", "AnchorTargetLayer")))
    with pytest.raises(InputError, match=r"'it' \(rpn\.anchor_target_layer\.AnchorTargetLayer\)"):
        Executor(graph)


def test_a_class_that_is_registered_comes_first(monkeypatch):
    layer = built(net_text("Python", PYTHON_SHAPES, python_param("feat_stride: 16"))).nodes[-1].origin
    assert type_of(layer) == "Proposal"
    monkeypatch.setitem(OPS, "rpn.proposal_layer.ProposalLayer", OPS["Silence"])
    assert type_of(layer) == "rpn.proposal_layer.ProposalLayer"


def test_layers_are_written_as_they_were_read():
    text = net_text("Python", PYTHON_SHAPES, python_param("'feat_stride': 8"))
    written = graph_message(built(text)).layer[-1]
    assert (written.type, written.python_param.param_str) == ("Python", "'feat_stride': 8")
    graph = built(net_text("Proposal", SHAPES, PORT % (3, 40, 7, 0.25)))
    attributes, graph.nodes[-1].origin = graph.nodes[-1].attributes, None
    assert built(str(graph_message(graph))).nodes[-1].attributes == attributes


PARAMETERS = [
    ("", {}),
    ("{}", {}),
    ("'feat_stride': 16", {"feat_stride": 16}),
    ('{"feat_stride": 16, "scales": [8, 16],}', {"feat_stride": 16, "scales": [8, 16]}),
    ("feat_stride: 16  # pixels\nscales: !!python/tuple [2, 4]\n", {"feat_stride": 16, "scales": [2, 4]}),
    ("scales:\n- 8\n- 16.5\nb: (-1, 1e-3)", {"scales": [8, 16.5], "b": [-1, 0.001]}),
    ("a: [[1], [], 'x y']\nb: none, c: true", {"a": [[1], [], "x y"], "b": "none", "c": "true"}),
    ("a: '16'", {"a": "16"}),
    ("a: !!python/object/apply:os.system ['ls']", {"a": ["ls"]}),
]


@pytest.mark.parametrize(("text", "values"), PARAMETERS)
def test_param_str(text, values):
    assert read_param_str(text) == values


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "a:",
        "a: 'x",
        "a: [1",
        "a: [1 2]",
        "a: 1 }",
        "{a: 1",
        ": 1",
        "a: 1\na: 2",
        "a: " + "[" * 99,
        "[1]",
        "a: {b: 1}",
    ],
)
def test_other_texts_are_refused(text):
    with pytest.raises(ValueError, match=r"in place of|does not end|twice|follows|deep"):
        read_param_str(text)


@given(st.text(alphabet="ab:1,.-[](){}'\"#! \n", max_size=40))
def test_any_text_is_read_or_refused(text):
    try:
        found = read_param_str(text)
    except ValueError:
        return
    assert all(isinstance(key, str) for key in found)
