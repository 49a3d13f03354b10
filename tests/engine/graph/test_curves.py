"""Curved activations and their gradients over the whole range of float32: no digits are lost where terms would cancel.

Errors are in units in the last place of the float64 value. NumPy's float32 exp is good to 2.6 of them.
"""

from __future__ import annotations

import numpy as np
import pytest
from reference.caffe_layers import run_layer
from reference.caffe_slopes import backward, layer_net
from reference.elementary import exact_sigmoid, exact_sigmoid_slope, ulps

ALPHA = np.float32(0.7)


def both_signs(low, high, stride):
    first, last = (int(np.float32(end).view(np.uint32)) for end in (low, high))
    x = np.arange(first, last + 1, stride, dtype=np.uint32).view(np.float32)
    return np.concatenate([-x, x])


X = np.concatenate([both_signs(1e-45, 1e-3, 100_003), both_signs(1e-3, 120, 1009), both_signs(120, 3e38, 1_000_003)])
WIDE = X.astype(np.float64)
BELOW = np.minimum(WIDE, 0)


def mish_gate(x):
    """tanh(ln(1 + exp(x))), by tanh(s) = 1 - 2 / (exp(2s) + 1) above 0 and n / (n + 2) below."""
    small = np.exp(np.minimum(x, 0))
    n = small * (small + 2)
    return np.where(x > 0, np.tanh(np.logaddexp(0, x)), n / (n + 2))


def mish_bend(x):
    """The derivative of that: sech(s)**2 * sigmoid(x)."""
    u = np.exp(-np.abs(x))
    sech = np.where(x > 0, 2 * u * (1 + u) / (1 + 2 * u + 2 * u**2), 2 * (1 + u) / (2 + 2 * u + u**2))
    return sech**2 * exact_sigmoid(x)


CURVES = {  # type: parameters, function, the error it may have
    "Sigmoid": ("", exact_sigmoid(WIDE), 2.6),
    "Swish": ("", WIDE * exact_sigmoid(WIDE), 3.2),
    "Mish": ("", WIDE * mish_gate(WIDE), 6),
    "SELU": ("", 1.0507010 * np.where(WIDE > 0, WIDE, 1.6732632 * np.expm1(BELOW)), 3),
    "TanH": ("", np.tanh(WIDE), 1.4),
    "ELU": (f"elu_param {{ alpha: {ALPHA} }}", np.where(WIDE > 0, WIDE, float(ALPHA) * np.expm1(BELOW)), 2),
    "BNLL": ("", np.logaddexp(0, WIDE), 5),
}
SLOPES = {  # type: parameters, derivative, what its error is measured by, the error it may have
    "Sigmoid": ("", exact_sigmoid_slope(WIDE), None, 4.5),
    "Swish": (
        "",
        exact_sigmoid(WIDE) + WIDE * exact_sigmoid_slope(WIDE),
        exact_sigmoid(WIDE) + np.abs(WIDE) * exact_sigmoid_slope(WIDE),  # whose difference is 0 at -1.28
        6,
    ),
    "Mish": (
        "",
        mish_gate(WIDE) + WIDE * mish_bend(WIDE),
        mish_gate(WIDE) + np.abs(WIDE) * mish_bend(WIDE),  # whose difference is 0 at -1.19
        8,
    ),
    "TanH": ("", 4 * exact_sigmoid_slope(2 * WIDE), None, 4.5),
    "ELU": (f"elu_param {{ alpha: {ALPHA} }}", np.where(WIDE > 0, 1, float(ALPHA) * np.exp(BELOW)), None, 2),
    "BNLL": ("", exact_sigmoid(WIDE), None, 2.6),
}


def check(found, exact, size, limit):
    size = np.abs(exact if size is None else size)
    error = np.abs(found.astype(np.float64) - exact) / np.ldexp(1.0, np.maximum(np.frexp(size)[1] - 24, -149))
    assert error.max() < limit, f"{error.max()} at {X[error.argmax()]}: {found[error.argmax()]}"


@pytest.mark.parametrize("kind", CURVES)
def test_curves_keep_their_digits(kind):
    parameters, exact, limit = CURVES[kind]
    (found,) = run_layer(kind, [X], parameters)
    check(found, exact, None, limit)


@pytest.mark.parametrize("kind", SLOPES)
def test_gradients_of_curves_keep_their_digits(kind):
    parameters, exact, size, limit = SLOPES[kind]
    text = layer_net(f'type: "{kind}" {parameters}', [X.shape])
    (found,), _ = backward(text, [X], [], [np.ones_like(X)])
    check(found, exact, size, limit)


def test_the_slope_of_swish_is_1_and_0_at_the_ends():
    x = np.float32([-np.inf, -3e38, 3e38, np.inf, np.nan])
    (found,), _ = backward(layer_net('type: "Swish"', [x.shape]), [x], [], [np.ones_like(x)])
    np.testing.assert_array_equal(found, [0, 0, 1, 1, np.nan])


@pytest.mark.parametrize("target", [0, 1])
def test_the_gradient_of_sigmoid_cross_entropy_keeps_its_digits(target):
    x, targets = X[None], np.full((1, X.size), target, np.float32)
    text = layer_net('type: "SigmoidCrossEntropyLoss" loss_param { normalization: NONE }', [x.shape, x.shape])
    (found, *_), _ = backward(text, [x, targets], [], [np.float32(1)])
    exact = exact_sigmoid(WIDE) if target == 0 else -exact_sigmoid(-WIDE)
    check(found[0], exact, None, 2.6)


@pytest.mark.parametrize("target", [0, 1])
@pytest.mark.parametrize("x", [-80, -20, -17, -14, -1, -1e-3, 0, 1e-3, 1, 14, 17, 20, 80])
def test_sigmoid_cross_entropy_of_a_sure_answer_keeps_its_digits(x, target):
    values = np.float32([[x]])
    (loss,) = run_layer("SigmoidCrossEntropyLoss", [values, np.float32([[target]])])
    assert ulps(loss, np.logaddexp(0, float(values.item()) * (1 - 2 * target))) < 5
