"""A layer type of a fork:  y = min(max(x, 0) + slope * min(x, 0), cap),  with a cap per channel that is learnt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from caffe64.engine.graph.frontends.caffe.attributes import register_op
from caffe64.engine.graph.frontends.caffe.fields import by_name
from caffe64.engine.graph.ir.op import Gradient, Op, count


@dataclass(frozen=True)
class Capped:
    negative_slope: float = 0.0


def shapes(node, bottoms):
    if len(bottoms[0]) < 2:
        raise node.error(f"has a bottom of shape {list(bottoms[0])}", "2 axes or more, channels on axis 1")
    return [bottoms[0]]


def weight_shapes(node, bottoms):
    return [(bottoms[0][1],)]


def rows(bottom):
    return bottom[0], bottom[1], count(bottom, 2)


def prepare(node, bottoms, tops):
    slope = np.float32(node.attributes.negative_slope)

    def run(inputs, outputs):
        x, y = inputs[0].reshape(rows(bottoms[0])), outputs[0].reshape(rows(bottoms[0]))
        np.minimum(np.where(x > 0, x, slope * x), node.weights[0][:, np.newaxis], out=y)

    return run


def back(node, bottoms, tops, run, layers):
    slope = np.float32(node.attributes.negative_slope)

    def give(inputs, outputs, output_gradients, input_gradients, weight_gradients):
        x, dy = (array.reshape(rows(bottoms[0])) for array in (inputs[0], output_gradients[0]))
        free = np.where(x > 0, x, slope * x) < node.weights[0][:, np.newaxis]
        if input_gradients[0] is not None:
            input_gradients[0][...] = (dy * free * np.where(x > 0, 1, slope)).reshape(bottoms[0])
        if weight_gradients[0] is not None:
            weight_gradients[0] += (dy * ~free).sum(axis=(0, 2))

    return give


def to_onnx(builder, layer):
    slope = builder.constant(layer.attributes.negative_slope)
    value = builder.add("PRelu", [layer.inputs[0], slope])
    caps = builder.weight(0, (-1, *[1] * (len(layer.bottoms[0]) - 2)))
    builder.add("Min", [value, caps], layer.outputs)


LAYER = Op(
    "Capped",
    shapes,
    prepare,
    weight_shapes,
    lambda node, bottoms, tops: count(tops[0]),
    gradient=Gradient(back),
    onnx=to_onnx,
    kind="act",
)
register_op(LAYER, by_name(Capped, "relu_param"))
