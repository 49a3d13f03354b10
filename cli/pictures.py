"""Pictures and arrays as the inputs of a Caffe net."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..caffe.load import CaffeNet, Preparation
from ..errors import InputError, UsageError
from ..formats.files import open_data
from ..formats.image import Recipe, decode_image
from ..formats.npy import MAGIC, npy_array
from .output import Output
from .picture_options import recipe_lines


class PictureInput:
    """The input `name` of a net, and the recipe for its pictures, which is said when the first one comes."""

    def __init__(self, net: CaffeNet, name: str, recipe: Recipe, output: Output):
        self.name, self.recipe, self.output = name, recipe, output
        self.shape = next(net.shapes[blob] for blob in net.graph.inputs if blob.name == name)
        self.steps: list[str] = []

    def read(self, path: Path) -> np.ndarray:
        """The array of a .npy as it is, with a batch axis before it if that is missing; else `path` is a picture.

        Returns numbers of the file's type [N, ...], or float32 [1, channels, height, width].
        """
        with open_data(path) as source:
            magic = source.stream.read(len(MAGIC))
            source.stream.seek(0)
            if magic != MAGIC:
                return self._decode(source.stream, path)
            array = npy_array(source)
        return array[None] if array.ndim == len(self.shape) - 1 else array

    def read_picture(self, path: Path) -> np.ndarray:
        """float32 [1, channels, height, width]"""
        with open_data(path) as source:
            return self._decode(source.stream, path)

    def _decode(self, file, path: Path) -> np.ndarray:
        if not self.steps:
            self._check()
            channels, height, width = self.shape[1:]
            self.steps = recipe_lines(self.recipe, channels, (width, height))
            self.output.say(f"pictures for {self.name!r}: {', '.join(self.steps)}")
        return decode_image(file, path, self.shape[1], (self.shape[3], self.shape[2]), self.recipe)[None]

    def _check(self) -> None:
        if len(self.shape) != 4 or self.shape[1] not in (1, 3):
            found = f"the input {self.name!r} has the shape {list(self.shape)}"
            raise UsageError(f"{found}, which no picture has: expected [N, 1 or 3, height, width]")
        Preparation(self.recipe.mean, self.recipe.scale).of_channels(self.name, self.shape)


def stack(name: str, paths: list[Path], arrays: list[np.ndarray]) -> np.ndarray:
    """The arrays of one input, one after the other along the batch. Raises InputError if they do not fit together."""
    if len(arrays) == 1:
        return arrays[0]
    for path, array in zip(paths, arrays, strict=True):
        if not array.ndim or array.shape[1:] != arrays[0].shape[1:]:
            expected = f"{list(arrays[0].shape)} but for the first axis, as {paths[0]}"
            raise InputError(path, f"has the shape {list(array.shape)} for the input {name!r}", expected)
    return np.concatenate(arrays)
