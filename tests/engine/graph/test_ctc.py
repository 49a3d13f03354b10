"""CTCGreedyDecoder, step by step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.caffe_layers import built, net_text, run_layer
from reference.executor import Executor

from caffe64.engine.graph.analysis.shapes import infer_shapes
from caffe64.engine.graph.frontends.caffe.write import graph_message
from caffe64.errors import InputError


def line_of(scores, blank: int, merges: bool) -> list[int]:
    labels, before = [], None
    for step in scores.tolist():
        best = max((c for c in range(len(step)) if step[c] == step[c]), key=lambda c: step[c], default=0)
        if best != blank and not (merges and best == before):
            labels.append(best)
        before = best
    return labels


@settings(max_examples=40, deadline=None)
@given(
    steps=st.integers(0, 9),
    lines=st.integers(1, 3),
    classes=st.integers(1, 4),
    blank=st.integers(-1, 3),
    merges=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_line_by_line(steps, lines, classes, blank, merges, seed):
    blank = min(blank, classes - 1)
    source = np.random.default_rng(seed)
    scores = source.integers(0, 3, (steps, lines, classes)).astype(np.float32)
    scores[source.random(scores.shape) < 0.1] = np.nan
    parameters = f"ctc_decoder_param {{ blank_index: {blank} ctc_merge_repeated: {str(merges).lower()} }}"
    (top,) = run_layer("CTCGreedyDecoder", [scores], parameters)
    assert top.shape == (lines, steps, 1, 1)
    for n in range(lines):
        expected = line_of(scores[:, n], blank % classes, merges)
        assert top[n].ravel().tolist() == expected + [-1] * (steps - len(expected))


@settings(max_examples=20, deadline=None)
@given(
    steps=st.integers(1, 9),
    lines=st.integers(1, 3),
    classes=st.integers(1, 4),
    blank=st.integers(-1, 3),
    merges=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_onnxruntime_decodes_alike(steps, lines, classes, blank, merges, seed):
    pytest.importorskip("onnxruntime")
    from caffe64.engine.graph.frontends.onnx.compare import run_model
    from caffe64.engine.graph.frontends.onnx.write.model import onnx_model

    source = np.random.default_rng(seed)
    scores = source.integers(0, 3, (steps, lines, classes)).astype(np.float32)
    scores[source.random(scores.shape) < 0.1] = np.nan
    parameters = f"""ctc_decoder_param {{ blank_index: {min(blank, classes - 1)}
        ctc_merge_repeated: {str(merges).lower()} }}"""
    graph = built(net_text("CTCGreedyDecoder", [scores.shape], parameters))
    model = onnx_model(graph, infer_shapes(graph), "1")
    for values in (scores, np.concatenate([scores, scores])):  # steps are axis 0, of any number
        (expected,) = run_layer("CTCGreedyDecoder", [values], parameters)
        np.testing.assert_array_equal(run_model(model, {"b0": values})[0]["t0"], expected)


WRONG = [
    ((3, 4), "", "a bottom of shape [3, 4], expected [steps, lines, classes]"),
    ((3, 4, 0), "", "a bottom of shape [3, 4, 0], expected [steps, lines, classes]"),
    ((3, 4, 2), "ctc_decoder_param { blank_index: 2 }", "blank_index 2 of 2 classes, expected -1 to 1"),
    ((3, 4, 2), "ctc_decoder_param { blank_index: -2 }", "blank_index -2 of 2 classes, expected -1 to 1"),
]


@pytest.mark.parametrize(("shape", "parameters", "message"), WRONG)
def test_what_makes_no_sense_is_refused(shape, parameters, message):
    with pytest.raises(InputError) as raised:
        Executor(built(net_text("CTCGreedyDecoder", [shape], parameters)))
    assert str(raised.value).startswith(f"layer 'it' (CTCGreedyDecoder): {message}")


def test_attributes_are_written_back():
    graph = built(net_text("CTCGreedyDecoder", [(3, 4, 2)], "ctc_decoder_param { blank_index: -1 }"))
    attributes, graph.nodes[-1].origin = graph.nodes[-1].attributes, None
    assert built(str(graph_message(graph))).nodes[-1].attributes == attributes
