"""The steps of recurrent layers in time: products with the state of the step before, and the units' functions.

    z_t = W_x x_t + b + W_h (cont_t * h_{t-1})       of LSTM in four blocks of H rows: i, f, o, g

    LSTM   c_t = cont_t * s(f) * c_{t-1} + s(i) * tanh(g)    h_t = s(o) * tanh(c_t)         RNN   h_t = tanh(z_t)

The terms of x are computed before, for all steps at once. Arrays are flat, [steps, rows, ...]. Where cont is 0 the
state before counts as 0, whatever it is: NaN does not outlive the sequence that it came with.
"""

from __future__ import annotations

from ...compiler import signatures as types
from ...compiler.cpu import LANES
from ...compiler.jit import F1, F1_IN, f32, i64, inline, kernel
from ...products.gemm import (
    KC,
    MR,
    NO_LOWER_BOUND,
    NV,
    pack_panels,
    pack_panels_transposed,
    panel_width,
    whole,
)
from ...products.tile import multiply_tile
from ...vectors.elementary import ONE, sigmoid, tanh
from ...vectors.simd import broadcast, load, load_part, maximum, minimum, store, store_part, zeros
from ...vectors.views import no_rows, view1


def panels_size(columns: int, depth: int) -> int:
    """Floats of the panels of a matrix [depth, columns]."""
    return depth * (-(-columns // LANES) * LANES)


@inline
def stretch_of(depth):
    """The rows of a matrix that are multiplied together."""
    stretches = max(1, (depth + KC - 1) // KC)
    return max(1, (depth + stretches - 1) // stretches)


@kernel(types.void(F1_IN, i64, i64, i64, F1))
def pack_matrix(b, transposed, columns, depth, panels):
    """All of B [depth, columns], or where `transposed` is 1 of its transpose [columns, depth], into `panels`."""
    stretch = stretch_of(depth)
    for k in range(0, depth, stretch):
        deep = min(stretch, depth - k)
        part = view1(panels, k * whole(columns), deep * whole(columns))
        if transposed:
            pack_panels_transposed(b, k, depth, deep, columns, part)
        else:
            pack_panels(b, k * columns, columns, deep, columns, part)


@inline
def add_rows(a, at, panels, panel, depth, deep, width, c, c_at, columns, rows):
    """C[:rows, :width] += A @ B for `rows`, a literal, rows of A at `at` and `deep` rows of a panel at `panel`."""
    multiply_tile(
        a, at, depth, 1, no_rows(), -1, panels, panel, whole(width), deep, c, c_at, columns, NO_LOWER_BOUND,
        c, c_at, columns, width, rows, NV,
    )  # fmt: skip


@kernel(types.void(F1_IN, i64, F1_IN, i64, i64, i64, F1, i64))
def add_packed(a, a_at, panels, rows, columns, depth, c, c_at):
    """C [rows, columns] += A @ B, for A [rows, depth] at a_at, C at c_at and B in the `panels` of `pack_matrix`.

    Streams are few, so those that are left of MR rows run four and two at a time too.
    """
    stretch, tall = stretch_of(depth), rows // MR * MR
    for k in range(0, depth, stretch):
        deep, n = min(stretch, depth - k), 0
        while n < columns:
            width, m = panel_width(columns - n), tall
            panel, at, to = k * whole(columns) + n * deep, a_at + k, c_at + n
            for band in range(0, tall, MR):
                add_rows(a, at + band * depth, panels, panel, depth, deep, width, c, to + band * columns, columns, MR)
            if rows - m >= 4:
                add_rows(a, at + m * depth, panels, panel, depth, deep, width, c, to + m * columns, columns, 4)
                m += 4
            if rows - m >= 2:
                add_rows(a, at + m * depth, panels, panel, depth, deep, width, c, to + m * columns, columns, 2)
                m += 2
            if m < rows:
                add_rows(a, at + m * depth, panels, panel, depth, deep, width, c, to + m * columns, columns, 1)
            n += width


@inline
def read(x, i, left):
    """At most LANES of the `left` values from x[i] on."""
    return load(x, i) if left >= LANES else load_part(x, i, left)


@inline
def write(x, i, v, left):
    if left >= LANES:
        store(x, i, v)
    else:
        store_part(x, i, v, left)


@inline
def scale_row(x, at, factor, y, to, size):
    """y[to:to+size] = factor * x[at:at+size], 0 for the factor 0."""
    for j in range(0, size, LANES):
        v = read(x, at + j, size - j) * broadcast(factor) if factor != 0 else zeros()
        write(y, to + j, v, size - j)


@inline
def mask_step(h, h_start, cont, t, rows, units, masked):
    """masked[t] = cont[t] * h[t - 1]"""
    for n in range(rows):
        to = (t * rows + n) * units
        if t:
            scale_row(h, to - rows * units, cont[t * rows + n], masked, to, units)
        else:
            scale_row(h_start, n * units, cont[n], masked, to, units)


@inline
def before(c, c_start, factor, t, rows, at, left):
    """The cells of the step before: `at` is where this step's are; `rows` counts a step's values."""
    if factor == 0:
        return zeros()
    return read(c, at - rows, left) if t else read(c_start, at, left)


@kernel(types.void(F1, F1_IN, F1_IN, F1_IN, F1_IN, i64, i64, i64, F1, F1, F1))
def lstm_forward(z, panels, cont, h_start, c_start, steps, rows, units, masked, h, c):
    """All steps of an LSTM.   z [steps, rows, 4*units] is W_x x + b, and becomes the gates s(i), s(f), s(o), tanh(g).

    panels: of the weights [4*units, units], transposed, or empty: then nothing is added to z; cont [steps, rows];
    h_start, c_start [rows, units].
    Writes masked, cont * h of the step before, h and c [steps, rows, units].
    """
    for t in range(steps):
        if panels.size:
            mask_step(h, h_start, cont, t, rows, units, masked)
            at = t * rows * units
            add_packed(masked, at, panels, rows, 4 * units, units, z, 4 * at)
        for n in range(rows):
            factor, to = cont[t * rows + n], (t * rows + n) * units
            for j in range(0, units, LANES):
                left, at = units - j, 4 * to + j
                i, f = sigmoid(read(z, at, left)), sigmoid(read(z, at + units, left))
                o, g = sigmoid(read(z, at + 2 * units, left)), tanh(read(z, at + 3 * units, left))
                cell = i * g + broadcast(factor) * f * before(c, c_start, factor, t, rows * units, to + j, left)
                write(z, at, i, left)
                write(z, at + units, f, left)
                write(z, at + 2 * units, o, left)
                write(z, at + 3 * units, g, left)
                write(c, to + j, cell, left)
                write(h, to + j, o * tanh(cell), left)


@kernel(types.void(F1_IN, F1_IN, F1_IN, F1_IN, F1_IN, F1_IN, f32, i64, i64, i64, F1, F1, F1))
def lstm_backward(gates, c, c_start, cont, dy, panels, bound, steps, rows, units, dh, dc, dz):
    """The gradient dz [steps, rows, 4*units] of z, from those of h, dy, and what `lstm_forward` left.

    panels: of the weights, or empty. `bound`: each of dz is cut off to -bound ... bound; inf for no bound.
    dh, dc [rows, units]: what is added to the last step's gradients of h and c, and afterwards the gradients of
    cont * h_start (without panels unchanged) and of c_start.
    """
    one, most, least = broadcast(ONE), broadcast(bound), broadcast(-bound)
    for back in range(steps):
        t = steps - 1 - back
        for n in range(rows):
            factor, to, of_row = cont[t * rows + n], (t * rows + n) * units, n * units
            for j in range(0, units, LANES):
                left, at = units - j, 4 * to + j
                i, f = read(gates, at, left), read(gates, at + units, left)
                o, g = read(gates, at + 2 * units, left), read(gates, at + 3 * units, left)
                top, last = tanh(read(c, to + j, left)), before(c, c_start, factor, t, rows * units, to + j, left)
                of_h = read(dy, to + j, left) + read(dh, of_row + j, left)
                of_c = read(dc, of_row + j, left) + of_h * o * (one - top * top)
                kept = broadcast(factor) * f if factor != 0 else zeros()
                write(dz, at, maximum(least, minimum(most, of_c * g * i * (one - i))), left)
                write(dz, at + units, maximum(least, minimum(most, of_c * last * kept * (one - f))), left)
                write(dz, at + 2 * units, maximum(least, minimum(most, of_h * top * o * (one - o))), left)
                write(dz, at + 3 * units, maximum(least, minimum(most, of_c * i * (one - g * g))), left)
                write(dc, of_row + j, of_c * kept, left)
        if panels.size:
            step_back(dz, 4 * t * rows * units, panels, cont, t, rows, 4 * units, units, dh)


@inline
def step_back(dz, dz_at, panels, cont, t, rows, depth, units, dh):
    """dh = cont[t] * (dz[t] @ W): the gradient of h of the step before."""
    dh[:] = 0
    add_packed(dz, dz_at, panels, rows, units, depth, dh, 0)
    for n in range(rows):
        scale_row(dh, n * units, cont[t * rows + n], dh, n * units, units)


@kernel(types.void(F1_IN, F1_IN, F1_IN, F1_IN, i64, i64, i64, F1, F1))
def rnn_forward(z, panels, cont, h_start, steps, rows, units, masked, h):
    """All steps of an RNN's hidden state. Arguments as `lstm_forward`, with one block of rows."""
    for t in range(steps):
        mask_step(h, h_start, cont, t, rows, units, masked)
        at, size = t * rows * units, rows * units
        for j in range(at, at + size):  # a slice would allocate
            h[j] = z[j]
        add_packed(masked, at, panels, rows, units, units, h, at)
        for j in range(0, size, LANES):
            write(h, at + j, tanh(read(h, at + j, size - j)), size - j)


@kernel(types.void(F1_IN, F1_IN, F1_IN, F1_IN, i64, i64, i64, F1, F1))
def rnn_backward(h, cont, dy, panels, steps, rows, units, dh, dz):
    """The gradient dz [steps, rows, units] of z, from that of h, dy; dh as in `lstm_backward`."""
    size = rows * units
    for back in range(steps):
        at = (steps - 1 - back) * size
        for j in range(0, size, LANES):
            left = size - j
            top = read(h, at + j, left)
            of_h = read(dy, at + j, left) + read(dh, j, left)
            write(dz, at + j, of_h * (broadcast(ONE) - top * top), left)
        step_back(dz, at, panels, cont, steps - 1 - back, rows, units, units, dh)
