"""Stochastic gradient descent with momentum and weight decay, as the original caffe64 does it.

    g <- g + decay * w          v <- momentum * v + rate * g          w <- w - v

`g` is the gradient *summed* over the B rows of a minibatch and `rate` the learning rate divided by B, so the decay
is divided by B as well.
"""

from __future__ import annotations

from ..compiler import signatures as types
from ..compiler.cpu import LANES
from ..compiler.jit import F1, F1_IN, f32, inline, kernel
from ..vectors.simd import broadcast, fma, load, load_part, store, store_part


@inline
def step_vectors(w, w_at, v, v_at, g, g_at, count, rate, decay, momentum):
    """The update of `count` consecutive parameters w.flat[w_at:], velocities v.flat[v_at:], gradients g.flat[g_at:].

    Writes w and v.
    """
    rates, decays, momenta = broadcast(rate), broadcast(decay), broadcast(momentum)
    whole = count // LANES * LANES
    for i in range(0, whole, LANES):
        weight = load(w, w_at + i)
        gradient = fma(decays, weight, load(g, g_at + i))
        velocity = fma(rates, gradient, momenta * load(v, v_at + i))
        store(v, v_at + i, velocity)
        store(w, w_at + i, weight - velocity)
    if whole < count:
        rest = count - whole
        weight = load_part(w, w_at + whole, rest)
        gradient = fma(decays, weight, load_part(g, g_at + whole, rest))
        velocity = fma(rates, gradient, momenta * load_part(v, v_at + whole, rest))
        store_part(v, v_at + whole, velocity, rest)
        store_part(w, w_at + whole, weight - velocity, rest)


@kernel(types.void(F1, F1, F1_IN, f32, f32, f32))
def sgd_update(w: types.Floats, v: types.Floats, g: types.Floats, rate: float, decay: float, momentum: float) -> None:
    """One step of the parameters w [P] and their velocity v [P] against the gradient g [P]; all float32.

    Writes w and v. `rate` is the learning rate over the number of rows that g is summed over.
    ValueError on different sizes.
    """
    if v.size != w.size or g.size != w.size:
        raise ValueError("sgd_update: w, v and g differ in size")
    step_vectors(w, 0, v, 0, g, 0, w.size, rate, decay, momentum)
