"""Pictures and arrays for Caffe nets, as `caffe.io` has them: load_image, Transformer, resize_image, oversample, ...

A picture is float32 [height, width, channels], RGB from 0 to 1, until a `Transformer` makes it a net's input.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .arguments import by_name, finite_number, flag, per_channel, sizes, whole_number
from .conversion import ArrayLike, as_numbers
from .errors import UsageError
from .formats.image import read_intensities

if TYPE_CHECKING:
    from .formats.caffe.schema import Message

__all__ = [
    "Transformer",
    "array_to_blobproto",
    "array_to_datum",
    "blobproto_to_array",
    "datum_to_array",
    "load_image",
    "oversample",
    "resize_image",
]


def load_image(filename: str | os.PathLike[str], color: bool = True) -> np.ndarray:
    """A picture file as float32 [height, width, 3] in RGB, or, if not `color`, [height, width, 1]; from 0 to 1.

    A camera's orientation tag is ignored, as in Caffe. Raises InputError.
    """
    return read_intensities(filename, flag("color", color))


def resize_image(im: ArrayLike, new_dims: Sequence[int], interp_order: int = 1) -> np.ndarray:
    """`im` [height, width, channels] stretched to `new_dims`, (height, width), by linear interpolation: float32.

    As scikit-image did it for pictures of 1 or 3 channels when Caffe was written: samples at the centres of pixels,
    without smoothing, and values beyond the border are the picture's smallest. Other numbers of channels as
    SciPy's zoom: the corners' centres are kept. Raises UsageError for another interpolation and other shapes.
    """
    image = np.asarray(as_numbers(im, "im"), np.float32)
    if interp_order != 1:
        raise UsageError(f"resize_image interpolates linearly: interp_order is 1, not {interp_order!r}")
    new_dims = sizes("new_dims", new_dims, number=2)
    if image.ndim != 3 or not image.size:
        raise UsageError(f"cannot make {new_dims} of a picture of the shape {image.shape}")
    lowest = image.min() if image.shape[2] in (1, 3) else np.float32(0)
    for axis, size in enumerate(new_dims):
        image = _stretched(image - lowest, axis, size, centres=image.shape[2] in (1, 3)) + lowest
    return image.astype(np.float32)


def _stretched(values: np.ndarray, axis: int, new: int, *, centres: bool) -> np.ndarray:
    """Linear interpolation along one axis, float64; zeros lie beyond the ends."""
    old = values.shape[axis]
    steps = np.arange(new)
    positions = (steps + 0.5) * (old / new) - 0.5 if centres else steps * ((old - 1) / max(1, new - 1))
    result = np.zeros(())
    for taps in (np.floor(positions), np.floor(positions) + 1):
        weights = np.where((taps >= 0) & (taps < old), 1 - np.abs(positions - taps), 0.0)
        parts = np.take(values, np.clip(taps, 0, old - 1).astype(int), axis)
        result = result + parts * weights.reshape([-1 if each == axis else 1 for each in range(values.ndim)])
    return result


def oversample(images: Sequence[ArrayLike] | np.ndarray, crop_dims: Sequence[int]) -> np.ndarray:
    """Ten crops of `crop_dims`, (height, width), of each picture: float32 [10 * N, height, width, channels].

    The corners, upper left, upper right, lower left, lower right, and the centre; then the same five mirrored. Raises
    UsageError for no pictures, and for those that are smaller.
    """
    height, width = sizes("crop_dims", crop_dims, number=2)
    crops = []
    for image in checked_pictures("images", images):
        down, right = image.shape[0] - height, image.shape[1] - width
        if min(down, right) < 0:
            raise UsageError(f"cannot cut {(height, width)} out of a picture of the shape {image.shape}")
        corners = [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]
        five = [image[y : y + height, x : x + width] for y, x in corners]
        crops += five + [crop[:, ::-1] for crop in five]
    return np.stack(crops)


def checked_pictures(
    name: str, pictures: Sequence[ArrayLike] | np.ndarray, channels: int | None = None
) -> list[np.ndarray]:
    """The pictures of an argument called `name` as float32 arrays. Raises UsageError for none, and for arrays that are
    not [height, width, channels]."""
    if isinstance(pictures, str) or not hasattr(pictures, "__iter__"):
        raise UsageError(f"{name} is {pictures!r:.60}, expected a list of pictures [height, width, channels]")
    found = [np.asarray(as_numbers(each, f"{name}[{index}]"), np.float32) for index, each in enumerate(pictures)]
    if not found:
        raise UsageError(f"{name} is empty, expected at least one picture")
    for index, each in enumerate(found):
        if each.ndim != 3 or channels not in (None, each.shape[2]):
            expected = f"a picture [height, width, {channels or 'channels'}]"
            raise UsageError(f"{name}[{index}] has the shape {each.shape}, expected {expected}")
    return found


class Transformer:
    """Makes pictures into inputs of a net; `inputs` are their shapes [N, C, H, W] by name.

    resize to H x W -> set_transpose -> set_channel_swap -> * set_raw_scale -> - set_mean -> * set_input_scale

    Every method takes the name of an input first. Raises UsageError for other names and for values that do not fit it.
    """

    def __init__(self, inputs: Mapping[str, Sequence[int]]):
        by_name("inputs", inputs, "shapes by the names of inputs")
        self.inputs = {name: sizes(f"the shape of {name!r}", shape, 0) for name, shape in inputs.items()}
        self.transpose: dict[str, Sequence[int]] = {}
        self.channel_swap: dict[str, Sequence[int]] = {}
        self.raw_scale: dict[str, float] = {}
        self.mean: dict[str, np.ndarray] = {}
        self.input_scale: dict[str, float | np.ndarray] = {}

    def preprocess(self, in_: str, data: ArrayLike) -> np.ndarray:
        """A picture [H', W', C] as float32 for the input, mostly [C, H, W]. The picture itself stays as it is."""
        sizes = self._shape(in_)[2:]
        values = np.asarray(as_numbers(data, "data"), np.float32)
        values = values.copy() if values.shape[:2] == sizes else resize_image(values, sizes)
        if in_ in self.transpose:
            values = values.transpose(self.transpose[in_])
        if in_ in self.channel_swap:
            values = values[list(self.channel_swap[in_])]
        values = values * np.float32(self.raw_scale.get(in_, 1))
        if in_ in self.mean:
            values = values - self.mean[in_]
        return values * np.float32(self.input_scale.get(in_, 1))

    def deprocess(self, in_: str, data: ArrayLike) -> np.ndarray:
        """Reverts `preprocess`, except for the size."""
        self._shape(in_)
        values = np.asarray(as_numbers(data, "data"), np.float32).squeeze() / np.float32(self.input_scale.get(in_, 1))
        if in_ in self.mean:
            values = values + self.mean[in_]
        values = values / np.float32(self.raw_scale.get(in_, 1))
        if in_ in self.channel_swap:
            values = values[np.argsort(self.channel_swap[in_])]
        return values.transpose(np.argsort(self.transpose[in_])) if in_ in self.transpose else values

    def set_transpose(self, in_: str, order: Sequence[int]) -> None:
        """The order of axes: (2, 0, 1) makes [H, W, C] into [C, H, W]."""
        self.transpose[in_] = self._order(in_, order, len(self._shape(in_)) - 1)

    def set_channel_swap(self, in_: str, order: Sequence[int]) -> None:
        """The order of channels, after the transpose: (2, 1, 0) makes RGB into BGR."""
        self.channel_swap[in_] = self._order(in_, order, self._shape(in_)[1])

    def set_raw_scale(self, in_: str, scale: float) -> None:
        """The factor before the mean: 255 for nets whose pixels are 0 to 255."""
        self._shape(in_)
        self.raw_scale[in_] = finite_number(f"the scale of {in_!r}", scale, factor=True)

    def set_input_scale(self, in_: str, scale: float | Sequence[float]) -> None:
        """The factor after the mean: a number, or one for each channel."""
        channels, factors = self._shape(in_)[1], per_channel(f"the scale of {in_!r}", scale, factor=True)
        if len(factors) not in (1, channels):
            raise UsageError(f"the scale of {in_!r} has {len(factors)} numbers, expected one, or {channels}")
        self.input_scale[in_] = (
            factors[0] if len(factors) == 1 else np.array(factors, np.float32)[:, np.newaxis, np.newaxis]
        )

    def set_mean(self, in_: str, mean: ArrayLike) -> None:
        """What is subtracted: a number for each channel, or a picture [C, H', W'] or [H', W'], stretched to H x W."""
        shape, means = self._shape(in_)[1:], np.asarray(as_numbers(mean, f"the mean of {in_!r}"), np.float32)
        if not np.isfinite(means).all():
            raise UsageError(f"the mean of {in_!r} holds numbers that are not finite")
        picture = means[np.newaxis] if means.ndim == 2 else means
        if means.ndim == 1 and means.size == shape[0]:
            self.mean[in_] = means[:, np.newaxis, np.newaxis]
        elif picture.ndim == 3 and picture.size and len(picture) in (1, shape[0]):
            same = picture.shape[1:] == shape[1:]
            self.mean[in_] = picture if same else resize_image(picture.transpose(1, 2, 0), shape[1:]).transpose(2, 0, 1)
        else:
            found = f"a mean of the shape {list(means.shape)} for {in_!r}, {list(shape)}"
            raise UsageError(f"{found}: expected [{shape[0]}], or a picture of {shape[0]} channels")

    def _shape(self, name: str) -> tuple[int, ...]:
        if name not in self.inputs:
            raise UsageError(f"{name!r} is not one of the inputs of this Transformer, {sorted(self.inputs)}")
        return self.inputs[name]

    def _order(self, name: str, order: Sequence[int], size: int) -> Sequence[int]:
        found = sizes(f"the order of {name!r}", order, 0)
        if sorted(found) != list(range(size)):
            raise UsageError(f"{found} is not an order of the {size} axes or channels of {name!r}, 0 to {size - 1}")
        return found


def blobproto_to_array(blob: Any, return_diff: bool = False) -> np.ndarray:
    """The data of a BlobProto, a mean file for one, or its diff: float32 in its shape, [N, C, H, W] if it is old."""
    _check_message("blob", blob, "BlobProto")
    values = np.array(blob.diff if return_diff else blob.data, np.float32)
    old = [name for name in ("num", "channels", "height", "width") if blob.HasField(name)]
    return values.reshape([blob.num, blob.channels, blob.height, blob.width] if old else list(blob.shape.dim))


def array_to_blobproto(arr: ArrayLike, diff: ArrayLike | None = None) -> Message:
    """A BlobProto with the numbers of an array, and of a diff of the same shape."""
    from .formats.caffe import BlobProto

    values, diffs = as_numbers(arr, "arr"), None if diff is None else as_numbers(diff, "diff")
    if diffs is not None and diffs.shape != values.shape:
        raise UsageError(f"the diff has the shape {diffs.shape}, the array {values.shape}")
    blob = BlobProto(data=np.asarray(values, np.float32).reshape(-1))
    blob.shape.dim.extend(values.shape)
    if diffs is not None:
        blob.diff.extend(np.asarray(diffs, np.float32).reshape(-1))
    return blob


def datum_to_array(datum: Any) -> np.ndarray:
    """The picture [channels, height, width] of a Datum that is not encoded: uint8, or float64 if it holds floats."""
    _check_message("datum", datum, "Datum")
    if datum.encoded:
        raise UsageError("the datum holds an encoded picture: decode its data with Pillow")
    shape = (datum.channels, datum.height, datum.width)
    values = np.frombuffer(datum.data, np.uint8) if datum.data else np.array(datum.float_data, np.float64)
    return values.reshape(shape)


def array_to_datum(arr: ArrayLike, label: int | None = None) -> Message:
    """A Datum of a picture [channels, height, width]: of bytes if it is uint8, else of floats."""
    from .formats.caffe import MESSAGES

    values = as_numbers(arr, "arr")
    if values.ndim != 3:
        raise UsageError(f"the array has the shape {values.shape}, expected [channels, height, width]")
    datum: Message = MESSAGES["Datum"](channels=values.shape[0], height=values.shape[1], width=values.shape[2])
    if values.dtype == np.uint8:
        datum.data = values.tobytes()
    else:
        datum.float_data.extend(values.astype(np.float32).reshape(-1))
    if label is not None:
        datum.label = whole_number("label", label, -(2**31), 2**31 - 1)
    return datum


def _check_message(name: str, value: object, kind: str) -> None:
    """One of any definition of Caffe's messages, not only of this package's."""
    if not hasattr(value, "HasField"):
        raise UsageError(f"{name} is of the type {type(value).__name__}, expected a {kind}")
