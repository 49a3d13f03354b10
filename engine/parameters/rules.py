"""Caffe's six update rules, over the slices of a net's parameters.

With w the weights, g the sum of the gradients of n passes, decay and rate those of the slice:

    g <- g / n + decay * w                  L1: decay * sign(w) with sign(0) = 0

    SGD       h <- rate * g + momentum * h                                  u = h
    Nesterov  h' = rate * g + momentum * h                                  u = (1 + momentum) * h' - momentum * h
    AdaGrad   h <- h + g^2                                                  u = rate * g / (sqrt(h) + delta)
    RMSProp   h <- d * h + (1 - d) * g^2                                    u = rate * g / (sqrt(h) + delta)
    AdaDelta  h <- momentum * h + (1 - momentum) * g^2                      u = rate * v
              v = g * sqrt((e + delta) / (h + delta)),  e <- momentum * e + (1 - momentum) * v^2
    Adam      m <- momentum * m + (1 - momentum) * g                        u = rate * c * m / (sqrt(v) + delta)
              v <- d * v + (1 - d) * g^2,   c = sqrt(1 - d^t) / (1 - momentum^t)  at the t-th update

    w <- w - u

d is rms_decay or momentum2. The rate is inside of the history of SGD and Nesterov: when it drops, what has momentum
keeps the old one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..compiler import signatures as types
from ..compiler.cpu import LANES
from ..compiler.jit import F1, F1_IN, F2_IN, I2_IN, f32, i64, inline, kernel
from ..vectors.elementary import ONE
from ..vectors.simd import broadcast, fma, load, square_root, store, where_less, zeros
from .owner import Parameters, whole_lines

RULES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam")
SGD, NESTEROV, ADAGRAD, RMSPROP, ADADELTA, ADAM = range(6)
TWO_HISTORIES = (ADADELTA, ADAM)


@inline
def regularised(w, g, scale, decay, absolute):
    """The gradient of a pass, with the decay of the weights, or of their signs."""
    if absolute:
        signs = where_less(zeros(), w, broadcast(ONE), where_less(w, zeros(), broadcast(-ONE), zeros()))
        return fma(broadcast(decay), signs, broadcast(scale) * g)
    return fma(broadcast(decay), w, broadcast(scale) * g)


@inline
def update_slice(w, g, h, e, at, end, rule, absolute, scale, decay, rate, momentum, other, delta):
    """`update_slices` of w[at:end]."""
    rates, momenta, rest = broadcast(rate), broadcast(momentum), broadcast(ONE - momentum)
    others, other_rest, deltas = broadcast(other), broadcast(ONE - other), broadcast(delta)
    for i in range(at, end, LANES):
        x, slope, past = load(w, i), regularised(load(w, i), load(g, i), scale, decay, absolute), load(h, i)
        if rule == SGD:
            past = fma(rates, slope, momenta * past)
            step = past
        elif rule == NESTEROV:
            new = fma(rates, slope, momenta * past)
            step = (broadcast(ONE) + momenta) * new - momenta * past
            past = new
        elif rule == ADAGRAD:
            past = fma(slope, slope, past)
            step = rates * (slope / (square_root(past) + deltas))
        elif rule == RMSPROP:
            past = fma(other_rest * slope, slope, others * past)
            step = rates * (slope / (square_root(past) + deltas))
        elif rule == ADADELTA:
            second = load(e, i)
            past = fma(rest * slope, slope, momenta * past)
            move = slope * square_root((second + deltas) / (past + deltas))
            store(e, i, fma(rest * move, move, momenta * second))
            step = rates * move
        else:
            second = fma(other_rest * slope, slope, others * load(e, i))
            past = fma(rest, slope, momenta * past)
            store(e, i, second)
            step = rates * (past / (square_root(second) + deltas))
        store(h, i, past)
        store(g, i, step)
        store(w, i, x - step)


@kernel(types.void(F1, F1, F1, F1, I2_IN, F2_IN, i64, i64, f32, f32, f32, f32, f32))
def update_slices(w, g, h, e, places, multipliers, rule, absolute, scale, momentum, other, delta, rate):
    """One update of the weights w by the gradients g and the histories h and, of two, e; all float32 vectors of one
    layout. Writes w, h and e, and into g what was subtracted from w.

    `places` int64 [slices, 2]: where each begins and ends, of whole cache lines; `multipliers` float32 [slices, 2]: the
    decay of each, and by what its rate is multiplied. `absolute`: L1; `scale` is 1 / n; `other` is d; the rate of Adam
    includes c.
    """
    for number in range(places.shape[0]):
        at, end = places[number, 0], places[number, 1]
        decay, own = multipliers[number, 0], rate * multipliers[number, 1]
        update_slice(w, g, h, e, at, end, rule, absolute, scale, decay, own, momentum, other, delta)


@kernel(types.float64(F1_IN))
def sum_of_squares(vector):
    """The sum of the squares of a float32 vector, in float64."""
    total = 0.0
    for i in range(vector.size):
        total += np.float64(vector[i]) * np.float64(vector[i])
    return total


@kernel(types.void(F1, f32))
def scale_vector(vector, factor):
    """vector <- factor * vector."""
    for i in range(vector.size):
        vector[i] *= factor


@dataclass(frozen=True)
class Rule:
    """One of RULES, with its numbers: `momentum`, `other` for rms_decay or momentum2, `delta`; `absolute` for L1,
    `decay` the net's own."""

    name: str = "SGD"
    momentum: float = 0.0
    other: float = 0.0
    delta: float = 1e-8
    decay: float = 0.0
    absolute: bool = False

    @property
    def histories(self) -> int:
        """The number of vectors that it keeps."""
        return 1 + (RULES.index(self.name) in TWO_HISTORIES)

    def correction(self, updates: int) -> np.float32:
        """Adam's c at the update after `updates` others; 1 for the other rules."""
        if self.name != "Adam":
            return np.float32(1)
        # As in Caffe of the numbers as float32, but in double: 1 - d^t of a d of 0.999 would lose half of its digits.
        first, second = (np.float64(np.float32(each)) for each in (self.momentum, self.other))
        with np.errstate(all="ignore"):  # a momentum of 1 divides by 0
            return np.float32(np.sqrt(1 - second ** (updates + 1)) / (1 - first ** (updates + 1)))

    def bind(
        self, owner: Parameters, gradient: np.ndarray, histories: Sequence[np.ndarray], passes: int
    ) -> Callable[[np.float32], object]:
        """The update of the owner's vector by a gradient that is the sum of so many `passes`: called with the rate of
        an iteration, with Adam's c. It is one call of C code, which no signal of Python's divides."""
        ends = [(each.offset, each.offset + whole_lines(each.size)) for each in owner.slices]
        own = [(self.decay * each.decay_mult, each.lr_mult) for each in owner.slices]
        return update_slices.bind(
            owner.vector, gradient, histories[0], histories[-1], np.array(ends, np.int64).reshape(-1, 2),
            np.array(own, np.float32).reshape(-1, 2), RULES.index(self.name), int(self.absolute),
            np.float32(1) / np.float32(passes), *map(np.float32, (self.momentum, self.other, self.delta)),
        )  # fmt: skip
