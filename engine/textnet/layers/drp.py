"""drp r: dropout. In training,  y = x / (1 - r),  or 0 for a random share r of the values;  in a prediction,  y = x.

    dx = dy / (1 - r) where x was kept, else 0

A value is kept if its random number is not below r. That is number b * K + k, for row b of the minibatch and channel k,
of the generator by Philox (`streams.py`) of the seed of the training, the purpose `purpose_of("drp")` + the number of
the layer's line, modulo 2**64, and the number of the minibatch. So masks do not depend on threads, shards or stops, and
are not kept: backward draws them once more.
"""

from __future__ import annotations

import math

import numpy as np

from ....formats.network import GRAMMAR
from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.jit import F2, F2_IN, f32, i64, inline, kernel
from ...parameters.philox import BLOCK_NUMBERS, FLOAT_DIGITS, Stream, bits_of_block, least_of
from ...parameters.streams import purpose_of
from ...vectors.bits import where_bits
from ...vectors.copying import copy
from ...vectors.simd import broadcast, load, load_part, store, store_part, zeros
from .layer import FIRST_ROW, FORWARD, ITERATION, LAYER_NUMBER, SEED, TRAIN, TRAIN_BACKWARD, TextLayer

_PURPOSE = np.array(purpose_of("drp"), np.uint64).view(np.int64)[()]


@inline
def drop(x, seed, layer, iteration, start, least, factor, y):
    """y = x * factor where the random number is `least` or more over 2**24, else 0; y may be x. `start` is the place of
    the first value."""
    stream, scale = Stream(seed, _PURPOSE + layer, iteration), broadcast(factor)
    block, drawn = start // BLOCK_NUMBERS, BLOCK_NUMBERS - start % BLOCK_NUMBERS
    bits = bits_of_block(stream, block, least) >> (start % BLOCK_NUMBERS)  # of the next values, `drawn` of them
    for i in range(0, x.size, LANES):
        count = min(LANES, x.size - i)
        while drawn < count:
            block += 1
            bits |= bits_of_block(stream, block, least) << drawn
            drawn += BLOCK_NUMBERS
        if count == LANES:
            store(y, i, where_bits(bits, load(x, i) * scale, zeros()))
        else:
            store_part(y, i, where_bits(bits, load_part(x, i, count) * scale, zeros()), count)
        bits >>= LANES
        drawn -= LANES


@kernel(FORWARD)
def forward(x, p, settings, y, scratch):
    """Writes y [B, K] = x [B, K]."""
    copy(x, 0, y, 0, x.size)


@kernel(TRAIN)
def train(x, p, settings, y, scratch, place):
    """Writes y [B, K] from x [B, K]; y may be x. settings: the least random number that keeps a value, over 2**24, and
    what values that are kept are multiplied by."""
    start = place[FIRST_ROW] * x.shape[1]
    drop(x, place[SEED], place[LAYER_NUMBER], place[ITERATION], start, int(settings[0]), settings[1], y)


@kernel(TRAIN_BACKWARD)
def backward(x, p, settings, y, dy, dx, scratch, place):
    """Writes dx [B, K] from dy [B, K]; dx may be dy. Reads neither x nor y."""
    start = place[FIRST_ROW] * dy.shape[1]
    drop(dy, place[SEED], place[LAYER_NUMBER], place[ITERATION], start, int(settings[0]), settings[1], dx)


@inline
def drop_whole(x, ratio, seed, layer, iteration, y):
    """`drop` of a whole minibatch. ValueError for a ratio that is not in [0, 1)."""
    if not 0 <= ratio < 1:
        raise ValueError("drp: the ratio is not in [0, 1)")
    least = math.ceil(np.float64(ratio) * 2**FLOAT_DIGITS)
    drop(x, seed, layer, iteration, 0, least, np.float32(1 / (1 - np.float64(ratio))), y)


@kernel(types.void(F2_IN, f32, i64, i64, i64, F2))
def drp_forward(x: types.Floats, ratio: float, seed: int, layer: int, iteration: int, y: types.Floats) -> None:
    """y = x / (1 - ratio), or 0 for a random share `ratio` of the values: those that line `layer` (from 0) of a net
    drops in minibatch `iteration` (from 0) of a training with this seed.

    x, y [B, K] float32; y may be x. ValueError on different shapes or a ratio that is not in [0, 1).
    """
    if x.shape != y.shape:
        raise ValueError("drp_forward: x and y differ in shape")
    drop_whole(x, ratio, seed, layer, iteration, y)


@kernel(types.void(F2_IN, f32, i64, i64, i64, F2))
def drp_backward(dy: types.Floats, ratio: float, seed: int, layer: int, iteration: int, dx: types.Floats) -> None:
    """dx = dy / (1 - ratio) where `drp_forward` of the same numbers keeps x, else 0.

    dy, dx [B, K] float32; dx may be dy. ValueError on different shapes or a ratio that is not in [0, 1).
    """
    if dy.shape != dx.shape:
        raise ValueError("drp_backward: dy and dx differ in shape")
    drop_whole(dy, ratio, seed, layer, iteration, dx)


LAYER = TextLayer(
    word=GRAMMAR["drp"],
    forward=forward,
    train=train,
    backward=backward,
    settings=lambda inputs, values: (least_of(float(values[0])), 1 / (1 - float(values[0]))),
    reads_input=False,
    reads_output=False,
)
