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


def deconvolution(x, w, bias, dy, *, stride=(1, 1), pad=(0, 0), dilation=(1, 1), group=1):
    """y, dx, dW, db in float64, tap by tap: x[c, p] * w[c, o, k] is a term of y[o, p * stride + k * dilation - pad].

    `bias` may be None; dy has the shape of y."""
    x, w, dy = (each.astype(np.float64) for each in (x, w, dy))
    (s, t), (a, b), (d, e) = stride, pad, dilation
    (rows, columns), (high, across) = x.shape[2:], dy.shape[2:]
    wide = np.zeros((len(x), group, dy.shape[1] // group, high + 2 * a, across + 2 * b))
    inside = (..., slice(a, a + high), slice(b, b + across))
    y, given = wide.copy(), wide.copy()
    given[inside] = dy.reshape(len(x), group, -1, high, across)
    x, w = x.reshape(len(x), group, -1, rows, columns), w.reshape(group, -1, *w.shape[1:])
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i, j in np.ndindex(*w.shape[3:]):
        terms = (..., slice(i * d, i * d + (rows - 1) * s + 1, s), slice(j * e, j * e + (columns - 1) * t + 1, t))
        y[terms] += np.einsum("ngchw,gco->ngohw", x, w[..., i, j], optimize=True)
        dx += np.einsum("ngohw,gco->ngchw", given[terms], w[..., i, j], optimize=True)
        dw[..., i, j] = np.einsum("ngchw,ngohw->gco", x, given[terms], optimize=True)
    y = y[inside].reshape(dy.shape) + (0 if bias is None else bias.astype(np.float64).reshape(-1, 1, 1))
    return y, dx.reshape(len(x), -1, rows, columns), dw.reshape(-1, *dw.shape[2:]), dy.sum((0, 2, 3))
