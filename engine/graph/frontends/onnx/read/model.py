"""The graph of an ONNX model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ......errors import InputError
from ......formats.onnx import check_types
from ......formats.onnx.records import Dimension, OnnxModel, OnnxNode
from ....ir.graph import Blob, Graph, Node
from ....ops.inputs import InputBlobs
from ..origin import BATCH, OnnxOrigin
from . import affine, arrangement, broadcast, elementwise, filters, pictures, pooling, statistics
from .builder import Axes, GraphBuilder
from .refusals import check_operators

OPERATOR_FAMILIES = (affine, arrangement, broadcast, elementwise, filters, pictures, pooling, statistics)
OPERATORS: dict[str, Callable] = {kind: read for family in OPERATOR_FAMILIES for kind, read in family.OPERATORS.items()}


def graph_of(model: OnnxModel) -> Graph:
    """The graph, with its weights. Its inputs take the sizes that the model has now, and any batch if the model and all
    its layers allow it.

    Raises InputError that names all operators that no layer has, or else everything else that is in the way.
    """
    check_operators(model, OPERATORS)
    check_types(model)
    fixed_by = model.fixed_by
    with np.errstate(all="ignore"):  # of the file's numbers, whatever they are
        if model.free_batch:
            try:
                return _Construction(model, 2).graph("")
            except InputError as error:
                fixed_by = str(error)
        return _Construction(model, 1).graph(fixed_by)


class _Construction:
    def __init__(self, model: OnnxModel, batches: int):
        self.model, self.batches = model, batches
        self.builder = GraphBuilder(model, batches)
        self.problems: list[InputError] = []

    def graph(self, fixed_by: str) -> Graph:
        for value in self.model.inputs:
            self._input(value.name, fixed_by)
        for node in self.model.nodes:
            self._node(node)
        if self.problems:
            raise _joined(self.model.path, self.problems)
        self.builder.finish()
        self._outputs()
        self._silence()
        model = self.model
        origin = OnnxOrigin(
            tuple(each.name for each in model.outputs),
            model.opset,
            next((each.shape[0] for each in model.inputs if each.shape and isinstance(each.shape[0], str)), BATCH),
            model.doc,
            dict(model.metadata),
        )
        return Graph(self.builder.nodes, path=model.path, name=model.name, origin=origin)

    # ----------------------------------------------------------------------------------------------------------- inputs
    def _input(self, name: str, fixed_by: str) -> None:
        axes = self._axes(name)
        if axes is None:
            raise InputError(self.model.path, f"input {name!r} has no shape", "one", "--input-shape gives it")
        blob, free = Blob(name), bool(axes) and len(set(axes[0])) > 1
        shape = tuple(sizes[0] for sizes in axes)
        node = Node(name, "Input", [], [blob], InputBlobs((shape,), fixed_from=int(free), fixed_by=fixed_by))
        self.builder.nodes.append(node)
        self.builder.values[name], self.builder.axes[blob] = blob, axes

    def _axes(self, name: str) -> Axes | None:
        """The sizes of a value of the model, for each batch; None where they are not known."""
        declared = next((each.shape for each in self.model.inputs if each.name == name), None)
        shape = self.model.shapes.get(name, declared)
        if shape is None or None in shape:
            return None
        first = next((each.shape[0] for each in self.model.inputs if each.shape), 1)
        return [self._sizes(dimension, first if isinstance(first, int) else 1) for dimension in shape]

    def _sizes(self, dimension: Dimension, first: int) -> tuple[int, ...]:
        if isinstance(dimension, int):
            return (dimension,) * self.batches
        return tuple(range(first, first + self.batches))

    # -------------------------------------------------------------------------------------------------------- operators
    def _node(self, node: OnnxNode) -> None:
        builder = self.builder
        builder.begin(node)
        if any(name and name not in builder.values and name not in self.model.constants for name in node.inputs):
            return  # of a value that is refused
        try:
            found = OPERATORS[node.type](builder, node)
            builder.bind([found] if isinstance(found, Blob) else found)
            for name in node.outputs:
                self._check(name)
        except InputError as error:
            self.problems.append(error)
            builder.abandon()
            self._stand_in(node)

    def _check(self, name: str) -> None:
        """Raises InputError for an output that has another shape than ONNX infers."""
        expected, blob = self._axes(name), self.builder.values.get(name)
        if expected is not None and blob is not None and self.builder.axes[blob] != expected:
            found = [list(shape) for shape in zip(*self.builder.axes[blob], strict=True)]
            self.builder.refuse(f"gives {name!r} the shape {found[0]}", f"{[sizes[0] for sizes in expected]}")

    def _stand_in(self, node: OnnxNode) -> None:
        """Values of a refused operator, so that the others are looked at too."""
        for name in filter(None, node.outputs):
            self.builder.values.pop(name, None)
            axes = self._axes(name)
            if axes is not None:
                self.builder.values[name] = blob = Blob(name)
                self.builder.axes[blob] = axes

    # ---------------------------------------------------------------------------------------------------------- outputs
    def _outputs(self) -> None:
        """Outputs that are constants, and a copy of each that an operator reads too: a blob that is read is none."""
        builder = self.builder
        read = {bottom for node in builder.nodes for bottom in node.bottoms}
        for value in self.model.outputs:
            builder.begin(OnnxNode(value.name, "Identity", (value.name,), (value.name,)))
            blob = builder.values.get(value.name)
            if blob is None:
                builder.bind([builder.parameter(self.model.constants[value.name])])
            elif blob in read:
                blob.name = builder.fresh(f"{value.name}/value")
                builder.bind([builder.add("Split", [blob])])

    def _silence(self) -> None:
        """A Silence for what nothing reads, which would be an output of the graph."""
        builder, outputs = self.builder, {self.builder.values[each.name] for each in self.model.outputs}
        read = {bottom for node in builder.nodes for bottom in node.bottoms}
        for node in list(builder.nodes):
            idle = [top for top in node.tops if top not in read and top not in outputs]
            if idle and node.type != "Input":
                builder.nodes.append(Node(builder.fresh(f"{node.name}/silence"), "Silence", idle, []))


def _joined(path: str, problems: Sequence[InputError]) -> InputError:
    """One error of all that is in the way."""
    texts = [
        f"{each.path}: {each.found}" + (f", expected {each.expected}" if each.expected else "") for each in problems
    ]
    return InputError(path, "; ".join(texts), hint=problems[0].hint if len(problems) == 1 else "")
