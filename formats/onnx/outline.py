"""`read_outline`: the nodes of an ONNX file, whatever its operators, with the shapes that onnx infers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ...errors import InputError, UsageError
from .attributes import READ_AS, attribute_type
from .fold import Budget, Folding
from .functions import subgraphs
from .inputs import Given, read_value, with_shapes
from .message import OnnxFile, parse_model
from .operators import Operators, shape_of, tensor_type
from .order import in_order, reads, unique_node_names
from .records import OnnxNode, OnnxOutline, OnnxValue
from .tensors import Tensors, check_shape, type_word

LONGEST_TEXT = 200  # letters of an attribute


def read_outline(source: str | os.PathLike[str] | bytes, input_shapes: Given | None = None) -> OnnxOutline:
    """The nodes of an ONNX file, or of its bytes: operators of any kind, opset and domain. `input_shapes` as in
    `read_onnx`; without those that a file leaves free, shapes are not known. External data need not be there.

    Raises InputError for what is not a valid graph, UsageError for wrong shapes and without the package onnx.
    """
    return _Outline(parse_model(source, any_opset=True), input_shapes).outline()


class _Outline:
    def __init__(self, file: OnnxFile, input_shapes: Given | None):
        self.file, self.path, self.graph = file, file.path, file.model.graph
        self.notices: list[str] = []
        self.tensors, self.operators = Tensors(file.path, file.folder), Operators(file.path, file.opset)
        self.constants = {each.name: _constant(each.name, each) for each in self.graph.initializer}
        self.inputs = [read_value(each) for each in self.graph.input if each.name not in self.constants]
        given = [*(each.name for each in self.inputs), *self.constants, *self._sparse()]
        self.nodes = in_order(self.path, self.graph.node, given)
        self.constants |= {each.name: each for each in map(_stated, self.nodes) if each is not None}
        for each in self.constants.values():
            check_shape(self.path, f"constant {each.name!r}", self._dims(each))
        self.shapes = self._shapes(input_shapes)

    def _sparse(self) -> list[str]:
        return [each.values.name for each in self.graph.sparse_initializer]

    @staticmethod
    def _dims(constant: OnnxValue) -> tuple[int, ...]:
        return tuple(each for each in constant.shape or () if isinstance(each, int))

    def outline(self) -> OnnxOutline:
        names = unique_node_names(self.nodes)
        nodes = tuple(
            OnnxNode(
                name,
                node.op_type,
                tuple(dict.fromkeys([*node.input, *reads(node)])) if subgraphs(node) else tuple(node.input),
                tuple(node.output),
                {each.name: _attribute(each) for each in node.attribute},
                node.domain,
                self.operators.version(node) if self.file.opset else 0,
            )
            for name, node in zip(names, self.nodes, strict=True)
            if not _is_constant(node)
        )
        inputs, outputs = tuple(self.inputs), tuple(map(read_value, self.graph.output))
        name, notices = self.graph.name, tuple(self.notices)
        return OnnxOutline(
            self.path, name, self.file.opset, nodes, self.constants, inputs, outputs, self.shapes, notices
        )

    def _shapes(self, input_shapes: Given | None) -> dict[str, tuple[int, ...]]:
        found = {name: self._dims(each) for name, each in self.constants.items()}
        try:
            known = with_shapes(self.path, self.inputs, input_shapes)
        except InputError as error:
            self.notices.append(f"{error}: shapes are not known")
            return found
        if any(shape and not isinstance(shape[0], int) for shape in known.values()):
            self.notices.append(f"{self.path}: its batch is free: shapes are those of a batch of 1")
        if not self.file.opset:
            self.notices.append(f"{self.path}: of an opset that the package onnx does not know: shapes are not known")
            return found
        types = {each.name: each.type for each in (*self.graph.value_info, *self.graph.output)}
        for each in self.graph.input:
            if each.name in known:
                first, *rest = known[each.name] or (1,)
                numbers = [n for n in (first if isinstance(first, int) else 1, *rest) if isinstance(n, int)]
                types[each.name] = tensor_type(each.type.tensor_type.elem_type, numbers if known[each.name] else [])
        return found | self._inferred(types)

    def _inferred(self, types: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
        """The shapes that a walk gives; of a model with an error, those before it."""
        arrays = {}
        types = dict(types)
        for tensor in self.graph.initializer:
            types[tensor.name] = tensor_type(tensor.data_type, tensor.dims)
            try:
                arrays[tensor.name] = self.tensors.read(tensor, f"initialiser {tensor.name!r}")
            except InputError as error:
                if not self.notices or "initialiser" not in self.notices[-1]:
                    self.notices.append(str(error))
        folding = Folding(self.operators, self.tensors, arrays, types, Budget(self.path))
        try:
            folding.walk(self.nodes, frozenset(name for node in self.nodes for name in reads(node)))
        except InputError as error:
            self.notices.append(f"{error}: shapes behind it are not known")
        shapes = {name: shape_of(kind) for name, kind in folding.types.items()}
        known = {name: tuple(n for n in shape if n is not None) for name, shape in shapes.items() if shape is not None}
        return {name: shape for name, shape in known.items() if len(shape) == len(shapes[name] or ())}


def _is_constant(node: Any) -> bool:
    return node.op_type == "Constant" and not node.domain


def _constant(name: str, tensor: Any) -> OnnxValue:
    return OnnxValue(name, tuple(map(int, tensor.dims)), type_word(tensor.data_type))


def _stated(node: Any) -> OnnxValue | None:
    """What a Constant node holds; None of other nodes."""
    if not _is_constant(node) or not node.output:
        return None
    for attribute in node.attribute:
        word = attribute_type(attribute)
        if word == "TENSOR":
            return _constant(node.output[0], attribute.t)
        if word in ("FLOATS", "INTS", "STRINGS"):
            return OnnxValue(node.output[0], (len(getattr(attribute, READ_AS[word][0])),), word[:-1].lower())
    return OnnxValue(node.output[0], (), "float")


def _attribute(attribute: Any) -> Any:
    """A value, or a text of what is not one."""
    word = attribute_type(attribute)
    if attribute.ref_attr_name:
        return f"the function's {attribute.ref_attr_name}"
    if word in READ_AS:
        field, convert = READ_AS[word]
        value = convert(getattr(attribute, field))
        return f"{value[:LONGEST_TEXT]}..." if isinstance(value, str) and len(value) > LONGEST_TEXT else value
    if word == "TENSOR":
        return f"{type_word(attribute.t.data_type)} {list(attribute.t.dims)}"
    if word == "GRAPH":
        return f"a graph of {len(attribute.g.node)} nodes"
    return word.lower().replace("_", " ")


def unread_inputs(path: str) -> set[str]:
    """The inputs of a model that nothing in it reads; none where this is not known."""
    try:
        graph = parse_model(path, any_opset=True).model.graph
    except (InputError, UsageError):
        return set()
    constants = {each.name for each in graph.initializer}
    read = {name for node in graph.node for name in reads(node)}.union(each.name for each in graph.output)
    return {each.name for each in graph.input} - read - constants
