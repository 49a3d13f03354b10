"""The graph under construction: layers, the values that they give, and their shapes.

Shapes are known for several batches at once: each axis of a blob has a tuple of sizes, one per batch. So an axis that
follows the batch is never mistaken for one of the same size, and nothing that is right for one batch alone is built.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import numpy as np

from ......errors import InputError
from ......formats.onnx.records import OnnxModel, OnnxNode
from ....ir.graph import Blob, Node, Shape
from ....ops import OPS
from ....ops.parameters import ParameterBlob
from ....ops.views import Reshape
from ....ops.windows import MOST_NUMBERS

Sizes = tuple[int, ...]  # of one axis, one per batch
Axes = list[Sizes]


class GraphBuilder:
    """Collects the `nodes` that the functions of the families add for `node`, the present operator. `axes` are the
    sizes of all blobs, for as many batches as `batches`; `values` are the blobs by ONNX's names."""

    def __init__(self, model: OnnxModel, batches: int):
        self.model, self.batches = model, batches
        self.nodes: list[Node] = []
        self.values: dict[str, Blob] = {}
        self.axes: dict[Blob, Axes] = {}
        self.node = OnnxNode("", "", (), ())
        self._taken = {name for node in model.nodes for name in (node.name, *node.outputs)}
        self._taken |= {*model.constants, *(each.name for each in model.inputs)}
        self.results = frozenset(each.name for each in model.outputs)
        self._first = 0
        self._reads = Counter(name for node in model.nodes for name in node.inputs)
        self._makers: dict[Blob, Node] = {}
        self._shared: set[Blob] = set()  # values with several names
        self._gone: set[Node] = set()

    # ------------------------------------------------------------------------------------------------- what is known
    def constant(self, position: int) -> np.ndarray | None:
        """The input of that number, where it is a constant."""
        return self.model.constants.get(self._name(position))

    def needed_constant(self, position: int, what: str) -> np.ndarray:
        """The same; raises InputError where it is none."""
        array = self.constant(position)
        if array is None:
            self.refuse(f"{what} is not a constant" if self.has(position) else f"has no {what}", "a constant")
        return array

    def numbers(self, attribute: str, position: int) -> list[int] | None:
        """Whole numbers that older opsets have as an attribute, later ones as a constant input; None for none."""
        if attribute in self.node.attributes:
            return list(self.node.attributes[attribute])
        if not self.has(position):
            return None
        return [int(each) for each in self.needed_constant(position, attribute).reshape(-1)]

    def number(self, attribute: str, default: float) -> float:
        """An attribute of float32, also where it is not given."""
        return float(self.node.attributes.get(attribute, np.float32(default)))

    def has(self, position: int) -> bool:
        return self._name(position) != ""

    def _name(self, position: int) -> str:
        return self.node.inputs[position] if position < len(self.node.inputs) else ""

    def input(self, position: int = 0) -> Blob:
        """The blob of an input; a constant becomes a Parameter layer."""
        name = self._name(position)
        if name in self.values:
            return self.values[name]
        if name not in self.model.constants:
            self.refuse(f"has no input {position}", "a value")
        return self.parameter(self.model.constants[name])

    def parameter(self, array: np.ndarray) -> Blob:
        if array.dtype != np.float32:
            self.refuse(f"computes with constants of type {array.dtype}", "float32")
        return self.add("Parameter", [], ParameterBlob(array.shape), [array])

    def axis(self, blob: Blob, axis: int) -> int:
        """`axis` counted from 0. Raises InputError."""
        rank = len(self.axes[blob])
        if not -rank <= axis < rank:
            self.refuse(f"has axis {axis} for a value with {rank} axes", f"{-rank} to {rank - 1}")
        return axis % rank

    def each_axis(self, blob: Blob, axes: Iterable[int]) -> list[int]:
        """Different axes, counted from 0 and in order. Raises InputError."""
        found = [self.axis(blob, axis) for axis in axes]
        if len(set(found)) < len(found):
            self.refuse(f"has an axis twice in {list(axes)}", "different ones")
        return sorted(found)

    def sizes(self, blob: Blob, axis: int) -> int:
        """The size of an axis. Raises InputError for one that follows the batch."""
        sizes = self.axes[blob][axis]
        if len(set(sizes)) > 1:
            self.refuse(f"needs the size of axis {axis}, which is the batch", "one that is known")
        return sizes[0]

    def ones(self) -> Sizes:
        return (1,) * self.batches

    def same(self, size: int) -> Sizes:
        return (size,) * self.batches

    # --------------------------------------------------------------------------------------------------- what is added
    def add(
        self,
        kind: str,
        bottoms: Sequence[Blob],
        attributes: Any = None,
        weights: Sequence[np.ndarray] = (),
        tops: int = 1,
    ) -> Any:
        """A layer; returns its top, or a list of them for another number than 1. Raises InputError where it does not
        fit."""
        name = self.fresh(f"{self.node.name}/{kind.lower()}")
        blobs = [Blob(self.fresh(name if tops == 1 else f"{name}_{number}")) for number in range(tops)]
        node = Node(name, kind, list(bottoms), blobs, attributes)
        node.weights = [np.asarray(each, np.float32, order="C") for each in weights]
        op = OPS[kind]
        found = []
        for batch in range(self.batches):
            shapes = [tuple(sizes[batch] for sizes in self.axes[blob]) for blob in bottoms]
            found.append(op.shapes(node, shapes))
            self._check_weights(node, op.weight_shapes(node, shapes))
        for number, blob in enumerate(blobs):
            self.axes[blob] = self._joined([shapes[number] for shapes in found])
            if not 0 < max(product(self.axes[blob], self.batches)) <= MOST_NUMBERS:
                self.refuse(f"gives the shape {list(found[-1][number])}", f"1 to {MOST_NUMBERS} numbers")
        self.nodes.append(node)
        self._makers.update((blob, node) for blob in blobs)
        return blobs[0] if tops == 1 else blobs

    def maker(self, blob: Blob, kind: str) -> Node | None:
        """The layer that gives a blob, if it is of that type."""
        node = self._makers.get(blob)
        return node if node is not None and node.type == kind else None

    def take_back(self, blob: Blob) -> bool:
        """Remove the layer that gives `blob`, so that one layer can do its work and what follows; False, and nothing is
        done, where something else reads the blob."""
        if self._reads[blob.name] > 1 or blob.name in self.results or blob in self._shared:
            return False
        self._gone.add(self._makers.pop(blob))
        return True

    def _check_weights(self, node: Node, expected: Sequence[Shape]) -> None:
        shapes = [each.shape for each in node.weights]
        if shapes != [tuple(each) for each in expected]:
            self.refuse(
                f"has weights of the shapes {list(map(list, shapes))}", f"{list(map(list, expected))} for its input"
            )

    def _joined(self, shapes: Sequence[Shape]) -> Axes:
        if len(set(map(len, shapes))) > 1:
            self.refuse("has another number of axes for another batch", "the same")
        return list(zip(*shapes, strict=True))

    def reshape(self, blob: Blob, axes: Sequence[Sizes]) -> Blob:
        """`blob` with these axes; itself if it has them. A Reshape that copies what it can, and infers one axis that
        follows the batch; one before becomes one with it."""
        node = self.maker(blob, "Reshape")
        if node and self.take_back(blob):
            blob = node.bottoms[0]
        before = self.axes[blob]
        if list(axes) == before:
            return blob
        dims = []
        for number, sizes in enumerate(axes):
            known = len(set(sizes)) == 1
            copied = number < len(before) and before[number] == sizes
            dims.append(sizes[0] if known else 0 if copied else -1)
        if dims.count(-1) > 1:
            self.refuse("moves several axes that follow the batch", "one")
        return self.add("Reshape", [blob], Reshape(tuple(dims)))

    # ------------------------------------------------------------------------------------------- one operator at a time
    def begin(self, node: OnnxNode) -> None:
        self.node, self._first = node, len(self.nodes)

    def abandon(self) -> None:
        """Forget the layers of the present operator."""
        del self.nodes[self._first :]

    def bind(self, outputs: Sequence[Blob]) -> None:
        """Let these blobs be the outputs of the present operator. They take their names, and the layer that gives the
        first one takes the operator's; an output of the model that is another value too gets a layer."""
        for number, (name, blob) in enumerate(zip(self.node.outputs, outputs, strict=False)):
            maker = self._maker(blob)
            if maker is None:
                self._shared.add(blob)
            if maker is None and name in self.results:
                blob = self.add("Split", [blob])
                maker = self.nodes[-1]
            if name and maker is not None:
                blob.name = name
                maker.name = self.node.name if number == 0 else maker.name
            self.values[name] = blob

    def _maker(self, blob: Blob) -> Node | None:
        """The layer of the present operator that gives a blob."""
        return next((node for node in self.nodes[self._first :] if blob in node.tops), None)

    def finish(self) -> None:
        """Leave out what was taken back."""
        self.nodes = [node for node in self.nodes if node not in self._gone]

    def refuse(self, found: str, expected: str = "", hint: str = "") -> NoReturn:
        """Raises InputError that names the operator."""
        raise InputError(f"node {self.node.name!r} ({self.node.type})", found, expected, hint)

    def fresh(self, name: str) -> str:
        free, serial = name, 1
        while free in self._taken:
            serial += 1
            free = f"{name}_{serial}"
        self._taken.add(free)
        return free


def product(axes: Iterable[Sizes], batches: int) -> Sizes:
    """The sizes of these axes as one."""
    return tuple(math.prod(sizes) for sizes in zip(*axes, strict=True)) or (1,) * batches
