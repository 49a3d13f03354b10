"""The preparation of an input, (x - mean) * scale, with one number for all channels or one per channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ....arguments import per_channel
from ....errors import UsageError
from ..ir.graph import Shape


@dataclass(frozen=True)
class Preparation:
    """(x - mean) * scale of an input [N, C, ...]: each one number, or one per channel in the net's order.

    Both are kept as tuples of floats; the mean may be (), for none. Raises UsageError for anything but finite
    float32 numbers or lists of them, for a scale of 0, and for lists of different lengths.
    """

    mean: float | Sequence[float] = ()
    scale: float | Sequence[float] = 1.0

    def __post_init__(self):
        object.__setattr__(self, "mean", per_channel("mean", self.mean))
        object.__setattr__(self, "scale", per_channel("scale", self.scale, factor=True))
        if len(self.mean) > 1 < len(self.scale) and len(self.mean) != len(self.scale):
            raise UsageError(f"the mean has {len(self.mean)} numbers and the scale {len(self.scale)}, expected as many")

    def __bool__(self) -> bool:
        """Whether it changes anything."""
        return any(self.mean) or any(each != 1 for each in self.scale)

    def of_channels(self, name: str, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
        """Mean and scale of each channel of the input `name`, float64 [C].

        Raises UsageError if there are as many of neither one nor all channels.
        """
        channels = shape[1] if len(shape) > 1 else 1
        for what, values in (("mean", self.mean), ("scale", self.scale)):
            if len(values) not in (0, 1, channels):
                found = f"the {what} has {len(values)} numbers, and the input {name!r} {list(shape)}"
                raise UsageError(f"{found}: expected one number, or one for each of {channels} channels")
        mean, scale = (np.asarray(values or (0.0,), np.float64) for values in (self.mean, self.scale))
        return np.broadcast_to(mean, channels), np.broadcast_to(scale, channels)

    def apply(self, name: str, values: np.ndarray) -> np.ndarray:
        """(x - mean) * scale of an array for the input `name`, float32. Raises UsageError as `of_channels`."""
        axes = (1, -1, *(1 for _ in values.shape[2:])) if values.ndim > 1 else (-1,)
        mean, scale = (each.astype(np.float32).reshape(axes) for each in self.of_channels(name, values.shape))
        return np.ascontiguousarray((values - mean) * scale, np.float32)
