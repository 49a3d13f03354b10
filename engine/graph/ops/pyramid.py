"""SPP, a pyramid of poolings: level l has 2**l by 2**l windows, and the levels follow each other in each picture's row.

    kernel = stride = ceil(size / 2**l)    pad = (kernel * 2**l - size + 1) // 2

A pyramid of one level keeps the Pooling's shape [N, C, 1, 1].
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import Back, Gradient, Layers, Op, Run, count
from .pooling import OPS as POOLING
from .pooling import POOL_MAX, Pooling, pooling_back, pooling_shapes, prepare_pooling


@dataclass(frozen=True)
class Pyramid:
    """`pool`: one of POOL_*. `pyramid_height`: the number of levels."""

    pyramid_height: int = 0
    pool: int = POOL_MAX


def pyramid_levels(node: Node, bottom: Shape) -> list[tuple[Node, Shape]]:
    """A pooling layer for each level, and the shape of its top. Raises node.error for a level that does not fit."""
    if node.attributes.pyramid_height < 1:
        raise node.error("has pyramid_height 0", "at least 1")
    if len(bottom) != 4:
        raise node.error(f"has a bottom with {len(bottom)} axes, {list(bottom)}", "4")
    return [_level(node, bottom, 1 << number) for number in range(node.attributes.pyramid_height)]


def _level(node: Node, bottom: Shape, bins: int) -> tuple[Node, Shape]:
    kernels = [-(-size // bins) for size in bottom[2:]]
    pads = [(kernel * bins - size + 1) // 2 for kernel, size in zip(kernels, bottom[2:], strict=True)]
    if any(pad >= kernel for pad, kernel in zip(pads, kernels, strict=True)):
        found = f"{bins} by {bins} windows of pictures of {bottom[2]} by {bottom[3]} pixels"
        raise node.error(found, "a lower pyramid: the padding would be as large as a window")
    (height, width), (above, left) = kernels, pads
    level = replace(
        node, attributes=Pooling(node.attributes.pool, (height, width), (height, width), (above, left), (above, left))
    )
    (top,) = pooling_shapes(level, [bottom])
    return level, top


def pyramid_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    tops = [top for _, top in pyramid_levels(node, bottoms[0])]
    return tops if len(tops) == 1 else [(bottoms[0][0], sum(count(top, 1) for top in tops))]


class _Level:
    """One level: its pooling layer, memory for its top and the gradient of that, and where the pyramid's top has it."""

    def __init__(self, node: Node, bottom: Shape, shape: Shape, start: int):
        self.node, self.shape = node, shape
        self.columns = slice(start, start + count(shape, 1))
        self.top, self.run = np.empty(shape, np.float32), prepare_pooling(node, [bottom], [shape])


def _levels(node: Node, bottom: Shape) -> list[_Level]:
    found, start = [], 0
    for level, shape in pyramid_levels(node, bottom):
        found.append(_Level(level, bottom, shape, start))
        start += count(shape, 1)
    return found


def prepare_pyramid(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    levels, rows = _levels(node, bottoms[0]), bottoms[0][0]

    def run(inputs, outputs):
        top = outputs[0].reshape(rows, count(tops[0], 1))
        for level in levels:
            level.run(inputs, [level.top])
            top[:, level.columns] = level.top.reshape(rows, count(level.shape, 1))

    run.levels = levels  # of the last run, for its gradient
    return run


def pyramid_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    """The sum of the levels' gradients."""
    rows, addend = bottoms[0][0], np.empty(bottoms[0], np.float32)
    backs = [pooling_back(level.node, bottoms, [level.shape], level.run, layers) for level in run.levels]

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        dy, dx = output_gradients[0].reshape(rows, count(tops[0], 1)), input_gradients[0]
        dx.fill(0)
        for level, of_level in zip(run.levels, backs, strict=True):
            part = np.ascontiguousarray(dy[:, level.columns]).reshape(level.shape)
            of_level(inputs, [level.top], [part], [addend], [])
            np.add(dx, addend, out=dx)

    return back


OPS = (
    Op(
        "SPP", pyramid_shapes, prepare_pyramid, kernels=POOLING[0].kernels,
        gradient=Gradient(pyramid_back, kernels=POOLING[0].gradient.kernels),
    ),
)  # fmt: skip
