"""Caffe's graphs in JAX, as they are trained: one function call per layer, in NCHW, which XLA lays out as it likes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...engine.graph.analysis.shapes import infer_shapes
from ...engine.graph.ir.graph import Graph, Node, Shape
from ...engine.graph.ops.batch_norm import uses_global_statistics
from ...engine.graph.ops.pooling import POOL_MAX, Side, pooling_windows, window_table
from ...engine.graph.ops.scale import operand
from ...engine.graph.ops.windows import window_of

Arrays = dict[str, jax.Array]
Layer = Callable[..., jax.Array]  # (its weights, its bottoms, averages to be written, a random key)


class JaxNet:
    """A graph whose layers are among LAYERS. Called with the weights, by layer and number ("conv1 0"), its inputs by
    name, and a random key: the loss, and the weights that the run has written."""

    def __init__(self, graph: Graph, inputs: Mapping[str, Shape]):
        self.graph, shapes = graph, infer_shapes(graph, inputs)
        self._layers = [
            (node, LAYERS[node.type](node, [shapes[blob] for blob in node.bottoms]))
            for node in graph.nodes
            if node.bottoms
        ]

    def __call__(self, weights: Arrays, inputs: Arrays, key: jax.Array) -> tuple[jax.Array, Arrays]:
        values = {blob: inputs[blob.name] for blob in self.graph.inputs}
        averages: Arrays = {}
        for node, layer in self._layers:
            own = [weights[f"{node.name} {number}"] for number in range(len(node.weights))]
            found = layer(own, [values[blob] for blob in node.bottoms], key)
            if node.type == "BatchNorm":
                found, written = found
                averages |= {f"{node.name} {number}": value for number, value in enumerate(written)}
            values[node.tops[0]] = found
        return values[self.graph.outputs[0]], averages


def _fitting(values: jax.Array, axis: int, axes: int) -> jax.Array:
    """With axes of 1 around its own."""
    return values.reshape((1,) * axis + values.shape + (1,) * (axes - axis - values.ndim))


def _convolution(node: Node, bottoms: list[Shape]) -> Layer:
    window = window_of(node, bottoms)
    pads = list(zip(window.before, window.after, strict=True))

    def run(weights, bottoms, key):
        y = lax.conv_general_dilated(
            bottoms[0], weights[0], window.stride, pads, rhs_dilation=window.dilation,
            feature_group_count=window.group,
        )  # fmt: skip
        return y + _fitting(weights[1], 1, 4) if len(weights) > 1 else y

    return run


def _inner_product(node: Node, bottoms: list[Shape]) -> Layer:
    def run(weights, bottoms, key):
        y = bottoms[0].reshape(len(bottoms[0]), -1) @ weights[0].T
        return y + weights[1] if len(weights) > 1 else y

    return run


def _pooling(node: Node, bottoms: list[Shape]) -> Layer:
    axes = pooling_windows(node, bottoms[0])
    sizes, kernel, stride, pad, _, outputs, _ = zip(*axes, strict=True)
    behind = [
        max(0, (count - 1) * step + size - before - whole)
        for count, step, size, before, whole in zip(outputs, stride, kernel, pad, sizes, strict=True)
    ]
    pads = [(0, 0), (0, 0), *zip(pad, behind, strict=True)]
    window = (1, 1, *kernel), (1, 1, *stride), pads
    if node.attributes.pool == POOL_MAX:
        return lambda weights, bottoms, key: lax.reduce_window(bottoms[0], -jnp.inf, lax.max, *window)
    lengths = [window_table(axis)[:, Side._fields.index("length")] for axis in axes]
    share = jnp.asarray(1 / np.outer(*lengths), jnp.float32)
    return lambda weights, bottoms, key: lax.reduce_window(bottoms[0], 0.0, lax.add, *window) * share


def _batch_norm(node: Node, bottoms: list[Shape]) -> Layer:
    attributes, axes = node.attributes, (0, *range(2, len(bottoms[0])))
    number = np.prod(bottoms[0]) // bottoms[0][1]
    kept, stored = attributes.moving_average_fraction, uses_global_statistics(node)

    def run(weights, bottoms, key):
        x, written = bottoms[0], list(weights)
        if stored:
            mean, variance = (each / weights[2] for each in weights[:2])
        else:
            mean, variance = x.mean(axes), x.var(axes)
            new = mean, variance * (number / max(number - 1, 1)), 1
            written = [kept * old + lax.stop_gradient(each) for old, each in zip(weights, new, strict=True)]
        factor = lax.rsqrt(variance + attributes.eps)
        return (x - _fitting(mean, 1, x.ndim)) * _fitting(factor, 1, x.ndim), written

    return run


def _scale(node: Node, bottoms: list[Shape]) -> Layer:
    axis, _ = operand(node, bottoms)

    def run(weights, bottoms, key):
        x, *factors = *bottoms, *weights
        y = x * _fitting(factors[0], axis, x.ndim)
        return y + _fitting(factors[1], axis, x.ndim) if len(factors) > 1 else y

    return run


def _lrn(node: Node, bottoms: list[Shape]) -> Layer:
    """Within channels."""
    size, alpha, beta = node.attributes.local_size, node.attributes.alpha, node.attributes.beta
    pads = [(0, 0), (0, 0), (size // 2, size // 2), (size // 2, size // 2)]

    def run(weights, bottoms, key):
        x = bottoms[0]
        sums = lax.reduce_window(x * x, 0.0, lax.add, (1, 1, size, size), (1, 1, 1, 1), pads)
        return x * (1 + alpha / size**2 * sums) ** -beta

    return run


def _dropout(node: Node, bottoms: list[Shape]) -> Layer:
    ratio = node.attributes.dropout_ratio

    def run(weights, bottoms, key):
        return jnp.where(jax.random.bernoulli(key, 1 - ratio, bottoms[0].shape), bottoms[0] / (1 - ratio), 0)

    return run


def _loss(node: Node, bottoms: list[Shape]) -> Layer:
    def run(weights, bottoms, key):
        scores = bottoms[0].reshape(len(bottoms[0]), -1)
        classes = bottoms[1].reshape(-1, 1).astype(jnp.int32)
        return -jnp.take_along_axis(jax.nn.log_softmax(scores), classes, 1).mean()

    return run


LAYERS: dict[str, Callable[[Node, list[Shape]], Layer]] = {
    "Convolution": _convolution,
    "InnerProduct": _inner_product,
    "Pooling": _pooling,
    "BatchNorm": _batch_norm,
    "Scale": _scale,
    "LRN": _lrn,
    "Dropout": _dropout,
    "SoftmaxWithLoss": _loss,
    "ReLU": lambda node, bottoms: lambda weights, bottoms, key: jax.nn.relu(bottoms[0]),
    "Eltwise": lambda node, bottoms: lambda weights, bottoms, key: bottoms[0] + bottoms[1],  # of two, SUM
    "Concat": lambda node, bottoms: lambda weights, bottoms, key: jnp.concatenate(bottoms, 1),
}
