"""What of a model is constant for inputs of known shapes: one walk over its nodes, which evaluates what it can.

Shapes are inferred and values computed node by node, in the order of the graph, by the package onnx: each costs a
constant time, and a value that is known is at once known to those that read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import InputError
from .attributes import check_node
from .branches import branch_nodes
from .nothing import source_of
from .operators import Operators, Shape, count_of, element_of, shape_of, type_of_array
from .order import title
from .tensors import Tensors, numpy_type

LARGEST_CONSTANT = 512 << 20  # bytes
MOST_FOLDED = 2 << 30  # bytes, of all that is read and made by evaluating
FOLDED = frozenset(
    """
    Abs Add And Cast Ceil Clip Concat ConstantOfShape Div Equal Exp Expand Flatten Floor Gather Greater GreaterOrEqual
    Identity Less LessOrEqual Log Max Min Mod Mul Neg NonZero Not Or Pow Range Reciprocal ReduceL1 ReduceL2 ReduceMax
    ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Reshape Round Sign Slice Split Sqrt Squeeze Sub Sum Tile
    Transpose Unsqueeze Where Xor
    """.split()  # noqa: SIM905 (a list would take a line each)
)
ALIGNED = frozenset(("Add", "And", "Div", "Equal", "Greater", "Less", "Mul", "Or", "Pow", "Sub", "Xor"))


class Budget:
    """Bytes that evaluating may still read and make."""

    def __init__(self, path: str):
        self.path, self.left = path, MOST_FOLDED

    def take(self, node: Any, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise InputError(self.path, f"{title(node)}: folding constants takes more than 2 GiB", "at most that")


class Folding:
    """One walk. Then `kept` are the nodes whose outputs are not constant, `constants` the arrays of all that are,
    `types` the types of all values, and `sources` the values that are the same as others, by their names."""

    def __init__(
        self,
        operators: Operators,
        tensors: Tensors,
        constants: Mapping[str, np.ndarray],
        inputs: Mapping[str, Any],
        budget: Budget,
        earlier: Folding | None = None,
    ):
        """`inputs` are types by name; `earlier` is a walk for other shapes, whose results are taken where the same
        constants lead to them."""
        self.operators, self.tensors, self.budget, self.earlier = operators, tensors, budget, earlier
        self.path, self.opset = operators.path, operators.opset
        self.constants: dict[str, np.ndarray] = dict(constants)
        self.types: dict[str, Any] = {name: type_of_array(array) for name, array in constants.items()} | dict(inputs)
        self.sources: dict[str, str] = {}
        self.kept: list[Any] = []
        self.done: dict[str, tuple[list[np.ndarray | None], list[np.ndarray]]] = {}

    def walk(self, nodes: Sequence[Any], read: frozenset[str]) -> Folding:
        """Take the nodes, in an order that runs; `read` are the names of all values that something reads."""
        self.read, stack = read, list(reversed(nodes))
        self.names = {name for node in nodes for name in node.output}
        while stack:
            node = self._with_sources(stack.pop())
            if node.op_type == "If" and not node.domain and node.input and node.input[0] in self.constants:
                stack += reversed(self._branch(node))
            else:
                self._take(node)
        return self

    def shape(self, name: str) -> Shape | None:
        return shape_of(self.types.get(name))

    def element(self, name: str) -> int:
        return element_of(self.types.get(name))

    def _with_sources(self, node: Any) -> Any:
        if not any(name in self.sources for name in node.input):
            return node
        import onnx

        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        for number, name in enumerate(node.input):
            copy.input[number] = self.sources.get(name, name)
        return copy

    def _branch(self, node: Any) -> list[Any]:
        if self.operators.schema(node) is not None:
            check_node(self.path, node, self.operators.schema(node))
        condition = self.constants[node.input[0]]
        if condition.size != 1:
            raise InputError(self.path, f"{title(node)} has {condition.size} conditions", "one")
        nodes, initialisers = branch_nodes(node, bool(condition.reshape(())), self._is_taken)
        made = {name for each in nodes for name in each.output}
        if missing := [name for name in node.output if name and name not in made]:
            raise InputError(self.path, f"{title(node)} has a branch that does not give {missing[0]!r}", "all outputs")
        for tensor in initialisers:
            self._set(tensor.name, self.tensors.read(tensor, f"initialiser {tensor.name!r}"))
        self.names.update(name for each in nodes for name in each.output)
        return nodes

    def _is_taken(self, name: str) -> bool:
        return name in self.names or name in self.types

    def _take(self, node: Any) -> None:
        for name in node.input:
            if name and name not in self.types and name not in self.names:
                raise InputError(self.path, f"{title(node)} reads {name!r}", "a value that something gives")
        if self.earlier is None and (schema := self.operators.schema(node)) is not None:
            check_node(self.path, node, schema)
        values, types = self._known_before(node) or self._stated(node), {}
        if values is None:
            types = self.operators.infer(node, self.types, self.constants)
            values = self._evaluated(node, types)
        if values is not None:
            for name, value in zip(filter(None, node.output), values, strict=False):
                self._set(name, value)
            return
        self.types.update(types)
        source = source_of(node, self)
        if source is not None:
            self.sources[node.output[0]] = source
        else:
            self.kept.append(node)

    def _known_before(self, node: Any) -> list[np.ndarray] | None:
        """What the earlier walk made of the same constants."""
        known = self.earlier.done.get(node.output[0]) if self.earlier and node.output else None
        if known is None:
            return None
        before, values = known
        arrays = [self.constants.get(name) for name in node.input]
        if len(before) != len(arrays) or not all(a is b for a, b in zip(before, arrays, strict=True)):
            return None
        self.done[node.output[0]] = known
        return values

    def _set(self, name: str, value: np.ndarray) -> None:
        self.constants[name] = value
        self.types[name] = type_of_array(value)

    def _stated(self, node: Any) -> list[np.ndarray] | None:
        """The output of a Constant, or of Shape and Size where the shape is known."""
        if node.domain or node.op_type not in ("Constant", "Shape", "Size"):
            return None
        if node.op_type == "Constant":
            return self._constant(node)
        shape = self.shape(node.input[0])
        if shape is None or None in shape:
            return None
        if node.op_type == "Size":
            return [_frozen(np.array(count_of(shape), np.int64))]
        ends = {each.name: each.i for each in node.attribute}
        return [_frozen(np.array(shape[slice(ends.get("start"), ends.get("end"))], np.int64))]

    def _constant(self, node: Any) -> list[np.ndarray] | None:
        if len(node.attribute) != 1:
            raise InputError(self.path, f"{title(node)} has {len(node.attribute)} values", "one")
        attribute = node.attribute[0]
        match attribute.name:
            case "value":
                return [self.tensors.read(attribute.t, f"the value of {title(node)}")]
            case "value_float" | "value_floats":
                value = attribute.f if attribute.name == "value_float" else list(attribute.floats)
                return [_frozen(np.array(value, np.float32))]
            case "value_int" | "value_ints":
                value = attribute.i if attribute.name == "value_int" else list(attribute.ints)
                return [_frozen(np.array(value, np.int64))]
        return None

    def _evaluated(self, node: Any, types: Mapping[str, Any]) -> list[np.ndarray] | None:
        """The outputs of a node all of whose inputs are constant; None of others."""
        if node.domain or node.op_type not in FOLDED or not all(n in self.constants for n in node.input if n):
            return None
        if any(each.name in ("axis", "broadcast") and node.op_type in ALIGNED for each in node.attribute):
            return None  # before opset 7 a smaller operand lies at an axis, which onnx's reference ignores
        arrays = [self.constants[name] if name else None for name in node.input]
        expected = [types.get(name) for name in node.output if name]
        made = [self._size(node, each) for each in expected]
        if None in made:
            return None
        results = self._view(node, arrays, expected)
        if results is None:
            used = sum(array.nbytes for array in arrays if array is not None)
            self.budget.take(node, used + sum(each or 0 for each in made))
            results = self.operators.evaluate(node, arrays)
        if results is None or not _are_of(results, expected):
            return None
        values = [_frozen(each) for each in results]
        self.done[node.output[0]] = arrays, values
        return values

    def _size(self, node: Any, kind: Any) -> int | None:
        """Bytes of an output, before it is made; None where that is not known. Raises InputError for too many."""
        count, dtype = count_of(shape_of(kind)), numpy_type(element_of(kind))
        if node.op_type == "NonZero":
            array = self.constants[node.input[0]]
            count = array.size * max(1, array.ndim)
        if count is None or dtype is None:
            return None
        size = count * dtype.itemsize
        if size > LARGEST_CONSTANT:
            found = f"{title(node)} makes a constant of {size:,} bytes"
            raise InputError(self.path, found, f"at most {LARGEST_CONSTANT:,}")
        return size

    def _view(self, node: Any, arrays: Sequence[np.ndarray | None], types: Sequence[Any]) -> list[np.ndarray] | None:
        """The result of ConstantOfShape and Expand, whose numbers are all in one place, or in few."""
        shape = shape_of(types[0]) if types else None
        if shape is None or None in shape:
            return None
        whole = tuple(each or 0 for each in shape)
        if node.op_type == "Expand" and arrays[0] is not None:
            return [np.broadcast_to(arrays[0], whole)] if _broadcasts(arrays[0].shape, whole) else None
        if node.op_type != "ConstantOfShape":
            return None
        value = np.zeros(1, np.float32)
        for attribute in node.attribute:
            value = self.tensors.read(attribute.t, f"the value of {title(node)}")
        return [np.broadcast_to(value.reshape(()), whole)] if value.size == 1 else None


def _broadcasts(shape: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    ends = zip(reversed(shape), reversed(whole), strict=False)
    return len(shape) <= len(whole) and all(size in (1, other) for size, other in ends)


def _are_of(results: Sequence[np.ndarray], types: Sequence[Any]) -> bool:
    """Whether values are of the types and shapes that were inferred."""
    return len(results) == len(types) and all(
        array.dtype == numpy_type(element_of(kind)) and _fits(array.shape, shape_of(kind))
        for array, kind in zip(results, types, strict=True)
    )


def _fits(found: tuple[int, ...], shape: Shape | None) -> bool:
    return shape is None or (
        len(found) == len(shape) and all(b is None or a == b for a, b in zip(found, shape, strict=True))
    )


def _frozen(array: np.ndarray) -> np.ndarray:
    if array.flags.writeable:
        array.flags.writeable = False
    return array
