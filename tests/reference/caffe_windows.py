"""Caffe's layers that weigh, pool and normalise, in float64 and by their definitions, one number after the other."""

from __future__ import annotations

from itertools import product

import numpy as np


def quotient(a: int, b: int) -> int:
    """a / b as C divides integers."""
    return abs(a) // b * (1 if a >= 0 else -1)


def convolution(x, w, bias, group, kernel, stride, pad, dilation):
    """x [N, C, size ...], w [O, C / group, kernel ...] -> [N, O, out ...]; None where a size is not positive."""
    size, axes = x.shape[2:], range(len(kernel))
    out = [quotient(size[a] + 2 * pad[a] - dilation[a] * (kernel[a] - 1) - 1, stride[a]) + 1 for a in axes]
    if any(side < 1 for side in out):
        return None
    N, C, O = x.shape[0], x.shape[1], w.shape[0]
    y = np.zeros((N, O, *out))
    for place in product(*map(range, out)):
        for tap in product(*map(range, kernel)):
            at = tuple(place[a] * stride[a] - pad[a] + tap[a] * dilation[a] for a in axes)
            if all(0 <= at[a] < size[a] for a in axes):
                for g in range(group):
                    outs, ins = slice(g * O // group, (g + 1) * O // group), slice(g * C // group, (g + 1) * C // group)
                    y[(slice(None), outs, *place)] += x[(slice(None), ins, *at)] @ w[(outs, slice(None), *tap)].T
    return y if bias is None else y + bias.reshape(-1, *[1] * len(kernel))


def deconvolution(x, w, bias, group, kernel, stride, pad, dilation):
    """x [N, C, size ...], w [C, O / group, kernel ...] -> [N, O, out ...]; None where a size is not positive."""
    size, axes = x.shape[2:], range(len(kernel))
    out = [stride[a] * (size[a] - 1) + dilation[a] * (kernel[a] - 1) + 1 - 2 * pad[a] for a in axes]
    if any(side < 1 for side in out):
        return None
    N, C, O = x.shape[0], x.shape[1], w.shape[1] * group
    y = np.zeros((N, O, *out))
    for place in product(*map(range, size)):
        for tap in product(*map(range, kernel)):
            at = tuple(place[a] * stride[a] - pad[a] + tap[a] * dilation[a] for a in axes)
            if all(0 <= at[a] < out[a] for a in axes):
                for g in range(group):
                    outs, ins = slice(g * O // group, (g + 1) * O // group), slice(g * C // group, (g + 1) * C // group)
                    y[(slice(None), outs, *at)] += x[(slice(None), ins, *place)] @ w[(ins, slice(None), *tap)]
    return y if bias is None else y + bias.reshape(-1, *[1] * len(kernel))


def pooled_size(size: int, kernel: int, stride: int, pad: int, floor: bool, padded: bool) -> int:
    rounded = np.floor if floor else np.ceil
    out = int(rounded((size + 2 * pad - kernel) / stride)) + 1
    return out - 1 if padded and (out - 1) * stride >= size + pad else out


def pooling(x, kernel, stride, pad, floor, mean):
    """x [N, C, H, W] -> (y, mask); the mask of means is meaningless. None where a size is not positive."""
    H, W = x.shape[2:]
    out = [pooled_size(x.shape[2 + a], kernel[a], stride[a], pad[a], floor, any(pad)) for a in (0, 1)]
    if any(side < 1 for side in out):
        return None
    lowest = float(np.finfo(np.float32).min)
    y, mask = np.zeros((*x.shape[:2], *out)), np.full((*x.shape[:2], *out), -1.0)
    for n, c, i, j in np.ndindex(*y.shape):
        top, left = i * stride[0] - pad[0], j * stride[1] - pad[1]
        rows = range(max(top, 0), min(top + kernel[0], H))
        columns = range(max(left, 0), min(left + kernel[1], W))
        if mean:
            cells = (min(top + kernel[0], H + pad[0]) - top) * (min(left + kernel[1], W + pad[1]) - left)
            total = sum(x[n, c, h, w] for h in rows for w in columns)
            y[n, c, i, j] = total / cells if cells else np.nan
            continue
        y[n, c, i, j] = lowest
        for h, w in product(rows, columns):
            if x[n, c, h, w] > y[n, c, i, j]:
                y[n, c, i, j], mask[n, c, i, j] = x[n, c, h, w], h * W + w
    return y, mask


def lrn_across(x, size, alpha, beta, k):
    sums = np.zeros(x.shape)
    for c, other in product(range(x.shape[1]), repeat=2):
        if abs(c - other) <= (size - 1) // 2:
            sums[:, c] += x[:, other] ** 2
    return x * (k + alpha / size * sums) ** -beta


def lrn_within(x, size, alpha, beta):
    reach, sums = (size - 1) // 2, np.zeros(x.shape)
    for h, w in np.ndindex(*x.shape[2:]):
        near = x[:, :, max(0, h - reach) : h + reach + 1, max(0, w - reach) : w + reach + 1]
        sums[:, :, h, w] = (near**2).sum(axis=(2, 3))
    return x * (1 + alpha * sums / size**2) ** -beta


def mvn(x, across, variance, eps):
    shape = x.shape + (1,) * (4 - x.ndim)
    x = x.reshape(shape)
    axes = (1, 2, 3) if across else (2, 3)
    distance = x - x.mean(axis=axes, keepdims=True)
    return distance / (np.sqrt((distance**2).mean(axis=axes, keepdims=True)) + eps) if variance else distance


def batch_moments(x):
    """Mean and biased variance of each channel of x [N, C, ...]."""
    rows = np.moveaxis(x, 1, 0).reshape(x.shape[1], -1)
    return rows.mean(axis=1), rows.var(axis=1)
