"""Checks of bottoms that several families of layers share. Each function raises node.error(...) where Caffe refuses."""

from __future__ import annotations

import numpy as np

from ....errors import InputError
from ..ir.graph import Node, Shape


def refuse_in_place(node: Node) -> None:
    """The first top must be another blob than the first bottom."""
    if node.tops and node.tops[0].name == node.bottoms[0].name:
        raise node.error(f"works in place on {node.bottoms[0].name!r}", "a top of another name")


def at_most_four_axes(node: Node, bottoms: list[Shape]) -> None:
    """For layers that use Caffe's num, channels, height and width."""
    for blob, shape in zip(node.bottoms, bottoms, strict=True):
        if len(shape) > 4:
            raise node.error(f"{blob.name!r} has the shape {list(shape)}", "at most 4 axes")


def same_batch(node: Node, bottoms: list[Shape]) -> None:
    """Both bottoms need a first axis, of one size."""
    first, second = (list(shape) for shape in bottoms[:2])
    if not first or not second or first[0] != second[0]:
        raise node.error(f"bottoms of shapes {first} and {second}", "one size of the first axis")


def whole_numbers(node: Node, bottom: int, values: np.ndarray, limit: int, ignored: int | None = None) -> np.ndarray:
    """Values of a bottom as int64, cut off towards zero as Caffe does. Each must be one of 0 ... limit - 1, such as a
    class, or `ignored`."""
    numbers = values.astype(np.int64)
    wrong = (numbers < 0) | (numbers >= limit) | ~np.isfinite(values)
    if ignored is not None:
        wrong &= numbers != ignored
    if wrong.any():
        position = int(wrong.argmax())
        raise wrong_number(node, bottom, values.flat[position], position, limit)
    return numbers


def wrong_number(node: Node, bottom: int, value: np.float32, position: int, limit: int) -> InputError:
    """The error of a bottom that holds `value` at a position, where one of 0 ... limit - 1 belongs."""
    found = f"{node.bottoms[bottom].name!r} holds {value:g} at position {position}"
    expected = f"a number from 0 to {limit - 1}" if limit else "none, as there is nothing to choose from"
    return node.error(found, expected)


def propagated(node: Node) -> list[bool]:
    """What `propagate_down` says of each bottom; nothing where the file does not have it."""
    given = list(node.propagate_down)
    if len(given) not in (0, len(node.bottoms)):
        raise node.error(f"has {len(given)} propagate_down for {len(node.bottoms)} bottoms", "none, or one per bottom")
    return given
