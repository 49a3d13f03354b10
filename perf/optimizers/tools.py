"""The optimisers, each as its page recommends, with all that it offers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from ... import export_onnx, load_onnx, optimize
from ..machine import is_installed

# Inputs, outputs, and what only lays values out for the operators around it.
NOT_COUNTED = {"Input", "Output", "Reorder", "ReorderInput", "ReorderOutput"}


@dataclass(frozen=True)
class Optimised:
    """A model afterwards: the operators that remain on values that depend on "x", by the tool's names and in order, and
    float32 "x" -> the output."""

    operators: list[str]
    run: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Tool:
    """`package` is what pip installs, `module` what is imported."""

    package: str
    module: str
    optimise: Callable[[onnx.ModelProto], Optimised]

    @property
    def installed(self) -> bool:
        return is_installed(self.module)


def on_data(nodes: Iterable[tuple[str, Iterable[str], Iterable[str]]], source: str) -> list[str]:
    """The kinds of those `nodes` (kind, inputs, outputs; in order) that depend on `source`."""
    values, kinds = {source}, []
    for kind, inputs, outputs in nodes:
        if not values.isdisjoint(inputs):
            values |= set(outputs)
            kinds.append(kind)
    return [kind for kind in kinds if kind not in NOT_COUNTED]


def as_it_is(model: onnx.ModelProto) -> Optimised:
    """Every operator of a file by itself, in onnxruntime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3  # it warns of its own operators in files
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    kinds = on_data(((node.op_type, node.input, node.output) for node in model.graph.node), "x")
    return Optimised(kinds, lambda x: session.run(None, {"x": x})[0])


def onnxruntime_file(model: onnx.ModelProto) -> Optimised:
    """The file of `optimized_model_filepath`, at the level ORT_ENABLE_ALL."""
    import onnxruntime

    with tempfile.TemporaryDirectory(prefix="caffe64-perf-") as folder:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.optimized_model_filepath = str(Path(folder, "optimised.onnx"))
        options.log_severity_level = 3
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return as_it_is(onnx.load(options.optimized_model_filepath))


def simplified(model: onnx.ModelProto) -> Optimised:
    import onnxsim

    return as_it_is(onnxsim.simplify(model)[0])


def slimmed(model: onnx.ModelProto) -> Optimised:
    import onnxslim

    return as_it_is(onnxslim.slim(model))


def by_onnxoptimizer(model: onnx.ModelProto) -> Optimised:
    import onnxoptimizer

    passes = onnxoptimizer.get_fuse_and_elimination_passes()
    return as_it_is(onnxoptimizer.optimize(model, passes, fixed_point=True))


def by_onnxscript(model: onnx.ModelProto) -> Optimised:
    """Its optimiser, then its rewriting rules, then the optimiser for what these leave."""
    from onnxscript import optimizer, rewriter

    return as_it_is(optimizer.optimize(rewriter.rewrite(optimizer.optimize(model))))


def openvino_graph(model: onnx.ModelProto) -> Optimised:
    """The graph that its CPU plugin runs, as it writes no ONNX."""
    import openvino

    core = openvino.Core()
    compiled = core.compile_model(
        core.read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    nodes = [
        (
            node.get_rt_info()["layerType"].astype(str),
            [value.get_node().get_friendly_name() for value in node.input_values()],
            [node.get_friendly_name()],
        )
        for node in compiled.get_runtime_model().get_ordered_ops()
    ]
    return Optimised(on_data(nodes, "x"), lambda x: compiled([x])[0])


def caffe64_graph(model: onnx.ModelProto) -> Optimised:
    """Our graph's layers, as it has one for x * Sigmoid(x), which ONNX before opset 24 lacks; the outputs are those of
    the file that we write."""
    net, _ = optimize(load_onnx(model.SerializeToString()))
    layers = [
        (node.type, [blob.name for blob in node.bottoms], [blob.name for blob in node.tops]) for node in net.graph.nodes
    ]
    with tempfile.TemporaryDirectory(prefix="caffe64-perf-") as folder:
        export_onnx(net, written := Path(folder, "optimised.onnx"))
        return Optimised(on_data(layers, "x"), as_it_is(onnx.load(written)).run)


TOOLS = {
    "onnxruntime": Tool("onnxruntime", "onnxruntime", onnxruntime_file),
    "onnxsim": Tool("onnxsim", "onnxsim", simplified),
    "onnxslim": Tool("onnxslim", "onnxslim", slimmed),
    "onnxoptimizer": Tool("onnxoptimizer", "onnxoptimizer", by_onnxoptimizer),
    "onnxscript": Tool("onnxscript", "onnxscript", by_onnxscript),
    "OpenVINO": Tool("openvino", "openvino", openvino_graph),
    "caffe64": Tool("caffe64", "caffe64", caffe64_graph),
}
