"""gemm against float64 NumPy: every small shape, large ones, edges of all blocks; errors; nothing else touched."""

from __future__ import annotations

import itertools

import numba
import numpy as np
import pytest
from reference.child import run_python
from reference.products import UNIT, product, running_products
from support import assert_close

from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.products.gemm import KC, MC, MR, NC, NR, PACKED_COLUMNS, PACKED_ROWS, gemm

INFINITY, ZERO = np.float32(np.inf), np.float32(0)
NOTHING = np.empty(0, np.float32)
TRANSPOSES = list(itertools.product([False, True], repeat=2))
# name: (bias, accumulate, low)
EPILOGUES = {
    "none": (False, False, -INFINITY),
    "bias": (True, False, -INFINITY),
    "bias_relu": (True, False, ZERO),
    "accumulate": (False, True, -INFINITY),
    "accumulate_relu": (False, True, ZERO),
}
LIMIT = 70
SENTINEL = np.float32(1234.5)


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


A, B, BIAS, START = normal(1, LIMIT, LIMIT), normal(2, LIMIT, LIMIT), normal(3, LIMIT), normal(4, LIMIT, LIMIT)


class Rotation:
    """What A[:m, :k] @ B[:k, :n] is for all m, n, k at once, [k - 1, m, n], with the epilogue number (k + first) mod 5.

    before   what c holds on entry: START where the epilogue accumulates, NaN where it must not read c
    low, high   the bounds that c has to lie in afterwards
    """

    def __init__(self, first, sums, slack):
        kinds = list(EPILOGUES.values())
        self.epilogues = [kinds[(k + first) % len(kinds)] for k in range(1, LIMIT + 1)]
        initial, self.before = np.zeros_like(sums), np.full(sums.shape, np.nan, np.float32)
        for i, (with_bias, accumulate, _) in enumerate(self.epilogues):
            if accumulate:
                self.before[i] = START
            initial[i] = BIAS if with_bias else START if accumulate else 0
        depths = np.arange(1, LIMIT + 1)[:, None, None]
        expected = np.maximum(sums + initial, np.reshape([low for _, _, low in self.epilogues], (-1, 1, 1)))
        allowed = slack + (depths + 2) * UNIT * np.abs(initial)
        self.low, self.high = expected - allowed, expected + allowed

    def check(self, name, c):
        """c [K, M, N]."""
        M, N = c.shape[1:]
        low, high = self.low[:, :M, :N], self.high[:, :M, :N]
        if not ((c >= low) & (c <= high)).all():
            assert_close(f"{name} c", c, (low + high) / 2, (high - low) / 2)


@pytest.fixture(scope="module")
def rotations():
    exact = running_products(A, B)
    return [Rotation(first, *exact) for first in range(len(EPILOGUES))]


@pytest.fixture(scope="module")
def columns_of_b():
    """B[:k, :n] stored transposed, for every n and k."""
    return {(n, k): np.ascontiguousarray(B[:k, :n].T) for n in range(1, LIMIT + 1) for k in range(1, LIMIT + 1)}


@pytest.mark.parametrize("M", range(1, LIMIT + 1))
def test_every_product_of_sizes_up_to_70_in_all_transposes(M, rotations, columns_of_b):
    depths = range(1, LIMIT + 1)
    rows = {k: np.ascontiguousarray(A[:M, :k]) for k in depths}
    a_transposed = np.ascontiguousarray(A[:M].T)
    for N in range(1, LIMIT + 1):
        b, bias = np.ascontiguousarray(B[:, :N]), BIAS[:N].copy()
        padded = np.full((LIMIT, M + 2, N), SENTINEL)  # a guard row before and behind each c
        c = padded[:, 1:-1]
        for t, (transpose_a, transpose_b) in enumerate(TRANSPOSES):
            rotation = rotations[(M + N + t) % len(rotations)]
            c[:] = rotation.before[:, :M, :N]
            for k, (with_bias, accumulate, low) in zip(depths, rotation.epilogues, strict=True):
                gemm(
                    a_transposed[:k] if transpose_a else rows[k],
                    columns_of_b[N, k] if transpose_b else b[:k],
                    bias if with_bias else NOTHING,
                    c[k - 1],
                    transpose_a,
                    transpose_b,
                    accumulate,
                    low,
                )
            rotation.check(f"M={M} N={N} transposes {transpose_a} {transpose_b}", c)
        assert (padded[:, [0, -1]] == SENTINEL).all(), f"M={M} N={N}: wrote outside c"
    assert all((rows[k] == A[:M, :k]).all() for k in depths)
    assert (a_transposed == A[:M].T).all()


def run(a, b, transpose_a=False, transpose_b=False, epilogue="none", seed=5):
    """gemm of a [M, K], b [K, N]; returns (c, expected, tolerance) and checks that only c was written."""
    with_bias, accumulate, low = EPILOGUES[epilogue]
    M, N = len(a), b.shape[1]
    bias = normal(seed, N) if with_bias else NOTHING
    start = normal(seed + 1, M, N) if accumulate else np.full((M, N), np.nan, np.float32)
    padded = np.full((M + 2, N), SENTINEL)
    c = padded[1:-1]
    c[:] = start
    stored = [np.ascontiguousarray(a.T if transpose_a else a), np.ascontiguousarray(b.T if transpose_b else b), bias]
    copies = [each.copy() for each in stored]
    gemm(*stored, c, transpose_a, transpose_b, accumulate, low)
    for each, copy in zip(stored, copies, strict=True):
        np.testing.assert_array_equal(each, copy)
    assert (padded[[0, -1]] == SENTINEL).all()
    expected, tolerance = product(a, b, bias if with_bias else start if accumulate else 0.0)
    return c, np.maximum(expected, low), tolerance


SHAPES = [
    (1024, 1024, 1024),
    (100, 100, 784),
    (784, 100, 100),
    (1, 7, 2048),
    (2048, 3, 1),
    (257, 129, 300),
    (5, 1, 5000),
    *[(MR + 1, NR + 1, K) for K in (KC - 1, KC, KC + 1, 2 * KC, 2 * KC + 3)],
    *[(2 * MR - 1, N, 40) for N in (NC - 1, NC, NC + 1, 2 * NC + 5)],
    (3, NC + NR - 1, KC + 1),
    *[(M, PACKED_COLUMNS, 33) for M in (MC - 1, MC, MC + 1, 2 * MC + 5)],
    (MC + 1, PACKED_COLUMNS - 1, 33),
    (PACKED_ROWS - 1, PACKED_COLUMNS + 1, 33),
    *[(M, NR + 5, 40) for M in (PACKED_ROWS - 1, PACKED_ROWS, PACKED_ROWS + 1)],
]


@pytest.mark.parametrize("epilogue", EPILOGUES)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))
def test_large_products_and_the_edges_of_blocks(shape, epilogue):
    M, N, K = shape
    number = SHAPES.index(shape) + list(EPILOGUES).index(epilogue)
    transposes = [TRANSPOSES[number % 4]] if M * N * K > 1e8 else TRANSPOSES
    a, b = normal(number, M, K), normal(number + 100, K, N)
    for transpose_a, transpose_b in transposes:
        c, expected, tolerance = run(a, b, transpose_a, transpose_b, epilogue)
        assert_close(f"c {transpose_a} {transpose_b}", c, expected, tolerance)


@pytest.mark.parametrize("transposes", TRANSPOSES)
@pytest.mark.parametrize("epilogue", EPILOGUES)
def test_a_single_row_or_column_is_a_matrix_times_a_vector(transposes, epilogue):
    lengths = [1, 3, 4, 5, 7, 8, 9, LANES - 1, LANES + 1, 4 * LANES - 1, 4 * LANES, 5 * LANES + 3]
    for count, depth in itertools.product(lengths, lengths):
        for M, N in ((1, count), (count, 1)):
            a, b = normal(count, M, depth), normal(depth, depth, N)
            c, expected, tolerance = run(a, b, *transposes, epilogue)
            assert_close(f"c {M}x{N}x{depth}", c, expected, tolerance)


@pytest.mark.parametrize("transposes", TRANSPOSES)
@pytest.mark.parametrize("epilogue", EPILOGUES)
def test_without_a_depth_only_the_epilogue_is_left(transposes, epilogue):
    c, expected, tolerance = run(np.empty((5, 0), np.float32), np.empty((0, 9), np.float32), *transposes, epilogue)
    assert (tolerance < 1e-6).all()
    assert_close("c", c, expected, 0)


@pytest.mark.parametrize(("M", "N"), [(0, 5), (5, 0), (0, 0)])
def test_an_empty_result_is_left_empty(M, N):
    c, expected, _ = run(normal(1, M, 3), normal(2, 3, N))
    assert c.shape == expected.shape == (M, N)


@pytest.mark.parametrize("transposes", TRANSPOSES)
def test_a_row_does_not_depend_on_the_rows_computed_with_it(transposes):
    transpose_a, transpose_b = transposes
    a, b, bias = normal(1, 3 * MR + 1, KC + 7), normal(2, KC + 7, NR + 5), normal(3, NR + 5)
    b = np.ascontiguousarray(b.T) if transpose_b else b

    def rows(some):
        c = np.empty((len(some), NR + 5), np.float32)
        stored = np.ascontiguousarray(some.T) if transpose_a else np.ascontiguousarray(some)
        gemm(stored, b, bias, c, transpose_a, transpose_b, False, -INFINITY)
        return c

    together = rows(a)
    for first in range(len(a) - 1):
        for count in (2, MR, MR + 1):  # a single row is computed by gemv.py
            np.testing.assert_array_equal(rows(a[first : first + count]), together[first : first + count])


@pytest.mark.parametrize("transposes", TRANSPOSES)
def test_a_column_does_not_depend_on_the_columns_computed_with_it(transposes):
    transpose_a, transpose_b = transposes
    a, b = normal(1, MR + 1, 33), normal(2, 33, 2 * NR + 3)
    together = run(a, b, transpose_a, transpose_b)[0]
    for width in range(2, b.shape[1]):
        alone = run(a, np.ascontiguousarray(b[:, -width:]), transpose_a, transpose_b)[0]
        np.testing.assert_array_equal(alone, together[:, -width:])


@pytest.mark.parametrize("epilogue", EPILOGUES)
def test_nan_and_infinity_reach_exactly_the_row_they_are_in(epilogue):
    a, b = np.abs(normal(1, MR + 2, 20)) + 1, np.abs(normal(2, 20, NR + 2)) + 1
    clean = run(a, b, epilogue=epilogue)[0].copy()
    a[1, 3], a[MR + 1, 5] = np.nan, np.inf
    c = run(a, b, epilogue=epilogue)[0]
    assert np.isnan(c[1]).all()
    assert (c[MR + 1] == np.inf).all()
    rest = [m for m in range(MR + 2) if m not in (1, MR + 1)]
    np.testing.assert_array_equal(c[rest], clean[rest])


WRONG = {
    "number of rows": [((4, 3), (3, 5), 0, (5, 5)), ((4, 3), (4, 5), 0, (4, 5), True)],
    "number of columns": [((4, 3), (3, 5), 0, (4, 6)), ((4, 3), (3, 5), 0, (4, 5), False, True)],
    "than op.b. has rows": [((4, 3), (2, 5), 0, (4, 5)), ((4, 3), (5, 4), 0, (4, 5), False, True)],
    "bias": [((4, 3), (3, 5), 4, (4, 5)), ((4, 3), (3, 5), 6, (4, 5)), ((4, 3), (3, 5), 5, (4, 5), False, False, True)],
}


@pytest.mark.parametrize(("message", "case"), [(name, case) for name, cases in WRONG.items() for case in cases])
def test_shapes_that_do_not_fit_raise_value_error_and_write_nothing(message, case):
    a, b, bias, c, *flags = case
    c = np.full(c, SENTINEL)
    flags = (*flags, False, False, False)[:3]
    with pytest.raises(ValueError, match=message):
        gemm(normal(1, *a), normal(2, *b), normal(3, bias), c, *flags, -INFINITY)
    assert (c == SENTINEL).all()


def test_arrays_of_another_type_or_layout_raise_type_error():
    a, c = normal(1, 6, 6), np.empty((6, 6), np.float32)
    for wrong in (a.astype(np.float64), a.T, a[:, ::2], a[0]):
        with pytest.raises(TypeError, match="gemm takes"):
            gemm(a, wrong, NOTHING, c, False, False, False, -INFINITY)


def test_read_only_operands_are_taken_and_a_read_only_result_is_not():
    a, b, c = normal(1, 3, 4), normal(2, 4, 5), np.empty((3, 5), np.float32)
    for array in (a, b):
        array.flags.writeable = False
    gemm(a, b, NOTHING, c, False, False, False, -INFINITY)
    assert_close("c", c, *product(a, b))
    c.flags.writeable = False
    with pytest.raises(TypeError, match="gemm takes"):
        gemm(a, b, NOTHING, c, False, False, False, -INFINITY)


def test_gemm_can_be_called_from_a_function_of_the_users_own():
    @numba.njit
    def square(a, out):
        gemm(a, a, np.empty(0, np.float32), out, False, True, False, np.float32(0))
        return out.sum()

    a, out = normal(1, 9, 13), np.empty((9, 9), np.float32)
    total = square(a, out)
    expected, tolerance = product(a, a.T)
    assert_close("out", out, np.maximum(expected, 0), tolerance)
    assert total == out.sum(dtype=np.float32) or abs(total - out.sum()) < 1e-3


GUARDED = """
import itertools
import numpy as np
from caffe64.engine.compiler.cpu import LANES
from caffe64.engine.products.gemm import MR, NR, gemm
from reference.guarded import guarded

count = 0
depths, low = (1, 2, LANES + 1), np.float32(-np.inf)
for M, N, K in itertools.product((1, MR - 1, MR, MR + 1), range(1, NR + LANES + 2), depths):
    whole = {transpose: (guarded(np.ones((K, M) if transpose else (M, K))),
                         guarded(np.ones((N, K) if transpose else (K, N)))) for transpose in (False, True)}
    bias, c = guarded(np.ones(N)), guarded(np.zeros((M, N)))
    for ta, tb in itertools.product((False, True), repeat=2):
        gemm(whole[ta][0], whole[tb][1], bias, c, ta, tb, False, low)
        assert (c == K + 1).all(), (M, N, K, ta, tb)
        count += 1
print(count)
"""


def test_operands_are_not_read_past_their_last_value():
    assert int(run_python(GUARDED).stdout) > 500
