"""Initial weights, by a layer's fillers: for a net without a file of weights.

fan_in is the count of a blob over its first dimension, fan_out over its second (the count itself where there is none);
n is fan_in, fan_out, or their mean, according to `variance_norm`.

    constant   value                      uniform            U[min, max]
    gaussian   N(mean, std^2)             positive_unitball  U[0, 1], then each row over its sum
    xavier     U[-a, a], a = sqrt(3/n)    msra               N(0, 2/n)
    bilinear   the kernel of an interpolation, the same for every pair of channels

A gaussian with `sparse` keeps each number with the probability sparse / first dimension, else 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..ir.filler import Filler
from ..ir.graph import Node, Shape
from ..ir.op import count
from ..ops import op_of

FAN_IN, FAN_OUT = 0, 1  # VarianceNorm; 2 is the average


def fill(node: Node, shapes: Sequence[Shape], generator: np.random.Generator) -> list[np.ndarray]:
    """Initial weights of a layer, float32, of `shapes` (`Op.weight_shapes`). Raises node.error for a wrong filler."""
    op = op_of(node)
    if op and op.initial:
        return op.initial(node)
    fillers = node.fillers or (Filler(),) * len(shapes)
    fillers = fillers[len(fillers) - len(shapes) :]  # with two bottoms, a Scale has only its bias
    return [
        np.asarray(filled_blob(node, filler, shape, generator), np.float32, order="C")
        for filler, shape in zip(fillers, shapes, strict=True)
    ]


def filled_blob(node: Node, filler: Filler, shape: Shape, generator: np.random.Generator) -> np.ndarray:
    if filler.sparse != -1 and filler.type != "gaussian":
        raise node.error(f"has a {filler.type} filler with sparse {filler.sparse}", "sparse with gaussian only")
    match filler.type:
        case "constant":
            return np.full(shape, filler.value)
        case "uniform":
            if filler.min > filler.max:
                raise node.error(f"has a uniform filler from {filler.min} to {filler.max}", "min up to max")
            return generator.uniform(filler.min, filler.max, shape)
        case "gaussian":
            return _gaussian(node, filler, shape, generator)
        case "positive_unitball":
            drawn = generator.random(shape)
            return drawn / drawn.reshape(len(drawn), -1).sum(axis=1).reshape(-1, *[1] * (len(shape) - 1))
        case "xavier":
            bound = np.sqrt(3 / _fan(filler, shape))
            return generator.uniform(-bound, bound, shape)
        case "msra":
            return generator.normal(0, np.sqrt(2 / _fan(filler, shape)), shape)
        case "bilinear":
            return _bilinear(node, shape)
    known = "constant, uniform, gaussian, positive_unitball, xavier, msra or bilinear"
    raise node.error(f"has a filler of type {filler.type!r}", known)


def _gaussian(node: Node, filler: Filler, shape: Shape, generator: np.random.Generator) -> np.ndarray:
    if not filler.std > 0:
        raise node.error(f"has a gaussian filler with std {filler.std}", "more than 0")
    drawn = generator.normal(filler.mean, filler.std, shape)
    if filler.sparse < 0:
        return drawn
    return drawn * (generator.random(shape) < filler.sparse / shape[0])


def _fan(filler: Filler, shape: Shape) -> float:
    size = count(shape)
    fan_in = size / shape[0]
    fan_out = size / shape[1] if len(shape) > 1 else size
    if filler.variance_norm == FAN_IN:
        return fan_in
    return fan_out if filler.variance_norm == FAN_OUT else (fan_in + fan_out) / 2


def _bilinear(node: Node, shape: Shape) -> np.ndarray:
    if len(shape) != 4 or shape[2] != shape[3]:
        raise node.error(f"has a bilinear filler for weights of shape {list(shape)}", "4 axes, a square kernel")
    side = shape[3]
    half = -(-side // 2)
    centre = (side - 1) / (2 * half)
    line = 1 - np.abs(np.arange(side) / half - centre)
    return np.broadcast_to(np.outer(line, line), shape)
