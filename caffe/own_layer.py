"""Layers of the user's own, with the interface of pycaffe's Python layers.

class Cap(caffe64.Layer):
    def forward(self, bottom, top):
        top[0].data[...] = np.minimum(bottom[0].data, self.parameters["cap_param"]["cap"])

caffe64.register_layer("Cap", Cap)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine.graph.ir.graph import Shape
from ..errors import UsageError
from .blob import checked_shape

if TYPE_CHECKING:
    from ..engine.graph.frontends.onnx.write.builder import Builder, ExportedLayer


class LayerBlob:
    """A bottom, a top or a blob of weights, as a Layer sees it. `data` and `diff` are float32 arrays of its `shape`;
    until the layer runs, zeros."""

    def __init__(self, name: str, shape: Shape = ()):
        self.name, self.shape, self._fixed = name, tuple(shape), False
        self._data: np.ndarray | None = None
        self._diff: np.ndarray | None = None

    @property
    def data(self) -> np.ndarray:
        if self._data is None:
            self._data = np.zeros(self.shape, np.float32)
        return self._data

    @property
    def diff(self) -> np.ndarray:
        if self._diff is None:
            self._diff = np.zeros(self.shape, np.float32)
        return self._diff

    @property
    def count(self) -> int:
        """The number of its values."""
        return math.prod(self.shape)

    @property
    def num(self) -> int:
        """Axis 0, 1 where there is none, as the three sizes after it."""
        return self._size(0)

    @property
    def channels(self) -> int:
        return self._size(1)

    @property
    def height(self) -> int:
        return self._size(2)

    @property
    def width(self) -> int:
        return self._size(3)

    def reshape(self, *shape: int) -> None:
        """Give a top its shape. In `forward` it may only become shorter along axis 0; what is left out is 0."""
        one = len(shape) == 1 and not isinstance(shape[0], int | np.integer)
        wanted = checked_shape(self.name, shape[0] if one else shape)
        if self._fixed and (not self.shape or wanted[1:] != self.shape[1:] or wanted[0] > self.shape[0]):
            found = f"{self.name!r} of shape {list(self.shape)} is to have the shape {list(wanted)}"
            raise UsageError(f"{found}: `reshape` of the layer gives the shape, with the most rows that there can be")
        if self._fixed:
            self.data[wanted[0] :] = 0
            self._data = self.data[: wanted[0]]
        self.shape = wanted

    def fix(self) -> None:
        """From now on its shape is the net's."""
        self._fixed = True

    def bind(self, data: np.ndarray, diff: np.ndarray | None = None) -> None:
        """Let these arrays be its memory."""
        self.shape, self._data, self._diff = data.shape, data, diff

    def _size(self, axis: int) -> int:
        return self.shape[axis] if axis < len(self.shape) else 1

    def __repr__(self) -> str:
        return f"LayerBlob({self.name!r}, {self.shape})"


class WeightBlobs(Sequence[LayerBlob]):
    """The weights of a Layer. They come from the model; without one they hold what `setup` wrote."""

    def __init__(self) -> None:
        self._blobs: list[LayerBlob] = []

    def add_blob(self, *shape: int) -> None:
        """One more, of this shape: in `setup`."""
        name = f"blob {len(self._blobs)}"
        self._blobs.append(LayerBlob(name, checked_shape(name, shape)))

    def __getitem__(self, number: Any) -> Any:
        return self._blobs[number]

    def __len__(self) -> int:
        return len(self._blobs)

    def __iter__(self) -> Iterator[LayerBlob]:
        return iter(self._blobs)


class Layer:
    """Base of layer types of your own (`register_layer`), with the interface of pycaffe's Python layers.

    name, type      of the layer
    phase           "TEST" or "TRAIN"
    parameters      the layer's parameters in the .prototxt: {"cap_param": {"cap": 6.0}}; repeated fields are lists
    param_str       of a layer of the type Python, the text in its python_param
    blobs           its weights: `setup` adds them
    kind            the colour in drawings: data conv dense pool norm act join shape output; "" is grey

    `bottom` and `top` are lists of LayerBlob. A layer has a gradient if it has a method

        backward(self, top, propagate_down, bottom)

    which writes bottom[i].diff where propagate_down[i] is true, from top[i].diff and what `forward` left, and adds to
    the diff of its blobs. Objects are made whenever shapes are asked for: `forward` alone may count on others.
    """

    name: str
    type: str
    phase: str
    parameters: dict[str, Any]
    param_str: str
    blobs: WeightBlobs
    kind: str = ""

    def setup(self, bottom: list[LayerBlob], top: list[LayerBlob]) -> None:
        """Checks and prepares, once: bottoms have their shapes, and zeros."""

    def reshape(self, bottom: list[LayerBlob], top: list[LayerBlob]) -> None:
        """Gives every top its shape, `top[i].reshape(...)`; if it is not overridden, that of bottom 0."""
        for each in top:
            each.reshape(*bottom[0].shape)

    def forward(self, bottom: list[LayerBlob], top: list[LayerBlob]) -> None:
        """Writes top[i].data, which hold any values, from bottom[i].data."""
        raise NotImplementedError(f"{type(self).__name__} has no method forward")

    def macs(self, bottom: list[LayerBlob], top: list[LayerBlob]) -> int:
        """Multiply-accumulates of one `forward`, for `summary` and `time`."""
        return 0

    def to_onnx(self, builder: Builder, layer: ExportedLayer) -> None:
        """Adds the layer's ONNX nodes: `builder.add("Min", [layer.inputs[0], builder.constant(6)], layer.outputs)`.
        Without it, a net with such a layer cannot be exported."""
        raise NotImplementedError
