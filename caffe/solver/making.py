"""What Caffe's log says while a net is made: its text, its layers with their shapes, which of them run backward."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np

from ...engine.graph.analysis.need_backward import find_needs, loss_weights
from ...engine.graph.frontends.caffe.write import graph_message
from ...formats.caffe import format_prototxt
from ..net import CaffeNet
from .nets import FedNet
from .trace import Layer, split_layers

Line = tuple[str, str]  # the file and line of Caffe's that print it, and the text
FLOAT_BYTES = 4


def number(value: float | np.floating) -> str:
    """As C++ prints it."""
    return f"{float(value):g}"


def making(fed: FedNet) -> Iterator[Line]:
    """The lines about one net."""
    net, message = fed.net, graph_message(fed.net.graph)
    message.state.CopyFrom(fed.state)
    yield "net.cpp:53", f"Initializing net from parameters: \n{format_prototxt(message).rstrip()}"
    layers, memory = split_layers(net.graph), 0
    for layer in layers:
        yield from _layer(net, layer)
        memory += FLOAT_BYTES * sum(prod(net.shapes[blob]) for blob in layer[2])
        yield "net.cpp:139", f"Memory required for data: {memory}"
    if net.graph.phase == "TRAIN":
        yield from _needs(net, layers)
    for output in net.outputs:
        yield "net.cpp:244", f"This network produces output {output}"
    yield "net.cpp:257", "Network initialization done."


def _layer(net: CaffeNet, layer: Layer) -> Iterator[Line]:
    message, node, blobs = layer
    yield "layer_factory.hpp:77", f"Creating layer {message.name}"
    yield "net.cpp:86", f"Creating Layer {message.name}"
    for name in message.bottom:
        yield "net.cpp:408", f"{message.name} <- {name}"
    for at, name in enumerate(message.top):
        in_place = list(message.bottom[at : at + 1]) == [name]
        where, end = ("net.cpp:369", " (in-place)") if in_place else ("net.cpp:382", "")
        yield where, f"{message.name} -> {name}{end}"
    yield "net.cpp:124", f"Setting up {message.name}"
    weights = loss_weights(node) if node else []
    for at, blob in enumerate(blobs):
        shape = net.shapes[blob]
        yield "net.cpp:131", f"Top shape: {''.join(f'{size} ' for size in shape)}({prod(shape)})"
        if at < len(weights) and weights[at]:
            yield "net.cpp:134", f"    with loss weight {number(weights[at])}"


def _needs(net: CaffeNet, layers: list[Layer]) -> Iterator[Line]:
    needs = find_needs(net.graph)
    wanted = {
        bottom for node, need in needs.items() for bottom, each in zip(node.bottoms, need.bottoms, strict=True) if each
    }
    for message, node, blobs in reversed(layers):
        if node in needs or (node is None and blobs[0] in wanted):
            yield "net.cpp:200", f"{message.name} needs backward computation."
        else:
            yield "net.cpp:202", f"{message.name} does not need backward computation."
