"""What folding left -> the records of a model: without conversions, with the outputs' own names, none unread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .attributes import read_attributes
from .operators import Operators
from .order import reads, unique_node_names
from .records import OnnxNode
from .tensors import Tensors

FLOATS = frozenset((1, 11))  # float, double: float16 is float by now


class Assembly:
    """`nodes` and `constants` of the records; `rounded` is whether there were float64 among the constants."""

    def __init__(
        self,
        kept: Sequence[Any],
        constants: Mapping[str, np.ndarray],
        sources: Mapping[str, str],
        elements: Mapping[str, int],
        outputs: Sequence[str],
    ):
        """`elements`: the element types of values; `sources`: values that are the same as others."""
        self.rounded = False
        self.names = dict(sources)
        kept = [node for node in kept if not self._is_conversion(node, elements)]
        self.renamed = self._outputs(kept, outputs)
        nodes = [*map(self._with_names, kept), *self._identities(outputs)]
        self.kept = _read_ones(nodes, outputs)
        used = {name for node in self.kept for name in reads(node)} | set(outputs)
        self.constants = {name: self._single(array) for name, array in constants.items() if name in used}

    def _is_conversion(self, node: Any, elements: Mapping[str, int]) -> bool:
        """Whether a node converts one floating type to another; then its output is its input."""
        if node.op_type != "Cast" or node.domain:
            return False
        to = next((each.i for each in node.attribute if each.name == "to"), 0)
        source = self.names.get(node.input[0], node.input[0])
        if to not in FLOATS or elements.get(source) not in FLOATS:
            return False
        self.names[node.output[0]] = source
        return True

    def _outputs(self, kept: Sequence[Any], outputs: Sequence[str]) -> dict[str, str]:
        """New names of values: a value that is only called otherwise in an output gets the output's name."""
        made = {name for node in kept for name in node.output}
        renamed: dict[str, str] = {}
        for output in outputs:
            source = self.names.get(output, output)
            if source != output and source in made and source not in outputs and source not in renamed:
                renamed[source] = output
        return renamed

    def _name(self, name: str) -> str:
        name = self.names.get(name, name)
        return self.renamed.get(name, name)

    def _with_names(self, node: Any) -> Any:
        inputs, outputs = [*map(self._name, node.input)], [self.renamed.get(name, name) for name in node.output]
        if inputs == list(node.input) and outputs == list(node.output):
            return node
        import onnx

        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.input[:], copy.output[:] = inputs, outputs
        return copy

    def _identities(self, outputs: Sequence[str]) -> list[Any]:
        """Nodes for outputs that are inputs, constants, or other outputs."""
        from onnx import helper

        given = {name: self._name(name) for name in outputs if name in self.names}
        return [
            helper.make_node("Identity", [source], [name], name=name)
            for name, source in given.items()
            if source != name
        ]

    def _single(self, array: np.ndarray) -> np.ndarray:
        if array.dtype != np.float64:
            return array
        self.rounded = True
        with np.errstate(over="ignore"):
            array = array.astype(np.float32)
        array.flags.writeable = False
        return array

    def records(self, operators: Operators, tensors: Tensors) -> tuple[OnnxNode, ...]:
        names = unique_node_names(self.kept)
        return tuple(
            OnnxNode(
                name,
                node.op_type,
                tuple(node.input),
                tuple(node.output),
                {key: self._attribute(value) for key, value in read_attributes(node, tensors).items()},
                node.domain,
                operators.version(node),
            )
            for name, node in zip(names, self.kept, strict=True)
        )

    def _attribute(self, value: Any) -> Any:
        return self._single(value) if isinstance(value, np.ndarray) else value


def _read_ones(nodes: Sequence[Any], outputs: Sequence[str]) -> list[Any]:
    """The nodes whose outputs something reads."""
    read, found = set(outputs), []
    for node in reversed(nodes):
        if not read.isdisjoint(filter(None, node.output)):
            read.update(reads(node))
            found.append(node)
    return found[::-1]
