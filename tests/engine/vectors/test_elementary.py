"""The elementary functions against float64 over dense grids of float32.

Reached, over every 7th float of the whole range (every 17th without FMA instructions), in units in the last place:

    exp    1.04         tanh   0.76 below 5/8, 1.32 above         decay 1.05         exp_minus_one 0.87
    sigmoid 2.35        sigmoid_slope 3.9
"""

from __future__ import annotations

import numpy as np
import pytest
from reference.elementary import (
    DECAY_ULP,
    EXP_MINUS_ONE_ULP,
    EXP_ULP,
    SIGMOID_SLOPE_ULP,
    SIGMOID_ULP,
    SMALL_TANH_ULP,
    TANH_ULP,
    both,
    exact_sigmoid,
    exact_sigmoid_slope,
    others,
    ulps,
)

from caffe64.engine.vectors import elementary

SMALLEST_NORMAL = np.finfo(np.float32).tiny
LARGEST = np.finfo(np.float32).max


def exp(*values):
    return both(np.array(values, np.float32))[0]


def tanh(*values):
    return both(np.array(values, np.float32))[1]


def grid(low, high, stride):
    """Every `stride`-th float32 from low to high, both positive."""
    first, last = (int(np.float32(end).view(np.uint32)) for end in (low, high))
    return np.arange(first, last + 1, stride, dtype=np.uint32).view(np.float32)


@pytest.mark.parametrize("sign", [1, -1])
def test_exp_is_within_a_unit_in_the_last_place(sign):
    limit = elementary.EXP_HIGHEST if sign > 0 else -elementary.EXP_LOWEST
    x = sign * np.concatenate([grid(1e-9, 1, 1009), grid(1, limit, 101)])
    error = ulps(both(x)[0], np.exp(x.astype(np.float64)))
    assert error.max() < EXP_ULP, f"{error.max()} at {x[error.argmax()]}"
    assert error.max() > 0.5  # the grid is dense enough to see what rounding must cost


@pytest.mark.parametrize("sign", [1, -1])
def test_tanh_is_within_a_unit_in_the_last_place(sign):
    x = sign * np.concatenate([grid(1e-45, 1e-3, 1009), grid(1e-3, 12, 101)])
    error = ulps(both(x)[1], np.tanh(x.astype(np.float64)))
    small = np.abs(x) < 0.625
    assert error[small].max() < SMALL_TANH_ULP, f"{error[small].max()} at {x[small][error[small].argmax()]}"
    assert error.max() < TANH_ULP, f"{error.max()} at {x[error.argmax()]}"
    assert error.max() > 0.5


def test_exp_of_both_zeros_and_of_denormals_is_one():
    assert (exp(0.0, -0.0, 1e-45, -1e-45, 1e-39, -1e-39) == 1).all()


def test_exp_of_infinities_and_nan():
    powers = exp(np.inf, -np.inf, np.nan, -np.nan)
    np.testing.assert_array_equal(powers, [np.inf, 0, np.nan, np.nan])


def test_exp_overflows_exactly_where_float32_ends():
    last = np.float32(np.log(float(LARGEST)))  # 88.72284, itself just above the logarithm or just below
    last = last if np.exp(float(last)) <= LARGEST else np.nextafter(last, np.float32(0))
    assert np.isfinite(exp(last))
    assert exp(last) > 0.9999 * LARGEST
    assert exp(np.nextafter(last, np.float32(100))) == np.inf
    assert (exp(89, 100, 1e10, LARGEST) == np.inf).all()


def test_exp_is_zero_where_its_result_would_be_denormal():
    last = np.float32(np.log(float(SMALLEST_NORMAL)))
    last = last if np.exp(float(last)) >= SMALLEST_NORMAL else np.nextafter(last, np.float32(0))
    assert exp(last) >= SMALLEST_NORMAL
    assert exp(np.nextafter(last, np.float32(-100))) == 0
    assert (exp(-88, -104, -1e10, -LARGEST) == 0).all()


def test_tanh_of_zeros_keeps_the_sign_of_zero():
    zeros = tanh(0.0, -0.0)
    assert (zeros == 0).all()
    assert np.signbit(zeros).tolist() == [False, True]


def test_tanh_of_denormals_is_the_argument():
    denormals = np.array([1e-45, -1e-45, 1e-40, -1e-39, SMALLEST_NORMAL], np.float32)
    np.testing.assert_array_equal(tanh(*denormals), denormals)


def test_tanh_of_infinities_and_nan():
    np.testing.assert_array_equal(tanh(np.inf, -np.inf, np.nan), [1, -1, np.nan])


def test_tanh_never_leaves_the_interval_and_reaches_its_ends():
    x = grid(1e-3, LARGEST, 10007)
    tangents = both(x)[1]
    assert tangents.max() == 1
    assert (tangents[x > 9.02] == 1).all()
    assert (tangents[x < 8] < 1).all()


def test_tanh_is_odd_bit_for_bit():
    x = grid(1e-44, 20, 10007)
    np.testing.assert_array_equal(both(-x)[1].view(np.uint32), (-both(x)[1]).view(np.uint32))


def check_ulps(found, exact, limit, x):
    error = ulps(found, exact)
    assert error.max() < limit, f"{error.max()} at {x[error.argmax()]}"
    assert error.max() > 0.5


def test_functions_of_what_is_below_0_are_good_to_the_smallest_denormal():
    x = -np.concatenate([grid(1e-45, 1e-3, 10007), grid(1e-3, 120, 101)])
    powers, less_one, _, _ = others(x)
    check_ulps(powers, np.exp(x.astype(np.float64)), DECAY_ULP, x)
    check_ulps(less_one, np.expm1(x.astype(np.float64)), EXP_MINUS_ONE_ULP, x)


@pytest.mark.parametrize("sign", [1, -1])
def test_sigmoid_and_its_slope_lose_no_digits_anywhere(sign):
    x = sign * np.concatenate([grid(1e-45, 1e-3, 10007), grid(1e-3, 120, 101), grid(120, LARGEST, 100003)])
    _, _, sigmoids, slopes = others(x)
    check_ulps(sigmoids, exact_sigmoid(x.astype(np.float64)), SIGMOID_ULP, x)
    check_ulps(slopes, exact_sigmoid_slope(x.astype(np.float64)), SIGMOID_SLOPE_ULP, x)


def test_sigmoid_and_its_kin_at_the_ends():
    x = np.array([-np.inf, np.inf, np.nan, 0.0, -0.0, -LARGEST, LARGEST, -103.2, -104], np.float32)
    powers, less_one, sigmoids, slopes = others(x)
    smallest = np.float32(1e-45)
    np.testing.assert_array_equal(sigmoids, [0, 1, np.nan, 0.5, 0.5, 0, 1, smallest, 0])
    np.testing.assert_array_equal(slopes, [0, 0, np.nan, 0.25, 0.25, 0, 0, smallest, 0])
    below = x <= 0
    np.testing.assert_array_equal(powers[below], [0, 1, 1, 0, smallest, 0])
    np.testing.assert_array_equal(less_one[below], [-1, 0, 0, -1, -1, -1])
    assert np.isnan(powers[2])
    assert np.isnan(less_one[2])
