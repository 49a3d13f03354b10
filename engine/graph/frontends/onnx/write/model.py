"""The ONNX model of a graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import onnx
from onnx import TensorProto, helper

from ......errors import InputError
from ....ir.graph import Blob, Graph, Node, Shape
from ....ops import OPS
from ..origin import model_outputs, origin_of
from . import (
    affine,
    arrangement,
    ctc,
    detection,
    elementwise,
    filters,
    pooling,
    recurrent,
    regions,
    resize,
    selection,
    statistics,
    yolo,
)
from .batch import batch_axes
from .builder import Builder, ExportedLayer, value_names

OPSET = 13  # of 2020, which older runtimes read; a later one only where a layer needs it
HARD_SWISH_OPSET, SYMMETRIC_OPSET = 14, 19
MOST_MODEL_BYTES = (1 << 31) - (1 << 20)  # bytes of a protobuf message, with some room for other data than weights

EXPORTERS = (
    *(affine, arrangement, ctc, detection, elementwise, filters, pooling, recurrent, regions, resize, selection),
    *(statistics, yolo),
)
EXPORTS = {kind: function for family in EXPORTERS for kind, function in family.EXPORTS.items()}


def onnx_model(
    graph: Graph,
    shapes: Mapping[Blob, Shape],
    version: str,
    metadata: Mapping[str, str] | None = None,
    *,
    half: bool = False,
) -> onnx.ModelProto:
    """The model, checked by onnx. `shapes` are all blobs', `version` is caffe64's, `metadata` texts by key. `half`:
    with weights in float16, of a graph whose weights are `rounded`.

    The batch is of any size, of the file's name or "N", if every layer allows it. What a graph that was read from ONNX
    has beside its layers is kept. Raises InputError that names the layers which ONNX cannot express, for a net of none,
    or if the weights are too large for one file.
    """
    _check(graph)
    axes = batch_axes(graph, shapes) or {}
    names = value_names(graph)
    opset = max([OPSET, *map(_needed_opset, graph.nodes)])
    imports = [helper.make_opsetid("", opset)]
    model = helper.make_model(
        onnx.GraphProto(name=graph.name or "caffe"),
        opset_imports=imports,
        ir_version=helper.find_min_ir_version_for(imports),
        producer_name="caffe64",
        producer_version=version,
    )
    origin = origin_of(graph)
    model.doc_string = origin.doc
    helper.set_model_props(model, {**origin.metadata, "caffe64": version, **(metadata or {})})
    builder = Builder(model.graph, names.values(), opset, half=half)
    for node in graph.nodes:
        builder.layer = _layer(node, shapes, axes, names)
        _word(node)(builder, builder.layer)
    if not model.graph.node:
        raise InputError(graph.path, "has no layer that computes anything, of which ONNX needs one")

    found = _found_rows(graph)

    def declared(blob: Blob):
        dims = _dims(blob, shapes, axes, origin.batch)
        if blob in found:
            dims = [*shapes[blob][:-2], f"{names[blob]}/rows", shapes[blob][-1]]
        return helper.make_tensor_value_info(names[blob], TensorProto.FLOAT, dims)

    model.graph.input.extend(declared(blob) for blob in graph.inputs if graph.readers(blob))
    model.graph.output.extend(declared(blob) for blob in model_outputs(graph))
    onnx.checker.check_model(model)
    return model


def _needed_opset(node: Node) -> int:
    """The first opset that has what a layer needs, 0 for any."""
    if node.type in elementwise.HARD_SWISH_TYPES:
        return HARD_SWISH_OPSET
    symmetric = node.type == "Resize" and node.attributes.coordinates == "half_pixel_symmetric"
    return SYMMETRIC_OPSET if symmetric else 0


def _word(node: Node) -> Callable[[Builder, ExportedLayer], None] | None:
    """What adds the nodes of a layer, None where nothing does."""
    return EXPORTS.get(node.type) or OPS[node.type].onnx


def _found_rows(graph: Graph) -> set[Blob]:
    """The tops that hold rows as they are found: there are no others in ONNX."""
    return {top for node in graph.nodes if OPS[node.type].row_keys for top in node.tops}


def _check(graph: Graph) -> None:
    unknown = [node for node in graph.nodes if _word(node) is None]
    hint = "--output-blob NAME exports the net up to a blob"
    if unknown:
        named = ", ".join(f"{node.name!r} ({node.type})" for node in unknown)
        raise InputError(graph.path, f"layers that ONNX cannot express: {named}", "", hint)
    rows = _found_rows(graph)
    for node in graph.nodes:
        for bottom in rows.intersection(node.bottoms):
            raise node.error(f"reads the rows of {bottom.name!r}", "no reader: ONNX has as many as are found", hint)
    size = sum({id(blob): blob.nbytes for node in graph.nodes for blob in node.weights}.values())
    if size > MOST_MODEL_BYTES:
        raise InputError(
            graph.path, f"has {size / 1e9:.2f} GB of weights", f"at most {MOST_MODEL_BYTES / 1e9:.2f} GB in one .onnx"
        )


def _layer(node: Node, shapes, axes, names) -> ExportedLayer:
    return ExportedLayer(
        node,
        [shapes[blob] for blob in node.bottoms],
        [shapes[blob] for blob in node.tops],
        [_dims(blob, shapes, axes, -1) for blob in node.tops],
        [names[blob] for blob in node.bottoms],
        [names[blob] for blob in node.tops],
    )


def _dims(blob: Blob, shapes, axes, free) -> list:
    """The shape of a blob, with `free` for the axis that grows with the batch."""
    return [free if axes.get(blob) == axis else size for axis, size in enumerate(shapes[blob])]
