"""Pictures and arrays as the inputs of a Caffe net: how they are prepared, by the net or by the caller."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import IO

import numpy as np

from ..arguments import file_name, per_channel, sizes
from ..engine.graph.frontends.onnx.origin import is_from_onnx, origin_of
from ..engine.graph.ops.inputs import InputBlobs, Transform
from ..engine.graph.passes.preparation import Preparation
from ..errors import InputError, UsageError
from ..formats.caffe import read_binaryproto
from ..formats.caffe.schema import shortest_float
from ..formats.files import open_data
from ..formats.image import Recipe, decode_image
from ..formats.npy import NPY_MAGIC, npy_array, read_npy
from .net import CaffeNet

LARGEST_SIDE = 1 << 13  # pixels
MEAN_FILES = (".binaryproto", ".npy")
Say = Callable[[str], object]


def make_recipe(
    net: CaffeNet,
    *,
    mean: float | Sequence[float] | np.ndarray | str | os.PathLike[str] | None = None,
    scale: float | Sequence[float] | None = None,
    channels: str | None = None,
    resize: Sequence[int] | None = None,
    crop: Sequence[int] | None = None,
) -> Recipe:
    """The recipe of these arguments, as of `classify`; mean and scale that are None are the net's own
    (`transform_param`). Raises UsageError, InputError for a file of a mean."""
    if channels not in (None, "bgr", "rgb"):
        raise UsageError(f"channels is {channels!r}, expected 'bgr' or 'rgb'")
    own = transform_of(net)
    return Recipe(
        own.mean_value if mean is None else mean_values(mean),
        (1.0 if own.scale is None else own.scale,) if scale is None else per_channel("scale", scale, factor=True),
        channels or _own_channels(net),
        _width_and_height("resize", resize),
        _width_and_height("crop", crop),
    )


def _own_channels(net: CaffeNet) -> str:
    """The order of channels that is likely: Caffe's, also in models that were exported from its nets, else RGB."""
    if not is_from_onnx(net.graph):
        return "bgr"
    metadata = origin_of(net.graph).metadata
    said = metadata.get("channels")
    return said if said in ("bgr", "rgb") else "bgr" if "caffe64" in metadata else "rgb"


def transform_of(net: CaffeNet) -> Transform:
    """The transform of the first input of a net that has one; else one without effect."""
    inputs = [node.attributes for node in net.graph.nodes if isinstance(node.attributes, InputBlobs)]
    return next((each.transform for each in inputs if each.transform), Transform())


def mean_values(mean: float | Sequence[float] | np.ndarray | str | os.PathLike[str]) -> tuple[float, ...]:
    """One mean or one per channel: of numbers these, of a mean picture [channels, height, width], an array or a file
    .binaryproto or .npy, the mean of each channel. Raises UsageError, InputError for another file."""
    if isinstance(mean, np.ndarray) and mean.ndim == 3:
        return per_channel("mean", mean.mean(axis=(1, 2), dtype=np.float64))
    if not isinstance(mean, (str, os.PathLike)):
        return per_channel("mean", mean)
    path = file_name(mean)
    if not path.lower().endswith(MEAN_FILES):
        raise UsageError(f"mean is {mean!r}, expected numbers, or a file {' or '.join(MEAN_FILES)}")
    picture = (read_npy if path.lower().endswith(".npy") else read_binaryproto)(path)
    if picture.ndim not in (1, 3) or not picture.size:
        raise InputError(path, f"holds an array {list(picture.shape)}", "a mean picture [channels, height, width]")
    means = picture if picture.ndim == 1 else picture.mean(axis=(1, 2), dtype="f8")
    if not all(map(math.isfinite, means)):
        raise InputError(path, "holds numbers that are not finite", "a mean picture, or the means of the channels")
    return tuple(map(float, means))


def _width_and_height(name: str, size: Sequence[int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    height, width = sizes(name, size, number=2)
    if max(height, width) > LARGEST_SIDE:
        raise UsageError(f"{name} is {(height, width)}, expected sides of at most {LARGEST_SIDE} pixels")
    return width, height


class PictureInput:
    """The input `name` of a net, and the recipe for its pictures; `say` is called with its steps at the first
    picture."""

    def __init__(self, net: CaffeNet, name: str, recipe: Recipe, say: Say):
        self.name, self.recipe, self.say = name, recipe, say
        self.shape = next(net.shapes[blob] for blob in net.graph.inputs if blob.name == name)
        self.steps: list[str] = []

    def read(self, path: str | os.PathLike[str]) -> np.ndarray:
        """The array of a .npy as it is, with a batch axis before it if that is missing; else `path` is a picture.

        Returns numbers of the file's type [N, ...], or float32 [1, channels, height, width].
        """
        with open_data(path) as source:
            magic = source.stream.read(len(NPY_MAGIC))
            source.stream.seek(0)
            if magic != NPY_MAGIC:
                return self._decode(source.stream, path)
            array = npy_array(source)
        return array[None] if array.ndim == len(self.shape) - 1 else array

    def read_picture(self, path: str | os.PathLike[str]) -> np.ndarray:
        """float32 [1, channels, height, width]"""
        with open_data(path) as source:
            return self._decode(source.stream, path)

    def _decode(self, file: IO[bytes], path: str | os.PathLike[str]) -> np.ndarray:
        if not self.steps:
            self._check()
            channels, height, width = self.shape[1:]
            self.steps = recipe_lines(self.recipe, channels, (width, height))
            self.say(f"pictures for {self.name!r}: {', '.join(self.steps)}")
        return decode_image(file, path, self.shape[1], (self.shape[3], self.shape[2]), self.recipe)[None]

    def _check(self) -> None:
        if len(self.shape) != 4 or self.shape[1] not in (1, 3):
            found = f"the input {self.name!r} has the shape {list(self.shape)}"
            raise UsageError(f"{found}, which no picture has: expected [N, 1 or 3, height, width]")
        Preparation(self.recipe.mean, self.recipe.scale).of_channels(self.name, self.shape)


def stack(name: str, paths: Sequence[str | os.PathLike[str]], arrays: list[np.ndarray]) -> np.ndarray:
    """The arrays of one input, one after the other along the batch. Raises InputError if they do not fit together."""
    if len(arrays) == 1:
        return arrays[0]
    for path, array in zip(paths, arrays, strict=True):
        if not array.ndim or array.shape[1:] != arrays[0].shape[1:]:
            expected = f"{list(arrays[0].shape)} but for the first axis, as {paths[0]}"
            raise InputError(path, f"has the shape {list(array.shape)} for the input {name!r}", expected)
    return np.concatenate(arrays)


def recipe_lines(recipe: Recipe, channels: int, size: tuple[int, int]) -> list[str]:
    """The preparation of pictures for an input with `channels` channels and this (width, height), one line per step."""
    steps = []
    if recipe.resize or not recipe.crop:
        steps.append("stretched to {}x{}".format(*(recipe.resize or size)))
    if recipe.crop:
        steps.append("centre crop {}x{}".format(*recipe.crop))
    steps.append(f"channels {' '.join(recipe.channels.upper())}" if channels == 3 else "grey")
    if any(recipe.mean):
        steps.append(f"minus {numbers_text(recipe.mean)}")
    if any(scale != 1 for scale in recipe.scale):
        steps.append(f"times {numbers_text(recipe.scale)}")
    return steps


def numbers_text(numbers: Sequence[float], separator: str = ", ") -> str:
    """Numbers, used as float32, with as few digits as distinguish them; 0 for none."""
    return separator.join(shortest_float(float(np.float32(number))) for number in numbers or (0,))
