"""Run two nets on the same inputs and compare their outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...arguments import seed_number
from ...errors import UsageError
from .graph import Blob, Graph, Shape
from .labels import class_counts
from .optimize import Preparation
from .plan import Plan


@dataclass(frozen=True)
class Difference:
    """How far an output of the second net is from the first's: the largest |a - b|, and that over the largest |a|."""

    output: str
    absolute: float
    relative: float


def compare_graphs(
    first: Graph, second: Graph, inputs: Mapping[str, np.ndarray], prepared: Mapping[str, Preparation] | None = None
) -> list[Difference]:
    """Differences of all outputs, by name, for float32 `inputs` by name.

    `prepared`: what the second net does to an input itself, and the first has done to it before. Raises UsageError if
    the nets have other inputs or numbers of outputs; outputs of other names are compared in their order.
    """
    raw = {name: np.ascontiguousarray(values, np.float32) for name, values in inputs.items()}
    ready = {name: prepare(values, (prepared or {}).get(name)) for name, values in raw.items()}
    expected = run_graph(first, _fitting(first, ready, second))
    found = run_graph(second, _fitting(second, raw, first))
    if len(expected) != len(found):
        raise UsageError(f"the nets have {len(expected)} and {len(found)} outputs: {[*expected]} and {[*found]}")
    pairs = zip(expected, expected if expected.keys() == found.keys() else found, strict=True)
    return [difference(name, expected[name], found[other]) for name, other in pairs]


def _fitting(graph: Graph, inputs: Mapping[str, np.ndarray], other: Graph) -> dict[str, np.ndarray]:
    """Without those that only `other` has, for no result of its."""
    spare = {blob.name for blob in other.inputs} - {blob.name for blob in (*other.needed_inputs, *graph.inputs)}
    return {name: values for name, values in inputs.items() if name not in spare}


def run_graph(graph: Graph, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The results of one run, by name; inputs that none needs may be missing. Raises InputError for an unknown input,
    UsageError for one that is missing."""
    plan = Plan(graph, {name: values.shape for name, values in inputs.items()}, exact=True)
    needed = graph.needed_inputs
    for blob in graph.inputs:
        if blob.name in inputs:
            plan.inputs[blob][...] = inputs[blob.name]
        elif blob in needed:
            raise UsageError(f"no values for the input {blob.name!r}")
    plan.forward()
    return {blob.name: plan.outputs[blob].copy() for blob in graph.results}


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


def prepare(values: np.ndarray, preparation: Preparation | None) -> np.ndarray:
    """(x - mean) * scale for x [N, C, ...], float32; x itself without a preparation."""
    if not preparation:
        return values
    mean = np.asarray(preparation.mean if len(preparation.mean) else [0.0], np.float32)
    mean = mean.reshape(1, -1, *(1 for _ in values.shape[2:]))
    return np.ascontiguousarray((values - mean) * np.float32(preparation.scale), np.float32)


def difference(name: str, expected: np.ndarray, found: np.ndarray) -> Difference:
    if expected.shape != found.shape:
        raise UsageError(f"the output {name!r} has the shapes {expected.shape} and {found.shape}")
    error = np.abs(expected.astype(np.float64) - found.astype(np.float64))
    both_nan = np.isnan(expected) & np.isnan(found)
    error = np.where(both_nan | (expected == found), 0, np.where(np.isnan(error), np.inf, error))
    finite = np.abs(expected[np.isfinite(expected)]).astype(np.float64)
    largest = max(float(finite.max(initial=0)), float(np.finfo(np.float32).tiny))
    absolute = float(error.max(initial=0))
    return Difference(name, absolute, absolute / largest)
