"""Several walks over a model, for inputs of several first dimensions -> what holds for any first dimension."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .fold import Folding
from .operators import Shape
from .order import title
from .records import Dimension

ELEMENTWISE = frozenset(("Add", "Div", "Max", "Mean", "Min", "Mul", "Pow", "Sub", "Sum", "Where"))
TO_THE_END = np.iinfo(np.int64).max


class FixedBatch(Exception):
    """The model holds numbers that are right for one first dimension alone; the text says which."""


class AnyBatch:
    """The walks for the first dimensions `sizes`, as one. `nodes` are the nodes that are kept, with the `constants`
    that they read; `shapes` have `name` where a dimension is the first one of the inputs. Raises FixedBatch."""

    def __init__(self, walks: Sequence[Folding], sizes: Sequence[int], name: str, outputs: Sequence[str]):
        self.walks, self.sizes, self.name = walks, tuple(sizes), name
        self.constants: dict[str, np.ndarray] = {}
        _check_alike(walks)
        for output in outputs:
            if output in walks[0].constants:
                self._check_same(output, f"the output {output!r}")
        self.nodes = [self._node(node) for node in walks[0].kept]

    @property
    def shapes(self) -> dict[str, tuple[Dimension, ...]]:
        found: dict[str, tuple[Dimension, ...]] = {}
        for name in self.walks[0].types:
            shapes = [walk.shape(name) for walk in self.walks]
            if None not in shapes and len(set(map(len, filter(None, shapes)))) <= 1:
                dims: zip[tuple[int | None, ...]] = zip(*(shape or () for shape in shapes), strict=False)
                found[name] = tuple(map(self._dimension, dims))
        return found

    def check_outputs(self, outputs: Sequence[str]) -> None:
        """Raises FixedBatch for an output whose first dimension is not that of the inputs: a row is not a picture's."""
        shapes = self.shapes
        for output in outputs:
            shape = shapes.get(output)
            if output not in self.constants and (not shape or shape[0] != self.name):
                text = "?" if shape is None else ", ".join("?" if n is None else str(n) for n in shape)
                raise FixedBatch(f"the output {output!r} has the shape [{text}]")

    def _dimension(self, sizes: tuple[int | None, ...]) -> Dimension:
        return sizes[0] if len(set(sizes)) == 1 else self.name if sizes == self.sizes else None

    def _arrays(self, name: str) -> list[np.ndarray]:
        return [walk.constants[name] for walk in self.walks]

    def _check_same(self, name: str, where: str) -> None:
        first, *others = self._arrays(name)
        if not all(_same(first, other) for other in others):
            raise FixedBatch(f"{where} is a constant that depends on the first dimension")
        self.constants[name] = first

    def _node(self, node: Any) -> Any:
        """The node, with constants for any batch."""
        changed = {}
        for position, name in enumerate(node.input):
            if name not in self.walks[0].constants:
                continue
            first, *others = self._arrays(name)
            if all(_same(first, other) for other in others):
                self.constants[name] = first
            else:
                changed[position] = self._named(name, self._general(node, position))
        if not changed:
            return node
        import onnx

        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        for position, name in changed.items():
            copy.input[position] = name
        return copy

    def _named(self, name: str, array: np.ndarray) -> str:
        """The name of a constant that takes the place of another one; that name if it is free."""
        number, found = 1, name
        while found in self.constants and not _same(self.constants[found], array):
            number += 1
            found = f"{name}_{number}"
        array.flags.writeable = False
        self.constants[found] = array
        return found

    def _general(self, node: Any, position: int) -> np.ndarray:
        """The constant input of a node that is right for any batch. Raises FixedBatch."""
        arrays = self._arrays(node.input[position])
        found = None
        if not node.domain and len({array.ndim for array in arrays}) == 1:
            if arrays[0].ndim == 1 and len({array.size for array in arrays}) == 1:
                found = self._target(node, position, np.stack(arrays))
            if found is None and node.op_type in ELEMENTWISE:
                found = self._row(node, arrays)
        if found is None:
            raise FixedBatch(f"{title(node)} has the constant {node.input[position]!r} that depends on it")
        return found

    def _target(self, node: Any, position: int, rows: np.ndarray) -> np.ndarray | None:
        """A list of sizes, of which `rows` are those at each batch."""
        shapes = [walk.shape(node.input[0]) for walk in self.walks]
        match node.op_type, position:
            case "Reshape", 1:
                return _reshape_target(rows, shapes, _allows_zero(node))
            case "Expand", 1:
                return _in_place(rows, shapes, 1, from_end=True)
            case "Resize", 3:
                return _in_place(rows, shapes, 0)
            case "Slice", 2 if len(node.input) < 5:
                axes = self.walks[0].constants.get(node.input[3]) if len(node.input) > 3 else range(rows.shape[1])
                picked = [
                    None if shape is None or axes is None else tuple(shape[axis] for axis in axes) for shape in shapes
                ]
                return _in_place(rows, picked, TO_THE_END)
        return None

    def _row(self, node: Any, arrays: Sequence[np.ndarray]) -> np.ndarray | None:
        """One row, of constants whose rows are all the same, where another operand has the batch."""
        if tuple(array.shape[:1] for array in arrays) != tuple((size,) for size in self.sizes):
            return None
        row: np.ndarray = arrays[0][:1].copy()
        same = all(np.array_equal(np.broadcast_to(row, array.shape), array) for array in arrays)
        others = [name for name in node.input if name not in self.walks[0].constants]
        has = any(
            all(
                shape is not None and len(shape) == row.ndim and shape[0] == size
                for shape, size in zip([walk.shape(name) for walk in self.walks], self.sizes, strict=True)
            )
            for name in others
        )
        return row if same and has else None


def _check_alike(walks: Sequence[Folding]) -> None:
    """Raises FixedBatch unless the walks kept the same nodes."""
    kept = [[(node.op_type, tuple(node.input), tuple(node.output)) for node in walk.kept] for walk in walks]
    for each in kept[1:]:
        for number, (one, other) in enumerate(zip(kept[0], each, strict=False)):
            if one != other:
                raise FixedBatch(f"{title(walks[0].kept[number])} is there at some of them only")
        if len(each) != len(kept[0]):
            raise FixedBatch("it has more nodes at some of them")
    if any(walk.sources != walks[0].sources for walk in walks):
        raise FixedBatch("some nodes do nothing at some of them only")


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    if one is other:
        return True
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def _allows_zero(node: Any) -> bool:
    return any(each.name == "allowzero" and each.i for each in node.attribute)


def _reshape_target(rows: np.ndarray, shapes: Sequence[Shape | None], allow_zero: bool) -> np.ndarray | None:
    target: np.ndarray = rows[0].copy()
    for place in np.flatnonzero((rows != rows[0]).any(0)):
        copied = not allow_zero and all(
            shape is not None and place < len(shape) and shape[place] == size
            for shape, size in zip(shapes, rows[:, place], strict=True)
        )
        target[place] = 0 if copied else -1
    return target if (target == -1).sum() <= 1 else None


def _in_place(
    rows: np.ndarray, shapes: Sequence[Shape | None], value: int, *, from_end: bool = False
) -> np.ndarray | None:
    """The sizes, with `value` for those that are the input's own at that place."""
    target: np.ndarray = rows[0].copy()
    for place in np.flatnonzero((rows != rows[0]).any(0)):
        for shape, size in zip(shapes, rows[:, place], strict=True):
            at = place - rows.shape[1] + len(shape or ()) if from_end else place
            if shape is None or not 0 <= at < len(shape) or shape[at] != size:
                return None
        target[place] = value
    return target


def fixed_shapes(walk: Folding) -> Mapping[str, tuple[Dimension, ...]]:
    """The shapes of one walk."""
    shapes = ((name, walk.shape(name)) for name in walk.types)
    return {name: shape for name, shape in shapes if shape is not None}
