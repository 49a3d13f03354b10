"""A Caffe net -> what `drawing` draws of it. Layers of any type: shapes and costs as far as they are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..caffe.reading import read_graph
from ..drawing.net import DrawnLayer, DrawnNet
from ..engine.graph.analysis.aliasing import exclusive_blobs
from ..engine.graph.analysis.cost import added_blobs
from ..engine.graph.analysis.shapes import known_shapes, known_weight_shapes, macs
from ..engine.graph.frontends.caffe.said import file_fields
from ..engine.graph.ir.graph import Blob, Graph, Node, Shape
from ..engine.graph.ir.op import count
from ..engine.graph.ops import OPS
from ..engine.graph.ops.pooling import Pooling
from ..engine.graph.ops.windows import Convolution
from ..formats.caffe import CaffeModel, read_caffemodel
from ..formats.caffe.schema import shortest_float
from .caffe_options import Reading
from .output import Output


def read_net(path: Path, model: Path | None, reading: Reading, output: Output) -> DrawnNet:
    """The net of a .prototxt, layers of any type; with its .caffemodel, weights as they are there. Raises
    InputError."""
    binary = None if model is None else read_caffemodel(model)
    options = {"deploy": reading.deploy, "allow_unknown": reading.allow_unknown, "model": binary}
    graph, shapes, notices = read_graph(path, reading.phase, reading.shapes, **options)
    for notice in notices:
        output.say(notice)
    known = known_shapes(graph, shapes)
    weights = [shapes or [] for shapes in known_weight_shapes(graph, known)]
    if binary is not None:
        weights = _weights_of(graph, weights, binary, output)
    return DrawnNet(graph.name or path.name, tuple(_layers(graph, known, weights)))


def _weights_of(graph: Graph, expected: Sequence[list[Shape]], model: CaffeModel, output: Output) -> list[list[Shape]]:
    """Shapes of the weights that a model has for each layer, which must hold as many numbers as the layer needs. A
    second layer of one name has none there, as in Caffe."""
    found: dict[str, list[Shape | None]] = {}
    for name, _, arrays in model.blobs:
        if arrays:
            found.setdefault(name, [None if array is None else array.shape for array in arrays])
    weights, seen, shared = [], set(), set()
    for node, wanted in zip(graph.nodes, expected, strict=True):
        shapes = wanted if node.name in seen else found.pop(node.name, [])
        seen.add(node.name)
        names = [spec.name for spec in node.blob_specs]
        if wanted and not _fit(shapes, wanted, names, shared):
            told = [shape and list(shape) for shape in shapes]
            has = f"has weights of shapes {told} in {model.path}" if shapes else ""
            expects = f"{[list(shape) for shape in wanted]}"
            raise node.error(has or f"has no weights in {model.path}", expects, "is it a model of this net?")
        shared.update(names)
        weights.append(wanted or [shape for shape in shapes if shape is not None])
    for name in found:
        output.say(f"{model.path} has weights for {name!r}, which the net does not have")
    return weights


def _fit(found: Sequence[Shape | None], wanted: Sequence[Shape], names: Sequence[str], shared: set[str]) -> bool:
    """Whether the shapes hold as many numbers as `wanted`. A blob may be missing if its name is one of those that
    earlier layers have given theirs."""
    fits = [one is not None and count(one) == count(other) for one, other in zip(found, wanted, strict=False)]
    fits += [False] * (len(wanted) - len(found))
    named = [bool(name) and name in shared for name in names[: len(wanted)]]
    named += [False] * (len(wanted) - len(named))
    return len(found) <= len(wanted) and all(fit or name for fit, name in zip(fits, named, strict=True))


def _layers(graph: Graph, shapes: Mapping[Blob, Shape], weights: Sequence[list[Shape]]) -> Iterator[DrawnLayer]:
    exclusive = exclusive_blobs(graph)
    producer = {top: number for number, node in enumerate(graph.nodes) for top in node.tops}
    for node, blobs in zip(graph.nodes, weights, strict=True):
        added = added_blobs(node, exclusive)
        known = node.type in OPS and all(blob in shapes for blob in (*node.bottoms, *node.tops))
        names = [spec.name for spec in node.blob_specs]
        yield DrawnLayer(
            node.name,
            node.type,
            reads=tuple(sorted({producer[bottom] for bottom in node.bottoms})),
            label=main_parameters(node),
            parameters=tuple(file_fields(node)),
            inputs=tuple((blob.name, shapes.get(blob)) for blob in node.bottoms),
            outputs=tuple((blob.name, shapes.get(blob)) for blob in node.tops),
            weights=tuple(blobs),
            shared=tuple((number, name) for number, name in enumerate(names[: len(blobs)]) if name),
            macs=macs(node, shapes) if known else None,
            memory=sum(4 * count(shapes[top]) for top in added) if all(top in shapes for top in added) else None,
        )


def main_parameters(node: Node) -> str:
    """What a box says of a layer besides its type: window, number of outputs, operation, axis."""
    attributes = node.attributes
    match node.type:
        case "Convolution" | "ConvolutionDepthwise" | "DepthwiseConvolution" | "Deconvolution":
            group = f", group {attributes.group}" if (attributes.group or 1) > 1 else ""
            dilated = f", dilation {_one(attributes.dilation)}" if any(d > 1 for d in attributes.dilation) else ""
            return f"{_window(attributes)} → {attributes.num_output}{group}{dilated}"
        case "InnerProduct" | "Embed":
            return f"→ {attributes.num_output}"
        case "Pooling":
            kind = ("max", "average", "stochastic")[attributes.pool]
            return f"{kind}, global" if attributes.kernel is None else f"{kind} {_window(attributes)}"
        case "Eltwise":
            return ("product", "sum", "max")[attributes.operation]
        case "Concat":
            return "" if attributes.axis == 1 else f"axis {attributes.axis}"
        case "LRN":
            return f"over {attributes.local_size}"
        case "Dropout":
            return shortest_float(attributes.dropout_ratio)
        case "ReLU" if attributes.negative_slope:
            return f"slope {shortest_float(attributes.negative_slope)}"
        case "Reshape":
            return "×".join(map(str, attributes.dims))
        case "Permute":
            return ", ".join(map(str, attributes.order))
    return ""


def _window(attributes: Convolution | Pooling) -> str:
    """3×3 /2, pad 1."""
    kernel, stride, pad = attributes.kernel, attributes.stride, attributes.pads_before
    text = "×".join(map(str, kernel * 2 if len(kernel) == 1 else kernel))
    text += f" /{_one(stride)}" if set(stride) != {1} else ""
    return text + (f", pad {_one(pad)}" if any(pad) else "")


def _one(values: Sequence) -> str:
    """Of equal numbers the one."""
    texts = list(map(str, values))
    return texts[0] if len(set(texts)) == 1 else "×".join(texts)
