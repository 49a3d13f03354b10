"""All passes over a graph, in the order in which each finds most.

dead layers, Dropout, no-ops      fewer readers, so more can be folded
input                             mean and scale into the first layer
activations                       that are spelled out become one layer
moves                             past element-wise layers, so that they meet and become one
BatchNorm and Scale               into the layers before them, or behind them; those that stay become one Scale
Pad                               into the layers behind it
in place                          last: names only
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ....arguments import by_name, flag, instance, names
from ....errors import InputError
from ....wording import one_of
from ..analysis.shapes import infer_shapes
from ..ir.graph import Graph, Shape
from ..ir.ownership import own_parameters
from .drop_dead_layers import drop_dead_layers
from .drop_no_ops import drop_dropout, drop_no_ops
from .fold_batchnorm_scale import fold_batchnorm_scale
from .fold_forward import fold_forward
from .fold_input import fold_input
from .fold_pad import fold_pad
from .merge_batchnorm_scale import merge_batchnorm_scale
from .merge_moves import merge_moves
from .preparation import Preparation
from .recognise_activations import recognise_activations
from .report import Report
from .run_in_place import run_in_place


@dataclass(frozen=True)
class Passes:
    """Which passes to run. `outputs`: the blobs that are wanted, if not all without readers; `inputs`: the
    preparation of an input, by its name, that the net shall do itself. Raises UsageError for anything else."""

    outputs: Sequence[str] | None = None
    drop_dropout: bool = True
    drop_no_ops: bool = True
    fold_bn: bool = True
    in_place: bool = True
    inputs: Mapping[str, Preparation] = field(default_factory=dict)

    def __post_init__(self):
        if self.outputs is not None:
            names("outputs", self.outputs, "names of blobs", least=1)
        for name in ("drop_dropout", "drop_no_ops", "fold_bn", "in_place"):
            flag(name, getattr(self, name))
        for name, preparation in by_name("inputs", self.inputs, "Preparations by the names of inputs").items():
            instance(f"inputs[{name!r}]", preparation, Preparation, "a caffe64.Preparation")


@np.errstate(all="ignore")
def optimize_graph(
    graph: Graph, passes: Passes, inputs: Mapping[str, Shape] | None = None
) -> tuple[Graph, list[Report]]:
    """An optimised copy of `graph`, and the report of each pass. Outputs stay equal up to rounding; inf and NaN in
    weights are values like others. Raises InputError for a net without outputs."""
    graph = graph.copy()
    reports = [drop_dead_layers(graph, passes.outputs)]
    if not graph.nodes:
        raise InputError(graph.path, "has no output, so that nothing of it is needed", "a blob that no layer reads")
    left = {blob.name for blob in graph.inputs}
    inputs = {name: shape for name, shape in (inputs or {}).items() if name in left}
    if passes.drop_dropout:
        reports.append(drop_dropout(graph))
    shapes = infer_shapes(graph, inputs)
    if passes.drop_no_ops:
        reports.append(drop_no_ops(graph, shapes))
        reports.append(recognise_activations(graph))
        reports.append(merge_moves(graph, shapes))
        shapes = infer_shapes(graph, inputs)
    for name, preparation in passes.inputs.items():
        blob = next((blob for blob in graph.inputs if blob.name == name), None)
        if blob is None:
            raise InputError(graph.path, f"has no input {name!r}", one_of(each.name for each in graph.inputs))
        if preparation:
            reports.append(fold_input(graph, shapes, blob, preparation))
            shapes = infer_shapes(graph, inputs)
    if passes.fold_bn:
        reports.append(fold_batchnorm_scale(graph, shapes))
        reports.append(fold_forward(graph, shapes))
        shapes = infer_shapes(graph, inputs)
        reports.append(fold_pad(graph, shapes))
        reports.append(merge_batchnorm_scale(graph, shapes))
    if passes.in_place:
        reports.append(run_in_place(graph))
    own_parameters(graph)
    return graph, reports
