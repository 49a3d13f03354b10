"""Im2col:  y[n, c*K + k, out...] = x[n, c, out*stride + dilation*k - pad],  for the K positions k of a window.

Its parameters are a convolution's, of which num_output, group and bias_term have no effect. Outside the
picture, x is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import Back, Gradient, Layers, Op, Run, axis_of, count
from .windows import MOST_NUMBERS, by_axis


@dataclass(frozen=True)
class Columns:
    """An Im2col for one bottom shape: the counts before and at `axis`, and of each spatial axis one number each."""

    axis: int
    outer: int
    channels: int
    size: Shape
    kernel: Shape
    stride: Shape
    pad: Shape
    dilation: Shape
    out: Shape

    @property
    def padded(self) -> Shape:
        """The picture with its padding."""
        return tuple(size + 2 * pad for size, pad in zip(self.size, self.pad, strict=True))

    def window(self, place: Shape) -> tuple[slice, ...]:
        """Where the padded picture is read for one position of the window."""
        axes = zip(place, self.dilation, self.stride, self.out, strict=True)
        return tuple(slice(k * d, k * d + s * (out - 1) + 1, s) for k, d, s, out in axes)

    def picture(self) -> tuple[slice, ...]:
        """The picture in its padding."""
        return tuple(slice(pad, pad + size) for pad, size in zip(self.pad, self.size, strict=True))


def columns_of(node: Node, bottom: Shape) -> Columns:
    """Raises node.error for a window that does not fit."""
    attributes = node.attributes
    axis = axis_of(node, attributes.axis, len(bottom))
    size = bottom[axis + 1 :]
    if not size:
        raise node.error(f"has a bottom of shape {list(bottom)}", f"spatial axes after axis {axis}, the channels")
    if (sides := attributes.by_sides) and len(size) != 2:
        raise node.error(f"has {sides}_h or {sides}_w and {len(size)} spatial axes", "2 spatial axes for them")
    given = {"kernel_size": attributes.kernel, "stride": attributes.stride, "dilation": attributes.dilation}
    axes = {name: by_axis(node, name, values, len(size)) for name, values in given.items()}
    for name, values in axes.items():
        if not all(values):
            raise node.error(f"has {name} {list(values)}", "at least 1 on each axis")
    pad = by_axis(node, "pad", attributes.pads_before, len(size))
    kernel, stride, dilation = axes.values()
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    sides = list(zip(size, pad, reach, stride, strict=True))
    out = tuple((s + 2 * p - r) // step + 1 if s + 2 * p >= r else 0 for s, p, r, step in sides)
    if not all(out):
        raise node.error(
            f"has a kernel of {reach} pixels", f"at most the padded picture, {[s + 2 * p for s, p, *_ in sides]}"
        )
    found = Columns(axis, count(bottom, 0, axis), bottom[axis], size, kernel, stride, pad, dilation, out)
    if (numbers := found.outer * found.channels * count(found.padded)) > MOST_NUMBERS:
        raise node.error(f"needs {numbers} numbers for the padded pictures", f"at most {MOST_NUMBERS}")
    return found


def im2col_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    found = columns_of(node, bottoms[0])
    return [(*bottoms[0][: found.axis], found.channels * count(found.kernel), *found.out)]


def prepare_im2col(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    found = columns_of(node, bottoms[0])
    padded = np.zeros((found.outer, found.channels, *found.padded), np.float32)
    inside, windows = padded[(..., *found.picture())], _windows(padded, found)
    columns = (found.outer, found.channels, *found.kernel, *found.out)

    def run(inputs, outputs):
        np.copyto(inside, inputs[0].reshape(inside.shape))
        np.copyto(outputs[0].reshape(columns), windows)

    return run


def _windows(padded: np.ndarray, found: Columns) -> np.ndarray:
    """A view [outer, channels, kernel..., out...] of the padded pictures."""
    steps = padded.strides[2:]
    taps = [step * d for step, d in zip(steps, found.dilation, strict=True)]
    outs = [step * s for step, s in zip(steps, found.stride, strict=True)]
    shape = (*padded.shape[:2], *found.kernel, *found.out)
    return np.lib.stride_tricks.as_strided(padded, shape, (*padded.strides[:2], *taps, *outs), writeable=False)


def im2col_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    """A pixel gets the sum of the gradients of its copies (col2im)."""
    found = columns_of(node, bottoms[0])
    padded = np.zeros((found.outer, found.channels, *found.padded), np.float32)
    columns = (found.outer, found.channels, count(found.kernel), *found.out)
    windows = [(..., *found.window(place)) for place in product(*map(range, found.kernel))]

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        padded.fill(0)
        dy = output_gradients[0].reshape(columns)
        for number, window in enumerate(windows):
            padded[window] += dy[:, :, number]
        inside = padded[(..., *found.picture())]
        np.copyto(input_gradients[0].reshape(inside.shape), inside)

    return back


OPS = (Op("Im2col", im2col_shapes, prepare_im2col, gradient=Gradient(im2col_back)),)
