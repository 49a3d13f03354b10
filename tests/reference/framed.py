"""Calling kernels with outputs whose neighbours are watched."""

from __future__ import annotations

import numpy as np

from caffe64.engine.compiler.cpu import LANES

SENTINEL = np.float32(-5432.1)


def normal(seed, *shape, scale=1.0):
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


class Framed:
    """An array of NaN to be written, with sentinels before and behind it."""

    def __init__(self, *shape):
        size = int(np.prod(shape))
        self.memory = np.full(size + 4 * LANES, SENTINEL)
        self.array = self.memory[2 * LANES : 2 * LANES + size].reshape(shape)
        self.array[...] = np.nan

    def check(self):
        """The array, after a look at its frame."""
        assert (self.memory[: 2 * LANES] == SENTINEL).all(), "wrote before the array"
        assert (self.memory[2 * LANES + self.array.size :] == SENTINEL).all(), "wrote behind the array"
        return self.array


def call(kernel, inputs, *shapes):
    """kernel(*inputs, *outputs) with framed outputs of `shapes`; returns them. Checks that inputs stay as they are."""
    outputs = [Framed(*shape) for shape in shapes]
    copies = [each.copy() for each in inputs]
    kernel(*inputs, *(each.array for each in outputs))
    for each, copy in zip(inputs, copies, strict=True):
        np.testing.assert_array_equal(each, copy)
    return [each.check() for each in outputs]
