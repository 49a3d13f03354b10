"""Update rules as their papers and PyTorch's documentation give them, in float64 NumPy. No code of the package.

step(rule, w, g, state, t, rate, momentum, second, epsilon)    the weights after the t-th update, t from 1

g is the mean gradient, decay included; `state` is a dict, empty at first, that is written.
"""

from __future__ import annotations

import numpy as np


def step(rule, w, g, state, t, rate, momentum=0.0, second=None, epsilon=None):
    zero = np.zeros_like(w)
    if rule == "sgd":
        state["v"] = momentum * state.get("v", zero) + rate * g
        return w - state["v"]
    if rule == "nesterov":  # Sutskever's form, the rate within the velocity: the weights looked at are those ahead
        before = state.get("v", zero)
        state["v"] = momentum * before + rate * g
        return w - (momentum * state["v"] + rate * g)
    if rule == "adam":  # Kingma and Ba, algorithm 1
        state["m"] = momentum * state.get("m", zero) + (1 - momentum) * g
        state["v"] = second * state.get("v", zero) + (1 - second) * g * g
        m, v = state["m"] / (1 - momentum**t), state["v"] / (1 - second**t)
        return w - rate * m / (np.sqrt(v) + epsilon)
    if rule == "rmsprop":
        state["v"] = second * state.get("v", zero) + (1 - second) * g * g
        return w - rate * g / (np.sqrt(state["v"]) + epsilon)
    if rule == "adagrad":
        state["v"] = state.get("v", zero) + g * g
        return w - rate * g / (np.sqrt(state["v"]) + epsilon)
    state["v"] = second * state.get("v", zero) + (1 - second) * g * g  # Zeiler's adadelta
    move = np.sqrt(state.get("u", zero) + epsilon) / np.sqrt(state["v"] + epsilon) * g
    state["u"] = second * state.get("u", zero) + (1 - second) * move * move
    return w - rate * move
