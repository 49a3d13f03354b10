"""`read_onnx`: a file or bytes -> the records of a model that is checked, folded, and of float32."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import InputError
from .assemble import FLOATS, Assembly
from .halves import widen_halves
from .inputs import Given, not_float, read_value, with_shapes
from .message import OnnxFile, parse_model
from .operators import Operators, element_of
from .order import in_order, reads
from .records import Dimension, OnnxModel, OnnxValue
from .tensors import Tensors, type_word
from .walks import Walks


def read_onnx(source: str | os.PathLike[str] | bytes, input_shapes: Given | None = None) -> OnnxModel:
    """The model of an ONNX file, or of its bytes (without external data then), with constants folded.

    `input_shapes`: shapes by the names of inputs, or the first input's alone; needed for dimensions, beside the first
    one, that the file leaves free. A first dimension given where the file has a number takes its place.

    Raises InputError for anything but a valid model, UsageError for wrong shapes and where the package onnx is not
    installed. Operators that caffe64 does not run are read all the same, and inputs and outputs of other types than
    float, which `check_types` refuses.
    """
    return _Reading(parse_model(source), input_shapes).model()


class _Reading:
    def __init__(self, file: OnnxFile, input_shapes: Given | None):
        self.file, self.path, graph = file, file.path, file.model.graph
        self.tensors = Tensors(file.path, file.folder)
        self.operators = Operators(file.path, file.opset)
        widen_halves(file.model, self.tensors)
        self.constants = self._initialisers(graph)
        self.inputs = self._inputs(graph)
        self.outputs = [read_value(each) for each in graph.output]
        given = [*(each.name for each in self.inputs), *self.constants]
        self.nodes = in_order(file.path, graph.node, given)
        self._check_outputs({*given, *(name for node in graph.node for name in node.output)})
        self.read = frozenset(name for node in self.nodes for name in reads(node)).union(
            each.name for each in self.outputs
        )
        self.shapes = with_shapes(file.path, self.inputs, input_shapes)
        own = next((each.shape[0] for each in self.inputs if each.shape), None)
        own_batch = own if isinstance(own, int) else None
        self.walks = Walks(self.operators, self.tensors, self.constants, self.elements, self.shapes, own_batch)

    def _initialisers(self, graph: Any) -> dict[str, np.ndarray]:
        if graph.sparse_initializer:
            raise InputError(self.path, "has sparse initialisers", "dense ones")
        found: dict[str, np.ndarray] = {}
        for tensor in graph.initializer:
            if tensor.name in found:
                raise InputError(self.path, f"has two initialisers {tensor.name!r}", "one")
            found[tensor.name] = self.tensors.read(tensor, f"initialiser {tensor.name!r}")
        return found

    def _inputs(self, graph: Any) -> list[OnnxValue]:
        """The inputs without an initialiser: old files list those too."""
        inputs = [read_value(each) for each in graph.input if each.name not in self.constants]
        if len({each.name for each in inputs}) < len(inputs) or not all(each.name for each in inputs):
            raise InputError(self.path, "has inputs of the same name, or of none", "a name for each")
        self.elements = {each.name: int(each.type.tensor_type.elem_type) for each in graph.input}
        for each in inputs:
            if not self.elements[each.name]:
                raise not_float(self.path, "input", each)
        return inputs

    def _check_outputs(self, made: set[str]) -> None:
        names = [each.name for each in self.outputs]
        if not names:
            raise InputError(self.path, "has no outputs", "some")
        for name in names:
            if name not in made or not name:
                raise InputError(self.path, f"has the output {name!r}", "a value that something gives")
            if names.count(name) > 1:
                raise InputError(self.path, f"has two outputs {name!r}", "one")

    def model(self) -> OnnxModel:
        outputs = [each.name for each in self.outputs]
        folded = self.walks.fold(self.nodes, self.read, outputs)
        walk = folded.walk
        elements = {name: element_of(kind) for name, kind in walk.types.items()}
        assembly = Assembly(folded.nodes, {**walk.constants, **folded.constants}, walk.sources, elements, outputs)
        nodes = assembly.records(self.operators, self.tensors)
        shapes = dict(folded.shapes)
        shapes |= {new: shapes[old] for old, new in assembly.renamed.items() if old in shapes}
        saved = self.file.model
        return OnnxModel(
            self.path,
            self.file.opset,
            nodes,
            assembly.constants,
            tuple(OnnxValue(each.name, self._input_shape(each.name, shapes), each.type) for each in self.inputs),
            tuple(self._output(each, shapes, elements) for each in self.outputs),
            {name: shapes[name] for name in _values(nodes, self.inputs, assembly.constants) if name in shapes},
            saved.graph.name,
            saved.doc_string,
            {each.key: each.value for each in saved.metadata_props},
            self._notices(assembly),
            not folded.fixed_by,
            folded.fixed_by,
        )

    def _input_shape(self, name: str, shapes: Mapping[str, tuple[Dimension, ...]]) -> tuple[Dimension, ...]:
        """The shape of an input, whose first dimension is a number where it is one in the file or was given."""
        first = self.shapes[name][:1]
        return (*first, *shapes[name][1:]) if first and isinstance(first[0], int) else shapes[name]

    def _output(
        self, declared: OnnxValue, shapes: Mapping[str, tuple[Dimension, ...]], elements: Mapping[str, int]
    ) -> OnnxValue:
        element = elements.get(declared.name, 0)
        inner = element in FLOATS and declared.type in ("float", "double")  # what is declared is what was converted to
        return OnnxValue(
            declared.name, shapes.get(declared.name), declared.type if inner or not element else type_word(element)
        )

    def _notices(self, assembly: Assembly) -> tuple[str, ...]:
        found = []
        if self.tensors.widened:
            found.append(f"{self.path}: is of float16, and becomes float32")
        if assembly.rounded:
            found.append(f"{self.path}: has numbers of float64, which are rounded to float32")
        return tuple(found)


def _values(nodes: Sequence[Any], inputs: Sequence[OnnxValue], constants: Mapping[str, np.ndarray]) -> list[str]:
    made = [name for node in nodes for name in node.outputs]
    return list(dict.fromkeys([*(each.name for each in inputs), *constants, *made]))
