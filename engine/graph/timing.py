"""How long each layer of a graph takes, forward and backward: every layer by itself, run after run of the whole net."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .gradients import Gradients
from .graph import Node
from .runtime import Runtime
from .shapes import macs


@dataclass(frozen=True)
class Seconds:
    """Of the runs: the fastest, the median, and the distance of the quartiles over the median."""

    min: float
    median: float
    spread: float

    @classmethod
    def of(cls, samples: list[float]) -> Seconds:
        median = statistics.median(samples)
        low, _, high = statistics.quantiles(samples, method="inclusive") if len(samples) > 1 else (median,) * 3
        return cls(min(samples), median, (high - low) / median if median else 0.0)


@dataclass(frozen=True)
class LayerTime:
    """A layer's seconds, backward None where it has nothing to do; its multiply-accumulates forward."""

    name: str
    type: str
    macs: int
    forward: Seconds
    backward: Seconds | None


@dataclass(frozen=True)
class NetTime:
    """All layers in their order, and whole runs of the net, in which nothing but the net is timed."""

    layers: list[LayerTime]
    forward: Seconds
    backward: Seconds | None


def time_net(runtime: Runtime, iterations: int, gradients: Gradients | None = None) -> NetTime:
    """Run `runtime`, and `gradients` of it if given, one time untimed and then `iterations` times as a whole, and as
    often layer by layer, on what its inputs hold."""
    back = {} if gradients is None else {node: step.run for node, step in gradients.steps}
    runtime.forward()
    if gradients:
        gradients.backward()
    forward: dict[Node, list[float]] = {node: [] for node, _ in runtime.runs}
    backward: dict[Node, list[float]] = {node: [] for node in back}
    whole: list[float] = []
    whole_back: list[float] = []
    for _ in range(iterations):
        whole.append(_seconds(runtime.forward))
        if gradients:
            whole_back.append(_seconds(gradients.backward))
        with np.errstate(all="ignore"):
            for node, run in runtime.runs:
                inputs, outputs = ([runtime.arrays[blob] for blob in blobs] for blobs in (node.bottoms, node.tops))
                forward[node].append(_seconds(lambda run=run, a=inputs, b=outputs: run(a, b)))
            for node, run in back.items():
                backward[node].append(_seconds(run))
    layers = [
        LayerTime(
            node.name,
            node.type,
            macs(node, runtime.shapes),
            Seconds.of(forward[node]),
            Seconds.of(backward[node]) if node in back else None,
        )
        for node, _ in runtime.runs
    ]
    return NetTime(layers, Seconds.of(whole), Seconds.of(whole_back) if gradients else None)


def _seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
