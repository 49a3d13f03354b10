"""`time(net)`: the times of a Caffe net, layer by layer, forward and backward, and the memory of its blobs."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

from ..arguments import flag, instance, whole_number
from ..engine.graph.analysis.cost import cost_of
from ..engine.graph.analysis.need_backward import loss_blobs
from ..engine.graph.execution.timing import (
    LayerTime,
    NetTime,
    Seconds,
    alternate,
    time_plan,
)
from ..engine.graph.ir.graph import Blob, Graph, Shape
from ..engine.graph.ir.op import count
from ..engine.graph.ir.ownership import weight_gradients
from ..engine.graph.plan import Plan, WantedGradients
from ..engine.products.peak import fma_peak
from ..engine.team.threads import check_threads
from ..results import Result, TextTable
from .net import NET, CaffeNet

SHOWN = 0.001  # share of the whole below which a layer is not shown in the table


@dataclass(frozen=True)
class Activations:
    """Bytes: of the plan's arena, where blobs and gradients share memory, of all blobs, and of Caffe's, some of them
    in place; and scratch memory of the kernels."""

    arena: int
    blobs: int
    caffe: int
    scratch: int


@dataclass(frozen=True)
class NeededMemory:
    """Bytes of all that a net needs to run: weights, the same as the kernels read them, the plan's arena and scratch;
    and of a training, gradients of the weights and the history of one update rule."""

    weights: int
    packed: int
    arena: int
    scratch: int
    gradients: int
    history: int

    @property
    def total(self) -> int:
        return sum(asdict(self).values())


@dataclass(frozen=True, repr=False)
class Timing(Result):
    """The times of a net, all in seconds: `min`, `median`, and `spread`, the distance of the quartiles over the median,
    of whole runs, `forward` and, where gradients were timed, `backward`, and of each of the `layers`.

    net, threads, iterations    its file, and what it was timed with
    peak                        floating-point operations per second that these threads can do, as measured
    activations                 the memory of its blobs
    memory                      all memory
    with_memory                 whether a table shows it
    compared                    the Timing of the other net, if there is one: their runs alternated
    """

    net: str
    threads: int
    iterations: int
    peak: float
    forward: Seconds
    backward: Seconds | None
    activations: Activations
    memory: NeededMemory
    layers: list[LayerTime]
    compared: Timing | None = None
    with_memory: bool = False

    @property
    def parts(self) -> list[TextTable | str]:
        if self.compared:
            tables = [_side_by_side(self, self.compared), *([_memory_table(self)] if self.with_memory else [])]
            return [*tables, _memory_line(self), _memory_line(self.compared)]
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        peak = f"{threads}, whose peak is {self.peak / 1e9:.0f} GFLOP/s; {self.iterations} runs"
        tables = [_layer_table(self), *([_step_table(self)] if self.backward else [])]
        tables += [_memory_table(self)] if self.with_memory else []
        return [*tables, peak, _memory_line(self)]

    @property
    def data(self) -> dict[str, Any]:
        compared = {"compared": self.compared._net_data()} if self.compared else {}
        return {"iterations": self.iterations, "peak": self.peak, **self._net_data(), **compared}

    def _net_data(self) -> dict[str, Any]:
        return {
            "net": self.net,
            "threads": self.threads,
            "forward": asdict(self.forward),
            "backward": asdict(self.backward) if self.backward else None,
            "activations": asdict(self.activations),
            "memory": asdict(self.memory),
            "layers": [asdict(layer) for layer in self.layers],
        }


def time(
    net: CaffeNet,
    *,
    compare: CaffeNet | None = None,
    iterations: int = 20,
    batch: int | None = None,
    backward: bool = False,
    fuse: bool = False,
    memory: bool = False,
    threads: int | None = None,
    exact: bool | None = None,
) -> Timing:
    """Run a Caffe net on random inputs of its shapes, once and then `iterations` times, and time each of its layers.

    `compare`: another net to be timed too, with alternating runs; `batch`: another size of the first axis of all
    inputs; `backward`: the gradients as well; `fuse`: activations, sums and depthwise convolutions run with a layer
    beside them, as in `forward`, not each layer by itself; `memory`: a table of all memory; `threads` and `exact`: as
    in `load_caffe`, None for the net's own. What runs is a copy: the net keeps its shapes, values and weights. Raises
    UsageError for a wrong argument, InputError for a layer without a gradient.
    """
    nets = [instance("net", net, CaffeNet, NET)]
    if compare is not None:
        nets.append(instance("compare", compare, CaffeNet, NET))
    backward, fuse, threads = flag("backward", backward), flag("fuse", fuse), check_threads(threads)
    exact, memory = exact if exact is None else flag("exact", exact), flag("memory", memory)
    options = _Options(
        whole_number("iterations", iterations, 1),
        None if batch is None else whole_number("batch", batch, 1),
        backward,
        fuse,
    )
    prepared = [
        _prepare(each, options, threads or each.threads, each.exact if exact is None else exact) for each in nets
    ]
    times = alternate([one.runs for one in prepared])
    peak = fma_peak(prepared[0].threads)
    found = [
        Timing(
            each.path,
            one.threads,
            options.iterations,
            peak,
            measured.forward,
            measured.backward,
            one.activations,
            one.memory,
            measured.layers,
            with_memory=memory,
        )
        for each, one, measured in zip(nets, prepared, times, strict=True)
    ]
    return replace(found[0], compared=found[1]) if compare is not None else found[0]


class _Options(NamedTuple):
    """What is measured for each net."""

    iterations: int
    batch: int | None
    backward: bool
    fuse: bool


class _Prepared(NamedTuple):
    """A net that is ready to be timed."""

    runs: Generator[None, None, NetTime]
    threads: int
    activations: Activations
    memory: NeededMemory


def _prepare(net: CaffeNet, options: _Options, threads: int | None, exact: bool) -> _Prepared:
    """A copy of the net, as a run of BatchNorm in TRAIN writes its statistics."""
    graph = net.graph.copy()
    shapes = {blob.name: net.shapes[blob] for blob in net.graph.inputs}
    if options.batch:
        shapes = {each: (options.batch, *shape[1:]) for each, shape in shapes.items()}
    ends = () if loss_blobs(graph.nodes) else tuple(graph.outputs)
    wanted = WantedGradients(weight_gradients(graph), ends) if options.backward else None
    plan = Plan(graph, shapes, fuse=options.fuse, threads=threads, exact=exact, gradients=wanted)
    activations = _activations(graph, plan.shapes, plan.bytes.arena, plan.bytes.scratch)
    weights = sum(owner.vector.nbytes for owner in {node.held.owner for node in graph.nodes if node.held})
    of_training = weights if options.backward else 0
    planned = plan.bytes
    memory = NeededMemory(weights, planned.packed, planned.arena, planned.scratch, of_training, of_training)
    return _Prepared(time_plan(plan, options.iterations), plan.threads, activations, memory)


def _activations(graph: Graph, shapes: Mapping[Blob, Shape], arena: int, scratch: int) -> Activations:
    blobs = 4 * sum(count(shape) for shape in shapes.values())
    return Activations(arena, blobs, cost_of(graph, shapes).activation_bytes, scratch)


def _layer_table(timing: Timing) -> TextTable:
    gradients, peak = timing.backward is not None, timing.peak
    header = ["layer", "type", "how", "forward ms", "spread", "GFLOP/s", "of peak", "GB/s"]
    header += ["backward ms", "spread"] if gradients else []

    def row(
        name: str, kind: str, algorithm: str, forward: Seconds, rates: list[str], backward: Seconds | None
    ) -> list[str]:
        return [name, kind, algorithm, *_cells(forward), *rates, *(_cells(backward) if gradients else [])]

    rows = [
        row(
            " + ".join((each.name, *each.fused)),
            each.type,
            each.algorithm,
            each.forward,
            _rates(each, peak),
            each.backward,
        )
        for each in timing.layers
        if each.forward.median >= SHOWN * timing.forward.median
    ]
    whole = [*_flops(sum(each.macs for each in timing.layers), timing.forward, peak), ""]
    rows.append(row("whole net", "", "", timing.forward, whole, timing.backward))
    return TextTable(header, rows, 3)


def _step_table(timing: Timing) -> TextTable:
    """The steps of the run backward, in its order."""
    rows = [
        [layer.name if number == 0 else "", name, *_cells(seconds)]
        for layer in reversed(timing.layers)
        for number, (name, seconds) in enumerate(layer.steps.items())
    ]
    return TextTable(["layer", "backward step", "ms", "spread"], rows, 2)


def _memory_table(timing: Timing) -> TextTable:
    """Bytes of the net, and of another one beside it."""
    names = {
        "weights": "weights", "packed": "weights as kernels read them", "arena": "blobs and gradients, one arena",
        "scratch": "scratch of kernels", "gradients": "gradients of weights", "history": "history of momentum",
    }  # fmt: skip
    nets = [timing.memory, *([timing.compared.memory] if timing.compared else [])]
    rows = [[text, *(f"{getattr(each, name):,}" for each in nets)] for name, text in names.items()]
    rows = [row for row in rows if any(cell != "0" for cell in row[1:])]
    header = ["memory", *(["bytes"] if len(nets) == 1 else ["first bytes", "second bytes"])]
    return TextTable(header, [*rows, ["all", *(f"{each.total:,}" for each in nets)]])


def _side_by_side(first: Timing, second: Timing) -> TextTable:
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
    return TextTable(["layer", "first ms", "second ms", "acceleration"], rows)


def _memory_line(timing: Timing) -> str:
    """The line about the memory of activations."""
    each = timing.activations
    gradients = " with gradients" if timing.backward else ""
    planned = f"{each.arena:,} bytes in one arena{gradients} (and {each.scratch:,} of scratch); "
    in_place = f"{each.caffe:,} with Caffe's in-place layers"
    return f"{timing.net}: activations {planned}{each.blobs:,} in all blobs, {in_place}"


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
