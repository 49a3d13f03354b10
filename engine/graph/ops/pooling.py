"""Pooling over windows of 4-axis blobs: the largest value (MAX, with a second top: where it lies) or the mean (AVE).

Windows may reach over the border. MAX looks at the part inside; AVE divides by the part inside the picture with its
padding, where Caffe leaves the lower and right padding of a window out only beyond H + pad. Outputs are rounded up
(`round_mode` CEIL), and with padding the last window must start inside the picture or the padding before it.

NaN is no maximum: a window without any number above -FLT_MAX gives -FLT_MAX, and -1 as its place.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.fields import read_row
from ...compiler.jit import F1, F1_IN, I2_IN, i64, kernel
from ...team.memory import aligned_zeros
from ...vectors.simd import broadcast, load, load_part, maximum, store, zeros
from ..ir.graph import Node, Shape
from ..ir.op import Op, Run

LOWEST = np.finfo(np.float32).min
MAX, AVE = 0, 1  # PoolMethod
FLOOR = 1  # RoundMode


class Side(NamedTuple):
    """A window along one axis: pixels [first, last) of the picture, and the length by which a mean divides."""

    first: int
    last: int
    length: int


@kernel(types.void(F1_IN, i64, i64, i64, I2_IN, I2_IN, F1, F1))
def pool_maximum(x, planes, H, W, rows, columns, line, y):
    """The largest value of each window of each plane [H, W].

    rows, columns: a Side for each row and column of outputs. line [W + LANES] is scratch.
    Writes y [planes * rows * columns].
    """
    to = 0
    for plane in range(planes):
        for r in range(rows.shape[0]):
            down = read_row(rows, 0, r, Side)
            first, last = plane * H + down.first, plane * H + down.last
            for w in range(0, W, LANES):  # first down the columns of the picture, then across
                highest = broadcast(LOWEST)
                for h in range(first, last):
                    i = h * W + w
                    highest = maximum(load(x, i) if i + LANES <= x.size else load_part(x, i, W - w), highest)
                store(line, w, highest)
            for c in range(columns.shape[0]):
                value, across = LOWEST, read_row(columns, 0, c, Side)
                for w in range(across.first, across.last):
                    value = line[w] if line[w] > value else value
                y[to + c] = value
            to += columns.shape[0]


@kernel(types.void(F1_IN, i64, i64, i64, I2_IN, I2_IN, F1, F1))
def pool_mean(x, planes, H, W, rows, columns, line, y):
    """The sum of each window over the product of its lengths. Arguments as `pool_maximum`."""
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
def pool_places(x, planes, H, W, rows, columns, mask, y):
    """`pool_maximum` that also writes into mask where in its plane, h * W + w, each window's first maximum lies."""
    to = 0
    for plane in range(planes):
        for r in range(rows.shape[0]):
            down = read_row(rows, 0, r, Side)
            for c in range(columns.shape[0]):
                value, place, across = LOWEST, -1, read_row(columns, 0, c, Side)
                for h in range(down.first, down.last):
                    for w in range(across.first, across.last):
                        candidate = x[(plane * H + h) * W + w]
                        if candidate > value:
                            value, place = candidate, h * W + w
                y[to], mask[to] = value, np.float32(place)
                to += 1


def _sides(node: Node, name: str) -> tuple[int, int]:
    """A parameter of both axes: `name`_h and `name`_w, or one for both. Raises node.error for half a pair, or both."""
    parameter = node.message.pooling_param
    field = "kernel_size" if name == "kernel" else name
    given = [parameter.HasField(each) for each in (f"{name}_h", f"{name}_w", field)]
    if given[0] != given[1] or (given[0] and given[2]) or (name == "kernel" and not any(given)):
        found = [each for each, there in zip((f"{name}_h", f"{name}_w", field), given, strict=True) if there]
        raise node.error(f"has {' and '.join(found) or f'no {field}'}", f"{field}, or {name}_h and {name}_w")
    if given[0]:
        return getattr(parameter, f"{name}_h"), getattr(parameter, f"{name}_w")
    return (getattr(parameter, field),) * 2


def pooling_windows(node: Node, bottom: Shape) -> list[tuple[int, int, int, int, int]]:
    """Size, kernel, stride, pad and number of outputs of both axes. Raises node.error for what Caffe refuses."""
    parameter = node.message.pooling_param
    if parameter.pool not in (MAX, AVE):
        raise node.error("has pool STOCHASTIC", "MAX or AVE")
    if len(bottom) != 4:
        raise node.error(f"has a bottom with {len(bottom)} axes, {list(bottom)}", "4")
    if parameter.global_pooling:
        if any(parameter.HasField(field) for field in ("kernel_size", "kernel_h", "kernel_w")):
            raise node.error("has a kernel size and global_pooling", "one of both")
        kernels = bottom[2:]
    else:
        kernels = _sides(node, "kernel")
    strides, pads = _sides(node, "stride"), _sides(node, "pad")
    if parameter.global_pooling and (strides, pads) != ((1, 1), (0, 0)):
        raise node.error(f"has global_pooling, stride {strides} and pad {pads}", "stride 1 and no padding")
    if not all(kernels) or not all(strides) or any(p >= k for p, k in zip(pads, kernels, strict=True)):
        raise node.error(
            f"has kernel {kernels}, stride {strides} and pad {pads}",
            "kernel and stride from 1, less padding than kernel",
        )
    return [
        (size, kernel, stride, pad, _outputs(node, size, kernel, stride, pad, any(pads)))
        for size, kernel, stride, pad in zip(bottom[2:], kernels, strides, pads, strict=True)
    ]


def _outputs(node: Node, size: int, kernel: int, stride: int, pad: int, padded: bool) -> int:
    span = size + 2 * pad - kernel  # negative where one window is larger than the padded picture
    number = (span // stride if node.message.pooling_param.round_mode == FLOOR else -(-span // stride)) + 1
    if padded and (number - 1) * stride >= size + pad:
        number -= 1
    if number < 1:
        raise node.error(f"has a kernel of {kernel} pixels, stride {stride}", f"one that fits {size + 2 * pad} pixels")
    return number


def window_table(size: int, kernel: int, stride: int, pad: int, number: int) -> np.ndarray:
    """The Side of each window: int64 [number, 3]."""
    first = np.arange(number) * stride - pad
    last = np.minimum(first + kernel, size + pad)
    sides = Side(first=np.maximum(first, 0), last=np.minimum(last, size), length=last - first)
    return np.stack(sides, axis=1)


def pooling_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    if len(node.tops) == 2 and node.message.pooling_param.pool != MAX:
        raise node.error("has 2 tops", "1 without pool MAX")
    top = (*bottoms[0][:2], *(window[-1] for window in pooling_windows(node, bottoms[0])))
    return [top] * len(node.tops)


def prepare_pooling(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    (N, C, H, W), mean = bottoms[0], node.message.pooling_param.pool == AVE
    rows, columns = (window_table(*window) for window in pooling_windows(node, bottoms[0]))
    pool, line = pool_mean if mean else pool_maximum, aligned_zeros(W + LANES)

    def run(inputs, outputs):
        x, y = inputs[0].reshape(-1), outputs[0].reshape(-1)
        if len(outputs) == 2:
            pool_places.run(x, N * C, H, W, rows, columns, outputs[1].reshape(-1), y)
        else:
            pool.run(x, N * C, H, W, rows, columns, line, y)

    return run


OPS = (Op("Pooling", pooling_shapes, prepare_pooling, tops=(1, 2)),)
