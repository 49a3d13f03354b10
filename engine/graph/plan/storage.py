"""The storage of a blob in the arena of a plan.

PLANAR    as in Caffe: [N, C, H, W], any number of axes, without gaps.
PADDED    planes [N, C, H + 2, W + 2] with zeros around them, as wide as a convolution's padding (the halo).
BLOCKED   LANES channels interleaved: [N, C / LANES, H, W, LANES], with a halo; channels past the last are zeros.
          A vector is one pixel of LANES channels: no kernel shuffles lanes, and rows of any length are whole vectors.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from enum import Enum

import numpy as np

from ....errors import InputError
from ...compiler.cpu import LANES
from ..ir.graph import FLOAT32, Shape
from ..ir.op import count
from .steps import Strided

Halo = tuple[int, int, int, int]  # rows above, columns to the left, rows below, columns to the right
NO_HALO: Halo = (0, 0, 0, 0)
MEMORY_ALIGNMENT = 64  # bytes: a cache line


class StorageKind(Enum):
    PLANAR, PADDED, BLOCKED = range(3)


@dataclass(eq=False)
class Memory:
    """A stretch of the arena: `size` bytes from `offset` on, written from the action `first` on, read up to `last`."""

    size: int
    first: int
    last: int
    offset: int = -1


@dataclass(eq=False)
class Storage:
    """A blob of `shape` and `dtype` in some memory. Offsets, steps and sizes are in bytes."""

    shape: Shape
    kind: StorageKind
    memory: Memory
    halo: Halo = NO_HALO
    dtype: np.dtype = FLOAT32

    @property
    def four(self) -> Shape:
        """N, C, H, W; those that are missing are 1."""
        return (*self.shape, *(1,) * (4 - len(self.shape)))

    @property
    def lanes(self) -> int:
        """Adjacent channels of a pixel."""
        return LANES if self.kind is StorageKind.BLOCKED else 1

    @property
    def pixel(self) -> int:
        """From a pixel to the next, as are `row`, `plane` and `picture`."""
        return self.lanes * self.dtype.itemsize

    @property
    def row(self) -> int:
        return (self.four[3] + self.halo[1] + self.halo[3]) * self.pixel

    @property
    def plane(self) -> int:
        """From a block of channels, or a channel, to the next."""
        return (self.four[2] + self.halo[0] + self.halo[2]) * self.row

    @property
    def planes(self) -> int:
        return blocks(self.four[1]) if self.kind is StorageKind.BLOCKED else self.four[1]

    @property
    def picture(self) -> int:
        return self.planes * self.plane

    @property
    def size(self) -> int:
        return (
            count(self.shape) * self.dtype.itemsize if self.kind is StorageKind.PLANAR else self.four[0] * self.picture
        )

    @property
    def inside(self) -> int:
        """From the start of a plane to its first pixel inside the halo."""
        return self.halo[0] * self.row + self.halo[1] * self.pixel

    @property
    def first(self) -> int:
        """The offset of the first pixel in the arena."""
        return self.memory.offset + self.inside

    @property
    def strided(self) -> Strided:
        """The same for kernels."""
        return Strided(offset=self.first, picture=self.picture, plane=self.plane, row=self.row)

    def pixels(self, stride: Shape = (1, 1), size: Shape | None = None) -> np.ndarray:
        """Offsets of the pixels of a plane, from `first` on: int64 [rows * columns], each `stride`-th of both axes."""
        rows, columns = size or self.four[2:]
        down, right = np.arange(rows) * stride[0] * self.row, np.arange(columns) * stride[1] * self.pixel
        return (down[:, np.newaxis] + right).reshape(-1)

    def view(self, arena: np.ndarray) -> np.ndarray:
        """The pixels in `arena`, uint8: an array of `shape` and `dtype`. Not for BLOCKED."""
        if self.kind is StorageKind.PLANAR:
            return self._bytes(arena).view(self.dtype).reshape(self.shape)
        return self._lanes(arena)[..., 0]

    def read(self, arena: np.ndarray, array: np.ndarray) -> None:
        """Copy the pixels in `arena` to an array of any shape of as many, in the order of `shape`."""
        if self.kind is not StorageKind.BLOCKED:
            np.copyto(array, self.view(arena).reshape(array.shape))
            return
        found, channels = array.reshape(self.four), self.four[1]
        lanes = self._lanes(arena)
        for lane in range(min(self.lanes, channels)):
            np.copyto(found[:, lane :: self.lanes], lanes[:, : blocks(channels - lane), :, :, lane])

    def write(self, arena: np.ndarray, values: np.ndarray | np.float32) -> None:
        """Copy values to the pixels in `arena`, in the order of `shape`, or one number; zeros around them."""
        if self.kind is not StorageKind.BLOCKED:
            self._bytes(arena).fill(0)
            np.copyto(self.view(arena), np.broadcast_to(values, self.shape))
            return
        given, channels = np.broadcast_to(values, self.shape).reshape(self.four), self.four[1]
        self._bytes(arena).fill(0)
        lanes = self._lanes(arena)
        for lane in range(min(self.lanes, channels)):
            np.copyto(lanes[:, : blocks(channels - lane), :, :, lane], given[:, lane :: self.lanes])

    def _bytes(self, arena: np.ndarray) -> np.ndarray:
        return arena[self.memory.offset : self.memory.offset + self.size]

    def _lanes(self, arena: np.ndarray) -> np.ndarray:
        """PADDED or BLOCKED: [N, planes, H, W, lanes] without the halo."""
        (pictures, _, height, width), (top, left, below, _) = self.four, self.halo
        whole = self._bytes(arena).view(self.dtype)
        whole = whole.reshape(pictures, self.planes, top + height + below, self.row // self.pixel, self.lanes)
        return whole[:, :, top : top + height, left : left + width]


def blocks(channels: int) -> int:
    """Blocks of LANES channels."""
    return -(-channels // LANES)


def aligned(size: int) -> int:
    """The whole cache lines that `size` bytes take, in bytes."""
    return -(-size // MEMORY_ALIGNMENT) * MEMORY_ALIGNMENT


def same_memory(shape: Shape) -> bool:
    """Whether a blob has the same bytes BLOCKED, without a halo, as PLANAR."""
    return len(shape) >= 2 and shape[1] % LANES == 0 and count(shape, 2) == 1


def wider(one: Halo, other: Halo) -> Halo:
    """The halo that holds both."""
    return tuple(map(max, one, other))


def assign_offsets(memories: list[Memory], limit: int, besides: int = 0, path: str = "<net>") -> int:
    """Give each memory its offset, so that those that live at the same time do not overlap. Returns the bytes in all.

    The largest first, each at the lowest offset that is free (Pisarchyk and Lee, Efficient Memory Management for Deep
    Neural Net Inference, 2020: greedy by size). Raises InputError, naming `path`, if these and the bytes `besides` are
    more than `limit`.
    """
    placed: list[Memory] = []
    for memory in sorted(memories, key=lambda each: -each.size):
        offset = 0
        for other in placed:  # in the order of their offsets
            if other.first > memory.last or other.last < memory.first:
                continue
            if offset + memory.size <= other.offset:
                break
            offset = max(offset, other.offset + other.size)
        memory.offset = offset
        placed.append(memory)
        placed.sort(key=lambda each: each.offset)
    total = max((memory.offset + memory.size for memory in placed), default=0)
    if (needed := total + besides) > limit:
        raise InputError(path, f"needs {needed:,} bytes for its blobs and scratch", f"at most {limit:,}")
    return total


def most_alive(memories: list[Memory]) -> int:
    """Bytes of the memories that live at the same time, at the worst."""
    changes: Counter[int] = Counter()
    for memory in memories:
        changes[memory.first] += memory.size
        changes[memory.last + 1] -= memory.size
    return max(itertools.accumulate(changes[time] for time in sorted(changes)), default=0)
