"""Axpy:  y = a[n, c] * x + z,  with a of [N, C] or [N, C, 1, 1] and x, z like y, [N, C, ...].

Not in place: no file can say what works, the third bottom, as a top may only be called like the bottom of its number.
"""

from __future__ import annotations

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import NO_VALUES, Back, Gradient, Layers, Op, Run, count
from .channels import channel_sums
from .checks import refuse_in_place
from .scale import affine


def axpy_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    scale, x, z = bottoms
    refuse_in_place(node)
    if len(x) < 2:
        raise node.error(f"has a second bottom of shape {list(x)}", "2 axes or more, channels on axis 1")
    if scale[:2] != x[:2] or count(scale, 2) != 1:
        raise node.error(
            f"has a scale of shape {list(scale)}", f"{list(x[:2])}, or with axes of 1 behind, for {list(x)}"
        )
    if z != x:
        raise node.error(f"has a third bottom of shape {list(z)}", f"{list(x)} like the second")
    return [x]


def prepare_axpy(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    sizes = 1, count(bottoms[1], 0, 2), count(bottoms[1], 2)

    def run(inputs, outputs):
        factor, x = (array.reshape(-1) for array in inputs[:2])
        affine.run(x, NO_VALUES, factor, NO_VALUES, *sizes, outputs[0].reshape(-1))
        np.add(outputs[0], inputs[2], out=outputs[0])

    return run


def axpy_macs(node: Node, bottoms: list[Shape], tops: list[Shape]) -> int:
    return count(tops[0])


def axpy_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    """da = sum of dy * x    dx = a * dy    dz = dy."""
    rows = count(bottoms[1], 0, 2)
    sizes = 1, rows, count(bottoms[1], 2)
    sums, products = np.empty(rows), np.empty(rows)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        (factor, x), dy = (array.reshape(-1) for array in inputs[:2]), output_gradients[0].reshape(-1)
        da, dx, dz = input_gradients
        if da is not None:
            channel_sums.run(x, dy, *sizes, sums, products)
            da.reshape(-1)[:] = products
        if dx is not None:
            affine.run(dy, NO_VALUES, factor, NO_VALUES, *sizes, dx.reshape(-1))
        if dz is not None:
            np.copyto(dz, output_gradients[0])

    return back


OPS = (
    Op(
        "Axpy", axpy_shapes, prepare_axpy, macs=axpy_macs, bottoms=(3, 3), kernels=(affine,),
        gradient=Gradient(axpy_back, kernels=(affine, channel_sums)),
    ),
)  # fmt: skip
