"""LLVM code for products of a small constant matrix and a column of vectors, in few operations.

A pair of points p and -p takes one sum over even powers, E, and one over odd, O: its results are E + O and E - O. In a
transposed matrix it takes the sum and the difference of two operands. Both are found in the numbers of the matrix: two
rows, or two columns, that are equal but for signs.
"""

from __future__ import annotations

import numpy as np

from .....compiler.llvm_ir import ir
from .....vectors.llvm import FLAGS, declare

SUFFIXES = {ir.FloatType(): "f32", ir.DoubleType(): "f64"}


def weighted_sums(builder, matrix: np.ndarray, values: list) -> list:
    """The LLVM values of matrix [n, m] @ values [m], vectors of float or double."""
    columns, terms = _paired_columns(builder, matrix, values)
    results = {}
    for row, weights in enumerate(columns):
        if row in results:
            continue
        other = next((n for n in range(row + 1, len(columns)) if _is_pair(weights, columns[n])), None)
        if other is None:
            results[row] = _sum(builder, weights, terms)
        else:
            same = weights == columns[other]
            even, odd = (_sum(builder, np.where(each, weights, 0), terms) for each in (same, ~same))
            results[row], results[other] = (f(even, odd, flags=FLAGS) for f in (builder.fadd, builder.fsub))
    return [results[row] for row in range(len(columns))]


def _is_pair(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether these are equal but for some signs."""
    used = one != 0
    return bool(np.all(abs(one) == abs(other)) and 0 < np.count_nonzero(one[used] == other[used]) < used.sum())


def _paired_columns(builder, matrix: np.ndarray, values: list) -> tuple[np.ndarray, list]:
    """A matrix and operands with the same product: sums and differences in place of pairs of operands."""
    columns, terms = matrix.T.copy(), list(values)
    free = set(range(len(columns)))
    for i in range(len(columns)):
        j = next((n for n in sorted(free) if i in free and n > i and _is_pair(columns[i], columns[n])), None)
        if j is not None:
            free -= {i, j}
            same, first = columns[i] == columns[j], columns[i].copy()
            columns[i], columns[j] = np.where(same, first, 0), np.where(same, 0, first)
            terms[i], terms[j] = (f(values[i], values[j], flags=FLAGS) for f in (builder.fadd, builder.fsub))
    return columns.T, terms


def _sum(builder, weights: np.ndarray, terms: list):
    """The sum of weights[i] * terms[i], first the terms of weight 1. Terms of weight 0 are left out."""
    used = sorted((weight != 1, n) for n, weight in enumerate(weights.tolist()) if weight)
    total = None
    for _, n in used:
        weight, term = weights[n], terms[n]
        factor = ir.Constant(term.type, [float(weight)] * term.type.count)
        if total is None:
            total = term if weight == 1 else builder.fmul(term, factor, flags=FLAGS)
        elif abs(weight) == 1:
            total = (builder.fadd if weight == 1 else builder.fsub)(total, term, flags=FLAGS)
        else:
            total = _multiply_add(builder, term, factor, total)
    return total


def _multiply_add(builder, value, factor, total):
    kind = value.type
    name = f"llvm.fmuladd.v{kind.count}{SUFFIXES[kind.element]}"
    return builder.call(
        declare(builder, name, ir.FunctionType(kind, [kind] * 3)), [value, factor, total], fastmath=FLAGS
    )
