"""Pooling over windows of 4-axis blobs: the largest value (MAX, with a second top: its index) or the mean (AVE).

Windows may reach over the border. MAX reads the part inside; AVE divides by the part inside the picture with its
padding, where Caffe leaves the lower and right padding of a window out only beyond H + pad, or by the part inside the
picture. The number of outputs is rounded up as a rule, and with padding the last window must start inside the picture
or the padding before it.

NaN is never the maximum: a window without any number above -FLT_MAX gives -FLT_MAX, and -1 as its index.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.fields import read_row
from ...compiler.jit import F1, F1_IN, I2_IN, i64, inline, kernel
from ...team.memory import aligned_zeros
from ...vectors.simd import broadcast, load, load_part, maximum, store, store_part, zeros
from ..ir.graph import Node, Shape
from ..ir.op import Back, Gradient, Layers, Op, Run

LOWEST_FLOAT32 = np.finfo(np.float32).min
POOL_MAX, POOL_AVE, POOL_STOCHASTIC = range(3)  # PoolMethod


@dataclass(frozen=True)
class Pooling:
    """`pool`: one of POOL_*. `kernel`: height and width, None for the whole picture; so are the others.

    `round_mode`: how the number of outputs is rounded. A window of "up" may not start behind the picture where there is
    padding, one of "up_inside" (ONNX's ceil_mode) nowhere. `divisor`: what a mean is divided by, the pixels of its
    window inside the picture with its padding, or inside the picture.
    """

    pool: int = POOL_MAX
    kernel: tuple[int, int] | None = None
    stride: tuple[int, int] = (1, 1)
    pads_before: tuple[int, int] = (0, 0)
    pads_after: tuple[int, int] = (0, 0)
    round_mode: Literal["up", "down", "up_inside"] = "up"
    divisor: Literal["padded", "picture"] = "padded"


class PoolingAxis(NamedTuple):
    """The windows along one axis."""

    size: int
    kernel: int
    stride: int
    before: int  # padding, as `after`
    after: int
    number: int  # of outputs
    padded: bool = True  # whether lengths count the padding


class Side(NamedTuple):
    """A window along one axis: pixels [first, last) of the picture, and the length by which a mean divides."""

    first: int
    last: int
    length: int


@kernel(types.void(F1_IN, i64, i64, i64, I2_IN, I2_IN, F1, F1))
def pool_maximum(x, planes, H, W, rows, columns, line, y):
    """The largest value of each window of each plane [H, W].

    rows, columns: a Side per row and column of outputs. line [W + LANES] is scratch.
    Writes y [planes * rows * columns].
    """
    to = 0
    for plane in range(planes):
        for r in range(rows.shape[0]):
            down = read_row(rows, 0, r, Side)
            first, last = plane * H + down.first, plane * H + down.last
            for w in range(0, W, LANES):  # first down the columns of the picture, then across
                highest = broadcast(LOWEST_FLOAT32)
                for h in range(first, last):
                    i = h * W + w
                    highest = maximum(load(x, i) if i + LANES <= x.size else load_part(x, i, W - w), highest)
                store(line, w, highest)
            for c in range(columns.shape[0]):
                value, across = LOWEST_FLOAT32, read_row(columns, 0, c, Side)
                for w in range(across.first, across.last):
                    value = line[w] if line[w] > value else value
                y[to + c] = value
            to += columns.shape[0]


@kernel(types.void(F1_IN, i64, i64, i64, I2_IN, I2_IN, F1, F1))
def pool_mean(x, planes, H, W, rows, columns, line, y):
    """Writes to y the sum of each window over the product of its lengths. Arguments as `pool_maximum`."""
    to = 0
    for plane in range(planes):
        for r in range(rows.shape[0]):
            down = read_row(rows, 0, r, Side)
            first, last = plane * H + down.first, plane * H + down.last
            for w in range(0, W, LANES):
                total = zeros()
                for h in range(first, last):
                    i = h * W + w
                    total = total + (load(x, i) if i + LANES <= x.size else load_part(x, i, W - w))
                store(line, w, total)
            for c in range(columns.shape[0]):
                total_row, across = np.float32(0), read_row(columns, 0, c, Side)
                for w in range(across.first, across.last):
                    total_row += line[w]
                y[to + c] = total_row / np.float32(down.length * across.length)
            to += columns.shape[0]


@kernel(types.void(F1_IN, i64, i64, i64, I2_IN, I2_IN, F1, F1))
def pool_maximum_indices(x, planes, H, W, rows, columns, mask, y):
    """`pool_maximum` that also writes to mask the index in its plane, h * W + w, of each window's first maximum."""
    to = 0
    for plane in range(planes):
        for r in range(rows.shape[0]):
            down = read_row(rows, 0, r, Side)
            for c in range(columns.shape[0]):
                value, index, across = LOWEST_FLOAT32, -1, read_row(columns, 0, c, Side)
                for h in range(down.first, down.last):
                    for w in range(across.first, across.last):
                        candidate = x[(plane * H + h) * W + w]
                        if candidate > value:
                            value, index = candidate, h * W + w
                y[to], mask[to] = value, np.float32(index)
                to += 1


def pooling_windows(node: Node, bottom: Shape) -> list[PoolingAxis]:
    """The windows of both axes. Raises node.error for what Caffe refuses."""
    attributes = node.attributes
    if attributes.pool not in (POOL_MAX, POOL_AVE):
        raise node.error("has pool STOCHASTIC", "MAX or AVE")
    if len(bottom) != 4:
        raise node.error(f"has a bottom with {len(bottom)} axes, {list(bottom)}", "4")
    strides, before, after = attributes.stride, attributes.pads_before, attributes.pads_after
    if attributes.kernel is None and (strides, before, after) != ((1, 1), (0, 0), (0, 0)):
        raise node.error(f"has global_pooling, stride {strides} and pad {before}", "stride 1 and no padding")
    kernels = bottom[2:] if attributes.kernel is None else attributes.kernel
    padding = tuple(map(max, before, after))
    if not all(kernels) or not all(strides) or any(p >= k for p, k in zip(padding, kernels, strict=True)):
        raise node.error(
            f"has kernel {kernels}, stride {strides} and pad {before}",
            "kernel and stride from 1, less padding than kernel",
        )
    axes, padded = zip(bottom[2:], kernels, strides, before, after, strict=True), attributes.divisor == "padded"
    return [PoolingAxis(*axis, _outputs(node, *axis, any(padding)), padded) for axis in axes]


def _outputs(node: Node, size: int, kernel: int, stride: int, before: int, after: int, padded: bool) -> int:
    span = size + before + after - kernel  # negative where one window is larger than the padded picture
    mode = node.attributes.round_mode
    number = (span // stride if mode == "down" else -(-span // stride)) + 1
    if (padded or mode == "up_inside") and (number - 1) * stride >= size + before:
        number -= 1
    if number < 1:
        found = f"has a kernel of {kernel} pixels, stride {stride}"
        raise node.error(found, f"one that fits {size + before + after} pixels")
    return number


def window_table(axis: PoolingAxis) -> np.ndarray:
    """The Side of each window: int64 [number, 3]."""
    first = np.arange(axis.number) * axis.stride - axis.before
    last = np.minimum(first + axis.kernel, axis.size + axis.after)
    inside = np.maximum(first, 0), np.minimum(last, axis.size)
    return np.stack(Side(*inside, length=last - first if axis.padded else inside[1] - inside[0]), axis=1)


def windows_around(height: int, width: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The Sides of windows of `size`, an odd number, around each row and each column."""
    pad = size // 2
    rows, columns = (window_table(PoolingAxis(side, size, 1, pad, pad, side)) for side in (height, width))
    return rows, columns


def pooling_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    if len(node.tops) == 2 and node.attributes.pool != POOL_MAX:
        raise node.error("has 2 tops", "1 without pool MAX")
    top = (*bottoms[0][:2], *(axis.number for axis in pooling_windows(node, bottoms[0])))
    return [top] * len(node.tops)


def prepare_pooling(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    (N, C, H, W), mean = bottoms[0], node.attributes.pool == POOL_AVE
    rows, columns = (window_table(axis) for axis in pooling_windows(node, bottoms[0]))
    pool, line = pool_mean if mean else pool_maximum, aligned_zeros(W + LANES)

    def run(inputs, outputs):
        x, y = inputs[0].reshape(-1), outputs[0].reshape(-1)
        if len(outputs) == 2:
            pool_maximum_indices.run(x, N * C, H, W, rows, columns, outputs[1].reshape(-1), y)
        else:
            pool.run(x, N * C, H, W, rows, columns, line, y)

    return run


# ------------------------------------------------------------------------------------------------------------- gradient
# Gradients of Pooling: MAX gives dy to the position of the maximum, AVE dy over the window's size to all its positions.
@inline
def place_of(x, value, i, W, height, left, right):
    """Where the first `value` is in the columns left ... right - 1 of `height` rows of W values from x[i] on; -1 if x,
    which a program may write to, does not have it any more."""
    for h in range(height):
        for w in range(left, right):
            if x[i + h * W + w] == value:
                return i + h * W + w
    return np.int64(-1)


@kernel(types.void(F1_IN, F1_IN, F1_IN, i64, i64, i64, I2_IN, I2_IN, F1))
def maximum_gradient(x, y, dy, planes, H, W, rows, columns, dx):
    """dx = 0, plus dy at each window's first maximum; windows without a number above -FLT_MAX have none.

    x, dx [planes * H * W]; y, dy [planes * rows * columns]; rows, columns as `pool_maximum`.
    """
    dx[:] = 0
    at = 0
    for plane in range(planes):
        for r in range(rows.shape[0]):
            for c in range(columns.shape[0]):
                if y[at] > LOWEST_FLOAT32:
                    down, across = read_row(rows, 0, r, Side), read_row(columns, 0, c, Side)
                    first, height = (plane * H + down.first) * W, down.last - down.first
                    i = place_of(x, y[at], first, W, height, across.first, across.last)
                    if i >= 0:
                        dx[i] += dy[at]
                at += 1


@kernel(types.void(F1_IN, i64, i64, i64, I2_IN, I2_IN, F1, F1))
def mean_gradient(dy, planes, H, W, rows, columns, line, dx):
    """dx = sum over the windows of dy over the product of their lengths.   Arguments as `maximum_gradient`; line
    [W + LANES] is scratch: a row of windows is spread over it, and it is added to their rows of pixels."""
    dx[:] = 0
    at = 0
    for plane in range(planes):
        for r in range(rows.shape[0]):
            line[:] = 0
            down = read_row(rows, 0, r, Side)
            for c in range(columns.shape[0]):
                across = read_row(columns, 0, c, Side)
                share = dy[at + c] / np.float32(down.length * across.length)
                for w in range(across.first, across.last):
                    line[w] += share
            at += columns.shape[0]
            for h in range(down.first, down.last):
                for w in range(0, W, LANES):
                    i, left = (plane * H + h) * W + w, W - w
                    if left >= LANES:
                        store(dx, i, load(dx, i) + load(line, w))
                    else:
                        store_part(dx, i, load_part(dx, i, left) + load(line, w), left)


def pooling_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    """A second top, the indices of the maxima, has no gradient."""
    (N, C, H, W), mean = bottoms[0], node.attributes.pool == POOL_AVE
    rows, columns = (window_table(axis) for axis in pooling_windows(node, bottoms[0]))
    line = aligned_zeros(W + LANES)

    def back(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        x, y, dy, dx = (array.reshape(-1) for array in (inputs[0], outputs[0], output_gradients[0], input_gradients[0]))
        if mean:
            mean_gradient.run(dy, N * C, H, W, rows, columns, line, dx)
        else:
            maximum_gradient.run(x, y, dy, N * C, H, W, rows, columns, dx)

    return back


OPS = (
    Op(
        "Pooling", pooling_shapes, prepare_pooling, tops=(1, 2),
        kernels=(pool_maximum, pool_mean, pool_maximum_indices),
        gradient=Gradient(pooling_back, kernels=(maximum_gradient, mean_gradient)),
    ),
)  # fmt: skip
