"""The scale of each result of a net, relative to which a difference of its values is small or large.

Each channel has its own, so that an error in a small one is not hidden by a large one. It is the larger of

    the channel's largest value
    SHARE of the movement of its values over the size of the change, where every value within the net is changed a
    little, at random

The second is for sums whose terms cancel: 0.001 as the difference of terms of 10 is less exact than 0.001 alone, and
moves with the terms. Rounding is such a change. Layers without a gradient, which choose or count, are left unchanged.

All runs are the reference's. Scales belong to the net, not to its executor, and do not depend on its faults;
and there each blob has memory of its own, so that one can be changed alone.

Nets whose results differ by rounding alone, folded or in another runtime, are within 1e-6 of the movement of values
(the real ones in tests/engine/graph/test_real_nets.py); a sum of 25,000 terms may be within 5e-6. SHARE makes that 2e-5
at most of the scale. It is below 1, since changes of all layers add up: values of a net of 100 layers move by 30 times
their size.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..analysis.labels import class_counts
from ..ir.graph import Blob, Graph, Node, Shape
from ..ir.op import count
from ..ops import OPS
from ..reference import Interpreter
from .rows import FoundRows

CHANGE = 2.0**-14  # of a value: far above its rounding, and small enough to move results in proportion
SHARE = 0.25
ROUNDING = 2.0**-16  # of the largest value of a blob: more than what roundings within a net add up to
CHANGED_RUNS = 8  # of a thousand values, the one that moves least in all runs moves by a third of the usual amount
FACTORS = np.float32([1 - CHANGE, 1 + CHANGE])


def output_scales(graph: Graph, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray | FoundRows]:
    """The scales of all results for float32 `inputs` by name: float64 arrays that broadcast to the results' shapes, or
    the FoundRows of those that are rows as they are found."""
    interpreter = Interpreter(graph, {name: values.shape for name, values in inputs.items()})
    random, fixed = np.random.default_rng(0), _whole_numbers(graph, interpreter.shapes)
    kept = _run_as_it_is(interpreter, inputs)
    rows = _moved_rows(interpreter, random)
    squares = {blob: np.zeros(interpreter.shapes[blob]) for blob in graph.results}
    with np.errstate(all="ignore"):
        for _ in range(CHANGED_RUNS):
            _run_changed(interpreter, inputs, kept, fixed, random)
            for blob, total in squares.items():
                total += np.square(interpreter.arrays[blob] - kept[blob].astype(np.float64))
        return {blob.name: rows.get(blob) or _scale(kept[blob], total) for blob, total in squares.items()}


def output_rows(graph: Graph, inputs: Mapping[str, np.ndarray]) -> dict[str, FoundRows]:
    """Of `output_scales` those of results that are rows as they are found."""
    if not any(OPS[node.type].row_keys for node in graph.nodes):
        return {}
    interpreter = Interpreter(graph, {name: values.shape for name, values in inputs.items()})
    interpreter.fill(inputs)
    interpreter.forward()
    rows = _moved_rows(interpreter, np.random.default_rng(0))
    return {blob.name: rows[blob] for blob in graph.results if blob in rows}


def _moved_rows(interpreter: Interpreter, random: np.random.Generator) -> dict[Blob, FoundRows]:
    """Of the layers that find rows: their tops, and those of runs in which the values of their bottoms are rounded
    otherwise."""
    found = {}
    for node in interpreter.graph.nodes:
        if keys := OPS[node.type].row_keys:
            bottoms = [interpreter.arrays[blob] for blob in node.bottoms]
            changed = ([_rounded(each, random) for each in bottoms] for _ in range(CHANGED_RUNS))
            runs = [_rerun(interpreter, node, each) for each in changed]
            found |= {top: FoundRows(keys, tops) for top, tops in zip(node.tops, zip(*runs, strict=True), strict=True)}
    return found


def _rounded(values: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Changed by ROUNDING, up or down at random."""
    change = ROUNDING * np.abs(values).max(initial=0)
    return values + np.where(random.random(values.shape) < 0.5, np.float32(-change), np.float32(change))


def _rerun(interpreter: Interpreter, node: Node, bottoms: list[np.ndarray]) -> list[np.ndarray]:
    """The tops of one layer for other bottoms."""
    tops = [np.empty_like(interpreter.arrays[top]) for top in node.tops]
    with np.errstate(all="ignore"):
        interpreter.runs[node](bottoms, tops)
    return tops


def _whole_numbers(graph: Graph, shapes: Mapping[Blob, Shape]) -> set[Blob]:
    """Blobs that layers with gradients read as labels or indices, and all from which these are made."""
    found = set(class_counts(graph, shapes))
    for node in reversed(graph.nodes):
        if gradient := OPS[node.type].gradient:
            whole = any(top in found for top in node.tops)
            found.update(blob for number, blob in enumerate(node.bottoms) if whole or number in gradient.labels)
    return found


def _scale(values: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Of each channel, axis 1 where there is one: of one value in each row, if nothing follows."""
    axes = tuple(axis for axis in range(values.ndim) if axis != 1 or values.ndim < 2)
    sizes, squares = (np.where(np.isfinite(each), each, 0) for each in (np.abs(values.astype(np.float64)), squares))
    largest = sizes.max(axis=axes, keepdims=True, initial=0)
    moved = np.sqrt(squares.mean(axis=axes, keepdims=True) / CHANGED_RUNS) / CHANGE if values.size else largest
    return np.maximum(largest, SHARE * moved)


def _run_as_it_is(interpreter: Interpreter, inputs: Mapping[str, np.ndarray]) -> dict[Blob, np.ndarray]:
    """Copies of the results, and of the tops of layers without gradients."""
    interpreter.fill(inputs)
    interpreter.forward()
    made = [top for node in interpreter.graph.nodes if _chooses(node) for top in node.tops]
    return {blob: interpreter.arrays[blob].copy() for blob in (*interpreter.graph.results, *made)}


def _run_changed(interpreter: Interpreter, inputs, kept, fixed: set[Blob], random: np.random.Generator) -> None:
    """The same, with every value that is read changed."""
    interpreter.fill(inputs)
    for number, node in enumerate(interpreter.graph.nodes):
        arrays = [interpreter.arrays[top] for top in node.tops]
        if _chooses(node):
            for top, array in zip(node.tops, arrays, strict=True):
                array[...] = kept[top]
        else:
            interpreter.run(number)
        for top, array in zip(node.tops, arrays, strict=True):
            if top not in fixed and top not in kept:
                array *= _factors(array.shape, random)


def _factors(shape: Shape, random: np.random.Generator) -> np.ndarray:
    size = count(shape)
    bits = np.unpackbits(np.frombuffer(random.bytes(-(-size // 8)), np.uint8), count=size)
    return FACTORS[bits].reshape(shape)


def _chooses(node: Node) -> bool:
    return bool(node.bottoms) and not OPS[node.type].gradient
