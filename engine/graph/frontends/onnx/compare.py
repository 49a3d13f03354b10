"""Compare the outputs of an ONNX model in onnxruntime with those of its graph in the reference."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx

from .....arguments import RUNTIME_FLOOR
from ...analysis.shapes import infer_shapes
from ...ir.graph import Blob, Graph, Shape
from ...verification.difference import Difference, difference
from ...verification.finite import check_finite
from ...verification.scale import output_scales
from ...verification.verify import random_inputs, run_graph
from .origin import model_outputs


def compare_with_onnxruntime(
    model: onnx.ModelProto, graph: Graph, shapes: Mapping[Blob, Shape], seed: int = 0, *, floor: float = RUNTIME_FLOOR
) -> list[Difference]:
    """Differences of all outputs beyond `floor` for random inputs; if the batch is free, the larger one of it and of
    one more.

    Raises ImportError where onnxruntime is not installed, CheckFailed where an output is not finite.
    """
    free = any(dim.dim_param for each in model.graph.input for dim in each.type.tensor_type.shape.dim)
    batches = [_random_batch(graph, shapes, more, seed) for more in range(1 + free)]
    names = [blob.name for blob in model_outputs(graph)]
    worst: dict[str, Difference] = {}
    for inputs, found in zip(batches, run_model(model, *batches), strict=True):
        expected = run_graph(graph, inputs, reference=True)
        check_finite(expected, inputs, "the net", graph)
        check_finite(found, inputs, "onnxruntime")
        scales = output_scales(graph, inputs)
        for name, values in zip(names, found.values(), strict=True):
            each = difference(name, expected[name], values, scales[name], floor)
            if name not in worst or not each.relative <= worst[name].relative:
                worst[name] = each
    return list(worst.values())


def run_model(model: onnx.ModelProto, *batches: Mapping[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    """The outputs of onnxruntime for each of these inputs, by name. Raises ImportError."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)  # errors
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names, known = ([each.name for each in kind] for kind in (session.get_outputs(), session.get_inputs()))
    feeds = [{name: inputs[name] for name in known} for inputs in batches]
    return [dict(zip(names, session.run(names, feed), strict=True)) for feed in feeds]


def _random_batch(graph: Graph, shapes: Mapping[Blob, Shape], extra: int, seed: int) -> dict[str, np.ndarray]:
    if extra:
        shapes = infer_shapes(graph, {blob.name: (shapes[blob][0] + extra, *shapes[blob][1:]) for blob in graph.inputs})
    return random_inputs(graph, shapes, seed, {})
