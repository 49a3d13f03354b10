"""What the package onnx knows of operators: their schemas, the types and shapes of their outputs, and their values."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import InputError
from .functions import subgraphs
from .order import title

MOST_SHAPE_NUMBERS = 1024  # of a constant that may say a shape: a list of sizes, starts, scales
FLOAT_SHAPES = ("Range", "Resize", "Upsample")
Shape = tuple[int | None, ...]


class Operators:
    """The operators of one opset. `path` names the model in messages."""

    def __init__(self, path: str, opset: int):
        from onnx import helper

        self.path, self.opset = path, opset
        self.imports = [helper.make_opsetid("", opset)]
        self._schemas: dict[tuple[str, str], Any] = {}

    def schema(self, node: Any) -> Any:
        """The schema of a node's operator, None if ONNX does not have it."""
        from onnx import defs

        key = node.domain, node.op_type
        if key not in self._schemas:
            try:
                self._schemas[key] = None if node.domain else defs.get_schema(node.op_type, self.opset, "")
            except defs.SchemaError:
                self._schemas[key] = None
        return self._schemas[key]

    def version(self, node: Any) -> int:
        schema = self.schema(node)
        return 0 if schema is None else int(schema.since_version)

    def infer(self, node: Any, types: Mapping[str, Any], constants: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """The types of a node's outputs by name, as far as they are known. Raises InputError where the shapes of its
        inputs are not such as it takes."""
        from onnx import shape_inference

        schema = self.schema(node)
        if schema is None or subgraphs(node):
            return {}
        given = {name: types[name] for name in node.input if name and name in types}
        if not all(name in given and _is_known(given[name]) for name in node.input if name):
            return {}  # an output of an operator that ONNX does not have, or of a subgraph
        data = {name: _message_of(constants[name], name) for name in given if _says_shape(node, constants.get(name))}
        try:
            found: dict[str, Any] = shape_inference.infer_node_outputs(
                schema, node, given, data, opset_imports=self.imports
            )
        except Exception as error:  # of pybind's own types, without a common base
            raise InputError(self.path, f"{title(node)}: {_first_line(error)}", "inputs that fit together") from None
        found = {name: found[name] for name in node.output if name in found}
        if node.op_type == "Reshape":
            self._check_reshape(node, shape_of(given[node.input[0]]), shape_of(found.get(node.output[0])))
        return found

    def _check_reshape(self, node: Any, before: Shape | None, after: Shape | None) -> None:
        """Raises InputError for another number of numbers, which onnx's inference lets pass."""
        counts = count_of(before), count_of(after)
        if None not in counts and counts[0] != counts[1]:
            found = f"{title(node)} makes {list(after or ())} of {list(before or ())}"
            raise InputError(self.path, found, "as many numbers")

    def evaluate(self, node: Any, arrays: Sequence[np.ndarray | None]) -> list[np.ndarray] | None:
        """The outputs of a node, by onnx's reference; None where that cannot compute them."""
        from onnx import helper
        from onnx.reference import ReferenceEvaluator

        inputs = [helper.make_tensor_value_info(name, 1, None) for name in dict.fromkeys(node.input) if name]
        outputs = [helper.make_tensor_value_info(name, 1, None) for name in node.output if name]
        model = helper.make_model(helper.make_graph([node], "", inputs, outputs), opset_imports=self.imports)
        feeds = {name: array for name, array in zip(node.input, arrays, strict=True) if name}
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
                found = ReferenceEvaluator(model).run(None, feeds)
        except MemoryError:
            raise InputError(self.path, f"{title(node)} does not fit into memory") from None
        except Exception:  # numpy's and the reference's own, of any kind
            return None
        return [np.asarray(each) for each in found]


def _says_shape(node: Any, array: np.ndarray | None) -> bool:
    """Whether a constant may say the shape of an output: it is a short list of whole numbers, or of scales."""
    if array is None or array.ndim > 1 or array.size > MOST_SHAPE_NUMBERS:
        return False
    return array.dtype.kind != "f" or node.op_type in FLOAT_SHAPES


def _message_of(array: np.ndarray, name: str) -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(array, name)


def _is_known(kind: Any) -> bool:
    return not kind.HasField("tensor_type") or bool(kind.tensor_type.elem_type)


def _first_line(error: Exception) -> str:
    """The reason, of "[ShapeInferenceError] (op_type:Conv, node name: c): reason"."""
    text = str(error).strip().partition("\n")[0]
    return text.rpartition("): ")[2].removeprefix("[ShapeInferenceError] ").removeprefix("[TypeInferenceError] ")


def tensor_type(element: int, shape: Sequence[int | None] | None) -> Any:
    from onnx import helper

    return helper.make_tensor_type_proto(element, shape)


def type_of_array(array: np.ndarray) -> Any:
    from onnx import helper

    return tensor_type(helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)


def shape_of(kind: Any) -> Shape | None:
    """The shape in a TypeProto, None in places that are not known; None without a rank."""
    if kind is None or not kind.HasField("tensor_type") or not kind.tensor_type.HasField("shape"):
        return None
    dims = kind.tensor_type.shape.dim
    return tuple(int(dim.dim_value) if dim.HasField("dim_value") else None for dim in dims)


def element_of(kind: Any) -> int:
    """The element type in a TypeProto, 0 where it is not known."""
    return int(kind.tensor_type.elem_type) if kind is not None and kind.HasField("tensor_type") else 0


def count_of(shape: Shape | None) -> int | None:
    """How many numbers; None where not known."""
    return None if shape is None or None in shape else math.prod(each or 0 for each in shape)
