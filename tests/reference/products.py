"""Matrix products in float64, and how far a float32 product may be from them.

A sum of K products and one starting value in float32, in any order, with or without FMA, is off by at most about
(K + 2) * 2**-24 times the sum of the magnitudes (Higham, "Accuracy and Stability of Numerical Algorithms", 3.1).
"""

from __future__ import annotations

import numpy as np

UNIT = 1.01 * 2.0**-24  # the 1 % covers the terms of second order


def product(a, b, start=0.0):
    """(a @ b + start, its tolerance) for float arrays a [M, K], b [K, N]."""
    a, b, start = (np.asarray(each, np.float64) for each in (a, b, start))
    return a @ b + start, (a.shape[1] + 2) * UNIT * (np.abs(a) @ np.abs(b) + np.abs(start))


def running_products(a, b):
    """The same for a[:, :k] @ b[:k] with k = 1 ... K at once: two arrays [K, M, N]."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    terms = a.T[:, :, None] * b[:, None, :]
    depths = np.arange(1, len(b) + 1)[:, None, None]
    return np.cumsum(terms, axis=0), (depths + 2) * UNIT * np.cumsum(np.abs(terms), axis=0)
