"""A model that computes in float16 becomes one of float32: its inputs, outputs, tensors and conversions."""

from __future__ import annotations

from typing import Any

from .functions import all_nodes
from .order import title
from .tensors import Tensors

TYPE_FIELDS = ("to", "dtype")  # attributes whose number is an element type


def widen_halves(message: Any, tensors: Tensors) -> None:
    """Changes the types that the message says; initialisers are widened as they are read."""
    from onnx import TensorProto, numpy_helper

    half, single = TensorProto.FLOAT16, TensorProto.FLOAT
    for value in (*message.graph.input, *message.graph.output):
        if value.type.tensor_type.elem_type == half:
            value.type.tensor_type.elem_type, tensors.widened = single, True
    for node in all_nodes(message.graph.node):
        for attribute in node.attribute:
            if attribute.name in TYPE_FIELDS and attribute.i == half:
                attribute.i = single
            if attribute.HasField("t") and attribute.t.data_type == half:
                array = tensors.read(attribute.t, f"attribute {attribute.name!r} of {title(node)}")
                attribute.t.CopyFrom(numpy_helper.from_array(array))
