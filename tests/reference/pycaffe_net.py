"""A small net and values for tests of the names and habits of pycaffe."""

from __future__ import annotations

import numpy as np

from .caffe_graphs import conv, data, layer

FORCE = "force_backward: true\n"


def dense(name, bottom, outputs=5):
    return layer(name, "InnerProduct", bottom, more=f"inner_product_param {{ num_output: {outputs} }}")


RELU = layer("relu", "ReLU", "c", "c")
NET = (data("2 3 9 8"), conv("c", "data"), RELU, dense("fc", "c"), layer("prob", "Softmax", "fc"))


def values(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


X = values((2, 3, 9, 8))
