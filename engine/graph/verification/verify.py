"""Run two nets on the same inputs and compare their outputs.

The first is run by the reference, so that a fault of the second's executor cannot be on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ....arguments import FLOOR, seed_number
from ....errors import UsageError
from ..analysis.labels import class_counts
from ..analysis.shapes import infer_shapes
from ..ir.graph import Blob, Graph, Shape
from ..passes.preparation import Preparation
from ..plan import Plan
from ..reference import Interpreter
from .difference import Difference, difference
from .finite import check_finite
from .scale import output_scales
from .ulp import ulp_text


def compare_graphs(
    first: Graph,
    second: Graph,
    inputs: Mapping[str, np.ndarray],
    prepared: Mapping[str, Preparation] | None = None,
    *,
    floor: float = FLOOR,
    reference: bool = False,
) -> list[Difference]:
    """Differences of all outputs beyond `floor`, by name, for float32 `inputs` by name; scales are the first net's.

    `prepared`: the preparation of an input, part of the second net and applied before the first. `reference`: the
    second net is run by the reference too, so that only the nets are compared. Raises UsageError if the nets have other
    inputs or numbers of outputs; outputs of other names are compared in their order. Raises CheckFailed where an output
    is not finite and all inputs are.
    """
    raw, ready = _both_inputs(first, second, inputs, prepared)
    expected, found = run_graph(first, ready, reference=True), run_graph(second, raw, reference=reference)
    if len(expected) != len(found):
        raise UsageError(f"the nets have {len(expected)} and {len(found)} outputs: {[*expected]} and {[*found]}")
    check_finite(expected, ready, "the first net", first)
    check_finite(found, raw, "the second net", second)
    pairs = zip(expected, expected if expected.keys() == found.keys() else found, strict=True)
    scales = output_scales(first, ready)
    return [difference(name, expected[name], found[other], scales[name], floor) for name, other in pairs]


def input_rounding(
    wrong: Sequence[Difference],
    first: Graph,
    second: Graph,
    inputs: Mapping[str, np.ndarray],
    prepared: Mapping[str, Preparation] | None = None,
    *,
    floor: float = FLOOR,
) -> str:
    """How far one ulp of the first net's inputs moves the outputs that are `wrong`; arguments as for
    `compare_graphs`."""
    ready = _both_inputs(first, second, inputs, prepared)[1]
    still = labels_of(first, ready)
    scales = output_scales(first, ready)
    return ulp_text(wrong, lambda each: run_graph(first, each, reference=True), ready, scales, still=still, floor=floor)


def labels_of(graph: Graph, inputs: Mapping[str, np.ndarray]) -> set[str]:
    """The names of the inputs that are class numbers."""
    shapes = infer_shapes(graph, {name: values.shape for name, values in inputs.items()})
    return {blob.name for blob in class_counts(graph, shapes)}


def _both_inputs(
    first: Graph,
    second: Graph,
    inputs: Mapping[str, np.ndarray],
    prepared: Mapping[str, Preparation] | None,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The inputs of the second net, and those of the first, which are prepared."""
    raw = {name: np.ascontiguousarray(values, np.float32) for name, values in inputs.items()}
    ready = {name: _prepared(name, values, (prepared or {}).get(name)) for name, values in raw.items()}
    return _fitting(second, raw, first), _fitting(first, ready, second)


def _fitting(graph: Graph, inputs: Mapping[str, np.ndarray], other: Graph) -> dict[str, np.ndarray]:
    """Without those that only `other` has and does not need."""
    spare = {blob.name for blob in other.inputs} - {blob.name for blob in (*other.needed_inputs, *graph.inputs)}
    return {name: values for name, values in inputs.items() if name not in spare}


def run_graph(graph: Graph, inputs: Mapping[str, np.ndarray], *, reference: bool = False) -> dict[str, np.ndarray]:
    """The results of one run, by a plan or by the reference, by name; inputs that none needs may be missing.

    Raises InputError for an unknown input, UsageError for one that is missing.
    """
    shapes = {name: values.shape for name, values in inputs.items()}
    runner = Interpreter(graph, shapes) if reference else Plan(graph, shapes, exact=True)
    needed = graph.needed_inputs
    for blob in graph.inputs:
        if blob.name in inputs:
            runner.array(blob)[...] = inputs[blob.name]
        elif blob in needed:
            raise UsageError(f"no values for the input {blob.name!r}")
    runner.forward()
    return {blob.name: runner.array(blob).copy() for blob in graph.results}


def blob_values(graph: Graph, inputs: Mapping[str, np.ndarray], blobs: Sequence[Blob]) -> dict[Blob, np.ndarray]:
    """Any blobs of one run by the reference."""
    runner = Interpreter(graph, {name: values.shape for name, values in inputs.items()})
    runner.fill(inputs)
    runner.forward()
    return {blob: runner.array(blob) for blob in blobs}


def random_inputs(
    graph: Graph, shapes: Mapping[Blob, Shape], seed: int, prepared: Mapping[str, Preparation]
) -> dict[str, np.ndarray]:
    """Values for all inputs: classes for labels, pixels 0 to 255 where they are prepared, else normally distributed."""
    source = np.random.default_rng(seed_number(seed))
    limits = class_counts(graph, shapes)
    limits.update((blob, 256) for blob in graph.inputs if prepared.get(blob.name))
    return {
        blob.name: source.integers(0, limits[blob], shapes[blob]).astype(np.float32)
        if blob in limits
        else source.standard_normal(shapes[blob], np.float32)
        for blob in graph.inputs
    }


def _prepared(name: str, values: np.ndarray, preparation: Preparation | None) -> np.ndarray:
    return preparation.apply(name, values) if preparation else values
