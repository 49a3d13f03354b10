"""Remove layers whose outputs equal their inputs: Dropout at inference, Split, and others that change nothing.

    Split, Concat, Eltwise or Slice of one    Reshape and Flatten to the same shape
    Power with power 1, scale 1, shift 0      Scale by 1 and without an offset
    Permute and Transpose that leave all axes where they are, ShuffleChannel of groups of one or of all, Reorg by 1
    Interp and Upsample to the same pixels    CropCenter of nothing, Reverse of one

A blob that is an output of the net keeps its name, or its layer.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..ir.graph import Blob, Graph, Node, Shape
from ..ops.arrangement import PERMUTES, permutation
from ..ops.interp import interp_axes
from ..ops.shuffle import ORDERS
from ..ops.strided_slice import RANGES, taken_ranges
from ..ops.upsample import upsampled_axes
from .affine import Affine, affine_of
from .report import Report

SAME_SIZE_AXES = {"Interp": interp_axes, "Upsample": upsampled_axes}


def drop_dropout(graph: Graph) -> Report:
    """Removes Dropout layers, which have no effect at inference."""
    report = Report("drop Dropout")
    for node in [node for node in graph.nodes if node.type == "Dropout"]:
        if node.phase == "TRAIN":
            report.left.append(f"{node.name!r}: drops at random in the TRAIN phase")
        else:
            bypass(graph, node, report)
    return report


def drop_no_ops(graph: Graph, shapes: Mapping[Blob, Shape]) -> Report:
    """Removes the others of the list above."""
    report = Report("drop layers that change nothing")
    for node in list(graph.nodes):
        if _changes_nothing(node, shapes):
            bypass(graph, node, report)
    return report


def _changes_nothing(node: Node, shapes: Mapping[Blob, Shape]) -> bool:
    if node.type == "Split":
        return True
    if len(node.bottoms) != 1 or len(node.tops) != 1:
        return False
    if node.type in ("Concat", "Slice", "Reshape", "Flatten"):
        return shapes[node.bottoms[0]] == shapes[node.tops[0]]
    shape = shapes[node.bottoms[0]]
    if node.type in PERMUTES:
        return permutation(node, len(shape)) == list(range(len(shape)))
    if node.type in RANGES:
        return taken_ranges(node, shape) == [range(size) for size in shape]
    if node.type in SAME_SIZE_AXES:
        return all(axis.is_same for axis in SAME_SIZE_AXES[node.type](node, shape))
    if node.type in ORDERS and shapes[node.tops[0]] == shape:
        axes, order = ORDERS[node.type](node, shape)
        moved = [axis for axis in order if axes[axis] != 1]
        return moved == sorted(moved)
    if node.type == "Power":
        power = node.attributes
        return (power.power, power.scale, power.shift) == (1, 1, 0)
    if node.type == "Scale":
        affine = affine_of(node, len(shape))
        return isinstance(affine, Affine) and bool(np.all(affine.factor == 1) and np.all(affine.offset == 0))
    return False


def bypass(graph: Graph, node: Node, report: Report) -> None:
    """Let the readers of the tops read the bottom, and remove the node; or report why not."""
    bottom, named = node.bottoms[0], f"{node.type} {node.name!r}"
    outputs = [top for top in node.tops if not graph.readers(top)]
    if outputs and not _can_take_name(graph, bottom, node):
        report.left.append(f"{named}: its output {outputs[0].name!r} is one of the net's")
        return
    for top in node.tops:
        graph.replace(top, bottom)
    if outputs:
        bottom.name = outputs[0].name
    graph.remove([node])
    report.changes.append(named)


def _can_take_name(graph: Graph, blob: Blob, node: Node) -> bool:
    """Whether `blob` can become the output of `node`: it has no other reader, and is not an input."""
    return len(node.tops) == 1 and graph.readers(blob) == [node] and blob not in graph.inputs
