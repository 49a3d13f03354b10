"""Layers of a user's own: a type with a field and a weight of its own, and a Python layer as pycaffe has them."""

from __future__ import annotations

import ast

import numpy as np

import caffe64 as caffe


class Cap(caffe.Layer):
    """y = weight of its channel * min(x, cap)."""

    kind = "act"

    def setup(self, bottom, top):
        if len(bottom) != 1:
            raise ValueError("needs one bottom")
        self.cap = np.float32(self.parameters["cap_param"].get("cap", 6.0))
        self.blobs.add_blob(bottom[0].channels)
        self.blobs[0].data[...] = 1.5

    def forward(self, bottom, top):
        top[0].data[...] = np.minimum(bottom[0].data, self.cap) * self.blobs[0].data.reshape(-1, 1, 1)

    def backward(self, top, propagate_down, bottom):
        if propagate_down[0]:
            slope = (bottom[0].data < self.cap) * self.blobs[0].data.reshape(-1, 1, 1)
            bottom[0].diff[...] = top[0].diff * slope
        self.blobs[0].diff[...] += (top[0].diff * np.minimum(bottom[0].data, self.cap)).sum(axis=(0, 2, 3))

    def macs(self, bottom, top):
        return top[0].count

    def to_onnx(self, builder, layer):
        value = builder.add("Min", [layer.inputs[0], builder.constant(self.cap)])
        builder.add("Mul", [value, builder.weight(0, (-1, 1, 1))], layer.outputs)


class Largest:
    """The largest values of each channel, in falling order, as many as are above `least`: a row per picture and
    channel. It is derived from nothing, as a class written for pycaffe whose base is not at hand."""

    def setup(self, bottom, top):
        self.words = ast.literal_eval(self.param_str)

    def reshape(self, bottom, top):
        top[0].reshape(bottom[0].num * bottom[0].channels * self.words["most"], 2)

    def forward(self, bottom, top):
        rows = [
            (channel, value)
            for channel, values in enumerate(bottom[0].data.reshape(-1, bottom[0].height * bottom[0].width))
            for value in np.sort(values)[::-1][: self.words["most"]]
            if value > self.words["least"]
        ]
        top[0].reshape(len(rows), 2)
        top[0].data[...] = rows


caffe.register_layer("Cap", Cap)
caffe.register_layer(("my.layers", "Largest"), Largest)
