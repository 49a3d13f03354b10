"""What `caffe64 time` does, once its command line is understood."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ..caffe_net import CaffeNet
from ..engine.graph.gradients import Gradients
from ..engine.graph.needs import loss_weights
from ..engine.graph.runtime import Runtime
from ..engine.graph.timing import NetTime, Seconds, time_net
from .optimize_run import load
from .output import Output
from .table import print_table

SHOWN = 0.001  # share of the whole below which a layer is not shown in the table


def run(net: Path, model, compare: Path | None, iterations: int, batch, backward: bool, reading, as_json) -> None:
    """Load, time, and print one net or two."""
    output = Output(quiet=as_json)
    first = measure(load(net, model, *reading, output), iterations, batch, backward)
    second = measure(load(compare, None, *reading, output), iterations, batch, backward) if compare else None
    if as_json:
        told = {"net": str(net), "iterations": iterations, **as_dict(first)}
        if second:
            told["compared"] = {"net": str(compare), **as_dict(second)}
        print(json.dumps(told, indent=2))
    elif second:
        print_both(first, second)
    else:
        print_one(first)


def measure(net: CaffeNet, iterations: int, batch: int | None, backward: bool) -> NetTime:
    """Time a net on random inputs of its shapes, with another number of pictures if given."""
    shapes = {blob.name: net.shapes[blob] for blob in net.graph.inputs}
    if batch:
        shapes = {name: (batch, *shape[1:]) for name, shape in shapes.items()}
    runtime = Runtime(net.graph, shapes, gradients=backward)
    source = np.random.default_rng(0)
    for blob in net.graph.inputs:
        runtime.arrays[blob][...] = source.standard_normal(runtime.shapes[blob], np.float32)
    if not backward:
        return time_net(runtime, iterations)
    has_loss = any(weight for node in net.graph.nodes for weight in loss_weights(node))
    return time_net(runtime, iterations, Gradients(runtime, () if has_loss else net.graph.outputs))


def print_one(times: NetTime) -> None:
    header = ["layer", "type", "forward ms", "spread", "GFLOP/s"] + (
        ["backward ms", "spread"] if times.backward else []
    )
    rows = []
    for layer in times.layers:
        if layer.forward.median >= SHOWN * times.forward.median:
            rows.append([layer.name, layer.type, *_cells(layer.forward), _rate(layer.macs, layer.forward)])
            if times.backward:
                rows[-1] += _cells(layer.backward)
    macs = sum(layer.macs for layer in times.layers)
    rows.append(["whole net", "", *_cells(times.forward), _rate(macs, times.forward)])
    if times.backward:
        rows[-1] += _cells(times.backward)
    print_table(header, rows, left=2)


def print_both(first: NetTime, second: NetTime) -> None:
    others = {layer.name: layer for layer in second.layers}
    rows = []
    for layer in first.layers:
        other = others.pop(layer.name, None)
        if layer.forward.median >= SHOWN * first.forward.median:
            rows.append(_compared(layer.name, layer.forward, other.forward if other else None))
    rows += [_compared(name, None, layer.forward) for name, layer in others.items()]
    rows.append(_compared("whole net", first.forward, second.forward))
    if first.backward and second.backward:
        rows.append(_compared("whole net, backward", first.backward, second.backward))
    print_table(["layer", "first ms", "second ms", "acceleration"], rows)


def as_dict(times: NetTime) -> dict:
    return {
        "forward": asdict(times.forward),
        "backward": asdict(times.backward) if times.backward else None,
        "layers": [asdict(layer) for layer in times.layers],
    }


def _compared(name: str, first: Seconds | None, second: Seconds | None) -> list[str]:
    ratio = f"{first.median / second.median:.2f}" if first and second and second.median else "-"
    return [name, *(f"{1e3 * each.median:.3f}" if each else "-" for each in (first, second)), ratio]


def _cells(seconds: Seconds | None) -> list[str]:
    return [f"{1e3 * seconds.median:.3f}", f"{100 * seconds.spread:.0f}%"] if seconds else ["-", "-"]


def _rate(macs: int, seconds: Seconds) -> str:
    return f"{2e-9 * macs / seconds.median:.1f}" if macs and seconds.median else "-"
