"""The random numbers of `streams.py` in kernels, any of them by its place in its stream."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..compiler.jit import inline
from ..vectors.bits import upper_product

BLOCK_NUMBERS = 8  # float32 that Generator.random takes from a block: two from each of its four words
FLOAT_DIGITS = 24  # bits of such a number, which is a whole one over 2**24
_DIGITS = (1 << FLOAT_DIGITS) - 1
_ROUNDS = 10
# Of Philox4x64, as int64.
_FIRST, _SECOND = np.array([0xD2E7470EE14C6C93, 0xCA5A826395121157], np.uint64).view(np.int64)
_FIRST_STEP, _SECOND_STEP = np.array([0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B], np.uint64).view(np.int64)


class Stream(NamedTuple):
    """uint64 as int64: what `generator` makes of a seed, a purpose and an iteration."""

    seed: int
    purpose: int
    iteration: int


@inline
def block_of(stream, number):
    """The four words of a block; NumPy counts before it draws."""
    a, b, c, d = number + 1, 0, stream.iteration, 0
    one, two = stream.seed, stream.purpose
    for _ in range(_ROUNDS):
        upper, other = upper_product(_FIRST, a), upper_product(_SECOND, c)
        a, b, c, d = other ^ b ^ one, c * _SECOND, upper ^ d ^ two, a * _FIRST
        one, two = one + _FIRST_STEP, two + _SECOND_STEP
    return a, b, c, d


@inline
def bits_of_block(stream, number, least):
    """Bit k: whether number 8 * `number` + k of the stream, over 2**-24, is `least` or more."""
    bits, lane = 0, 0
    for each in block_of(stream, number):
        bits |= (((each >> 8) & _DIGITS) >= least) << lane
        bits |= (((each >> 40) & _DIGITS) >= least) << (lane + 1)
        lane += 2
    return bits


def least_of(ratio: float) -> int:
    """The `least` of numbers that are not below a float32."""
    return math.ceil(np.float64(np.float32(ratio)) * 2**FLOAT_DIGITS)
