"""Matrix times vector: each element of the matrix is used once, so memory is the limit; rows are read front to back.

    multiply_rows      c[n] += sum over k of a[k] * B[n, k]     DOT_SUMS rows of B at a time, or one
    multiply_columns   c[n] += sum over k of a[k] * B[k, n]     ROWS_PER_PASS rows of B at a time are added to c

B starts at b_at, its rows lie b_step apart. All arrays are float32, C-contiguous, and indexed flat. The order of the
additions is fixed.
"""

from __future__ import annotations

from ..compiler.cpu import LANES
from ..compiler.jit import inline
from ..vectors.simd import broadcast, element, fma, load, load_part, reduce_add, store, store_part, zeros

DOT_SUMS = 4  # sums at a time: an FMA takes 4 cycles, and the loads of one element of each operand feed one per cycle
ROWS_PER_PASS = 4  # of lines a multiple of 4096 bytes apart, L1 keeps 8


@inline
def multiply_rows(a, a_at, b, b_at, b_step, depth, c, c_at, count):
    """c[n] += a . B[n, :] for n < count; a and a row of B have `depth` elements."""
    whole = depth // LANES * LANES
    rest = depth - whole
    grouped = count // DOT_SUMS * DOT_SUMS
    for n in range(0, grouped, DOT_SUMS):  #       c[n:n+4]   b[n:n+4, :]
        row = b_at + n * b_step
        one, two, three, four = zeros(), zeros(), zeros(), zeros()
        for k in range(0, whole, LANES):  #        a[k:k+LANES]   b[n:n+4, k:k+LANES]
            v, i = load(a, a_at + k), row + k
            one, two = fma(v, load(b, i), one), fma(v, load(b, i + b_step), two)
            three, four = fma(v, load(b, i + 2 * b_step), three), fma(v, load(b, i + 3 * b_step), four)
        if rest:
            v, i = load_part(a, a_at + whole, rest), row + whole
            one, two = fma(v, load_part(b, i, rest), one), fma(v, load_part(b, i + b_step, rest), two)
            three = fma(v, load_part(b, i + 2 * b_step, rest), three)
            four = fma(v, load_part(b, i + 3 * b_step, rest), four)
        c[c_at + n] += reduce_add(one)
        c[c_at + n + 1] += reduce_add(two)
        c[c_at + n + 2] += reduce_add(three)
        c[c_at + n + 3] += reduce_add(four)
    for n in range(grouped, count):  #             c[n]   b[n, :]
        c[c_at + n] += dot(a, a_at, b, b_at + n * b_step, depth)


@inline
def dot(a, a_at, b, b_at, depth):
    """sum over k of a[k] * b[k]."""
    together, whole = depth // (DOT_SUMS * LANES) * DOT_SUMS * LANES, depth // LANES * LANES
    one, two, three, four = zeros(), zeros(), zeros(), zeros()
    for k in range(0, together, DOT_SUMS * LANES):
        i, j = a_at + k, b_at + k
        one = fma(load(a, i), load(b, j), one)
        two = fma(load(a, i + LANES), load(b, j + LANES), two)
        three = fma(load(a, i + 2 * LANES), load(b, j + 2 * LANES), three)
        four = fma(load(a, i + 3 * LANES), load(b, j + 3 * LANES), four)
    for k in range(together, whole, LANES):
        one = fma(load(a, a_at + k), load(b, b_at + k), one)
    if whole < depth:
        two = fma(load_part(a, a_at + whole, depth - whole), load_part(b, b_at + whole, depth - whole), two)
    return reduce_add((one + two) + (three + four))


@inline
def multiply_columns(a, a_at, b, b_at, b_step, depth, c, c_at, count):
    """c[n] += a . B[:, n] for n < count; a has `depth` elements, as B has rows."""
    whole = count // LANES * LANES
    rest = count - whole
    grouped = depth // ROWS_PER_PASS * ROWS_PER_PASS
    tail = load_part(c, c_at + whole, rest)  # the last columns stay in a register
    for k in range(0, grouped, ROWS_PER_PASS):  #  a[k:k+4]   b[k:k+4, :]
        a0, a1 = broadcast(element(a, a_at + k)), broadcast(element(a, a_at + k + 1))
        a2, a3 = broadcast(element(a, a_at + k + 2)), broadcast(element(a, a_at + k + 3))
        row = b_at + k * b_step
        for n in range(0, whole, LANES):  #        c[n:n+LANES]   b[k:k+4, n:n+LANES]
            i = row + n
            even, odd = fma(a0, load(b, i), load(c, c_at + n)), a1 * load(b, i + b_step)
            even, odd = fma(a2, load(b, i + 2 * b_step), even), fma(a3, load(b, i + 3 * b_step), odd)
            store(c, c_at + n, even + odd)
        if rest:
            i = row + whole
            even, odd = fma(a0, load_part(b, i, rest), tail), a1 * load_part(b, i + b_step, rest)
            even = fma(a2, load_part(b, i + 2 * b_step, rest), even)
            tail = even + fma(a3, load_part(b, i + 3 * b_step, rest), odd)
    for k in range(grouped, depth):  #             a[k]   b[k, :]
        scale, row = broadcast(element(a, a_at + k)), b_at + k * b_step
        for n in range(0, whole, LANES):
            store(c, c_at + n, fma(scale, load(b, row + n), load(c, c_at + n)))
        if rest:
            tail = fma(scale, load_part(b, row + whole, rest), tail)
    if rest:
        store_part(c, c_at + whole, tail, rest)
