"""The transform_param of a data layer: which crop of each picture, mirrored or not, mean and scale."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...engine.graph.ir.graph import Node
from ...engine.graph.ops.inputs import Transform
from ...engine.parameters.streams import generator
from ...errors import InputError
from ...formats.caffe import read_binaryproto
from ...formats.npy import read_npy
from ...formats.transform import transform
from .places import Places


class PixelTransform:
    """Of one layer. Its random numbers depend on `seed`, `purpose`, a batch's number and a picture's place in that."""

    def __init__(self, node: Node, transform: Transform, seed: int, purpose: int, places: Places):
        self.node, self.transform, self._seed, self._purpose = node, transform, seed, purpose
        self._trains = node.phase == "TRAIN"
        if transform.mean_file and transform.mean_value:
            raise node.error("has both mean_file and mean_value", "one of them")
        if transform.force_color and transform.force_gray:
            raise node.error("has force_color and force_gray", "one of them")
        self._picture = read_mean(places.find(transform.mean_file)) if transform.mean_file else None
        self._values = np.asarray(transform.mean_value, np.float32)
        self._scale = 1.0 if transform.scale is None else transform.scale

    @property
    def color(self) -> bool | None:
        """Whether files of pictures are read in colour; None: as each is."""
        return True if self.transform.force_color else False if self.transform.force_gray else None

    def shape(self, picture: tuple[int, ...]) -> tuple[int, int, int]:
        """Of the result for pictures of this shape. Raises node.error for a crop that is larger."""
        channels, height, width = picture
        crop = self.transform.crop_size
        if crop and crop > min(height, width):
            raise self.node.error(f"has crop_size {crop} and pictures of {height}x{width}", "a crop that fits")
        return (channels, crop, crop) if crop else (channels, height, width)

    def draws(self, batch: int, rows: int) -> np.ndarray:
        """Numbers from 0 up to below 1 for the pictures of a batch, [rows, 3]: mirrored, row and column of the crop."""
        if self.transform.mirror or (self._trains and self.transform.crop_size):
            return generator(self._seed, self._purpose, batch).random((rows, 3))
        return np.zeros((rows, 3))

    def run(self, pictures: Sequence[np.ndarray], draws: np.ndarray, target: np.ndarray) -> None:
        """Write pictures, [channels, height, width] of any sizes, into target, float32 [N, ...] of `shape`."""
        start = 0
        for (shape, _), some in itertools.groupby(pictures, lambda each: (each.shape, each.dtype)):
            pixels = np.stack([*some])
            rows = slice(start, start + len(pixels))
            starts = np.arange(len(pixels)) * pixels[0].size
            self.run_flat(pixels.reshape(-1), starts, shape, draws[rows], target[rows])
            start = rows.stop

    def run_flat(
        self, source: np.ndarray, starts: np.ndarray, shape: tuple[int, ...], draws: np.ndarray, target: np.ndarray
    ) -> None:
        """The same for pictures of one shape, which begin at source[starts], flat."""
        crops = self._crops(shape[1:], target.shape[2:], draws)
        transform(source, starts, shape, self._mean_of(shape), self._scale, crops, target)

    def _crops(self, size: tuple[int, ...], wanted: tuple[int, ...], draws: np.ndarray) -> np.ndarray:
        """Upper row, left column, and whether it is mirrored, int64 [N, 3]."""
        free = np.subtract(size, wanted)
        crops = np.empty((len(draws), 3), np.int64)
        crops[:, :2] = draws[:, 1:] * (free + 1) if self._trains else free // 2
        crops[:, 2] = (draws[:, 0] < 0.5) if self.transform.mirror else 0
        return crops

    def _mean_of(self, shape: tuple[int, ...]) -> np.ndarray:
        if self._picture is not None:
            if self._picture.shape != shape:
                found = f"has a mean_file of {list(self._picture.shape)} and a picture of {list(shape)}"
                raise self.node.error(found, "the same, before the crop")
            return self._picture.reshape(-1)
        if len(self._values) not in (0, 1, shape[0]):
            found = f"has {len(self._values)} mean_value and a picture of {shape[0]} channels"
            raise self.node.error(found, "one, or one per channel")
        return self._values


def read_mean(path: Path) -> np.ndarray:
    """A mean picture, float32 [channels, height, width], of a .binaryproto or .npy. Raises InputError."""
    picture = read_npy(path) if path.suffix.lower() == ".npy" else read_binaryproto(path)
    if picture.ndim != 3 or not picture.size or not math.isfinite(picture.sum(dtype=np.float64)):
        raise InputError(path, f"holds an array {list(picture.shape)}", "a mean picture [channels, height, width]")
    return np.ascontiguousarray(picture, np.float32)
