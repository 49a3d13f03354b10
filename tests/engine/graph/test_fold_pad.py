"""Pad layers: folded into what pads itself, or left with the reason."""

from __future__ import annotations

import math

import pytest
from reference.caffe_graphs import conv, data, graph_of, layer, optimised, types

from caffe64.engine.graph.ops.padding import Pad

PADS = "fold Pad"
EQUAL = Pad((0, 0, 1, 2), (0, 0, 1, 2))
SIDES = Pad((0, 0, 1, 0), (0, 0, 2, 1))


def pooling(kind, more="", kernel=3):
    """Rounded down, as exporters write it, unless `more` says so."""
    text = f"pool: {kind} kernel_size: {kernel} stride: 2 {more or 'round_mode: FLOOR'}"
    return layer("y", "Pooling", "p", "y", f"pooling_param {{ {text} }}")


def padded(pad, *readers):
    """A graph data -> p (Pad) -> readers."""
    graph = graph_of(data(), layer("p", "AbsVal", "data"), *readers)
    graph.nodes[1].type, graph.nodes[1].attributes = "Pad", pad
    return graph


def infinite(pad):
    return Pad(pad.pads_before, pad.pads_after, value=-math.inf)


@pytest.mark.parametrize("pad", [EQUAL, SIDES])
@pytest.mark.parametrize(
    "more", ["", "pad: 1", "stride: 2 dilation: 2 pad: 2", "group: 3", "bias_term: false pad_h: 0 pad_w: 2"]
)
def test_zeros_become_the_padding_of_a_convolution(pad, more):
    graph = padded(pad, conv("y", "p", outputs=6, more=more or "bias_term: false"))
    smaller, reports = optimised(graph)
    assert types(smaller) == ["Input", "Convolution"]
    assert reports[PADS].changes == ["Pad 'p' into Convolution 'y'"]


@pytest.mark.parametrize("pad", [EQUAL, SIDES])
def test_pooling_takes_what_never_wins_or_counts(pad):
    assert types(optimised(padded(infinite(pad), pooling("MAX")))[0]) == ["Input", "Pooling"]
    assert types(optimised(padded(pad, pooling("AVE")))[0]) == ["Input", "Pooling"]


def test_all_readers_take_it():
    graph = padded(EQUAL, conv("y", "p", more="pad: 1"), conv("z", "p"))
    assert types(optimised(graph)[0]) == ["Input", "Convolution", "Convolution"]


@pytest.mark.parametrize(
    ("pad", "reader", "reason"),
    [
        (Pad((0, 0, 1, 1), (0, 0, 1, 1), "edge"), conv("y", "p"), "its mode is edge"),
        (Pad((0, 0, 1, 1), (0, 0, -1, 1)), conv("y", "p"), "it cuts off values"),
        (Pad((0, 1, 0, 0), (0, 0, 0, 0)), pooling("AVE"), "it pads pictures or channels"),
        (Pad((0, 0, 1, 1), (0, 0, 1, 1), value=2.0), conv("y", "p"), "its value is 2, and Convolution 'y' pads with 0"),
        (EQUAL, pooling("MAX"), "its value is 0, and Pooling 'y' pads with -inf"),
        (infinite(EQUAL), pooling("MAX", "pad: 1"), "Pooling 'y' has padding of its own"),
        (infinite(EQUAL), pooling("MAX", "round_mode: CEIL", 2), "the last window of Pooling 'y' reaches beyond it"),
        (infinite(EQUAL), pooling("MAX", kernel=2), "whole windows of Pooling 'y' lie in it"),
        (EQUAL, layer("y", "AbsVal", "p"), "AbsVal 'y' does not pad"),
        (EQUAL, conv("y", "p") + layer("z", "AbsVal", "p"), "AbsVal 'z' does not pad"),
    ],
)
def test_what_is_left_and_why(pad, reader, reason):
    smaller, reports = optimised(padded(pad, reader))
    assert types(smaller)[:2] == ["Input", "Pad"]
    assert reports[PADS].left == [f"Pad 'p': {reason}"]


def test_an_output_is_left():
    smaller, reports = optimised(padded(EQUAL))
    assert types(smaller) == ["Input", "Pad"]
    assert reports[PADS].left == ["Pad 'p': its output is one of the net"]
