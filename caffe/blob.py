"""A blob of a Caffe net or of one of its layers, as in pycaffe: shape, data, diff, the old four sizes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arguments import sizes
from ..engine.graph.ir.graph import Shape
from ..engine.graph.ir.op import count, largest_size
from ..engine.graph.ops.windows import MOST_NUMBERS
from ..engine.team.memory import aligned_zeros
from ..errors import UsageError


class Array:
    """A blob called `name`. It is the same object through runs and reshapes; its arrays change with its shape."""

    def __init__(
        self,
        name: str,
        *,
        shape: Callable[[], Shape],
        data: Callable[[], np.ndarray],
        diff: Callable[[], np.ndarray],
        reshape: Callable[[Shape], None] | None = None,
    ):
        self.name = name
        self._find_shape, self._find_data, self._find_diff, self._reshape = shape, data, diff, reshape

    @property
    def shape(self) -> Shape:
        return self._find_shape()

    @property
    def data(self) -> np.ndarray:
        """Its float32 memory, to read and to write."""
        return self._find_data()

    @property
    def diff(self) -> np.ndarray:
        """Its gradient, float32 of the same shape, to read and to write. Raises UsageError where there is none."""
        return self._find_diff()

    @property
    def count(self) -> int:
        """The number of its values."""
        return math.prod(self.shape)

    @property
    def num(self) -> int:
        """Axis 0, 1 where there is none, as the three sizes after it. Raises UsageError for more than 4 axes."""
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
        """Give an input another shape, at once; the other blobs follow in the next `forward` or `reshape` of the net.

        The sizes are given one by one or as one list. It keeps its first numbers. Raises UsageError for a blob that a
        layer makes or owns, or a wrong shape.
        """
        if self._reshape is None:
            raise UsageError(f"{self.name!r} has the shape that its layer gives it: reshape an input of the net")
        one = len(shape) == 1 and not isinstance(shape[0], int | np.integer)
        self._reshape(checked_shape(self.name, shape[0] if one else shape))

    def _size(self, axis: int) -> int:
        shape = self.shape
        if len(shape) > 4:
            found = f"{self.name!r} has the shape {list(shape)}"
            raise UsageError(f"{found}: num, channels, height and width are of at most 4 axes, use shape")
        return shape[axis] if axis < len(shape) else 1

    def __repr__(self) -> str:
        return f"Array({self.name!r}, {self.shape})"


def checked_shape(name: str, shape: Any) -> Shape:
    """Sizes of an input, a list or an array of them, as a tuple. Raises UsageError."""
    found = sizes(f"the shape of {name!r}", shape, 0)
    if largest_size(found) > MOST_NUMBERS:
        raise UsageError(f"the shape of {name!r} is {list(found)}, expected at most {MOST_NUMBERS} numbers")
    return found


def resized(before: np.ndarray | None, shape: Shape) -> np.ndarray:
    """The float32 memory `before` of an input if it has that shape, else other memory with its first numbers."""
    if before is not None and before.shape == shape:
        return before
    array = aligned_zeros(count(shape))
    if before is not None:
        array[: before.size] = before.reshape(-1)[: array.size]
    return array.reshape(shape)
