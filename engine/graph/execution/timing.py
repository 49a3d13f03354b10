"""Times of a graph, of the whole and of each layer: forward by a plan, as in prediction, or forward and backward, as in
training."""

from __future__ import annotations

import statistics
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..analysis.labels import class_counts
from ..analysis.shapes import macs
from ..ir.graph import Blob, Graph, Shape
from ..ir.op import count
from ..plan import Plan
from ..plan.groups import LayerGroup
from ..plan.plan import PlanPart


@dataclass(frozen=True)
class Seconds:
    """Of the runs: the fastest, the median, and the distance of the quartiles over the median."""

    min: float
    median: float
    spread: float

    @classmethod
    def of(cls, samples: list[float]) -> Seconds:
        median = statistics.median(samples)
        lower, _, upper = statistics.quantiles(samples, method="inclusive") if len(samples) > 1 else (median,) * 3
        return cls(min(samples), median, (upper - lower) / median if median else 0.0)


@dataclass(frozen=True)
class LayerTime:
    """A layer, with those that run inside it (`fused`). `algorithm`: its name, where there are several. `bytes`: read
    and written at least once: weights, bottoms and tops. `backward`: None for a layer without a backward step; `steps`:
    its kernels, moves for it included, and "own code" for what does not run by the plan's kernels."""

    name: str
    type: str
    algorithm: str
    fused: list[str]
    macs: int
    bytes: int
    forward: Seconds
    backward: Seconds | None = None
    steps: dict[str, Seconds] = field(default_factory=dict)


@dataclass(frozen=True)
class NetTime:
    """All layers in their order, and whole runs of the net."""

    layers: list[LayerTime]
    forward: Seconds
    backward: Seconds | None = None

    @property
    def macs(self) -> int:
        return sum(layer.macs for layer in self.layers)


Timing = Generator[None, None, NetTime]  # stops after each run


def alternate(timings: Sequence[Timing]) -> list[NetTime]:
    """Their results, with the runs of all alternating, so that a slow moment of the machine affects them all."""
    found: dict[int, NetTime] = {}
    while len(found) < len(timings):
        for number, timing in enumerate(timings):
            try:
                next(timing)
            except StopIteration as end:
                found.setdefault(number, end.value)
    return [found[number] for number in range(len(timings))]


def time_plan(plan: Plan, iterations: int) -> Timing:
    """Run `plan` once untimed and then `iterations` times on `some_inputs`, backward too if it has gradients. The
    layers' times are parts of the whole runs."""
    inputs, has_gradients = some_inputs(plan.graph, plan.shapes), bool(plan.backward_segments)
    forward, backward = _Samples(), _Samples()
    for iteration in range(iterations + 1):
        for blob, values in inputs.items():
            np.copyto(plan.inputs[blob], values)
        for gradient in plan.ends.values():
            gradient.fill(0)
        first = plan.timed_forward()
        second = plan.timed_backward() if has_gradients else None
        if iteration:
            forward.add(*first)
            backward.add(*second) if second else None
        yield
    layers = [_layer(group, how, plan.shapes, forward, backward) for group, how in plan.groups.items()]
    return NetTime(layers, Seconds.of(forward.whole), Seconds.of(backward.whole) if has_gradients else None)


def some_inputs(graph: Graph, shapes: Mapping[Blob, Shape]) -> dict[Blob, np.ndarray]:
    """float32 values for all inputs: class numbers where layers need these, zeros where there is one number per
    picture, such as a class that the net prepares; else normally distributed."""
    limits, found = class_counts(graph, shapes), {}
    for blob in graph.inputs:
        source, shape = np.random.default_rng(0), shapes[blob]
        if blob in limits:
            found[blob] = source.integers(0, max(1, limits[blob]), shape).astype(np.float32)
        elif count(shape, 1) == 1:
            found[blob] = np.zeros(shape, np.float32)
        else:
            found[blob] = source.standard_normal(shape, np.float32)
    return found


class _Samples:
    """Seconds of several runs in one direction: of the `whole`, and of the parts of each group."""

    def __init__(self):
        self.whole: list[float] = []
        self._parts: list[dict[PlanPart, float]] = []

    def add(self, whole: float, parts: dict[PlanPart, float]) -> None:
        self.whole.append(whole)
        self._parts.append(parts)

    def of(self, group: LayerGroup) -> Seconds | None:
        """All of a group; None if it has no part."""
        runs = [[seconds for (owner, _), seconds in parts.items() if owner is group] for parts in self._parts]
        return Seconds.of([sum(run) for run in runs]) if any(runs) else None

    def steps(self, group: LayerGroup) -> dict[str, Seconds]:
        """Each kernel of a group."""
        names = dict.fromkeys(name for parts in self._parts for owner, name in parts if owner is group)
        return {name: Seconds.of([parts.get((group, name), 0.0) for parts in self._parts]) for name in names}


def _layer(
    group: LayerGroup, algorithm: str, shapes: dict[Blob, Shape], forward: _Samples, backward: _Samples
) -> LayerTime:
    nodes, main = group.nodes, group.nodes[0]
    inside = {top for node in nodes for top in node.tops} - set(nodes[-1].tops)
    blobs = [blob for node in nodes for blob in (*node.bottoms, *node.tops) if blob not in inside]
    floats = sum(count(shapes[blob]) for blob in blobs) + sum(array.size for node in nodes for array in node.weights)
    return LayerTime(
        main.name,
        main.type,
        algorithm,
        [node.name for node in nodes[1:]],
        sum(macs(node, shapes) for node in nodes),
        4 * floats,
        forward.of(group) or Seconds.of([0.0]),
        backward.of(group),
        backward.steps(group),
    )
