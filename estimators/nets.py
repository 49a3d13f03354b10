"""The net of an estimator: inp F B / hidden / lin K / loss."""

from __future__ import annotations

import math
from typing import Any

from ..api import Net
from ..arguments import sizes
from ..errors import InputError, UsageError
from ..formats.network import GRAMMAR, LayerSpec, NetSpec


def net_between(hidden: Any, features: int, outputs: int, loss: str, rows: int) -> Net:
    """The net without weights, for minibatches of `rows`. Raises UsageError or InputError for hidden layers that do not
    make one."""
    lines = hidden if isinstance(hidden, str) else _relu_layers(hidden, features)
    try:
        front = Net(f"inp {features} {rows} / {lines}")
    except InputError as error:  # whose place is that in another text
        raise InputError("hidden", error.found, error.expected, error.hint) from None
    for layer in front.spec.layers[1:]:
        if GRAMMAR[layer.word].role != "hidden":
            what = "expected the layers between: input, output and loss follow from the data"
            raise UsageError(f"hidden has the line {str(layer)!r}, {what}")
    last = LayerSpec("lin", (outputs, _exponent(1 / front.layers[-1].outputs)))
    return Net(NetSpec((*front.spec.layers, last, LayerSpec(loss))))


def _relu_layers(hidden: Any, inputs: int) -> str:
    lines = []
    for size in sizes("hidden", hidden):
        lines += [f"lin {size} {_exponent(2 / inputs)}", "rel"]
        inputs = size
    return " / ".join(lines)


def _exponent(variance: float) -> float:
    """The e of `lin K e`, whose weights have the deviation 10**e."""
    return round(math.log10(variance) / 2, 3)


def with_minibatch(net: Net, rows: int) -> Net:
    """`net`, or where its minibatches have another number of rows, a net with its weights and progress."""
    if net.spec.minibatch == rows:
        return net
    inputs, *others = net.spec.layers
    other = Net(NetSpec((LayerSpec(inputs.word, (net.spec.features, rows)), *others)))
    other.parameters = net.parameters  # laid out alike for any number of rows
    other.progress = net.progress  # after the parameters, whose assignment begins anew
    return other
