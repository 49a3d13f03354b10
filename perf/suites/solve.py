"""Suite `solve`: iterations of training Caffe nets with momentum and decay, every participant in a process of its own.

An iteration is a step of `caffe64.Solver` with the data from memory: forward, backward and the update. PyTorch is
measured eager, contiguous and with channels last, and compiled where there is a C++ compiler; the peer "PyTorch's best"
is that of these which is fastest beside ours. JAX runs one jitted step. All start from the same weights and batch, and
before anything is timed, the losses of some updates must be those of the reference, layer by layer with plain sums and
an update in NumPy; Dropout is left out of them. Other losses stop the run, but those of torch.compile: its compiler's
sums are not ours to mend, so it is left out of that net. The operations are those of the definitions, forward and of
the gradients that are needed. --quick leaves the nets of 224 x 224 pixels out, and torch.compile.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from ... import load_caffe
from ...engine.graph.analysis.need_backward import find_needs
from ...engine.graph.analysis.shapes import macs
from ...engine.graph.ir.graph import Blob, Graph, Shape
from ...engine.graph.reference import Interpreter
from ...engine.graph.reference.gradients import gradients_of
from ...errors import CheckFailed
from ..machine import is_installed
from ..report import BEST
from ..results import Entry
from . import Report, Settings
from .caffe_nets import give_weights
from .comparison import Jobs, Workload, run_comparison
from .solve_nets import CHECKED, DECAY, MOMENTUM, NETS, RATE, SolveCase

JOB = "caffe64.perf.peers.{}_solver:Job"
COMPILED = "torch.compile"
PYTORCH = {"PyTorch": "contiguous", "PyTorch channels_last": "channels_last", COMPILED: "compiled"}
# Of a loss. Winograd's algorithm and other orders of sums make 1e-5 of values; a ReLU whose input is almost 0, and the
# normalisation of small batches, make more of it in some updates.
TOLERANCE = 2e-3


def run(settings: Settings, report: Report) -> list[Entry]:
    """Verify and time everything. Raises CheckFailed."""
    entries = []
    for case in NETS.values():
        if settings.quick and case.large:
            continue
        for entry in measure(case, settings):
            entries.append(entry)
            report(entry)
    return entries


def measure(case: SolveCase, settings: Settings) -> Iterator[Entry]:
    """One entry per number of threads. Raises CheckFailed."""
    with tempfile.TemporaryDirectory(prefix="caffe64-perf-") as folder:
        arguments, expected, work = prepared(case, Path(folder))
        jobs: Jobs = {"caffe64": (JOB.format("caffe64"), arguments), **peer_jobs(arguments, settings)}
        left_out: set[str] = set()
        comparison = run_comparison(
            "solve", jobs, work, settings, lambda facts: left_out.update(verify(case, expected, facts))
        )
    peers = [name for name in jobs if name != "caffe64" and name not in left_out]
    for threads in settings.threads:
        goals = {BEST: case.goals[threads]} if threads in case.goals else {}
        planned = comparison.facts[f"caffe64 {threads}"]["planned"]
        entry = comparison.entry(
            case.name, "caffe64", threads, peers, goals=goals, pictures=case.shape[0], footprint=planned
        )
        ways = [entry.peers[name] for name in PYTORCH if name in entry.peers]
        if ways:
            entry.peers[BEST] = min(ways, key=lambda way: way["ratio"])
        yield entry


def peer_jobs(arguments: Mapping, settings: Settings) -> Jobs:
    """The peers that can take part."""
    jobs: Jobs = {}
    if settings.peers and is_installed("torch"):
        for name, way in PYTORCH.items():
            if way != "compiled" or (not settings.quick and shutil.which("g++")):
                jobs[name] = JOB.format("torch"), {**arguments, "way": way}
    if settings.peers and is_installed("jax"):
        jobs["JAX"] = JOB.format("jax"), arguments
    return jobs


def prepared(case: SolveCase, folder: Path) -> tuple[dict, list[float], Workload]:
    """Files of the net for all participants, the losses that they must have, and the work of an iteration."""
    check, train, model = folder / "check.prototxt", folder / "train.prototxt", folder / "net.caffemodel"
    check.write_text(case.text(0))
    train.write_text(case.text(0.5))
    batch = case.batch()
    np.savez(folder / "batch.npz", **batch)
    shapes = {name: values.shape for name, values in batch.items()}
    net = load_caffe(check, phase="TRAIN", input_shapes=shapes)
    give_weights(net)
    net.save(folder / "written.prototxt", model)
    files = {"check": str(check), "train": str(train), "model": str(model), "batch": str(folder / "batch.npz")}
    work = Workload(2.0 * training_macs(net.graph, net.shapes), case.repeats)
    return {**files, "repeats": case.repeats}, reference_losses(net.graph, batch), work


def training_macs(graph: Graph, shapes: Mapping[Blob, Shape]) -> int:
    """Multiply-accumulates of an iteration: forward, and as many for the gradients of weights and of bottoms where
    these are needed."""
    needs, total = find_needs(graph), 0
    for node in graph.nodes:
        need = needs.get(node)
        total += macs(node, shapes) * (1 + bool(need and any(need.weights)) + bool(need and any(need.bottoms)))
    return total


def reference_losses(graph: Graph, batch: Mapping[str, np.ndarray]) -> list[float]:
    """The losses before each of CHECKED updates by momentum with decay; `graph` is trained."""
    interpreter = Interpreter(graph, {name: values.shape for name, values in batch.items()})
    (loss,) = graph.outputs
    rates = {node: [node.held.owner.slices[n].lr_mult for n in node.held.numbers] for node in graph.nodes if node.held}
    histories = {(node, n): np.zeros(blob.shape) for node in rates for n, blob in enumerate(node.weights)}
    losses = []
    for _ in range(CHECKED):
        interpreter.fill(batch)
        interpreter.forward()
        losses.append(float(interpreter.array(loss).sum()))
        gradients = gradients_of(interpreter)[1]
        for (node, number), history in histories.items():
            blob = node.weights[number]
            if rates[node][number]:
                history *= MOMENTUM
                history += RATE * (gradients[node][number] + DECAY * blob)
                blob[...] -= history
    return losses


def verify(case: SolveCase, expected: list[float], facts: Mapping[str, Mapping]) -> set[str]:
    """The peers that take no part: torch.compile where its losses are others. Raises CheckFailed if those of another
    participant are."""
    left_out = set()
    for key, found in facts.items():
        for number, (loss, wanted) in enumerate(zip(found["losses"], expected, strict=True)):
            if abs(loss - wanted) <= TOLERANCE * abs(wanted):
                continue
            participant = key.rsplit(maxsplit=1)[0]
            if participant != COMPILED:
                raise CheckFailed(
                    f"{case.name}: {key} threads: the loss after {number} updates is {loss}, the reference's {wanted}; "
                    "nothing was timed"
                )
            left_out.add(participant)
    return left_out
