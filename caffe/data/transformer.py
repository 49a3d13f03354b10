"""The transform_param of a data layer: which crop of each picture, mirrored or not, mean and scale."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...engine.graph.ir.graph import Node
from ...engine.graph.ops.inputs import Transform
from ...engine.parameters.streams import generator
from ...formats.caffe import read_binaryproto
from ...formats.transform import transform_picture

NO_MEAN = np.zeros(0, np.float32)


class PixelTransform:
    """Of one layer. `purpose` and `seed` choose its random numbers, which depend on the picture's number in all that
    the layer reads, and on nothing else."""

    def __init__(self, node: Node, transform: Transform, seed: int, purpose: int, find: Callable[[str], Path]):
        self.node, self.transform, self._seed, self._purpose = node, transform, seed, purpose
        self._trains = node.phase == "TRAIN"
        if transform.mean_file and transform.mean_value:
            raise node.error("has both mean_file and mean_value", "one of them")
        self._picture = np.asarray(read_binaryproto(find(transform.mean_file))) if transform.mean_file else None
        self._mean: np.ndarray | None = None

    @property
    def random(self) -> bool:
        """Whether it draws random numbers."""
        return self.transform.mirror or (self._trains and self.transform.crop_size > 0)

    def shape(self, picture: tuple[int, int, int]) -> tuple[int, int, int]:
        """Of the result for pictures of this shape. Raises node.error for a crop that is larger."""
        channels, height, width = picture
        crop = self.transform.crop_size
        if crop and crop > min(height, width):
            raise self.node.error(f"has crop_size {crop} and pictures of {height}x{width}", "a crop that fits")
        return (channels, crop, crop) if crop else picture

    def run(self, pixels: np.ndarray, number: int, target: np.ndarray) -> None:
        """Write the picture `number`, [channels, height, width], into target, float32 of `shape`."""
        _, height, width = pixels.shape
        corner, mirror, crop = (0, 0), False, self.transform.crop_size
        draws = generator(self._seed, self._purpose, number) if self.random else None
        if draws and self.transform.mirror:
            mirror = bool(draws.integers(2))
        if draws and crop and self._trains:
            corner = int(draws.integers(height - crop + 1)), int(draws.integers(width - crop + 1))
        elif crop:
            corner = (height - crop) // 2, (width - crop) // 2
        scale = 1.0 if self.transform.scale is None else self.transform.scale
        transform_picture(pixels, self._mean_of(pixels.shape), scale, corner, mirror, target)

    def _mean_of(self, shape: tuple[int, ...]) -> np.ndarray:
        if self._picture is not None:
            if self._picture.shape != shape:
                found = f"has a mean_file of {list(self._picture.shape)} and a picture of {list(shape)}"
                raise self.node.error(found, "the same, before the crop")
            return self._picture.reshape(-1)
        if len(self.transform.mean_value) not in (0, 1, shape[0]):
            found = f"has {len(self.transform.mean_value)} mean_value and a picture of {shape[0]} channels"
            raise self.node.error(found, "one, or one per channel")
        if self._mean is None:
            self._mean = np.asarray(self.transform.mean_value, np.float32)
        return self._mean
