"""Which layers are drawn as one unit."""

from __future__ import annotations

from caffe64.drawing.groups import group_layers, unit_edges
from caffe64.drawing.net import DrawnLayer, DrawnNet


def net(*layers: tuple[str, tuple[int, ...]]) -> DrawnNet:
    return DrawnNet("net", tuple(DrawnLayer(str(number), kind, reads) for number, (kind, reads) in enumerate(layers)))


def test_a_convolution_takes_what_follows_it_alone():
    chain = net(
        ("Input", ()), ("Convolution", (0,)), ("BatchNorm", (1,)), ("Scale", (2,)), ("ReLU", (3,)), ("Pooling", (4,))
    )
    assert group_layers(chain) == [[0], [1, 2, 3, 4], [5]]
    assert unit_edges(chain, group_layers(chain)) == [(0, 1), (1, 2)]


def test_a_layer_that_another_unit_reads_ends_a_unit():
    fork = net(
        ("Input", ()), ("Convolution", (0,)), ("BatchNorm", (1,)), ("ReLU", (2,)), ("Eltwise", (2, 3)), ("ReLU", (4,))
    )
    assert group_layers(fork) == [[0], [1, 2], [3], [4, 5]]
    assert unit_edges(fork, group_layers(fork)) == [(0, 1), (1, 2), (1, 3), (2, 3)]


def test_a_layer_that_reads_two_or_follows_something_else_stands_alone():
    others = net(
        ("Input", ()), ("Scale", (0,)), ("Pooling", (1,)), ("ReLU", (2,)), ("Convolution", (0,)), ("Scale", (3, 4))
    )
    assert group_layers(others) == [[0], [1], [2], [3], [4], [5]]


def test_normalisation_before_a_convolution_is_a_unit_of_its_own():
    before = net(("Input", ()), ("BatchNorm", (0,)), ("Scale", (1,)), ("ReLU", (2,)), ("Convolution", (3,)))
    assert group_layers(before) == [[0], [1, 2, 3], [4]]
