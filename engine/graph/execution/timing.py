"""Times of a graph, of the whole and of each layer: forward by a Plan, as in prediction, or forward and backward by a
Runtime and its Gradients, as in training."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..analysis.labels import class_counts
from ..analysis.shapes import macs
from ..ir.graph import Blob, Graph, Node, Shape
from ..ir.op import count
from ..plan import Plan
from .gradients import Gradients
from .runtime import Runtime


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
    and written at least once: weights, bottoms and tops. `backward`: None for a layer without a backward step."""

    name: str
    type: str
    algorithm: str
    fused: list[str]
    macs: int
    bytes: int
    forward: Seconds
    backward: Seconds | None = None


@dataclass(frozen=True)
class NetTime:
    """All layers in their order, and whole runs of the net."""

    layers: list[LayerTime]
    forward: Seconds
    backward: Seconds | None = None

    @property
    def macs(self) -> int:
        return sum(layer.macs for layer in self.layers)


@dataclass
class _Samples:
    """Seconds of the runs of one layer."""

    forward: list[float] = field(default_factory=list)
    backward: list[float] = field(default_factory=list)


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
    """Run `plan` once untimed and then `iterations` times on `some_inputs`. The layers' times are parts of the whole
    runs."""
    inputs = some_inputs(plan.graph, plan.shapes)
    whole, samples = [], {group: _Samples() for group in plan.groups}
    for iteration in range(iterations + 1):
        for blob, values in inputs.items():
            np.copyto(plan.inputs[blob], values)
        seconds, parts = plan.timed_forward()
        if iteration:
            whole.append(seconds)
            for group, part in samples.items():
                part.forward.append(parts.get(group, 0.0))
        yield
    layers = [_layer(group.nodes, how, plan.shapes, samples[group]) for group, how in plan.groups.items()]
    return NetTime(layers, Seconds.of(whole))


def time_gradients(runtime: Runtime, gradients: Gradients, iterations: int) -> Timing:
    """Run `runtime` and `gradients` of it, once untimed and then `iterations` times as a whole, in which nothing else
    is timed, and as often layer by layer."""
    back = {node: step.run for node, step in gradients.steps}
    samples = {node: _Samples() for node, _ in runtime.runs}
    whole, whole_back = [], []
    for iteration in range(iterations + 1):
        forward, backward = _seconds(runtime.forward), _seconds(gradients.backward)
        if iteration:
            whole.append(forward)
            whole_back.append(backward)
            _time_layers(runtime, back, samples)
        yield
    layers = [_layer([node], "", runtime.shapes, samples[node]) for node, _ in runtime.runs]
    return NetTime(layers, Seconds.of(whole), Seconds.of(whole_back))


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


def _time_layers(runtime: Runtime, back: dict[Node, Callable[[], None]], samples: dict[Node, _Samples]) -> None:
    with np.errstate(all="ignore"):
        for node, run in runtime.runs:
            inputs, outputs = ([runtime.arrays[blob] for blob in blobs] for blobs in (node.bottoms, node.tops))
            samples[node].forward.append(_seconds(lambda run=run, a=inputs, b=outputs: run(a, b)))
        for node, run in back.items():
            samples[node].backward.append(_seconds(run))


def _layer(nodes: list[Node], algorithm: str, shapes: dict[Blob, Shape], samples: _Samples) -> LayerTime:
    main = nodes[0]
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
        Seconds.of(samples.forward),
        Seconds.of(samples.backward) if samples.backward else None,
    )


def _seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
