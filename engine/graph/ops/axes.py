"""Pixels that are made of pixels of the bottom, axis by axis: what Resize, Interp and Upsample have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...compiler import signatures as types
from ...compiler.jit import F1, F1_IN, I1_IN, i64, kernel
from ...vectors.elementary import F
from ..ir.graph import Shape
from ..ir.op import Back, Run, count


class ResizedAxis(NamedTuple):
    """What the pixels of one axis are made of: (1 - share) * x[first] + share * x[second]; nearest ones of the first
    alone, with no shares. `first` and `second` int64 [m], `share` float32 [m] or None; `size` is n."""

    size: int
    first: np.ndarray
    second: np.ndarray
    share: np.ndarray | None

    @property
    def is_same(self) -> bool:
        """Whether the axis stays as it is."""
        still = len(self.first) == self.size and bool((self.first == np.arange(self.size)).all())
        return still and (self.share is None or not self.share.any())


def prepare_axes(bottom: Shape, axes: Sequence[ResizedAxis]) -> Run:
    """Of the last axes of the bottom; the last one first, while there are few rows."""
    shape, steps = list(bottom), []
    for number, axis in _numbered(bottom, axes):
        shape[number] = len(axis.first)
        steps.append((number, axis, *(np.empty(shape, F) for _ in range(1 if axis.share is None else 2))))

    def run(inputs, outputs):
        values = inputs[0]
        for number, axis, result, *others in steps:
            np.take(values, axis.first, number, out=result, mode="clip")
            for second in others:
                np.take(values, axis.second, number, out=second, mode="clip")
                share = axis.share.reshape(-1, *(1,) * (len(shape) - number - 1))
                np.multiply(result, 1 - share, out=result)
                np.multiply(second, share, out=second)
                np.add(result, second, out=result)
            values = result
        np.copyto(outputs[0], values)

    return run


def axes_macs(axes: Sequence[ResizedAxis], top: Shape) -> int:
    """Two per pixel and axis of linear ones."""
    return 2 * sum(not axis.is_same and axis.share is not None for axis in axes) * count(top)


def _numbered(bottom: Shape, axes: Sequence[ResizedAxis]) -> list[tuple[int, ResizedAxis]]:
    """The axes that do not stay as they are, with their numbers, the last one first."""
    return [
        (number, axis) for number, axis in reversed([*enumerate(axes, len(bottom) - len(axes))]) if not axis.is_same
    ]


# ------------------------------------------------------------------------------------------------------------- gradient
@kernel(types.void(F1_IN, I1_IN, I1_IN, F1_IN, i64, i64, i64, F1))
def add_shares(dy, first, second, share, outer, size, inner, dx):
    """dx [outer, size, inner] = the sums of what each dy [outer, m, inner] gives to the pixels that it was made of."""
    dx[:] = 0
    pixels = first.size
    for o in range(outer):
        for p in range(pixels):
            at, i, j = (o * pixels + p) * inner, (o * size + first[p]) * inner, (o * size + second[p]) * inner
            rest = np.float32(1) - share[p]
            for k in range(inner):
                dx[i + k] += rest * dy[at + k]
            if share[p] != 0:
                for k in range(inner):
                    dx[j + k] += share[p] * dy[at + k]


def axes_back(bottom: Shape, axes: Sequence[ResizedAxis]) -> Back:
    """The adjoint of `prepare_axes`, for its arguments."""
    shape, steps = list(bottom), []
    for number, axis in _numbered(bottom, axes):
        share = np.zeros(len(axis.first), F) if axis.share is None else axis.share
        sizes = count(shape, 0, number), axis.size, count(shape, number + 1)
        steps.append(((axis.first, axis.second, share, *sizes), np.empty(count(shape), F)))
        shape[number] = len(axis.first)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        gradient = output_gradients[0].reshape(-1)
        for arguments, result in reversed(steps):
            add_shares.run(gradient, *arguments, result)
            gradient = result
        np.copyto(input_gradients[0], gradient.reshape(bottom))

    return back
