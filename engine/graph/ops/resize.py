"""Resize: pictures of another size, by the nearest pixel or by linear interpolation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
