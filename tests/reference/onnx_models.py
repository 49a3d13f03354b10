"""Small ONNX models, made by the package onnx."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64, HALF, DOUBLE, STRING = (
    TensorProto.FLOAT,
    TensorProto.INT64,
    TensorProto.FLOAT16,
    TensorProto.DOUBLE,
    TensorProto.STRING,
)


def value(name, shape, kind=FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def node(kind, inputs, outputs, **attributes):
    """A node; inputs and outputs are names with spaces between; "-" is one that is left out."""
    names = [[each.replace("-", "") if each == "-" else each for each in text.split()] for text in (inputs, outputs)]
    return helper.make_node(kind, *names, **attributes)


def model(nodes, inputs, outputs, constants=None, *, opset=13, ir=8, functions=(), imports=(), **fields):
    """A ModelProto. `inputs` and `outputs`: names and shapes, or ValueInfoProtos; `constants`: arrays by name."""
    infos = [
        [value(name, shape) for name, shape in each.items()] if isinstance(each, dict) else list(each)
        for each in (inputs, outputs)
    ]
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in (constants or {}).items()]
    graph = helper.make_graph(list(nodes), "g", *infos, tensors)
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(*each) for each in imports)]
    made = helper.make_model(graph, opset_imports=opsets, functions=list(functions), **fields)
    made.ir_version = ir
    return made


def random(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def small_net(batch="N", opset=13):
    """Convolution, flattening by Shape, Gather and Concat as PyTorch writes it, and an inner product."""
    nodes = [
        node("Conv", "x w b", "c", kernel_shape=[3, 3], pads=[1, 1, 1, 1], name="conv"),
        node("Relu", "c", "r", name="relu"),
        node("Constant", "", "zero", value=numpy_helper.from_array(np.array(0))),
        node("Shape", "r", "shape"),
        node("Gather", "shape zero", "first"),
        node("Unsqueeze", "first axes", "row"),
        node("Concat", "row rest", "target", axis=0),
        node("Reshape", "r target", "flat", name="flatten"),
        node("Gemm", "flat v u", "y", transB=1, name="fc"),
    ]
    constants = {
        "w": random(4, 3, 3, 3),
        "b": random(4),
        "v": random(5, 4 * 6 * 6),
        "u": random(5),
        "axes": np.array([0]),
        "rest": np.array([-1]),
    }
    if opset < 13:
        nodes[5] = node("Unsqueeze", "first", "row", axes=[0])
        del constants["axes"]
    return model(nodes, {"x": [batch, 3, 6, 6]}, {"y": [batch, 5]}, constants, opset=opset)
