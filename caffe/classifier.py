"""caffe64.Classifier: a net that takes pictures and gives the probabilities of classes, as `caffe.Classifier` does."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from ..arguments import flag, sizes
from ..conversion import ArrayLike
from ..errors import UsageError
from ..io import Transformer, checked_pictures, resize_image
from ..io import oversample as ten_crops
from .load import load_caffe
from .net import CaffeNet
from .pycaffe_words import TEST


class Classifier(CaffeNet):
    """The net of two files, and how its pictures are prepared.

    image_dims    (height, width) that pictures are stretched to, before the net's size is cut out of them; the net's
                  own size by default
    mean, input_scale, raw_scale, channel_swap    as in `io.Transformer`, which is `transformer`
    """

    def __init__(
        self,
        model_file: str | os.PathLike[str],
        pretrained_file: str | os.PathLike[str],
        image_dims: Sequence[int] | None = None,
        mean: ArrayLike | None = None,
        input_scale: float | Sequence[float] | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
    ):
        net = load_caffe(model_file, pretrained_file, phase=TEST)
        super().__init__(net.graph, path=net.path, notices=net.notices)
        name = self.inputs[0]
        shape = self.blobs[name].shape
        if len(shape) != 4:
            raise UsageError(f"the input {name!r} has the shape {list(shape)}, expected pictures [N, C, H, W]")
        self.crop_dims = shape[2:]
        self.image_dims = shape[2:] if image_dims is None else sizes("image_dims", image_dims, number=2)
        if any(image < crop for image, crop in zip(self.image_dims, self.crop_dims, strict=True)):
            raise UsageError(f"image_dims {self.image_dims} are smaller than the net's {self.crop_dims}")
        self.transformer = Transformer({name: shape})
        self.transformer.set_transpose(name, (2, 0, 1))
        if mean is not None:
            self.transformer.set_mean(name, mean)
        if input_scale is not None:
            self.transformer.set_input_scale(name, input_scale)
        if raw_scale is not None:
            self.transformer.set_raw_scale(name, raw_scale)
        if channel_swap is not None:
            self.transformer.set_channel_swap(name, channel_swap)

    def predict(self, inputs: Sequence[ArrayLike] | np.ndarray, oversample: bool = True) -> np.ndarray:
        """The first output for each picture [height, width, channels], float32 [pictures, classes].

        With `oversample` the mean over ten crops, of the corners and the centre and mirrored; else of the centre alone.
        Raises UsageError for no pictures, and for those of other channels than the net's.
        """
        oversample, channels = flag("oversample", oversample), self.transformer.inputs[self.inputs[0]][1]
        pictures = [resize_image(picture, self.image_dims) for picture in checked_pictures("inputs", inputs, channels)]
        if oversample:
            crops = ten_crops(pictures, self.crop_dims)
        else:
            top, left = ((size - crop) // 2 for size, crop in zip(self.image_dims, self.crop_dims, strict=True))
            height, width = self.crop_dims
            crops = np.stack([picture[top : top + height, left : left + width] for picture in pictures])
        name = self.inputs[0]
        batch = np.stack([self.transformer.preprocess(name, crop) for crop in crops])
        found = self.forward_all(**{name: batch})[self.outputs[0]]
        return found.reshape(len(pictures), 10, -1).mean(axis=1) if oversample else found
