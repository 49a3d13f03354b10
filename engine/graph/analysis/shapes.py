"""Shapes of all blobs of a graph, for given shapes of its inputs."""

from __future__ import annotations

from collections.abc import Mapping

from ....errors import InputError
from ....wording import TYPE_LIKENESS, near_miss, one_of, reads_labels
from ..ir.graph import Blob, Graph, Node, Shape
from ..ir.op import MANY, Op, count, largest_size
from ..ops import OPS, caffe_types, op_of
from ..ops.inputs import DATA_LAYERS, check_given
from ..ops.windows import MOST_NUMBERS
from .filtered import check_filtered


def check_supported(graph: Graph) -> None:
    """Raises InputError that names the layers whose type is not known, one with a fork's field that changes its result
    in an unknown way, or one that mixes rows of which a Filter leaves out some, before anything is allocated or run."""
    unknown = [node for node in graph.nodes if not op_of(node)]
    if unknown:
        named = ", ".join(f"{node.name!r} ({node.type})" for node in unknown[:5])
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        found = f"layers of types that are not supported: {named}{more}"
        raise InputError(graph.path, found, "those that `caffe64 summary --help` lists", _way_out(unknown))
    for node in graph.nodes:
        if node.unsupported:
            raise node.error(node.unsupported)
    check_filtered(graph)


def _way_out(unknown: list[Node]) -> str:
    """A remedy: another spelling, leaving out layers that only training needs, or a layer of one's own."""
    if all(reads_labels(node.type) or not node.bottoms for node in unknown):
        return "--deploy does without data and loss layers"
    spelled = (near_miss(node.type, caffe_types(), TYPE_LIKENESS) for node in unknown)
    return next(filter(None, spelled), "caffe64.register_layer teaches a type of your own")


def infer_shapes(graph: Graph, inputs: Mapping[str, Shape] | None = None) -> dict[Blob, Shape]:
    """The shape of each blob. `inputs` gives shapes by the name of an input, in place of those of its layer.

    Raises InputError naming the layer that does not fit, or the unknown input.
    """
    check_supported(graph)
    given = _given(graph, inputs)
    shapes: dict[Blob, Shape] = {}
    for node in graph.nodes:
        shapes.update(_top_shapes(node, shapes, given))
    return shapes


def known_shapes(graph: Graph, inputs: Mapping[str, Shape] | None = None) -> dict[Blob, Shape]:
    """As `infer_shapes`, as far as possible: tops of unknown types, everything computed from them, and inputs whose
    layers do not give their shapes are left out."""
    given = _given(graph, inputs)
    shapes: dict[Blob, Shape] = {}
    for node in graph.nodes:
        if not node.bottoms:
            shapes.update((top, given[top.name]) for top in node.tops if top.name in given)
        if op_of(node) and all(bottom in shapes for bottom in node.bottoms):
            try:
                shapes.update(_top_shapes(node, shapes, given))
            except InputError:
                if node.bottoms:
                    raise
    return shapes


def _given(graph: Graph, inputs: Mapping[str, Shape] | None) -> dict[str, Shape]:
    given = dict(inputs or {})
    names = {blob.name for blob in graph.inputs}
    if wrong := [name for name in given if name not in names]:
        raise InputError(graph.path, f"has no input {wrong[0]!r}", one_of(names))
    return given


def _top_shapes(node: Node, shapes: Mapping[Blob, Shape], given: Mapping[str, Shape]) -> dict[Blob, Shape]:
    op = OPS[node.type]
    _check_number(node, "bottoms", len(node.bottoms), op.bottoms)
    _check_number(node, "tops", len(node.tops), op.tops)
    if node.bottoms:
        tops = op.shapes(node, [shapes[bottom] for bottom in node.bottoms])
    else:
        tops = _source_shapes(node, op, given)
        check_given(node, tops)
    _check_number(node, "tops", len(node.tops), (len(tops), len(tops)))
    return {top: _checked(node, top, shape) for top, shape in zip(node.tops, tops, strict=True)}


def weight_shapes(graph: Graph, shapes: Mapping[Blob, Shape]) -> list[list[Shape]]:
    """For each node, the shapes that its weights must have."""
    return [OPS[node.type].weight_shapes(node, [shapes[bottom] for bottom in node.bottoms]) for node in graph.nodes]


def known_weight_shapes(graph: Graph, shapes: Mapping[Blob, Shape]) -> list[list[Shape] | None]:
    """As `weight_shapes`, None for layers of other types and for those whose bottoms have no known shapes."""
    return [
        None
        if not op_of(node) or any(bottom not in shapes for bottom in node.bottoms)
        else OPS[node.type].weight_shapes(node, [shapes[bottom] for bottom in node.bottoms])
        for node in graph.nodes
    ]


def check_weights(graph: Graph, shapes: Mapping[Blob, Shape]) -> None:
    """Raises InputError naming the first layer that has weights of other shapes than it needs: kernels do not check."""
    for node, expected in zip(graph.nodes, weight_shapes(graph, shapes), strict=True):
        found = [blob.shape for blob in node.weights]
        if node.weights and found != [tuple(shape) for shape in expected]:
            texts = (" ".join(str(list(shape)) for shape in each) or "none" for each in (found, expected))
            raise node.error(f"has weights {next(texts)}", f"{next(texts)} for these inputs")


def macs(node: Node, shapes: Mapping[Blob, Shape]) -> int:
    """Multiply-accumulates of one run of a layer."""
    op: Op = OPS[node.type]
    return op.macs(node, [shapes[blob] for blob in node.bottoms], [shapes[blob] for blob in node.tops])


def _source_shapes(node: Node, op: Op, given: Mapping[str, Shape]) -> list[Shape]:
    """Shapes of the tops of a layer without bottoms: those given, and for the others the layer's own. A data layer has
    one label per row of its data."""
    tops = [given.get(top.name) for top in node.tops]
    if None not in tops:
        return tops
    if tops[0] is not None and node.type in DATA_LAYERS:
        return [tops[0], tops[0][:1]]
    return [shape or own for shape, own in zip(tops, op.shapes(node, []), strict=True)]


def _check_number(node: Node, what: str, number: int, allowed: tuple[int, int]) -> None:
    least, most = allowed
    if not least <= number <= most:
        expected = f"at least {least}" if most == MANY else f"{least}" if least == most else f"{least} to {most}"
        raise node.error(f"has {number} {what}", expected)


def _checked(node: Node, top: Blob, shape: Shape) -> Shape:
    found = f"gives {top.name!r} the shape {list(shape)}"
    if any(dim < 0 for dim in shape):
        raise node.error(found, "no negative dimensions")
    if (size := largest_size(shape)) > MOST_NUMBERS:
        raise node.error(f"{found}, {size} numbers" if count(shape) else found, f"at most {MOST_NUMBERS}")
    return tuple(int(dim) for dim in shape)
