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

from dataclasses import dataclass

import numpy as np

from ..compiler.cpu import VECTOR_BYTES
from ..compiler.jit import inline
from ..vectors.elementary import ONE
from ..vectors.simd import broadcast, fma, load, square_root, store, where_less, zeros

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
def update_vectors(memory, w, g, h, e, size, rule, absolute, scale, decay, rate, momentum, other, delta, factor):
    """One update of weights by `factor` times their gradient and by their histories: float32 at the bytes w, g, h and,
    of two, e of `memory`, `size` bytes of whole vectors. Writes w, h and e, and into g what was subtracted from w.

    `absolute`: L1; `scale` is 1 / n; `other` is d; the rate of Adam includes c.
    """
    rates, momenta, rest = broadcast(rate), broadcast(momentum), broadcast(ONE - momentum)
    others, other_rest, deltas = broadcast(other), broadcast(ONE - other), broadcast(delta)
    for i in range(0, size, VECTOR_BYTES):
        x, past = load(memory, w + i), load(memory, h + i)
        slope = regularised(x, broadcast(factor) * load(memory, g + i), scale, decay, absolute)
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
            second = load(memory, e + i)
            past = fma(rest * slope, slope, momenta * past)
            move = slope * square_root((second + deltas) / (past + deltas))
            store(memory, e + i, fma(rest * move, move, momenta * second))
            step = rates * move
        else:
            second = fma(other_rest * slope, slope, others * load(memory, e + i))
            past = fma(rest, slope, momenta * past)
            store(memory, e + i, second)
            step = rates * (past / (square_root(second) + deltas))
        store(memory, h + i, past)
        store(memory, g + i, step)
        store(memory, w + i, x - step)


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
