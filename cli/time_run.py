"""What `caffe64 time` does, once its command line is understood."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ..caffe.load import CaffeNet
from ..engine.graph.analysis.cost import cost_of
from ..engine.graph.execution.gradients import Gradients
from ..engine.graph.execution.need_backward import loss_weights
from ..engine.graph.execution.runtime import Runtime
from ..engine.graph.execution.timing import (
    LayerTime,
    NetTime,
    Seconds,
    Timing,
    some_inputs,
    take_turns,
    time_gradients,
    time_plan,
)
from ..engine.graph.ir.op import count
from ..engine.graph.plan import Plan
from ..engine.products.peak import fma_peak
from ..engine.team.threads import usable_threads
from .optimize_run import load
from .output import Output
from .table import print_table

SHOWN = 0.001  # share of the whole below which a layer is not shown in the table


@dataclass(frozen=True)
class Settings:
    """What the command line asks for."""

    iterations: int
    threads: int | None
    batch: int | None
    backward: bool
    fuse: bool
    exact: bool


@dataclass(frozen=True)
class Activations:
    """Bytes: of the plan's arena, where blobs share memory, of all blobs, and of Caffe's, some of them in place; and
    scratch memory of the kernels. `arena` and `scratch` are None where every blob is kept."""

    arena: int | None
    blobs: int
    caffe: int
    scratch: int | None


@dataclass(frozen=True)
class Measured:
    """What was found out about one net."""

    net: str
    threads: int
    times: NetTime
    activations: Activations


def run(net: Path, model, compare: Path | None, settings: Settings, reading, as_json) -> None:
    """Load, time, and print one net or two."""
    output = Output(quiet=as_json)
    nets = [(str(net), load(net, model, reading, output, gradients=settings.backward))]
    if compare:
        nets.append((str(compare), load(compare, None, reading, output, gradients=settings.backward)))
    found = measure(nets, settings)
    peak = fma_peak(found[0].threads)
    if as_json:
        told = {"iterations": settings.iterations, "peak": peak, **as_dict(found[0])}
        if compare:
            told["compared"] = as_dict(found[1])
        print(json.dumps(told, indent=2))
    elif compare:
        print_both(*(each.times for each in found))
        for each in found:
            print(memory_line(each))
    else:
        print_one(found[0].times, peak)
        threads = "1 thread" if found[0].threads == 1 else f"{found[0].threads} threads"
        print(f"{threads}, whose peak is {peak / 1e9:.0f} GFLOP/s; {settings.iterations} runs")
        print(memory_line(found[0]))


def measure(nets: list[tuple[str, CaffeNet]], settings: Settings) -> list[Measured]:
    """Time nets, in turns, by their names."""
    prepared = [prepare(net, settings) for _, net in nets]
    times = take_turns([timing for timing, _, _ in prepared])
    rest = zip(nets, prepared, times, strict=True)
    return [Measured(name, threads, each, activations) for (name, _), (_, threads, activations), each in rest]


def prepare(net: CaffeNet, settings: Settings) -> tuple[Timing, int, Activations]:
    """What times a net on random inputs of its shapes, with another number of pictures if given; its threads, and its
    activations."""
    shapes = {blob.name: net.shapes[blob] for blob in net.graph.inputs}
    if settings.batch:
        shapes = {each: (settings.batch, *shape[1:]) for each, shape in shapes.items()}
    options = {"threads": settings.threads, "exact": settings.exact}
    if settings.backward:
        runner = Runtime(net.graph, shapes, gradients=True, **options)
        for blob in net.graph.inputs:
            runner.arrays[blob][...] = some_inputs(runner.shapes[blob])
        has_loss = any(weight for node in net.graph.nodes for weight in loss_weights(node))
        gradients = Gradients(runner, () if has_loss else net.graph.outputs)
        timing = time_gradients(runner, gradients, settings.iterations)
    else:
        runner = Plan(net.graph, shapes, fuse=settings.fuse, **options)
        timing = time_plan(runner, settings.iterations)
    blobs = 4 * sum(count(shape) for shape in runner.shapes.values())
    caffe = cost_of(net.graph, runner.shapes).activation_bytes
    planned = None if settings.backward else runner.bytes
    activations = Activations(planned and planned.arena, blobs, caffe, planned and planned.scratch)
    threads = settings.threads or (usable_threads() if settings.backward else runner.threads)
    return timing, threads, activations


def print_one(times: NetTime, peak: float) -> None:
    """The table of one net. Where gradients are timed, each layer goes the one way that it has."""
    gradients = times.backward is not None
    header = ["layer", "type", *([] if gradients else ["how"]), "forward ms", "spread", "GFLOP/s", "of peak", "GB/s"]
    header += ["backward ms", "spread"] if gradients else []

    def row(name, kind, algorithm, forward, rates, backward) -> list[str]:
        cells = [name, kind, *([] if gradients else [algorithm]), *_cells(forward), *rates]
        return [*cells, *(_cells(backward) if gradients else [])]

    rows = [
        row(
            " + ".join((each.name, *each.fused)),
            each.type,
            each.algorithm,
            each.forward,
            _rates(each, peak),
            each.backward,
        )
        for each in times.layers
        if each.forward.median >= SHOWN * times.forward.median
    ]
    whole = [*_flops(times.macs, times.forward, peak), ""]
    rows.append(row("whole net", "", "", times.forward, whole, times.backward))
    print_table(header, rows, left=2 if gradients else 3)


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


def memory_line(found: Measured) -> str:
    """What the activations take."""
    each = found.activations
    planned = "" if each.arena is None else f"{each.arena:,} bytes in one arena (and {each.scratch:,} of scratch); "
    return f"{found.net}: activations {planned}{each.blobs:,} in all blobs, {each.caffe:,} with Caffe's in-place layers"


def as_dict(found: Measured) -> dict:
    times = found.times
    return {
        "net": found.net,
        "threads": found.threads,
        "forward": asdict(times.forward),
        "backward": asdict(times.backward) if times.backward else None,
        "activations": asdict(found.activations),
        "layers": [asdict(layer) for layer in times.layers],
    }


def _compared(name: str, first: Seconds | None, second: Seconds | None) -> list[str]:
    ratio = f"{first.median / second.median:.2f}" if first and second and second.median else "-"
    return [name, *(f"{1e3 * each.median:.3f}" if each else "-" for each in (first, second)), ratio]


def _cells(seconds: Seconds | None) -> list[str]:
    return [f"{1e3 * seconds.median:.3f}", f"{100 * seconds.spread:.0f}%"] if seconds else ["-", "-"]


def _rates(layer: LayerTime, peak: float) -> list[str]:
    seconds = layer.forward.median
    return [*_flops(layer.macs, layer.forward, peak), f"{1e-9 * layer.bytes / seconds:.1f}" if seconds else "-"]


def _flops(macs: int, seconds: Seconds, peak: float) -> list[str]:
    if not (macs and seconds.median):
        return ["-", "-"]
    rate = 2 * macs / seconds.median
    return [f"{rate / 1e9:.1f}", f"{rate / peak:.0%}"]
