"""Compare the outputs of an ONNX model in onnxruntime with those of its graph in the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx

from .....arguments import RUNTIME_FLOOR
from ...analysis.shapes import infer_shapes
from ...ir.graph import Blob, Graph, Node, Shape
from ...verification.difference import Difference, difference
from ...verification.finite import check_finite
from ...verification.scale import output_scales
from ...verification.verify import blob_values, random_inputs, run_graph
from .origin import model_outputs
from .write.model import onnx_model

Arrays = Mapping[str, np.ndarray]


def compare_with_onnxruntime(
    model: onnx.ModelProto, graph: Graph, shapes: Mapping[Blob, Shape], seed: int = 0, *, floor: float = RUNTIME_FLOOR
) -> list[Difference]:
    """Differences of all outputs beyond `floor` for random inputs; if the batch is free, the larger one of it and of
    one more. A random picture has hardly anything in it, so layers that find detections run on scores of their own
    as well, which pass their threshold by half.

    Raises ImportError where onnxruntime is not installed, CheckFailed where an output is not finite.
    """
    batches = _random_batches(model, graph, shapes, seed)
    found = _compare(model, graph, batches, floor)
    for node in graph.nodes:
        if node.type == "DetectionOutput":
            found += _compare_detections(graph, node, batches[0], seed, floor)
    worst: dict[str, Difference] = {}
    for each in found:
        worst[each.output] = max(each, worst.get(each.output, each), key=lambda one: (one.relative, one.absolute))
    return list(worst.values())


def _compare(model: onnx.ModelProto, graph: Graph, batches: Sequence[Arrays], floor: float) -> list[Difference]:
    names = [blob.name for blob in model_outputs(graph)]
    differences = []
    for inputs, found in zip(batches, run_model(model, *batches), strict=True):
        expected = run_graph(graph, inputs, reference=True)
        check_finite(expected, inputs, "the net", graph)
        check_finite(found, inputs, "onnxruntime")
        scales = output_scales(graph, inputs)
        for name, values in zip(names, found.values(), strict=True):
            differences.append(difference(name, expected[name], values, scales[name], floor))
    return differences


def _compare_detections(graph: Graph, node: Node, inputs: Arrays, seed: int, floor: float) -> list[Difference]:
    """Of a layer alone, with the priors that the net has for `inputs`, and random offsets and scores."""
    bottoms = {blob.name: values for blob, values in blob_values(graph, inputs, node.bottoms).items()}
    offsets, scores = (blob.name for blob in node.bottoms[:2])
    source, threshold = np.random.default_rng(seed), np.float32(node.attributes.confidence_threshold or 0)
    for name, middle in ((offsets, np.float32(0)), (scores, threshold)):
        bottoms[name] = middle + source.standard_normal(bottoms[name].shape, np.float32)
    sources = [Node(blob.name, "Input", [], [blob]) for blob in dict.fromkeys(node.bottoms)]
    alone = Graph([*sources, node], graph.phase, graph.path, graph.streams)
    shapes = infer_shapes(alone, {name: values.shape for name, values in bottoms.items()})
    return _compare(onnx_model(alone, shapes, ""), alone, [bottoms], floor)


def try_in_onnxruntime(model: onnx.ModelProto, graph: Graph, shapes: Mapping[Blob, Shape], seed: int = 0) -> None:
    """Run a model on the same inputs alone. Raises as `compare_with_onnxruntime`."""
    batches = _random_batches(model, graph, shapes, seed)
    for inputs, found in zip(batches, run_model(model, *batches), strict=True):
        check_finite(found, inputs, "onnxruntime")


def run_model(
    model: onnx.ModelProto, *batches: Mapping[str, np.ndarray], fuse: bool = True
) -> list[dict[str, np.ndarray]]:
    """The outputs of onnxruntime for each of these inputs, by name; `fuse`: with its own folding of the layers. Raises
    ImportError."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)  # errors
    options = onnxruntime.SessionOptions()
    if not fuse:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names, known = ([each.name for each in kind] for kind in (session.get_outputs(), session.get_inputs()))
    feeds = [{name: inputs[name] for name in known} for inputs in batches]
    return [dict(zip(names, session.run(names, feed), strict=True)) for feed in feeds]


def _random_batches(
    model: onnx.ModelProto, graph: Graph, shapes: Mapping[Blob, Shape], seed: int
) -> list[dict[str, np.ndarray]]:
    """Inputs of one batch, and of one more where the model's is free."""
    free = any(dim.dim_param for each in model.graph.input for dim in each.type.tensor_type.shape.dim)
    return [_random_batch(graph, shapes, more, seed) for more in range(1 + free)]


def _random_batch(graph: Graph, shapes: Mapping[Blob, Shape], extra: int, seed: int) -> dict[str, np.ndarray]:
    if extra:
        shapes = infer_shapes(graph, {blob.name: (shapes[blob][0] + extra, *shapes[blob][1:]) for blob in graph.inputs})
    return random_inputs(graph, shapes, seed, {})
