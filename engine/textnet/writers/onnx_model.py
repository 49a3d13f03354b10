"""The ONNX model of a text net: x [N, F] -> y [N, K], for any N."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ....errors import UsageError
from .finished import BATCH_NORM_ARRAYS, BATCH_NORM_EPSILON, FinishedLayer, FinishedNet, require_words

TEXT_NET_OPSET = 13  # of 2020, which older runtimes read
MOST_ONNX_BYTES = (1 << 31) - (1 << 20)  # of a protobuf message, with some room for other data than weights
X_VALUE, Y_VALUE = "x", "y"

Step = tuple[str, dict[str, float], tuple[str, ...]]  # operator, attributes, names of the layer's arrays


def _plain(operator: str, **attributes: float) -> Callable[[FinishedLayer], list[Step]]:
    return lambda layer: [(operator, attributes, ())]


def _nothing(layer: FinishedLayer) -> list[Step]:
    return []


ONNX_STEPS: Mapping[str, Callable[[FinishedLayer], list[Step]]] = {
    "inp": _nothing,
    "lin": lambda layer: [("Gemm", {}, ("W", "b"))],
    "bnm": lambda layer: [("BatchNormalization", {"epsilon": BATCH_NORM_EPSILON}, BATCH_NORM_ARRAYS)],
    "drp": _nothing,
    "rel": _plain("Relu"),
    "lky": lambda layer: [("LeakyRelu", {"alpha": layer.numbers[0]}, ())],
    "tnh": _plain("Tanh"),
    "sig": _plain("Sigmoid"),
    "smx": _plain("Softmax", axis=-1),
    "sce": _plain("Softmax", axis=-1),
    "sft": _plain("Softmax", axis=-1),
    "bce": _plain("Sigmoid"),
    "l2l": _nothing,
    "hub": _nothing,
}


def text_net_model(net: FinishedNet, version: str, metadata: Mapping[str, str]) -> onnx.ModelProto:
    """The model, checked by onnx. `version` is caffe64's, `metadata` texts by key, beside which the model's properties
    have the net's text as `net`, and names of features, labels and targets as JSON lists.

    Raises UsageError for a layer that is not of the package, and for weights too large for one file.
    """
    require_words(net, ONNX_STEPS, "ONNX")
    arrays = {f"layers.{layer.index}.{name}": array for layer in net.layers for name, array in layer.arrays.items()}
    if (size := sum(array.nbytes for array in arrays.values())) > MOST_ONNX_BYTES:
        raise UsageError(f"the net has {size / 1e9:.2f} GB of weights, expected at most {MOST_ONNX_BYTES / 1e9:.2f} GB")
    outside = net.outside
    scaling = (("Sub", "shift", outside.shift), ("Mul", "factor", outside.factor))
    steps = [("input", step) for step in _scaling(scaling, arrays)]
    for layer in net.layers:
        for kind, attributes, names in ONNX_STEPS[layer.word](layer):
            inputs = tuple(f"layers.{layer.index}.{name}" for name in names)
            steps.append((f"layers.{layer.index}.{layer.word}", (kind, attributes, inputs)))
    scaling = (("Div", "target_factor", outside.target_factor), ("Add", "target_shift", outside.target_shift))
    steps += [("output", step) for step in _scaling(scaling, arrays)]
    imports = [helper.make_opsetid("", TEXT_NET_OPSET)]
    model = helper.make_model(
        onnx.GraphProto(name="caffe64"),
        opset_imports=imports,
        ir_version=helper.find_min_ir_version_for(imports),
        producer_name="caffe64",
        producer_version=version,
    )
    names = {key: json.dumps(texts, ensure_ascii=False) for key, texts in net.outside.names.items()}
    helper.set_model_props(model, {"caffe64": version, "net": net.text, **names, **metadata})
    graph, value = model.graph, X_VALUE
    for number, (name, (kind, attributes, inputs)) in enumerate(steps or [("copy", ("Identity", {}, ()))], start=1):
        result = Y_VALUE if number >= len(steps) else f"{name}/{kind}"
        graph.node.append(helper.make_node(kind, [value, *inputs], [result], f"{name}/{kind}", **attributes))
        value = result
    graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in arrays.items())
    for values, name, width in ((graph.input, X_VALUE, net.features), (graph.output, Y_VALUE, net.outputs)):
        values.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", width]))
    onnx.checker.check_model(model)
    return model


def _scaling(wanted: Sequence[tuple[str, str, np.ndarray | None]], arrays: dict[str, np.ndarray]) -> list[Step]:
    """The steps of operators with an array, each by its name, of those that there are; these are put into `arrays`."""
    steps: list[Step] = []
    for kind, name, array in wanted:
        if array is not None:
            arrays[name] = np.asarray(array, np.float32)
            steps.append((kind, {}, (name,)))
    return steps
