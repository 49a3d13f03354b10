"""ROIPooling in plain NumPy, cell by cell."""

from __future__ import annotations

import math

import numpy as np

from ..ir.graph import Node, Shape
from ..ir.op import Run
from ..ops.pooling import LOWEST_FLOAT32
from ..ops.region_pooling import FARTHEST, REGION


def prepare_regions(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    pictures, _, height, width = bottoms[0]
    parameter, scale = node.attributes, np.float32(node.attributes.spatial_scale)

    def run(inputs, outputs):
        top = outputs[0].reshape(-1, bottoms[0][1], parameter.pooled_h, parameter.pooled_w)
        top.fill(0)
        for region, (number, x1, y1, x2, y2) in enumerate(inputs[1].reshape(-1, REGION)):
            if not np.isfinite([number, x1, y1, x2, y2]).all() or not -1 < number < pictures:
                continue
            picture = inputs[0][int(number)]
            down, across = cells(y1, y2, scale, top.shape[2], height), cells(x1, x2, scale, top.shape[3], width)
            for r, rows in enumerate(down):
                for c, columns in enumerate(across):
                    values = picture[:, rows, columns].reshape(len(picture), -1)
                    if values.size:
                        top[region, :, r, c] = np.fmax(values, LOWEST_FLOAT32).max(axis=1)

    return run


def cells(first: np.float32, last: np.float32, scale: np.float32, number: int, size: int) -> list[slice]:
    """The pixels of each cell of a region along one axis, inside 0 ... size."""
    start, stop = (nearest(min(max(corner * scale, -FARTHEST), FARTHEST)) for corner in (first, last))
    step = np.float32(max(stop - start + 1, 1)) / np.float32(number)
    edges = [
        (math.floor(np.float32(cell) * step) + start, math.ceil(np.float32(cell + 1) * step) + start)
        for cell in range(number)
    ]
    return [slice(min(max(low, 0), size), min(max(high, 0), size)) for low, high in edges]


def nearest(value: np.float32) -> int:
    """The nearest whole number, halves away from 0."""
    return int(math.copysign(math.floor(abs(float(value)) + 0.5), value))
