"""Which axes grow with the batch: found by shapes for one picture more."""

from __future__ import annotations

from collections.abc import Mapping

from ......errors import InputError
from ....analysis.shapes import infer_shapes, weight_shapes
from ....ir.graph import Blob, Graph, Node, Shape
from ....ops.arrangement import own_axis


def batch_axes(graph: Graph, shapes: Mapping[Blob, Shape]) -> dict[Blob, int] | None:
    """The axis of each blob that grows with axis 0 of all inputs, for blobs that have one.

    None if the net takes only the batch that it is shaped for: a layer does not fit another one, has weights of its
    size, or cuts it into parts.
    """
    sizes = {shapes[blob][:1] for blob in graph.inputs}
    if len(sizes) != 1 or () in sizes:
        return None
    larger = {blob.name: (shapes[blob][0] + 1, *shapes[blob][1:]) for blob in graph.inputs}
    try:
        grown = infer_shapes(graph, larger)
    except InputError:
        return None
    if weight_shapes(graph, grown) != weight_shapes(graph, shapes):
        return None
    axes = {}
    for blob, shape in shapes.items():
        differing = [axis for axis, size in enumerate(shape) if grown[blob][axis] != size]
        if len(grown[blob]) != len(shape) or len(differing) > 1:
            return None
        if differing:
            axes[blob] = differing[0]
    return None if any(_cuts(node, shapes, axes) for node in graph.nodes) else axes


def _cuts(node: Node, shapes: Mapping[Blob, Shape], axes: Mapping[Blob, int]) -> bool:
    """Whether a layer takes a part of the batch, or the batch for channels, pixels or steps: a constant of the exported
    net."""
    if node.type == "GroupNorm":
        return axes.get(node.bottoms[0]) == 1
    if node.type in ("LSTM", "RNN") or (node.type == "Lstm" and len(node.bottoms) > 1):
        return any(blob in axes for blob in node.bottoms)  # its steps are written one by one
    if node.type == "Slice":
        axis = own_axis(node, len(shapes[node.bottoms[0]]))
        return len(node.tops) > 1 and axes.get(node.bottoms[0]) == axis
    if node.type in ("Interp", "Resize", "Upsample", "Reorg"):
        return axes.get(node.bottoms[0], 0) > 0
    if node.type == "ReverseTime":
        return not node.attributes.copy_remaining and axes.get(node.bottoms[0]) == 0
    return node.type == "Crop" and axes.get(node.bottoms[0]) != axes.get(node.tops[0])
