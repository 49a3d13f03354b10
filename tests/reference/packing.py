"""Filters as the kernels of plans read them, by NumPy in float64."""

from __future__ import annotations

import numpy as np

from caffe64.engine.compiler.cpu import LANES


def whole(number, of=LANES):
    return -(-number // of) * of


def panels(filters, pixel, width):
    """filters [groups, outputs, channels, taps] -> flat: groups, panels of `width` * LANES outputs, planes of `pixel`
    channels, taps, the channels of a plane, the outputs of a panel."""
    groups, outputs, channels, taps = filters.shape
    padded = np.zeros((groups, whole(outputs), whole(channels, pixel), taps), filters.dtype)
    padded[:, :outputs, :channels] = filters
    rows = padded.reshape(groups, whole(outputs), whole(channels, pixel) // pixel, pixel, taps)
    rows = rows.transpose(0, 2, 4, 3, 1).reshape(groups, whole(channels, pixel) * taps, whole(outputs))
    starts = range(0, whole(outputs), width * LANES)
    parts = [each[:, at : at + width * LANES].reshape(-1) for each in rows for at in starts]
    return np.concatenate(parts) if parts else np.zeros(0, filters.dtype)


def filter_matrix(side, r):
    """G of Winograd's F(side - r + 1, r), longdouble [side, r]: each row the powers of a point over a number, that of
    infinity the last tap."""
    points = {
        4: ((0, -1), (1, 2), (-1, 2)),
        6: ((0, 4), (1, -6), (-1, -6), (2, 24), (-2, 24)),
        8: ((0, -1), (1, -9 / 2), (-1, -9 / 2), (2, 90), (-2, 90), (1 / 2, 45 / 32), (-1 / 2, 45 / 32)),
    }[side]
    rows = [[np.longdouble(point**n) / over for n in range(r)] for point, over in points]
    return np.array([*rows, [np.longdouble(n == r - 1) for n in range(r)]])


def filter_points(filters, side):
    """filters [outputs, channels, r, r] -> longdouble [side * side, outputs, channels]: G f G', and what magnitudes add
    up to in each sum."""
    g, wide = filter_matrix(side, filters.shape[-1]), filters.astype(np.longdouble)
    sums = (np.einsum("pa,ocab,qb->pqoc", a, b, a) for a, b in ((g, wide), (np.abs(g), np.abs(wide))))
    return tuple(each.reshape(side * side, *filters.shape[:2]) for each in sums)
