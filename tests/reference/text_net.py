"""The contract of text nets in float64 NumPy. Shares no code with the package; slow and plain on purpose.

net = parse("inp 3 5 / lin 4 -1 / rel / lin 2 -1 / sce")     lines as (word, numbers)
blobs                                                        one vector a line, empty without parameters

outputs(net, blobs, X)          what `test` writes
losses(net, blobs, X, Y)        of each row
objective(net, blobs, X, Y)     the sum whose gradient training follows: losses, for l2l half of them
gradients(net, blobs, X, Y)     of the objective, one vector a line
train(net, blobs, X, Y, optimizer)   rows in file order; (blobs, velocity, losses [epochs, minibatches])

A `Moment` in place of None makes outputs and gradients those of a training: which masks dropout draws, and batch norm
by the rows themselves. The gradient of a batch norm has, behind those by scale and shift, the statistics of the rows.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np

EPSILON = 1e-5


class Moment(NamedTuple):
    """The seed of a training, the number of the minibatch from its start, and the first row in that."""

    seed: int
    iteration: int
    first: int = 0

    def kept(self, line: int, ratio: float, shape) -> np.ndarray:
        """Which values dropout in line number `line` keeps, of rows [B, K]."""
        purpose = int.from_bytes(hashlib.blake2b(b"drp", digest_size=8).digest(), "little")
        key = np.array([self.seed, (purpose + line) % 2**64], np.uint64)
        source = np.random.Generator(np.random.Philox(key=key, counter=[0, 0, self.iteration, 0]))
        before = self.first * shape[1]
        numbers = source.random(before + shape[0] * shape[1], np.float32)[before:]
        return (numbers >= np.float32(ratio)).reshape(shape)


def parse(text: str) -> list[tuple[str, tuple[float, ...]]]:
    words = [line.split() for line in text.replace(" / ", "\n").splitlines() if line.strip()]
    return [(word, tuple(map(float, numbers))) for word, *numbers in words if not word.isdigit()]


def draw_targets(net, rows: int, source) -> np.ndarray:
    """Targets [rows, T] such as the loss of the net takes: float32 values in float64."""
    K, loss = widths(net)[-1], net[-1][0]
    if loss == "sce":
        return source.integers(0, K, (rows, 1)).astype(np.float64)
    values = source.standard_normal((rows, K))
    if loss == "bce":
        values = np.clip(values, 0, 1)  # half of them 0
    if loss == "sft":
        values = softmax(3 * values)
    return values.astype(np.float32).astype(np.float64)


def widths(net) -> list[int]:
    """Channels after each line."""
    found = [int(net[0][1][0])]
    for word, numbers in net[1:]:
        found.append(int(numbers[0]) if word == "lin" else found[-1])
    return found


def sizes(net) -> list[int]:
    """Parameters of each line."""
    channels = widths(net)
    found = {"lin": lambda i: (channels[i - 1] + 1) * channels[i], "bnm": lambda i: 4 * channels[i]}
    return [found[net[i][0]](i) if net[i][0] in found else 0 for i in range(len(net))]


def draw(net, seed: int, deviation: float | None = None) -> list[np.ndarray]:
    """Parameters N(0, (10**e)**2), or of one `deviation` for all; of a bnm as they begin, give or take 0.1; float32
    values in float64."""
    source, blobs = np.random.default_rng(seed), []
    for (word, numbers), size in zip(net, sizes(net), strict=True):
        if word == "bnm":
            start = np.repeat([1.0, 0, 0, 1], size // 4) + source.uniform(-0.1, 0.1, size)
            blobs.append(start.astype(np.float32).astype(np.float64))
            continue
        scale = (10 ** numbers[1] if size else 0) if deviation is None else deviation
        blobs.append((source.standard_normal(size) * scale).astype(np.float32).astype(np.float64))
    return blobs


def softmax(x):
    power = np.exp(x - x.max(axis=1, keepdims=True))
    return power / power.sum(axis=1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def normal(x, moment, blob):
    """x by batch norm before its scale and shift, and 1 / the deviations; `blob` has the running averages."""
    K = x.shape[1]
    mean, variance = (blob[2 * K : 3 * K], blob[3 * K :]) if moment is None else (x.mean(0), x.var(0))
    inverse = 1 / np.sqrt(variance + EPSILON)
    return (x - mean) * inverse, inverse


def activations(net, blobs, X, moment: Moment | None = None) -> list[np.ndarray]:
    """The values after each line; after a loss layer the values that reach it."""
    values, channels = [X], widths(net)
    for i, (word, numbers) in enumerate(net[1:], start=1):
        x = values[-1]
        if word == "lin":
            cut = channels[i - 1] * channels[i]
            x = x @ blobs[i][:cut].reshape(channels[i - 1], channels[i]) + blobs[i][cut:]
        elif word == "bnm":
            x = normal(x, moment, blobs[i])[0] * blobs[i][: channels[i]] + blobs[i][channels[i] : 2 * channels[i]]
        elif word == "drp" and moment:
            x = np.where(moment.kept(i, numbers[0], x.shape), x / (1 - numbers[0]), 0.0)
        elif word == "rel":
            x = np.where(x > 0, x, 0.0)
        elif word == "lky":
            x = np.where(x > 0, x, np.float32(numbers[0]) * x)
        elif word == "tnh":
            x = np.tanh(x)
        elif word == "sig":
            x = sigmoid(x)
        elif word == "smx":
            x = softmax(x)
        values.append(x)
    return values


def outputs(net, blobs, X):
    last = activations(net, blobs, X)[-1]
    return {"sce": softmax, "sft": softmax, "bce": sigmoid}.get(net[-1][0], lambda x: x)(last)


def losses(net, blobs, X, Y):
    return _losses(net, activations(net, blobs, X)[-1], Y)


def _losses(net, x, Y):
    if net[-1][0] == "l2l":
        return ((x - Y) ** 2).sum(axis=1)
    if net[-1][0] == "hub":
        size, d = np.abs(x - Y), np.float32(net[-1][1][0])
        return np.where(size <= d, size**2 / 2, d * (size - d / 2)).sum(axis=1)
    if net[-1][0] == "bce":
        return (Y * np.logaddexp(0, -x) + (1 - Y) * np.logaddexp(0, x)).sum(axis=1)
    highest = x.max(axis=1)
    logarithms = np.log(np.exp(x - highest[:, None]).sum(axis=1)) + highest
    if net[-1][0] == "sft":
        return (Y * (logarithms[:, None] - x)).sum(axis=1)
    return logarithms - x[np.arange(len(x)), Y[:, 0].astype(int)]


def objective(net, blobs, X, Y, moment: Moment | None = None) -> float:
    return _losses(net, activations(net, blobs, X, moment)[-1], Y).sum() * (0.5 if net[-1][0] == "l2l" else 1)


def no_noise(shape):
    return 0.0


def gradients(net, blobs, X, Y, noise=no_noise, moment: Moment | None = None) -> list[np.ndarray]:
    """`noise(shape)` is added wherever a result near 0 comes from numbers near 1, to see what their rounding does."""
    return _backward(net, blobs, activations(net, blobs, X, moment), Y, noise, moment)


def _backward(net, blobs, values, Y, noise=no_noise, moment: Moment | None = None) -> list[np.ndarray]:
    channels, found = widths(net), [blob[:0] for blob in blobs]
    cap = net[-1][0]
    if cap == "l2l":
        d = values[-1] - Y
    elif cap == "hub":
        bound = np.float32(net[-1][1][0])
        d = np.clip(values[-1] - Y, -bound, bound)
    elif cap == "bce":
        d = sigmoid(values[-1]) - Y
    elif cap == "sft":
        d = softmax(values[-1]) * Y.sum(axis=1, keepdims=True) - Y
    else:
        d = softmax(values[-1])
        d[np.arange(len(d)), Y[:, 0].astype(int)] -= 1
    d = d + noise(d.shape)
    for i in range(len(net) - 2, 0, -1):
        word, x, y = net[i][0], values[i - 1], values[i]
        if word == "lin":
            weights = blobs[i][: channels[i - 1] * channels[i]].reshape(channels[i - 1], channels[i])
            found[i] = np.concatenate([(x.T @ d).ravel(), d.sum(axis=0)])
            d = d @ weights.T
        elif word == "bnm":
            n, inverse = normal(x, moment, blobs[i])
            scale, variance = blobs[i][: channels[i]], x.var(0) * len(x) / max(1, len(x) - 1)
            found[i] = np.concatenate([(d * n).sum(0), d.sum(0), x.mean(0), variance])
            d = scale * inverse * (d - d.mean(0) - n * (d * n).mean(0))
        elif word == "drp":
            d = np.where(moment.kept(i, net[i][1][0], d.shape), d / (1 - net[i][1][0]), 0.0)
        elif word == "rel":
            d = d * (x > 0)
        elif word == "lky":
            d = d * np.where(x > 0, 1, np.float32(net[i][1][0]))
        elif word == "tnh":
            d = d * (1 - y * y + noise(d.shape))
        elif word == "sig":
            d = d * y * (1 - y + noise(d.shape))
        elif word == "smx":
            d = y * (d - (d * y).sum(axis=1, keepdims=True) + np.abs(d).max() * noise(d.shape))
    return found


def train(net, blobs, X, Y, optimizer, order=None, seed=0, shards=1):
    """`optimizer` is (rate, step, factor, decay, momentum, epochs); `order` the rows, else the file's order."""
    rate, step, factor, decay, momentum, epochs = optimizer
    B = int(net[0][1][1])
    blobs, order = [blob.copy() for blob in blobs], np.arange(len(X)) if order is None else order
    velocity, curve = [np.zeros_like(blob) for blob in blobs], []
    for epoch in range(1, int(epochs) + 1):
        for start in range(0, len(X) - B + 1, B):
            loss, total = 0.0, [np.zeros_like(blob) for blob in blobs]
            for shard in range(shards):
                first, last = B * shard // shards, B * (shard + 1) // shards
                rows, moment = order[start + first : start + last], Moment(seed, len(curve), first)
                values = activations(net, blobs, X[rows], moment)
                loss += _losses(net, values[-1], Y[rows]).sum()
                found = _backward(net, blobs, values, Y[rows], moment=moment)
                total = [each + g for each, g in zip(total, found, strict=True)]
            curve.append(loss / B)
            for i, g in enumerate(total):
                trained = len(g) // 2 if net[i][0] == "bnm" else len(g)
                velocity[i][:trained] *= momentum
                velocity[i][:trained] += rate / B * (g + decay * blobs[i])[:trained]
                blobs[i][:trained] -= velocity[i][:trained]
                blobs[i][trained:] += 0.1 * (g / shards - blobs[i])[trained:]
        if step and epoch % step == 0:
            rate *= factor
    return blobs, velocity, np.reshape(curve, (int(epochs), -1))


def nearest_kink(net, blobs, X) -> float:
    """How near an input of a rel or lky comes to 0, relative to the largest of that layer; exact zeros do not count
    (they come from a rel before, which holds them there)."""
    values, nearest = activations(net, blobs, X), 1.0
    for i, (word, _) in enumerate(net[1:], start=1):
        size = np.abs(values[i - 1])
        if word in ("rel", "lky") and size.any():
            nearest = min(nearest, size[size > 0].min() / size.max())
    return nearest
