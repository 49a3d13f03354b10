"""An ONNX file of any operators -> its drawing and its summary. Shapes and costs are there as far as they are known."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..drawing.net import DrawnLayer, DrawnNet
from ..engine.graph.analysis.cost import Cost
from ..formats.onnx import OnnxNode, OnnxOutline, read_outline
from .onnx_roles import LAYERS, kind_of_operator
from .summary import LayerSummary, Summary

LONGEST_VALUE = 200  # letters of an attribute
Shape = tuple[int, ...]
Shapes = Mapping[str, Sequence[int]] | Sequence[int] | None


def drawn_onnx(path: str | os.PathLike[str], input_shapes: Shapes, say: Callable[[str], object]) -> DrawnNet:
    """The drawing of an ONNX file; `say` is called with each message about it. Raises InputError."""
    outline = read_outline(path, input_shapes or None)
    for notice in outline.notices:
        say(notice)
    return DrawnNet(outline.name or os.path.basename(outline.path), tuple(_layers(outline)))


def summarise_onnx(path: str | os.PathLike[str], input_shapes: Shapes = None) -> tuple[Summary, tuple[str, ...]]:
    """The summary of an ONNX file, and messages about it. Raises InputError."""
    outline = read_outline(path, input_shapes or None)
    drawn = _layers(outline)
    layers = [
        LayerSummary(
            layer.name,
            layer.type,
            [name for name, _ in layer.inputs],
            [name for name, _ in layer.outputs],
            [None if shape is None else list(shape) for _, shape in layer.outputs],
            layer.count,
            layer.macs,
            layer.memory,
        )
        for layer in drawn
    ]
    totals = DrawnNet("", tuple(drawn)).totals()
    sums = [int(totals[key].value) for key in ("layers", "parameters", "macs", "memory")]
    return Summary(outline.path, layers, Cost(*sums)), outline.notices


def _layers(outline: OnnxOutline) -> list[DrawnLayer]:
    """Inputs and nodes, each after those that it reads."""
    inputs = [_input(each.name, _shape(outline, each.name)) for each in outline.inputs]
    makers = {each.name: number for number, each in enumerate(outline.inputs)}
    makers |= {name: number for number, each in enumerate(outline.nodes, len(inputs)) for name in each.outputs if name}
    readers = Counter(name for each in outline.nodes for name in set(each.inputs))
    return [*inputs, *(_layer(outline, each, makers, readers) for each in outline.nodes)]


def _input(name: str, shape: Shape | None) -> DrawnLayer:
    return DrawnLayer(name, "Input", outputs=((name, shape),), macs=0, memory=_bytes([shape]))


def _layer(outline: OnnxOutline, node: OnnxNode, makers: Mapping[str, int], readers: Mapping[str, int]) -> DrawnLayer:
    weights = [outline.constants[name] for name in node.inputs if name in outline.constants]
    weights = [each for each in weights if each.type in ("float", "float16", "double", "bfloat16")]
    shapes = [_shape(outline, name) for name in node.outputs if name]
    domain = [("domain", node.domain)] if node.domain else []
    return DrawnLayer(
        node.name,
        node.type,
        reads=tuple(sorted({makers[name] for name in node.inputs if name in makers})),
        label=_label(outline, node),
        parameters=(*domain, *((name, _text(value)) for name, value in node.attributes.items())),
        inputs=tuple((name, _shape(outline, name)) for name in node.inputs if name in makers),
        outputs=tuple((name, _shape(outline, name)) for name in node.outputs if name),
        weights=tuple(outline.shapes.get(each.name, ()) for each in weights),
        shared=tuple((number, each.name) for number, each in enumerate(weights) if readers[each.name] > 1),
        macs=_macs(outline, node),
        memory=_bytes(shapes),
        kind="" if node.domain else kind_of_operator(node.type),
        layer="" if node.domain else LAYERS.get(node.type, ""),
    )


def _shape(outline: OnnxOutline, name: str) -> Shape | None:
    return outline.shapes.get(name)


def _bytes(shapes: Sequence[Shape | None]) -> int | None:
    """Of blobs of float32; None where a shape is not known."""
    return None if None in shapes else sum(4 * math.prod(shape) for shape in shapes if shape is not None)


def _text(value: Any) -> str:
    text = (
        ", ".join(map(_text, value))
        if isinstance(value, tuple)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "..."


def _macs(outline: OnnxOutline, node: OnnxNode) -> int | None:
    """Multiply-accumulates of a product; 0 of other operators of `onnx_roles`, None of those that it does not have."""
    if node.domain or not kind_of_operator(node.type):
        return None
    if node.type not in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
        return 0
    data, weights, result = (_shape(outline, name) for name in (*node.inputs[:2], node.outputs[0]))
    if data is None or weights is None or result is None:
        return None
    match node.type:
        case "Conv":
            return math.prod(result) * math.prod(weights[1:])
        case "ConvTranspose":
            return math.prod(data) * math.prod(weights[1:])
    inner = data[0] if node.attributes.get("transA") else data[-1] if data else 1
    return math.prod(result) * inner


def _label(outline: OnnxOutline, node: OnnxNode) -> str:
    """The main attributes, for a box: 3×3 /2 → 64."""
    window = node.attributes.get("kernel_shape")
    strides = node.attributes.get("strides")
    parts = ["×".join(map(str, window))] if isinstance(window, tuple) else []
    if isinstance(strides, tuple) and set(strides) - {1}:
        parts.append("/" + (str(strides[0]) if len(set(strides)) == 1 else "×".join(map(str, strides))))
    result = _shape(outline, node.outputs[0]) if node.outputs and node.outputs[0] else None
    if node.type in ("Conv", "ConvTranspose", "Gemm") and result and len(result) > 1:
        parts.append(f"→ {result[1]}")
    return " ".join(parts)
