"""The ONNX graph under construction: nodes, initialisers, and the names of values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import GraphProto, TensorProto, helper

from ....analysis.halves import is_halved
from ....ir.graph import Blob, Graph, Node, Shape

REDUCE_OPSET = 18


@dataclass(frozen=True)
class ExportedLayer:
    """One Caffe layer that is exported: shapes of its bottoms and tops, and the names of their values.

    `dims[i]` is the shape of top i with -1 for the axis that grows with the batch, as ONNX's Reshape takes it.
    """

    node: Node
    bottoms: list[Shape]
    tops: list[Shape]
    dims: list[list[int]]
    inputs: list[str]
    outputs: list[str]

    @property
    def attributes(self):
        return self.node.attributes


class Builder:
    """Collects the nodes of `opset` that the functions of the layer families add to `graph`, an ONNX graph with the
    names `taken`; `layer` is the present one. Numbers are stored without another copy: models may be large. `half`:
    filters and matrices as float16, which a Cast makes float32 (`halves.py`)."""

    def __init__(self, graph: GraphProto, taken: Iterable[str], opset: int, *, half: bool = False):
        self.graph, self.opset, self.half = graph, opset, half
        self.layer: ExportedLayer | None = None
        self._weights: dict[tuple, str] = {}
        self._names = set(taken)
        self._nodes: set[str] = set()

    def add(self, kind: str, inputs: Sequence[str], outputs: str | Sequence[str] = (), **attributes) -> str:
        """One node; returns the name of its first output, which is a new one where none is given."""
        outputs = [outputs] if isinstance(outputs, str) else list(outputs) or [self.fresh(kind)]
        name = self.layer.node.name  # of the node that gives a top of the layer; of others with their kind
        name = unused(name if set(outputs) & set(self.layer.outputs) else f"{name}/{kind}", self._nodes)
        self.graph.node.append(helper.make_node(kind, list(inputs), outputs, name, **attributes))
        return outputs[0]

    def constant(self, values, kind: type = np.float32) -> str:
        """An initialiser of these values, as float32 or int64."""
        return self._store(self.fresh("constant"), np.asarray(values, kind))

    def indices(self, values: Iterable[int]) -> str:
        return self.constant(list(values), np.int64)

    def weight(self, number: int, shape: Sequence[int] | None = None) -> str:
        """A blob of the layer, reshaped; one initialiser for all layers that share the blob."""
        blob = self.layer.node.weights[number]
        array = blob if shape is None else blob.reshape(shape)
        key = (blob.__array_interface__["data"][0], array.shape)
        if key not in self._weights:
            names = "weight", "bias", "mean", "variance"  # of the blobs that most layers have
            name = self.fresh(names[number] if number < len(names) else f"blob{number}")
            if self.half and is_halved(blob):
                stored = self._store(unused(f"{name}_half", self._names), array.astype(np.float16))
                self._weights[key] = self.add("Cast", [stored], name, to=TensorProto.FLOAT)
            else:
                self._weights[key] = self._store(name, array)
        return self._weights[key]

    def reshape(self, value: str, dims: Sequence[int], output: str | Sequence[str] = ()) -> str:
        return self.add("Reshape", [value, self.indices(dims)], output)

    def reduce(self, kind: str, value: str, axes: Iterable[int], keepdims: int = 1) -> str:
        """A Reduce operator, whose axes became an input: of ReduceSum in opset 13, of the others in 18."""
        if self.opset >= REDUCE_OPSET or kind == "ReduceSum":
            return self.add(kind, [value, self.indices(axes)], keepdims=keepdims)
        return self.add(kind, [value], axes=list(axes), keepdims=keepdims)

    def times(self, value: str, factor: float) -> str:
        """`value` * factor; `value` itself for 1."""
        return value if factor == 1 else self.add("Mul", [value, self.constant(factor)])

    def plus(self, value: str, shift: float) -> str:
        """`value` + shift; `value` itself for 0."""
        return value if shift == 0 else self.add("Add", [value, self.constant(shift)])

    def finish(self, value: str, number: int = 0) -> None:
        """Let `value` be the top of that number: the last node of the layer gives it, with the layer's name, if it made
        the value."""
        top, last = self.layer.outputs[number], self.graph.node[-1] if self.graph.node else None
        if last is None or value not in last.output or value in self.layer.inputs:
            self.add("Identity", [value], top)
            return
        last.output[list(last.output).index(value)] = top
        last.name = unused(self.layer.node.name, self._nodes)

    def fresh(self, what: str) -> str:
        """A name that no value has yet."""
        return unused(f"{self.layer.node.name}/{what}", self._names)

    def _store(self, name: str, array: np.ndarray) -> str:
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        self.graph.initializer.add(name=name, data_type=kind, dims=array.shape, raw_data=array.tobytes())
        return name


def unused(name: str, taken: set[str]) -> str:
    """`name`, with a number if it is taken; it is from now on."""
    free, serial = name, 1
    while free in taken:
        serial += 1
        free = f"{name}_{serial}"
    taken.add(free)
    return free


def value_names(graph: Graph) -> dict[Blob, str]:
    """A name of its own for each value. Inputs keep theirs, and of blobs that are overwritten in place the last."""
    taken, names = set(), {}
    for blob in [*graph.inputs, *reversed([top for node in graph.nodes for top in node.tops])]:
        if blob not in names:
            names[blob] = unused(blob.name, taken)
    return names
