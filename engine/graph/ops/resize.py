"""Resize: pictures of another size, by the nearest pixel or by linear interpolation, as ONNX defines them.

Pixel x of an axis of m lies at a coordinate of the n input pixels, computed in float32 in the order that is written, as
onnxruntime does: a tie decides which pixel is the nearest one. Axes are resized one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...vectors.elementary import HALF, F
from ..ir.graph import Node, Shape
from ..ir.op import Back, Gradient, Layers, Op, Run
from .axes import ResizedAxis, add_shares, axes_back, axes_macs, prepare_axes
from .windows import MOST_NUMBERS, SPATIAL_AXES

Coordinates = Literal[
    "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_half_pixel_for_nn"
]
Rounding = Literal["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]


@dataclass(frozen=True)
class Resize:
    """Of the spatial axes, those from 2 on; one number per axis in `scales` and in `sizes`.

    `scales` alone: size m = floor(n * scale). `sizes` alone: scale = m / n. Both: each as given. In either case
    coordinates are computed with the scale. `coordinates` and `rounding` have the names of ONNX; rounding is of the
    mode nearest.
    """

    mode: Literal["nearest", "linear"] = "nearest"
    scales: tuple[float, ...] = ()
    sizes: tuple[int, ...] = ()
    coordinates: Coordinates = "half_pixel"
    rounding: Rounding = "round_prefer_floor"


def _symmetric(x, n, m, scale):
    """half_pixel around the middle; the sum in float64."""
    offset = F(n) / F(2) * (F(1) - F(m) / (scale * F(n)))
    return (np.float64(offset) + (x + 0.5) / np.float64(scale) - 0.5).astype(F)


COORDINATES = {  # of pixels x, of n and m pixels
    "half_pixel": lambda x, n, m, scale: (x + HALF) / scale - HALF,
    "half_pixel_symmetric": _symmetric,
    "pytorch_half_pixel": lambda x, n, m, scale: (x + HALF) / scale - HALF if m > 1 else F(0) * x,
    "align_corners": lambda x, n, m, scale: x * F(n - 1) / F(m - 1) if m > 1 else F(0) * x,
    "asymmetric": lambda x, n, m, scale: x / scale,
    "tf_half_pixel_for_nn": lambda x, n, m, scale: (x + HALF) / scale,
}
TIE = F(1e-6)  # a coordinate so near to the middle of two pixels is there, as in onnxruntime: 7 pixels / float32(2/7)
ROUNDINGS = {
    "round_prefer_floor": lambda x: np.floor(x) + (x - np.floor(x) > HALF + TIE),
    "round_prefer_ceil": lambda x: np.floor(x) + (x - np.floor(x) >= HALF - TIE),
    "floor": np.floor,
    "ceil": np.ceil,
}


def spatial_scales(node: Node, bottom: Shape) -> list[tuple[int, int, np.float32]]:
    """(n, m, scale) of each spatial axis. Raises node.error."""
    attributes, axes = node.attributes, len(bottom) - 2
    if not 1 <= axes <= SPATIAL_AXES:
        raise node.error(f"has a bottom of shape {list(bottom)}", f"1 to {SPATIAL_AXES} axes behind the channels")
    scales, sizes = attributes.scales, attributes.sizes
    if not (scales or sizes) or any(len(given) not in (0, axes) for given in (scales, sizes)):
        found = f"has {len(scales)} scales and {len(sizes)} sizes for {axes} spatial axes"
        raise node.error(found, "a scale or a size for each")
    if not all(0 < scale < np.inf for scale in scales) or not all(bottom[2:]):
        raise node.error(f"has scales {list(scales)} for {list(bottom[2:])} pixels", "positive ones, and pixels")
    numbers = sizes or [F(n) * F(scale) for n, scale in zip(bottom[2:], scales, strict=True)]
    if not all(1 <= m <= MOST_NUMBERS for m in numbers):
        raise node.error(f"resizes {list(bottom[2:])} pixels to {[int(m) for m in numbers]}", "at least 1 on each axis")
    numbers = [int(m) for m in numbers]
    factors = scales or [F(m) / F(n) for n, m in zip(bottom[2:], numbers, strict=True)]
    return [(n, m, F(scale)) for n, m, scale in zip(bottom[2:], numbers, factors, strict=True)]


def resized_axes(node: Node, bottom: Shape) -> list[ResizedAxis]:
    """Where the pixels of each spatial axis come from."""
    attributes, found = node.attributes, []
    for n, m, scale in spatial_scales(node, bottom):
        x = np.arange(m, dtype=F)
        if scale != 1:  # at 1 tf_half_pixel_for_nn would shift the picture, which it does not in onnxruntime
            x = COORDINATES[attributes.coordinates](x, n, m, scale)
        if attributes.mode == "nearest":
            first = np.clip(ROUNDINGS[attributes.rounding](x), 0, n - 1).astype(np.int64)
            found.append(ResizedAxis(n, first, first, None))
            continue
        x = np.clip(x, F(0), F(n - 1))
        first = x.astype(np.int64)
        found.append(ResizedAxis(n, first, np.minimum(first + 1, n - 1), x - first.astype(F)))
    return found


def resize_shapes(node: Node, bottoms: list[Shape]) -> list[Shape]:
    return [(*bottoms[0][:2], *(m for _, m, _ in spatial_scales(node, bottoms[0])))]


def prepare_resize(node: Node, bottoms: list[Shape], tops: list[Shape]) -> Run:
    return prepare_axes(bottoms[0], resized_axes(node, bottoms[0]))


def resize_macs(node: Node, bottoms: list[Shape], tops: list[Shape]) -> int:
    return axes_macs(resized_axes(node, bottoms[0]), tops[0])


def resize_back(node: Node, bottoms: list[Shape], tops: list[Shape], run: Run, layers: Layers) -> Back:
    return axes_back(bottoms[0], resized_axes(node, bottoms[0]))


OPS = (
    Op(
        "Resize", resize_shapes, prepare_resize, macs=resize_macs,
        gradient=Gradient(resize_back, kernels=(add_shares,)), attributes=Resize,
    ),
)  # fmt: skip
