"""Caffe graphs in float64, by the definitions of their layers, with a bound of what float32 may be off.

Each blob is a pair of float64 arrays: its exact values, and the largest error of the same net in float32, carried from
layer to layer. A sum of K products and a starting value is off by (K + 2) * UNIT times the sum of the magnitudes, in
any order (`products.py`); what the layers' inputs are off comes on top.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from reference.caffe_windows import pooled_size, quotient
from reference.products import UNIT


def exact_blobs(graph, inputs):
    """Blob -> (values, errors) of all blobs, for inputs by Blob."""
    blobs = {blob: (np.asarray(x, np.float64), np.zeros(x.shape)) for blob, x in inputs.items()}
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            if node.bottoms:
                tops = LAYERS[node.type](node, *(blobs[bottom] for bottom in node.bottoms))
                blobs.update(zip(node.tops, tops if isinstance(tops, list) else [tops], strict=True))
    return blobs


def each_axis(given, default):
    """A repeated parameter of a window, one number for each of two axes."""
    given = list(given) or [default]
    return given * 2 if len(given) == 1 else given


def correlate(x, w, bias, stride, pad, dilation, group):
    """x [N, C, H, W], w [O, C / group, h, w], bias [O] -> [N, O, rows, columns]: a sum over taps."""
    extent = [d * (k - 1) + 1 for k, d in zip(w.shape[2:], dilation, strict=True)]
    out = [quotient(x.shape[2 + a] + 2 * pad[a] - extent[a], stride[a]) + 1 for a in (0, 1)]
    behind = [max(0, (out[a] - 1) * stride[a] + extent[a] - pad[a] - x.shape[2 + a]) for a in (0, 1)]
    x = np.pad(x, ((0, 0), (0, 0), (pad[0], behind[0]), (pad[1], behind[1])))
    x = x.reshape(len(x), group, -1, *x.shape[2:])
    w = w.reshape(group, -1, *w.shape[1:])
    y = np.zeros((len(x), group, w.shape[1], *out))
    for i, j in np.ndindex(*w.shape[3:]):
        rows = slice(i * dilation[0], i * dilation[0] + (out[0] - 1) * stride[0] + 1, stride[0])
        columns = slice(j * dilation[1], j * dilation[1] + (out[1] - 1) * stride[1] + 1, stride[1])
        y += np.einsum("ngchw,goc->ngohw", x[:, :, :, rows, columns], w[..., i, j], optimize=True)
    return y.reshape(len(x), -1, *out) + bias.reshape(-1, 1, 1)


def spread(x, w, bias, stride, pad, dilation, group):
    """x [N, C, H, W], w [C, O / group, h, w], bias [O] -> [N, O, rows, columns]: the adjoint, a sum over taps."""
    steps = [stride[a] * (x.shape[2 + a] - 1) + 1 for a in (0, 1)]
    extent = [d * (k - 1) for k, d in zip(w.shape[2:], dilation, strict=True)]
    x = x.reshape(len(x), group, -1, *x.shape[2:])
    w = w.reshape(group, -1, *w.shape[1:])
    y = np.zeros((len(x), group, w.shape[2], *(sum(pair) for pair in zip(steps, extent, strict=True))))
    for i, j in np.ndindex(*w.shape[3:]):
        starts = i * dilation[0], j * dilation[1]
        rows, columns = (slice(starts[a], starts[a] + steps[a], stride[a]) for a in (0, 1))
        y[:, :, :, rows, columns] += np.einsum("ngchw,gco->ngohw", x, w[..., i, j], optimize=True)
    rows, columns = (slice(p, side - p) for p, side in zip(pad, y.shape[3:], strict=True))
    y = y.reshape(len(x), len(bias), *y.shape[3:])[:, :, rows, columns]
    return y + bias.reshape(-1, 1, 1)


def weights_of(node, outputs=None):
    """The weights in float64, and a bias of zeros where there is none, of `outputs`, or of as many as weights."""
    w = node.weights[0].astype(np.float64)
    return w, node.weights[1].astype(np.float64) if len(node.weights) > 1 else np.zeros(outputs or len(w))


def convolution(node, bottom):
    x, error = bottom
    p = node.origin.convolution_param
    w, bias = weights_of(node, p.num_output)
    group = p.group if node.type in ("Convolution", "Deconvolution") else x.shape[1]
    how = each_axis(p.stride, 1), each_axis(p.pad, 0), each_axis(p.dilation, 1), group
    terms, apply = (len(w) // group * w[0, 0].size, spread) if node.type == "Deconvolution" else (w[0].size, correlate)
    rounding = (terms + 2) * UNIT * apply(np.abs(x) + error, np.abs(w), np.abs(bias), *how)
    return apply(x, w, bias, *how), rounding + apply(error, np.abs(w), 0 * bias, *how)


def inner_product(node, bottom):
    p = node.origin.inner_product_param
    kept = bottom[0].shape[: p.axis % bottom[0].ndim]
    x, error = (each.reshape(int(np.prod(kept)), -1) for each in bottom)
    w = node.weights[0].astype(np.float64)
    w = w.reshape(-1, p.num_output) if p.transpose else w.reshape(p.num_output, -1).T
    bias = node.weights[1].astype(np.float64) if p.bias_term else np.zeros(p.num_output)
    rounding = (len(w) + 2) * UNIT * ((np.abs(x) + error) @ np.abs(w) + np.abs(bias))
    return tuple(each.reshape(*kept, -1) for each in (x @ w + bias, rounding + error @ np.abs(w)))


def affine(bottom, factor, offset):
    """factor[c] * x + offset[c]: both may be rounded, then the product and the sum."""
    x, error = bottom
    shape = (-1,) + (1,) * (x.ndim - 2)
    factor, offset = np.asarray(factor, np.float64).reshape(shape), np.asarray(offset, np.float64).reshape(shape)
    rounding = 4 * UNIT * (np.abs(factor) * (np.abs(x) + error) + np.abs(offset))
    return factor * x + offset, np.abs(factor) * error + rounding


def batch_norm(node, bottom):
    mean, variance, total = (blob.astype(np.float64) for blob in node.weights)
    share = 1 / total[0] if total[0] else 0.0
    factor = 1 / np.sqrt(variance * share + node.origin.batch_norm_param.eps)
    return affine(bottom, factor, -mean * share * factor)


def bn(node, bottom):
    """SegNet's in the mode INFERENCE, or PSPNet's with stored statistics."""
    scale, shift, *statistics = (blob.astype(np.float64).reshape(-1) for blob in node.weights)
    if not statistics:
        return affine(bottom, scale, shift)
    mean, variance = statistics
    factor = scale / np.sqrt(variance + node.origin.bn_param.eps)
    largest = np.abs(shift) + np.abs(mean * factor)
    y, error = affine(bottom, factor, shift - mean * factor)
    return y, error + 4 * UNIT * largest.reshape(-1, *(1,) * (y.ndim - 2))


def axpy(node, factor, x, z):
    product, error = scale(node, x, tuple(each.reshape(each.shape[:2]) for each in factor))
    return product + z[0], error + z[1] + 2 * UNIT * (np.abs(product) + error + np.abs(z[0]) + z[1])


def scale(node, bottom, operand=None):
    """With a second bottom: one factor for each picture and channel."""
    if operand is None:
        return affine(bottom, *weights_of(node))
    (x, error), (s, off) = bottom, (each.reshape(*each.shape, *(1,) * (bottom[0].ndim - 2)) for each in operand)
    rounding = 4 * UNIT * (np.abs(s) + off) * (np.abs(x) + error)
    return s * x, np.abs(s) * error + off * (np.abs(x) + error) + rounding


def bias(node, bottom, operand=None):
    if operand is None:
        return affine(bottom, np.ones(len(node.weights[0])), node.weights[0])
    (x, error), (s, off) = bottom, (each.reshape(*each.shape, *(1,) * (bottom[0].ndim - 2)) for each in operand)
    return x + s, error + off + 2 * UNIT * (np.abs(x) + error + np.abs(s) + off)


def rectify(node, bottom):
    x, error = bottom
    if node.type == "ReLU":
        slope = np.float64(np.float32(node.origin.relu_param.negative_slope))
    else:
        slope = node.weights[0].astype(np.float64).reshape(-1, *(1,) * (x.ndim - 2))
    steepest = np.maximum(1, np.abs(slope))
    return np.maximum(x, 0) + slope * np.minimum(x, 0), steepest * error + 2 * UNIT * steepest * (np.abs(x) + error)


def relu6(node, bottom):
    (x, error), slope = bottom, node.origin.relu6_param.negative_slope
    return np.minimum(np.maximum(x, 0) + slope * np.minimum(x, 0), 6), error + 2 * UNIT * (np.abs(x) + error)


def curve(node, bottom):
    """Smooth functions within 4 units in the last place: what they make of the bottom's error comes on top."""
    x, error = bottom
    if node.type == "Sigmoid":
        y = np.where(x < 0, np.exp(np.minimum(x, 0)), 1) / (1 + np.exp(-np.abs(x)))
        carried = y * np.expm1(error)  # sigmoid(x + e) <= exp(e) * sigmoid(x)
    elif node.type == "Swish":
        beta = np.float64(np.float32(node.origin.swish_param.beta))
        y, carried = x / (1 + np.exp(-beta * x)), 1.1 * error + UNIT * np.abs(beta * x * x) / 4
    elif node.type == "TanH":
        y, carried = np.tanh(x), error
    elif node.type == "ELU":
        alpha = np.float64(np.float32(node.origin.elu_param.alpha))
        y, carried = np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))), max(1, alpha) * error
    elif node.type == "SELU":
        alpha, scale = 1.6732632, 1.050701
        y = scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))
        carried = alpha * scale * error
    elif node.type == "Mish":
        y, carried = x * np.tanh(np.logaddexp(0, x)), 1.1 * error
    elif node.type == "BNLL":
        y, carried = np.logaddexp(0, x), error
    return y, carried + 8 * UNIT * np.abs(y) + 1e-44


def hard(node, bottom):
    """Of HardSigmoid and HSwish, whose slope is at most 3/2."""
    x, error = bottom
    swish = node.type == "HSwish"
    a, b = (1 / 6, 0.5) if swish else (node.attributes.alpha, node.attributes.beta)
    s = np.clip(a * x + b, 0, 1)
    rounding = 4 * UNIT * (np.abs(a * x) + b)
    if swish:
        return x * s, 1.5 * error + (rounding + 2 * UNIT * s) * (np.abs(x) + error)
    return s, a * error + rounding


def clip(node, bottom):
    p = node.origin.clip_param
    return np.clip(bottom[0], np.float32(p.min), np.float32(p.max)), bottom[1]


def power(node, bottom):
    """The first power."""
    p = node.origin.power_param
    return affine(bottom, np.float32(p.scale), np.float32(p.shift))


def eltwise(node, *bottoms):
    """SUM with coefficients, PROD, MAX: bottoms one after the other, two roundings each."""
    p = node.origin.eltwise_param
    values, errors = (np.array(each) for each in zip(*bottoms, strict=True))
    largest = np.abs(values) + errors
    if p.operation == 0:
        product = values.prod(axis=0)
        return product, largest.prod(axis=0) * (1 + len(values) * UNIT) - np.abs(product)
    if p.operation == 2:
        return values.max(axis=0), errors.max(axis=0)
    factors = np.array(list(p.coeff) or [1.0] * len(values))
    rounding = 2 * len(values) * UNIT * np.tensordot(np.abs(factors), largest, 1)
    return np.tensordot(factors, values, 1), np.tensordot(np.abs(factors), errors, 1) + rounding


def pooling(node, bottom):
    """Window by window; the largest of nothing is -FLT_MAX, the mean of nothing NaN."""
    (x, error), p = bottom, node.origin.pooling_param
    size = x.shape[2:]
    kernel = size if p.global_pooling else (p.kernel_h, p.kernel_w) if p.HasField("kernel_h") else (p.kernel_size,) * 2
    stride = (p.stride_h, p.stride_w) if p.HasField("stride_h") else (p.stride,) * 2
    pad = (p.pad_h, p.pad_w) if p.HasField("pad_h") else (p.pad,) * 2
    out = [pooled_size(size[a], kernel[a], stride[a], pad[a], p.round_mode == 1, any(pad)) for a in (0, 1)]
    y, y_error, places = (np.zeros((*x.shape[:2], *out)) for _ in range(3))
    for i, j in np.ndindex(*out):
        starts = [place * stride[a] - pad[a] for a, place in enumerate((i, j))]
        ends = [min(starts[a] + kernel[a], size[a] + pad[a]) for a in (0, 1)]
        inside = (slice(None), slice(None), *(slice(max(starts[a], 0), min(ends[a], size[a])) for a in (0, 1)))
        here, here_error = x[inside], error[inside]
        if len(node.tops) == 2:
            h, w = np.unravel_index(here.reshape(*here.shape[:2], -1).argmax(axis=2), here.shape[2:])
            places[:, :, i, j] = (max(starts[0], 0) + h) * size[1] + max(starts[1], 0) + w
        if p.pool == 1:
            cells = np.float64((ends[0] - starts[0]) * (ends[1] - starts[1]))
            y[:, :, i, j] = here.sum(axis=(2, 3)) / cells
            rounding = (np.prod(kernel) + 2) * UNIT * (np.abs(here) + here_error)
            y_error[:, :, i, j] = (here_error + rounding).sum(axis=(2, 3)) / cells
        else:
            y[:, :, i, j] = here.max(axis=(2, 3), initial=float(np.finfo(np.float32).min))
            y_error[:, :, i, j] = here_error.max(axis=(2, 3), initial=0)
    return [(y, y_error), (places, 0 * places)][: len(node.tops)]


def upsample(node, bottom, places=None):
    """By `scale`; of places without errors by 2."""
    s = node.origin.upsample_param.scale
    if places is None:
        return tuple(each.repeat(s, -1).repeat(s, -2) for each in bottom)
    found = []
    for each in bottom:
        y = np.zeros((*each.shape[:2], 4 * each[0, 0].size))
        for n, c in np.ndindex(each.shape[:2]):
            y[n, c, places[0][n, c].astype(int)] = each[n, c]
        found.append(y.reshape(*each.shape[:2], 2 * each.shape[2], 2 * each.shape[3]))
    return tuple(found)


def interp(node, bottom):
    """To a pixel out of `shrink_factor`, or the same; 3 roundings per axis, and of the place by UNIT of it."""
    p, (x, error) = node.origin.interp_param, bottom
    step = p.shrink_factor
    sizes = [(size - 1) // step + 1 for size in x.shape[2:]]
    places = [np.arange(m) * (n - 1) / max(m - 1, 1) for n, m in zip(x.shape[2:], sizes, strict=True)]
    moved = sum(4 * UNIT * size for size in x.shape[2:]) * np.abs(x).max(initial=0, where=np.isfinite(x))

    def taken(values):
        for axis, at in enumerate(places, 2):
            low = np.minimum(at.astype(int), values.shape[axis] - 1)
            high, share = np.minimum(low + 1, values.shape[axis] - 1), (at - low).reshape(-1, *(1,) * (3 - axis))
            values = (1 - share) * values.take(low, axis) + share * values.take(high, axis)
        return values

    return taken(x), taken(error) + 2 * moved


def transpose(node, bottom):
    return tuple(each.transpose(list(node.origin.transpose_param.dim)) for each in bottom)


def reverse(node, bottom):
    return tuple(np.flip(each, node.origin.reverse_param.axis) for each in bottom)


def shuffle_channel(node, bottom):
    group = node.origin.shuffle_channel_param.group
    order = [g * (bottom[0].shape[1] // group) + k for k in range(bottom[0].shape[1] // group) for g in range(group)]
    return tuple(each[:, order] for each in bottom)


def lrn(node, bottom):
    """y = x * s**-beta across channels. The power magnifies the relative error of s by beta, and is four roundings."""
    (x, error), p = bottom, node.origin.lrn_param
    reach, share = p.local_size // 2, p.alpha / p.local_size
    near = [slice(max(0, c - reach), c + reach + 1) for c in range(x.shape[1])]
    s = p.k + share * np.stack([(x[:, n] ** 2).sum(axis=1) for n in near], axis=1)
    s_error = share * np.stack([(2 * np.abs(x) * error + error**2)[:, n].sum(axis=1) for n in near], axis=1)
    y = x * s**-p.beta
    relative = p.beta * (s_error / s + (p.local_size + 6) * UNIT) + 6 * UNIT
    return y, 1.1 * (error * s**-p.beta + np.abs(y) * relative)


def softmax(node, bottom):
    """The exponential is good to some 2 UNIT at |x| up to 20, the difference x - max to UNIT * |x - max|."""
    (x, error), axis = bottom, node.origin.softmax_param.axis
    apart = x - x.max(axis=axis, keepdims=True)
    y = np.exp(apart) / np.exp(apart).sum(axis=axis, keepdims=True)
    relative = 2 * error.max(axis=axis, keepdims=True) + (np.abs(apart).max() * 2 + x.shape[axis] + 8) * UNIT
    return y, y * relative + 1e-38


def concat(node, *bottoms):
    return tuple(np.concatenate(each, node.origin.concat_param.axis) for each in zip(*bottoms, strict=True))


def flatten(node, bottom):
    return tuple(each.reshape(len(each), -1) for each in bottom)


def reshape(node, bottom):
    """To sizes that are all given: 0 is the bottom's, -1 what is left."""
    dims = list(node.origin.reshape_param.shape.dim)
    sizes = [dim or bottom[0].shape[axis] for axis, dim in enumerate(dims)]
    return tuple(each.reshape(sizes) for each in bottom)


def slice_channels(node, bottom):
    """Along the channels, in equal parts."""
    parts = len(node.tops)
    ends = [bottom[0].shape[1] * part // parts for part in range(parts + 1)]
    return [tuple(each[:, first:last] for each in bottom) for first, last in pairwise(ends)]


def absolute(node, bottom):
    return np.abs(bottom[0]), bottom[1]


LAYERS = {
    **dict.fromkeys(("Convolution", "ConvolutionDepthwise", "DepthwiseConvolution", "Deconvolution"), convolution),
    "InnerProduct": inner_product,
    "Axpy": axpy,
    "BN": bn,
    "BatchNorm": batch_norm,
    "Scale": scale,
    "Bias": bias,
    "ReLU": rectify,
    "PReLU": rectify,
    **dict.fromkeys(("Sigmoid", "Swish", "TanH", "ELU", "SELU", "Mish", "BNLL"), curve),
    **dict.fromkeys(("HardSigmoid", "HSwish"), hard),
    "ReLU6": relu6,
    "Clip": clip,
    "Power": power,
    "Eltwise": eltwise,
    "Pooling": pooling,
    "Upsample": upsample,
    "Interp": interp,
    "Transpose": transpose,
    "Reverse": reverse,
    "ShuffleChannel": shuffle_channel,
    "LRN": lrn,
    "Softmax": softmax,
    "Concat": concat,
    "Flatten": flatten,
    "Reshape": reshape,
    "Slice": slice_channels,
    "AbsVal": absolute,
    "Dropout": lambda node, bottom: bottom,
    "Split": lambda node, bottom: [bottom] * len(node.tops),
    "Silence": lambda node, *bottoms: [],
}
