"""Layers that are one step of a net: a convolution and the BatchNorm, Scale and ReLU that follow it."""

from __future__ import annotations

from collections import Counter

from .net import DrawnNet

CONVOLUTIONS = {"Convolution", "ConvolutionDepthwise", "DepthwiseConvolution", "Deconvolution", "InnerProduct"}
FIRST = CONVOLUTIONS | {"BatchNorm", "Eltwise", "Concat"}
NORMALISE = {"BatchNorm", "Scale", "Bias", "BN"}
ACTIVATE = {
    *("ReLU", "ReLU6", "PReLU", "ELU", "SELU", "SeLu", "Sigmoid", "TanH", "Swish", "Mish", "HardSwish", "HSwish"),
    *("Clip", "AbsVal", "BNLL"),
}
FOLLOW = NORMALISE | ACTIVATE


def group_layers(net: DrawnNet) -> list[list[int]]:
    """The layers' indices in units of one or more, each unit a chain, in the order of their first layers.

    A layer joins the unit of the one that it reads if it reads nothing else and no other layer reads that one.
    """
    readers = Counter(index for layer in net.layers for index in set(layer.reads))
    unit_of: dict[int, list[int]] = {}
    units = []
    for index, layer in enumerate(net.layers):
        unit = unit_of.get(layer.reads[0]) if len(layer.reads) == 1 else None
        if unit and unit[-1] == layer.reads[0] and readers[unit[-1]] == 1 and _continues(net, unit, layer.role):
            unit.append(index)
        else:
            unit = [index]
            units.append(unit)
        unit_of[index] = unit
    return units


def _continues(net: DrawnNet, unit: list[int], kind: str) -> bool:
    return kind in FOLLOW and net.layers[unit[0]].role in FIRST


def unit_edges(net: DrawnNet, units: list[list[int]]) -> list[tuple[int, int]]:
    """(source, target) between units, each once, sorted by target; source < target."""
    position = {index: number for number, unit in enumerate(units) for index in unit}
    found = {(position[source], number) for number, unit in enumerate(units) for source in net.layers[unit[0]].reads}
    return sorted(found, key=lambda edge: (edge[1], edge[0]))
