"""Every verb of engine/vectors/simd.py against NumPy, through kernels as small as can be."""

from __future__ import annotations

import operator

import numpy as np
import pytest
from numba import types
from reference.child import run_python

from caffe64.engine.compiler.cpu import LANES, codegen_key
from caffe64.engine.compiler.jit import F1, F1_IN, F2, F2_IN, U1, U1_IN, f32, i64, kernel
from caffe64.engine.vectors import copying, simd
from caffe64.engine.vectors.views import view1

COUNTS = range(LANES + 1)
SENTINEL = np.float32(-77.25)
F = np.float32
BINARY = ("+", "-", "*", "/", "maximum", "minimum")
UNARY = ("-", "absolute", "round_even", "zeros", "broadcast")
SPECIALS = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-42, -1e-42, 3.4e38, 1.0, -2.5], np.float32)


@kernel(types.void(F1_IN, F1, i64, i64))
def move(x, y, i, j):
    simd.store(y, j, simd.load(x, i))


@kernel(types.void(F1_IN, F1, i64, i64, i64))
def move_loaded_part(x, y, i, j, count):
    simd.store(y, j, simd.load_part(x, i, count))


@kernel(types.void(F1_IN, F1, i64, i64, i64))
def move_stored_part(x, y, i, j, count):
    simd.store_part(y, j, simd.load(x, i), count)


@kernel(types.void(F1_IN, F1, i64, i64, i64))
def move_part(x, y, i, j, count):
    simd.store_part(y, j, simd.load_part(x, i, count), count)


@kernel(types.void(F1_IN, F1, i64, i64, i64, i64))
def transpose_square(x, y, i, x_step, j, y_step):
    copying.copy_transposed(x, i, x_step, y, j, y_step)


@kernel(types.void(U1_IN, U1, i64, i64, i64))
def move_in_memory(x, y, i, j, count):
    simd.store_element(y, j, simd.element(x, i))
    simd.store_part(y, j + 4, simd.load_part(x, i + 4, count), count)
    simd.store(y, j + 4 + 4 * count, simd.load(x, i + 4 + 4 * count))


@kernel(types.void(U1_IN, U1, i64, i64, i64, i64))
def transpose_in_memory(x, y, i, x_step, j, y_step):
    copying.copy_transposed(x, i, x_step, y, j, y_step)


@kernel(types.void(U1_IN, i64, i64, F1))
def view_of_memory(x, at, count, y):
    view = view1(x, at, count)
    for i in range(view.size):
        y[i] = view[i]


@kernel(types.void(F1_IN, i64, i64, F1, i64))
def zip_pair(x, i, x_step, y, j):
    copying.copy_zipped(x, i, x_step, y, j, 2)


@kernel(types.void(F1_IN, i64, i64, F1, i64))
def zip_four(x, i, x_step, y, j):
    copying.copy_zipped(x, i, x_step, y, j, 4)


@kernel(types.void(F1_IN, i64, F1))
def join_halves(x, i, y):
    simd.prefetch(x, 1 << 40)  # anywhere, without harm
    simd.store(y, 0, simd.join_lower(simd.load(x, i), simd.load(x, i + LANES)))
    simd.store(y, LANES, simd.join_upper(simd.load(x, i), simd.load(x, i + LANES)))


@kernel(types.void(F1_IN, i64, F1, i64, i64))
def copy_values(x, i, y, j, count):
    copying.copy(x, i, y, j, count)


@kernel(f32(F2_IN, i64))
def element_of_matrix(x, i):
    return simd.element(x, i)


@kernel(types.void(F1_IN, F1_IN, F2))
def apply_binary(v, w, out):
    n = out.shape[1]
    for i in range(0, v.size, LANES):
        a, b = simd.load(v, i), simd.load(w, i)
        simd.store(out, i, a + b)
        simd.store(out, n + i, a - b)
        simd.store(out, 2 * n + i, a * b)
        simd.store(out, 3 * n + i, a / b)
        simd.store(out, 4 * n + i, simd.maximum(a, b))
        simd.store(out, 5 * n + i, simd.minimum(a, b))


@kernel(types.void(F1_IN, F1_IN, F1_IN, F1_IN, F1, F1, F1))
def apply_wider(v, w, a, b, chosen, fused, equal):
    for i in range(0, v.size, LANES):
        simd.store(equal, i, simd.where_equal(simd.load(v, i), simd.load(w, i), simd.load(a, i), simd.load(b, i)))
        simd.store(chosen, i, simd.where_less(simd.load(v, i), simd.load(w, i), simd.load(a, i), simd.load(b, i)))
        simd.store(fused, i, simd.fma(simd.load(v, i), simd.load(w, i), simd.load(a, i)))


@kernel(types.void(F1_IN, F2))
def apply_unary(v, out):
    n = out.shape[1]
    for i in range(0, v.size, LANES):
        a = simd.load(v, i)
        simd.store(out, i, -a)
        simd.store(out, n + i, simd.absolute(a))
        simd.store(out, 2 * n + i, simd.round_even(a))
        simd.store(out, 3 * n + i, simd.zeros())
        simd.store(out, 4 * n + i, simd.broadcast(v[i]))


@kernel(types.void(F1_IN, F1_IN, F1))
def scale(v, n, out):
    for i in range(0, v.size, LANES):
        simd.store(out, i, simd.scale_by_power(simd.load(v, i), simd.load(n, i), 0))


@kernel(types.void(F1_IN, F1_IN, F1))
def scale_by_less(v, n, out):
    for i in range(0, v.size, LANES):
        simd.store(out, i, simd.scale_by_power(simd.load(v, i), simd.load(n, i), -100))


@kernel(f32(F1_IN))
def add_up(v):
    return simd.reduce_add(simd.load(v, 0))


@kernel(f32(F1_IN))
def highest(v):
    return simd.reduce_max(simd.load(v, 0))


def values(seed, size=64 * LANES):
    """Floats of all magnitudes and signs, with the special ones among them."""
    source = np.random.default_rng(seed)
    drawn = (source.standard_normal(size) * 10.0 ** source.integers(-20, 18, size)).astype(np.float32)
    drawn[source.permutation(size)[: 8 * SPECIALS.size]] = np.repeat(SPECIALS, 8)
    return drawn


def same_bits(actual, expected):
    """Equal values, zeros of one sign, NaN where NaN (of any payload)."""
    actual, expected = np.asarray(actual, np.float32), np.asarray(expected, np.float32)
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(actual), ~numbers)
    np.testing.assert_array_equal(actual[numbers].view(np.uint32), expected[numbers].view(np.uint32))


@pytest.mark.parametrize("i", [0, 1, 3, LANES - 1])
def test_load_and_store_move_whole_vectors_from_and_to_unaligned_addresses(i):
    x, y = np.arange(4 * LANES, dtype=np.float32), np.full(4 * LANES, SENTINEL)
    move(x, y, i, LANES + 1)
    expected = np.full(4 * LANES, SENTINEL)
    expected[LANES + 1 : 2 * LANES + 1] = x[i : i + LANES]
    same_bits(y, expected)


@pytest.mark.parametrize("count", COUNTS)
def test_load_part_fills_the_other_lanes_with_zero(count):
    x, y = np.arange(1, 2 * LANES + 1, dtype=np.float32), np.full(LANES, SENTINEL)
    move_loaded_part(x, y, 3, 0, count)
    same_bits(y, np.where(np.arange(LANES) < count, x[3 : 3 + LANES], F(0)))


@pytest.mark.parametrize("count", COUNTS)
def test_store_part_leaves_its_neighbours_alone(count):
    x, y = np.arange(1, 2 * LANES + 1, dtype=np.float32), np.full(3 * LANES, SENTINEL)
    move_stored_part(x, y, 2, LANES - 1, count)
    expected = np.full(3 * LANES, SENTINEL)
    expected[LANES - 1 : LANES - 1 + count] = x[2 : 2 + count]
    same_bits(y, expected)


@pytest.mark.parametrize(("x_step", "y_step"), [(LANES, LANES), (LANES + 3, LANES), (LANES, 3 * LANES), (37, 41)])
def test_copy_transposed_turns_a_square_and_leaves_the_rest(x_step, y_step):
    x = np.arange(7 + LANES * x_step, dtype=np.float32)
    y = np.full(5 + LANES * y_step, SENTINEL)
    expected = y.copy()
    square = x[7:].reshape(LANES, x_step)[:, :LANES]
    expected[5:].reshape(LANES, y_step)[:, :LANES] = square.T
    transpose_square(x, y, 7, x_step, 5, y_step)
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("count", [0, 1, LANES - 1])
def test_memory_is_addressed_in_bytes(count):
    size = 1 + count + LANES
    x, y = np.arange(size + 4, dtype=np.float32), np.full(size + 4, SENTINEL)
    move_in_memory(x.view(np.uint8), y.view(np.uint8), 4, 8, count)
    np.testing.assert_array_equal(y[2:-2], x[1:-3])
    assert (y[[0, 1, -2, -1]] == SENTINEL).all()


def test_a_square_of_memory_is_transposed_by_steps_in_bytes():
    x, y = np.arange((LANES + 2) * LANES + 1, dtype=np.float32), np.full((LANES + 1) * LANES + 2, SENTINEL)
    transpose_in_memory(x.view(np.uint8), y.view(np.uint8), 4, 4 * (LANES + 2), 8, 4 * (LANES + 1))
    square = x[1:].reshape(LANES, LANES + 2)[:, :LANES]
    np.testing.assert_array_equal(y[2:].reshape(LANES, LANES + 1)[:, :LANES], square.T)
    assert (y[2:].reshape(LANES, LANES + 1)[:, LANES] == SENTINEL).all()


def test_a_view_of_memory_is_float32_from_a_byte_on():
    y = np.full(3, SENTINEL)
    view_of_memory(np.arange(9, dtype=np.float32).view(np.uint8), 8, 3, y)
    assert y.tolist() == [2, 3, 4]


@pytest.mark.parametrize(("zipped", "rows"), [(zip_pair, 2), (zip_four, 4)])
@pytest.mark.parametrize("x_step", [LANES, LANES + 3])
def test_copy_zipped_takes_one_value_of_each_row_in_turn(zipped, rows, x_step):
    x, y = np.arange(rows * x_step + 5, dtype=np.float32), np.full(rows * LANES + 6, SENTINEL)
    zipped(x, 1, x_step, y, 3)
    lines = [x[1 + n * x_step :][:LANES] for n in range(rows)]
    np.testing.assert_array_equal(y[3:-3], np.stack(lines, axis=1).ravel())
    assert (y[:3] == SENTINEL).all()
    assert (y[-3:] == SENTINEL).all()


def test_joined_halves_are_those_of_both_vectors():
    x, y = np.arange(2 * LANES + 1, dtype=np.float32), np.empty(2 * LANES, np.float32)
    join_halves(x, 1, y)
    (low, high), (next_low, next_high) = np.split(x[1 : LANES + 1], 2), np.split(x[LANES + 1 :], 2)
    np.testing.assert_array_equal(y, np.concatenate([low, next_low, high, next_high]))


@pytest.mark.parametrize("count", [*COUNTS, 2 * LANES, 3 * LANES + 1, 5 * LANES - 1])
def test_copy_writes_exactly_count_values(count):
    x, y = np.arange(1, 7 * LANES, dtype=np.float32), np.full(7 * LANES, SENTINEL)
    copy_values(x, 5, y, LANES // 2, count)
    expected = np.full(7 * LANES, SENTINEL)
    expected[LANES // 2 : LANES // 2 + count] = x[5 : 5 + count]
    same_bits(y, expected)


GUARDED = """
import numpy as np
from caffe64.engine.compiler.cpu import LANES
from reference.guarded import guarded
from test_simd import copy_values, move_part

for count in range(LANES + 1):
    x, y = guarded(np.arange(1, count + 1)), guarded(np.zeros(count))
    move_part(x, y, 0, 0, count)
    assert (x == y).all(), count
for count in range(4 * LANES):
    x, y = guarded(np.arange(1, count + 1)), guarded(np.zeros(count))
    copy_values(x, 0, y, 0, count)
    assert (x == y).all(), count
print("untouched", flush=True)
if len(sys.argv) > 2:
    move_part(x, y, x.size - 1, 0, 2)
"""
GUARDED = "import sys; sys.path.insert(0, sys.argv[1])" + GUARDED


def test_parts_touch_nothing_past_their_last_value():
    done = run_python(GUARDED, __file__.rpartition("/")[0])
    assert done.stdout.split() == ["untouched"]


def test_the_guard_behind_an_array_is_real():
    done = run_python(GUARDED, __file__.rpartition("/")[0], "touch", check=False)
    assert done.stdout.split() == ["untouched"]
    assert done.returncode == -11


def test_element_indexes_a_matrix_flat():
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert [element_of_matrix(x, i) for i in range(12)] == list(range(12))


@pytest.mark.parametrize("name", BINARY)
def test_arithmetic_of_two_vectors_is_that_of_float32(name):
    v, w = values(1), values(2)
    out = np.full((len(BINARY), v.size), SENTINEL)
    apply_binary(v, w, out)
    numpy = {
        "+": operator.add,
        "-": operator.sub,
        "*": operator.mul,
        "/": operator.truediv,
        "maximum": lambda v, w: np.where(v > w, v, w),
        "minimum": lambda v, w: np.where(v < w, v, w),
    }
    with np.errstate(all="ignore"):
        same_bits(out[BINARY.index(name)], numpy[name](v, w))


def test_maximum_and_minimum_take_the_second_operand_where_either_is_nan():
    v, w = np.full(LANES, np.nan, np.float32), np.arange(LANES, dtype=np.float32)
    out = np.empty((len(BINARY), LANES), np.float32)
    for first, second in ((v, w), (w, v)):
        apply_binary(first, second, out)
        same_bits(out[4], second)
        same_bits(out[5], second)


def test_where_less_and_where_equal_take_the_second_value_unless_it_is_so():
    v, w, a, b = values(3), values(4), values(5), values(6)
    w[::7] = v[::7]
    v[:2], w[:2] = (0.0, np.nan), (-0.0, np.nan)
    chosen, fused, equal = np.empty_like(v), np.empty_like(v), np.empty_like(v)
    apply_wider(v, w, a, b, chosen, fused, equal)
    same_bits(chosen, np.where(v < w, a, b))
    same_bits(equal, np.where(v == w, a, b))
    assert (v < w).any()
    assert equal[0] == a[0]
    assert np.isnan(v).any()


def test_fma_rounds_once_where_the_cpu_has_fma_and_at_most_twice_elsewhere():
    source = np.random.default_rng(7)
    v, w, u = (source.standard_normal(64 * LANES).astype(np.float32) for _ in range(3))
    v[0], w[0], u[0] = F(1 + 2**-12), F(1 + 2**-12), F(-(1 + 2**-11))
    chosen, fused, equal = np.empty_like(v), np.empty_like(v), np.empty_like(v)
    apply_wider(v, w, u, u, chosen, fused, equal)
    exact = v.astype(np.float64) * w + u  # the product is exact, the sum almost
    has_fma = "+fma" in codegen_key()[2].split(",")
    assert fused[0] == 2**-24 if has_fma else fused[0] in (0, 2**-24)  # what one rounding leaves, what two leave
    product = np.abs(v.astype(np.float64) * w)
    assert (np.abs(fused - exact) <= 2.0**-24 * (product + np.abs(exact)) * 1.0001).all()


@pytest.mark.parametrize("name", UNARY)
def test_verbs_of_one_vector_agree_with_numpy(name):
    v = values(8)
    if name == "round_even":  # defined below 2**22; halves of both parities, and what lies next to them
        halves = np.arange(-8 * LANES, 8 * LANES, dtype=np.float32) / 2
        v = np.concatenate([halves, np.nextafter(halves, F(9e9)), F(2) ** 22 - 1 - np.abs(halves), 1000 * halves / 7])
        v = v.astype(np.float32)
    out = np.full((len(UNARY), v.size), SENTINEL)
    apply_unary(v, out)
    expected = {
        "-": -v,
        "absolute": np.abs(v),
        "round_even": np.rint(v),
        "zeros": np.zeros_like(v),
        "broadcast": np.repeat(v[::LANES], LANES),
    }[name]
    actual = out[UNARY.index(name)]
    if name == "round_even":
        np.testing.assert_array_equal(actual, expected)  # -0.4 may become 0 or -0
    else:
        same_bits(actual, expected)


def test_scale_by_power_multiplies_by_powers_of_two():
    n = np.resize(np.arange(-126, 128, dtype=np.float32), 32 * LANES)
    v = np.resize(np.array([1, -1.5, 0.0, -0.0, 3.14159, np.inf], np.float32), n.size)
    out = np.empty_like(v)
    scale(v, n, out)
    with np.errstate(over="ignore"):
        same_bits(out, np.ldexp(v, n.astype(int)))
    scale_by_less(v, n + 100, out)
    with np.errstate(over="ignore"):
        same_bits(out, np.ldexp(v, n.astype(int)))


def halving(v):
    while v.size > 1:
        v = v[: v.size // 2] + v[v.size // 2 :]
    return v[0]


def test_reduce_add_adds_halves_to_halves():
    source = np.random.default_rng(9)
    for _ in range(100):
        v = (source.standard_normal(LANES) * 10.0 ** source.integers(-3, 4, LANES)).astype(np.float32)
        assert add_up(v) == halving(v)


@pytest.mark.parametrize("lane", range(LANES))
def test_reductions_see_every_lane(lane):
    v = np.full(LANES, -1, np.float32)
    v[lane] = 2.5
    assert add_up(v) == 2.5 - (LANES - 1)
    assert highest(v) == 2.5
    v[lane] = -np.inf
    assert highest(v) == -1
    v[lane] = np.nan
    assert np.isnan(add_up(v))


def test_arrays_of_another_type_are_refused_when_compiling():
    with pytest.raises(TypeError, match="element_of_matrix takes"):
        element_of_matrix(np.zeros((2, 2)), 0)
    with pytest.raises(TypeError, match="element_of_matrix takes"):
        element_of_matrix(np.zeros((4, 4), np.float32)[:, ::2], 0)
