"""Caffe's graphs in PyTorch, eager: the same weights, one functional call per layer, in NCHW.

A ReLU works in place where the net's does. Values that are not read any more are freed, so that memory is reused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
import torch.nn.functional as F

from ... import load_caffe
from ...engine.graph.analysis.shapes import infer_shapes
from ...engine.graph.ir.graph import Blob, Graph, Node, Shape
from ...engine.graph.ops.batch_norm import global_statistics, uses_global_statistics
from ...engine.graph.ops.interp import interp_sizes
from ...engine.graph.ops.pooling import POOL_MAX, pooling_windows
from ...engine.graph.ops.scale import operand
from ...engine.graph.ops.windows import window_of
from . import flat

Tensors = list[torch.Tensor]
Layer = Callable[..., torch.Tensor]


class Job:
    """For `worker`: `repeats` predictions. `files` without their suffixes; `facts` hold the outputs."""

    def __init__(self, files: str, threads: int, repeats: int):
        torch.set_num_threads(threads)
        net = TorchNet(load_caffe(f"{files}.prototxt", f"{files}.caffemodel").graph)
        x = torch.from_numpy(np.load(f"{files}.npy"))

        def run() -> None:
            with torch.inference_mode():
                for _ in range(repeats):
                    self.outputs = net(data=x)

        self.run = run
        self.run()
        self.facts = {"outputs": flat(self.outputs[name].numpy() for name in sorted(self.outputs))}


class TorchNet:
    """A graph whose layers are among LAYERS, called with its inputs by name: its outputs by name.

    `weights[name of a layer]` are its tensors, copies, in Caffe's order.
    """

    def __init__(self, graph: Graph, inputs: Mapping[str, Shape] | None = None):
        self.graph, shapes = graph, infer_shapes(graph, inputs)
        self.weights = {
            node.name: [torch.from_numpy(blob.copy()) for blob in node.weights] for node in graph.nodes if node.weights
        }
        self._steps = [
            (node, LAYERS[node.type](node, [shapes[blob] for blob in node.bottoms], self.weights.get(node.name, [])))
            for node in graph.nodes
            if node.bottoms
        ]
        last = {blob: node for node in graph.nodes for blob in node.bottoms}
        self._done: dict[Node, list[Blob]] = {node: [] for node in graph.nodes}
        for blob, node in last.items():
            self._done[node].append(blob)

    def join(self, function: Callable[[Node, Tensors, Node, Tensors], Layer | None]) -> None:
        """Let pairs of layers be one call: `function` gives it for a layer, its weights, the only reader of its top and
        that one's weights, or None."""
        layers = dict(self._steps)
        for node in layers:
            readers = self.graph.readers(node.tops[0])
            if len(readers) == 1:
                weights = (self.weights.get(each.name, []) for each in (node, readers[0]))
                if call := function(node, next(weights), readers[0], next(weights)):
                    layers |= {node: call, readers[0]: lambda x: x}
        self._steps = list(layers.items())

    def __call__(self, **inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        values = {blob: inputs[blob.name] for blob in self.graph.inputs}
        for node, layer in self._steps:
            values[node.tops[0]] = layer(*(values[blob] for blob in node.bottoms))
            for blob in self._done[node]:
                del values[blob]
        return {blob.name: value for blob, value in values.items()}


def _convolution(node: Node, bottoms: list[Shape], weights: Tensors) -> Layer:
    window = window_of(node, bottoms)
    bias = weights[1] if len(weights) > 1 else None
    return lambda x: F.conv2d(x, weights[0], bias, window.stride, window.before, window.dilation, window.group)


def _inner_product(node: Node, bottoms: list[Shape], weights: Tensors) -> Layer:
    bias = weights[1] if len(weights) > 1 else None
    return lambda x: F.linear(x.flatten(1), weights[0], bias)


def _pooling(node: Node, bottoms: list[Shape], weights: Tensors) -> Layer:
    _, kernel, stride, pad, _, outputs, _ = zip(*pooling_windows(node, bottoms[0]), strict=True)
    ceil = node.attributes.round_mode != "down"
    if node.attributes.pool == POOL_MAX:
        return lambda x: F.max_pool2d(x, kernel, stride, pad, ceil_mode=ceil)
    if outputs == (1, 1) and kernel == bottoms[0][2:] and not any(pad):
        return lambda x: F.adaptive_avg_pool2d(x, 1)
    return lambda x: F.avg_pool2d(x, kernel, stride, pad, ceil_mode=ceil)


def _batch_norm(node: Node, bottoms: list[Shape], weights: Tensors) -> Layer:
    parameter, trains = node.attributes, not uses_global_statistics(node)
    mean, variance = (torch.from_numpy(each.astype(np.float32)) for each in global_statistics(node))
    momentum = 1 - parameter.moving_average_fraction
    return lambda x: F.batch_norm(x, mean, variance, None, None, trains, momentum, parameter.eps)


def _scale(node: Node, bottoms: list[Shape], weights: Tensors) -> Layer:
    axis, shape = operand(node, bottoms)
    fitting = (1,) * axis + tuple(shape) + (1,) * (len(bottoms[0]) - axis - len(shape))
    if len(bottoms) > 1:
        return lambda x, factor: x * factor.reshape(fitting)
    if len(weights) > 1:
        return lambda x: torch.addcmul(weights[1].reshape(fitting), x, weights[0].reshape(fitting))
    return lambda x: x * weights[0].reshape(fitting)


def _relu(node: Node, bottoms: list[Shape], weights: Tensors) -> Layer:
    in_place, slope = node.bottoms[0].name == node.tops[0].name, node.attributes.negative_slope
    if slope:
        return lambda x: F.leaky_relu(x, slope, in_place)
    return torch.relu_ if in_place else torch.relu


def _lrn(node: Node, bottoms: list[Shape], weights: Tensors) -> Layer:
    """Within channels."""
    size, alpha, beta = node.attributes.local_size, node.attributes.alpha, node.attributes.beta
    return lambda x: x * torch.pow(1 + alpha * F.avg_pool2d(x * x, size, 1, size // 2), -beta)


def _interp(node: Node, bottoms: list[Shape], weights: Tensors) -> Layer:
    """Of whole pictures."""
    sizes = [size for _, size in interp_sizes(node, bottoms[0])]
    return lambda x: F.interpolate(x, sizes, mode="bilinear", align_corners=True)


def _upsample(node: Node, bottoms: list[Shape], weights: Tensors) -> Layer:
    """By a scale."""
    return lambda x: F.interpolate(x, scale_factor=node.attributes.scale, mode="nearest")


def _concat(node: Node, bottoms: list[Shape], weights: Tensors) -> Layer:
    return lambda *parts: torch.cat(parts, node.attributes.axis)


def _dropout(node: Node, bottoms: list[Shape], weights: Tensors) -> Layer:
    ratio, trains = node.attributes.dropout_ratio, node.phase == "TRAIN"
    return lambda x: F.dropout(x, ratio, trains)


LAYERS = {
    "Convolution": _convolution,
    "InnerProduct": _inner_product,
    "Pooling": _pooling,
    "BatchNorm": _batch_norm,
    "Scale": _scale,
    "ReLU": _relu,
    "LRN": _lrn,
    "Dropout": _dropout,
    "Interp": _interp,
    "Upsample": _upsample,
    "Concat": _concat,
    "Eltwise": lambda node, bottoms, weights: torch.add,  # of two, operation SUM
    "Softmax": lambda node, bottoms, weights: lambda x: torch.softmax(x, 1),
    "SoftmaxWithLoss": lambda node, bottoms, weights: lambda x, label: F.cross_entropy(x.flatten(1), label.long()),
}
