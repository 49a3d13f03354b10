"""Convolutions of pictures in float64, by NumPy."""

from __future__ import annotations

import numpy as np


def convolution_gradients(x, w, dy, *, stride=(1, 1), pad=(0, 0), dilation=(1, 1), group=1):
    """dx, dW, db in float64, tap by tap."""
    x, w, dy = (each.astype(np.float64) for each in (x, w, dy))
    (s, t), (a, b), (d, e) = stride, pad, dilation
    rows, columns = dy.shape[2:]
    behind = [
        max(0, (out - 1) * step + (k - 1) * gap + 1 - before - size)
        for out, step, k, gap, before, size in zip(
            dy.shape[2:], (s, t), w.shape[2:], (d, e), (a, b), x.shape[2:], strict=True
        )
    ]
    wide = np.pad(x, ((0, 0), (0, 0), (a, behind[0]), (b, behind[1])))
    wide = wide.reshape(len(x), group, -1, *wide.shape[2:])
    back, found = np.zeros_like(wide), np.zeros((group, w.shape[0] // group, *w.shape[1:]))
    dy = dy.reshape(len(dy), group, -1, rows, columns)
    w = w.reshape(found.shape)
    for i, j in np.ndindex(*w.shape[3:]):
        read = (..., slice(i * d, i * d + (rows - 1) * s + 1, s), slice(j * e, j * e + (columns - 1) * t + 1, t))
        found[..., i, j] = np.einsum("ngohw,ngchw->goc", dy, wide[read], optimize=True)
        back[read] += np.einsum("ngohw,goc->ngchw", dy, w[..., i, j], optimize=True)
    back = back.reshape(len(x), -1, *back.shape[3:])[:, :, a : a + x.shape[2], b : b + x.shape[3]]
    return back, found.reshape(-1, *found.shape[2:]), dy.sum((0, 3, 4)).reshape(-1)
