"""A Caffe net -> the DrawnNet for `drawing`. Layers of any type: shapes and costs where known."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence

from ..drawing.net import DrawnLayer, DrawnNet
from ..engine.graph.analysis.aliasing import exclusive_blobs
from ..engine.graph.analysis.cost import added_blobs
from ..engine.graph.analysis.shapes import known_shapes, known_weight_shapes, macs
from ..engine.graph.frontends.caffe.said import file_fields
from ..engine.graph.ir.graph import Blob, Graph, Shape
from ..engine.graph.ir.op import count
from ..engine.graph.ops import op_of
from ..formats.caffe import CaffeModel, read_caffemodel
from .layer_labels import main_parameters
from .reading import read_graph

Say = Callable[[str], object]


def drawn_graph(graph: Graph, shapes: Mapping[Blob, Shape], weights: Sequence[Sequence[Shape]]) -> DrawnNet:
    """The drawing of a graph, some of whose blobs have these shapes; `weights`: shapes of the weights of each layer."""
    return DrawnNet(graph.name or os.path.basename(graph.path), tuple(_layers(graph, shapes, weights)))


def drawn_files(
    prototxt: str | os.PathLike[str],
    caffemodel: str | os.PathLike[str] | None,
    phase: str | int,
    input_shapes: Mapping[str, Shape] | Shape,
    *,
    deploy: bool,
    say: Say,
) -> DrawnNet:
    """The drawing of a .prototxt, fields and layers of any type; with its .caffemodel, weights in the shapes of the
    file.

    `say` is called with each message about the files. Raises InputError, also where weights do not fit.
    """
    model = None if caffemodel is None else read_caffemodel(caffemodel)
    graph, shapes, notices = read_graph(prototxt, phase, input_shapes, deploy=deploy, allow_unknown=True, model=model)
    for notice in notices:
        say(notice)
    known = known_shapes(graph, shapes)
    weights = [shapes or [] for shapes in known_weight_shapes(graph, known)]
    if model is not None:
        weights = _weights_of(graph, weights, model, say)
    return drawn_graph(graph, known, weights)


def _weights_of(graph: Graph, expected: Sequence[list[Shape]], model: CaffeModel, say: Say) -> list[list[Shape]]:
    """Shapes of the weights that a model has for each layer, which must hold as many numbers as the layer needs. A
    second layer of one name has none, as in Caffe."""
    found: dict[str, list[Shape | None]] = {}
    for name, _, arrays in model.blobs:
        if arrays:
            found.setdefault(name, [None if array is None else array.shape for array in arrays])
    weights: list[list[Shape]] = []
    seen: set[str] = set()
    shared: set[str] = set()
    for node, wanted in zip(graph.nodes, expected, strict=True):
        shapes = wanted if node.name in seen else found.pop(node.name, [])
        seen.add(node.name)
        names = [spec.name for spec in node.blob_specs]
        if wanted and not _fit(shapes, wanted, names, shared):
            present = [shape and list(shape) for shape in shapes]
            has = f"has weights of shapes {present} in {model.path}" if shapes else ""
            expects = f"{[list(shape) for shape in wanted]}"
            raise node.error(has or f"has no weights in {model.path}", expects, "is it a model of this net?")
        shared.update(names)
        weights.append(wanted or [shape for shape in shapes if shape is not None])
    for name in found:
        say(f"{model.path} has weights for {name!r}, which the net does not have")
    return weights


def _fit(found: Sequence[Shape | None], wanted: Sequence[Shape], names: Sequence[str], shared: set[str]) -> bool:
    """Whether the shapes hold as many numbers as `wanted`. A blob may be missing if its name is one of those that
    earlier layers have given theirs."""
    fits = [one is not None and count(one) == count(other) for one, other in zip(found, wanted, strict=False)]
    fits += [False] * (len(wanted) - len(found))
    named = [bool(name) and name in shared for name in names[: len(wanted)]]
    named += [False] * (len(wanted) - len(named))
    return len(found) <= len(wanted) and all(fit or name for fit, name in zip(fits, named, strict=True))


def _layers(graph: Graph, shapes: Mapping[Blob, Shape], weights: Sequence[Sequence[Shape]]) -> Iterator[DrawnLayer]:
    exclusive = exclusive_blobs(graph)
    producer = {top: number for number, node in enumerate(graph.nodes) for top in node.tops}
    for node, blobs in zip(graph.nodes, weights, strict=True):
        added = added_blobs(node, exclusive)
        op = op_of(node)
        known = op is not None and all(blob in shapes for blob in (*node.bottoms, *node.tops))
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
            kind=op.kind if op else "",
            memory=sum(4 * count(shapes[top]) for top in added) if all(top in shapes for top in added) else None,
        )
